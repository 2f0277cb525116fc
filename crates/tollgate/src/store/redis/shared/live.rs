//! What this node has made and knows still, so that it ends in one call. Whatever is not known
//! here is read from its record.

use hashbrown::HashMap;
use parking_lot::Mutex;
use tollgate_core::{ReservationId, Time};

use super::record::Record;

/// Shards of ids.
const SHARDS: usize = 16;

/// The reservations of this node, each with its parts by their tags.
#[derive(Debug)]
pub(super) struct Live {
    shards: Vec<Mutex<HashMap<u128, Made>>>,
    most: usize,
}

/// One reservation.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) parts: Vec<(u8, Record)>,
    /// When it may be forgotten here.
    pub(super) until: Time,
}

impl Live {
    pub(super) fn new(most: usize) -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), most }
    }

    /// Remembers one. Who makes it looks for room first; what is held is never forgotten for want
    /// of room, since in a cluster nobody else could end it.
    pub(super) fn insert(&self, id: ReservationId, made: Made) {
        self.shard(id).lock().insert(id.0, made);
    }

    /// Remembers parts of one beside those that are known.
    pub(super) fn add(&self, id: ReservationId, made: Made) {
        let mut shard = self.shard(id).lock();
        let known = shard.entry(id.0).or_insert(Made { parts: Vec::new(), until: made.until });
        for part in made.parts {
            if known.parts.iter().all(|(tag, _)| *tag != part.0) {
                known.parts.push(part);
            }
        }
    }

    /// Whether there is room for one more with this id.
    pub(super) fn has_room(&self, id: ReservationId) -> bool {
        self.shard(id).lock().len() < self.most.div_ceil(SHARDS)
    }

    pub(super) fn find(&self, id: ReservationId) -> Option<Made> {
        self.shard(id).lock().get(&id.0).cloned()
    }

    pub(super) fn change(&self, id: ReservationId, change: impl FnOnce(&mut Made)) {
        if let Some(made) = self.shard(id).lock().get_mut(&id.0) {
            change(made);
        }
    }

    pub(super) fn remove(&self, id: ReservationId) {
        self.shard(id).lock().remove(&id.0);
    }

    /// Forgets what nobody can ask for any more.
    pub(super) fn forget(&self, now: Time) {
        for shard in &self.shards {
            shard.lock().retain(|_, made| made.until > now);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn shard(&self, id: ReservationId) -> &Mutex<HashMap<u128, Made>> {
        let mixed = (id.0 ^ id.0 >> 64) as u64;
        &self.shards[(mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60) as usize % SHARDS]
    }
}
