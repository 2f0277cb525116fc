//! The reservations that have not ended, as the writer sees them.
//!
//! A restart needs them even when they were made long before the rows it reads again. So
//! each checkpoint lists them with the numbers of their rows.

use hashbrown::HashMap;
use smallvec::{SmallVec, smallvec};
use tollgate_core::{ReservationId, Time};

use crate::store::memory::LATE;

/// Numbers of the rows that tell of one reservation; the first is its reservation.
pub(super) type Rows = SmallVec<[u64; 2]>;

/// Reservations that have not ended.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    open: HashMap<ReservationId, Outstanding, foldhash::fast::RandomState>,
    /// Listed in the ledger but ended since.
    gone: Vec<ReservationId>,
}

#[derive(Debug)]
struct Outstanding {
    rows: Rows,
    keep: bool,
    /// What names its sum of spend, until it ends or expires; not of an earlier process's.
    who: Option<Box<[u8]>>,
    /// When it expired, if it did.
    expired_at: Option<Time>,
    /// Whether the ledger's list has it, and whether as it is now.
    is_listed: bool,
    is_changed: bool,
}

/// A reservation as it ends.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// Its first row.
    pub(super) first: u64,
    pub(super) keep: bool,
    pub(super) who: Option<Box<[u8]>>,
    /// Whether it had expired before.
    pub(super) expired: bool,
}

/// What the ledger's list must learn.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) listed: Vec<(ReservationId, Rows)>,
    pub(super) gone: Vec<ReservationId>,
}

impl Mirror {
    pub(super) fn reserve(
        &mut self,
        id: ReservationId,
        seq: u64,
        keep: bool,
        who: Option<Box<[u8]>>,
    ) {
        let rows = smallvec![seq];
        let is_changed = true;
        let made = Outstanding { rows, keep, who, expired_at: None, is_listed: false, is_changed };
        if let Some(before) = self.open.insert(id, made)
            && before.is_listed
        {
            self.gone.push(id);
        }
    }

    /// Forgets an id that was reserved anew and has ended.
    pub(super) fn replace(&mut self, id: ReservationId) {
        if self.open.remove(&id).is_some_and(|before| before.is_listed) {
            self.gone.push(id);
        }
    }

    /// Puts back what a ledger had; whether it is kept, and in the ledger's list.
    pub(super) fn restore(
        &mut self,
        id: ReservationId,
        rows: Rows,
        (keep, is_listed): (bool, bool),
        expired_at: Option<Time>,
    ) {
        let (who, is_changed) = (None, true);
        let outstanding = Outstanding { rows, keep, who, expired_at, is_listed, is_changed };
        self.open.insert(id, outstanding);
    }

    /// Removes an id from the list that a ledger has though it has ended.
    pub(super) fn forget(&mut self, id: ReservationId) {
        self.gone.push(id);
    }

    /// Adds a row to a reservation; the number of its first one.
    pub(super) fn change(&mut self, id: ReservationId, seq: u64) -> Option<u64> {
        let open = self.open.get_mut(&id)?;
        open.rows.push(seq);
        open.is_changed = true;
        open.rows.first().copied()
    }

    pub(super) fn expire(&mut self, id: ReservationId, seq: u64, at: Time) -> Option<Ended> {
        let first = self.change(id, seq)?;
        let open = self.open.get_mut(&id)?;
        let expired = open.expired_at.replace(at).is_some();
        Some(Ended { first, keep: open.keep, who: open.who.take(), expired })
    }

    /// Ends a reservation for good.
    pub(super) fn end(&mut self, id: ReservationId) -> Option<Ended> {
        let ended = self.open.remove(&id)?;
        if ended.is_listed {
            self.gone.push(id);
        }
        let first = ended.rows.first().copied()?;
        let expired = ended.expired_at.is_some();
        Some(Ended { first, keep: ended.keep, who: ended.who, expired })
    }

    /// What has changed since this was asked last. Forgets what has expired too long ago
    /// for a late settlement.
    pub(super) fn changes(&mut self, latest: Time) -> Changes {
        let mut changes = Changes { listed: Vec::new(), gone: std::mem::take(&mut self.gone) };
        self.open.retain(|id, open| {
            let is_over = open.expired_at.is_some_and(|at| at.after(LATE) <= latest);
            if is_over && open.is_listed {
                changes.gone.push(*id);
            }
            if !is_over && open.is_changed {
                changes.listed.push((*id, open.rows.clone()));
                (open.is_listed, open.is_changed) = (true, false);
            }
            !is_over
        });
        changes
    }
}
