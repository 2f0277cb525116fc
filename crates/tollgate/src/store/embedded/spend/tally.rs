//! What ends of reservations add to the sums, kept while their rows are written: reading the
//! rows again would cost a third of writing them.
//!
//! It says what the view `spent` says of the same rows, as long as it knows who made each
//! reservation. Where it does not (the reservation is older than the process, or had expired
//! before), it lets go of what it has, and those rows are read again.

use hashbrown::HashMap;
use tollgate_core::{Amounts, Time};

use super::{HOUR_NS, roll::Sums};
use crate::{
    Receipt,
    store::embedded::{names, schema::integer},
};

/// Sums of the rows that were written last, by hour and names.
#[derive(Debug)]
pub(super) struct Tally {
    /// The first row that is in them.
    pub(super) from: u64,
    /// By hour and names as bytes, which are hashed and compared at once.
    sums: HashMap<Box<[u8]>, [i64; 7], foldhash::fast::RandomState>,
    /// The last hour and names that were added to.
    key: Vec<u8>,
}

/// An end of a reservation.
#[derive(Debug, Clone, Copy)]
pub(in crate::store::embedded) struct Spent<'a> {
    /// Its row.
    pub(in crate::store::embedded) seq: u64,
    pub(in crate::store::embedded) wall: Time,
    /// Who made the reservation, as `names` writes the dimensions, where that is known.
    pub(in crate::store::embedded) who: Option<&'a [u8]>,
    pub(in crate::store::embedded) receipt: &'a Receipt,
    /// Whether nobody told what was used.
    pub(in crate::store::embedded) estimated: bool,
}

/// Sums that are kept; with more the rows are read again.
const MAX_SUMS: usize = 8_192;

impl Tally {
    /// That of the rows from this one on.
    pub(super) fn from(from: u64) -> Self {
        Self { from, sums: HashMap::default(), key: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.sums.len()
    }

    pub(super) fn add(&mut self, spent: Spent<'_>) {
        let Some(who) = spent.who else { return self.miss(spent.seq) };
        self.key.clear();
        self.key.extend(integer(spent.wall.as_nanos() / HOUR_NS).to_le_bytes());
        self.key.extend(who);
        let more = spent.sums();
        if let Some(sums) = self.sums.get_mut(self.key.as_slice()) {
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum = sum.saturating_add(more));
        } else if self.sums.len() < MAX_SUMS {
            self.sums.insert(self.key.as_slice().into(), more);
        } else {
            self.miss(spent.seq);
        }
    }

    /// Lets go of all up to this row.
    fn miss(&mut self, seq: u64) {
        self.sums.clear();
        self.from = seq + 1;
    }

    /// Takes all sums out; the rows after this one come next.
    pub(super) fn take(&mut self, last: u64) -> impl Iterator<Item = Sums> {
        self.from = last + 1;
        self.sums.drain().filter_map(|(key, sums)| {
            let (hour, names) = read_key(&key)?;
            Some(Sums { hour, names, sums })
        })
    }
}

impl Spent<'_> {
    fn sums(&self) -> [i64; 7] {
        let Receipt { usage, overrun } = self.receipt;
        let Amounts { requests, input_tokens, output_tokens, cost, millis } = *usage;
        let estimated = if self.estimated { requests } else { 0 };
        [requests, input_tokens, output_tokens, cost.0, millis, overrun.cost.0, estimated]
            .map(integer)
    }
}

fn read_key(key: &[u8]) -> Option<(i64, [String; 8])> {
    let (hour, mut names) = key.split_first_chunk()?;
    let names = std::array::from_fn(|_| names::take(&mut names).unwrap_or_default().to_owned());
    Some((i64::from_le_bytes(*hour), names))
}
