//! Grants: what may be held of an account before the row that says so is on the disk.
//!
//! A hold must survive a crash before its request costs anything, and a sync for each would
//! take its time. So an account with a budget gets a grant, a row of its own that is on the
//! disk beforehand: as long as what is held of the account and not written yet fits in it, a
//! hold is as good as written. A hold that does not fit waits for its own row, and asks for a
//! larger grant for those that follow. After a crash each grant counts as used, in place of
//! the holds that may have been lost. So only accounts that are busy have one, and none is more
//! than a hundredth of its limit.

use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use smallvec::SmallVec;
use tollgate_core::{Charge, ReservationId, Time};

/// The part of a limit that a grant may be: one of so many. Larger orders are rare, and wait.
const SHARE: u64 = 100;

/// Orders like the one that asks for it that a grant is made for.
const ORDERS: u64 = 8;

/// Holds of an account that follow each other faster make it a busy one.
const BUSY: Duration = Duration::from_secs(1);

/// Grants of accounts of which nothing was held for so long are given up.
const IDLE: Duration = Duration::from_secs(60);

/// The grants of a ledger, and what is held on them. Rows are counted by the batch that they
/// are written with: the one that is gathered, and the one that is being written.
#[derive(Debug)]
pub(super) struct Grants {
    /// Of each cell, by its number.
    cells: HashMap<u32, SmallVec<[Grant; 2]>, foldhash::fast::RandomState>,
    /// How many there are, and may be.
    count: usize,
    most: usize,
    /// The number of the batch that is gathered; all before `written` are on the disk.
    batch: u64,
    written: u64,
    /// Holds without a grant in the batch that is gathered, and in the one before.
    waiting: HashSet<ReservationId, foldhash::fast::RandomState>,
    waiting_before: HashSet<ReservationId, foldhash::fast::RandomState>,
    /// When grants were last looked through for idle ones.
    swept: Time,
}

/// The grant of one account.
#[derive(Debug, Clone, Copy)]
struct Grant {
    /// The account's rule when it was asked for, as a charge of the amount asked for; of
    /// nothing, while the account is not busy.
    asked: Charge,
    /// The batch of the row that asks for it.
    asked_in: u64,
    /// What is on the disk, as long as that row is not.
    before: u64,
    /// What is held on it in the batch `held_in`, and in the one before that.
    held: [u64; 2],
    held_in: u64,
    last: Time,
}

/// What must be written beside a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) cell: u32,
    /// The rule, as a charge of the whole grant.
    pub(super) charge: Charge,
}

/// Grants asked for by one order.
pub(super) type Asks = SmallVec<[Ask; 2]>;

impl Grants {
    pub(super) fn new(most: usize) -> Self {
        Self {
            cells: HashMap::default(),
            count: 0,
            most,
            batch: 1,
            written: 1,
            waiting: HashSet::default(),
            waiting_before: HashSet::default(),
            swept: Time::ZERO,
        }
    }

    /// Takes note of a hold that is written with the batch that is gathered. Where its grants
    /// do not cover it, it has to wait for that, and larger ones are to be asked for.
    pub(super) fn hold<'a>(
        &mut self,
        id: ReservationId,
        charges: impl Iterator<Item = (u32, &'a Charge)> + Clone,
        now: Time,
    ) -> Asks {
        let must = |(_, charge): &(u32, &Charge)| charge.amount > 0 && charge.must_be_remembered();
        let charges = charges.filter(must);
        let (batch, written) = (self.batch, self.written);
        let is_covered = charges.clone().all(|(cell, charge)| {
            let grant = self.find(cell, charge);
            grant.is_some_and(|grant| grant.covers(charge, batch, written))
        });
        if is_covered {
            for (cell, charge) in charges {
                if let Some(grant) = self.find(cell, charge) {
                    grant.take(charge, batch, now);
                }
            }
            return Asks::new();
        }
        self.waiting.insert(id);
        charges.filter_map(|(cell, charge)| self.ask(cell, charge, now)).collect()
    }

    /// Whether a hold has to wait until the batch is written that is gathered, or the one
    /// before it.
    pub(super) fn waits(&self, id: ReservationId) -> Option<Batch> {
        if self.waiting.contains(&id) {
            return Some(Batch::Gathered);
        }
        self.waiting_before.contains(&id).then_some(Batch::Taken)
    }

    /// Whether any hold has to wait.
    pub(super) fn anybody_waits(&self) -> bool {
        !self.waiting.is_empty() || !self.waiting_before.is_empty()
    }

    /// The batch that was gathered is taken to be written.
    pub(super) fn taken(&mut self) {
        self.batch += 1;
        std::mem::swap(&mut self.waiting, &mut self.waiting_before);
        self.waiting.clear();
    }

    /// Every batch that was taken is on the disk.
    pub(super) fn written(&mut self) {
        self.written = self.batch;
        self.waiting_before.clear();
    }

    /// Gives up the grants of a cell that is forgotten; whether it had any.
    pub(super) fn forget(&mut self, cell: u32) -> bool {
        let Some(gone) = self.cells.remove(&cell) else { return false };
        self.count -= gone.len();
        gone.iter().any(|grant| grant.asked.amount > 0)
    }

    /// Cells with grants that were not held on for long, which are given up, now and then.
    pub(super) fn sweep(&mut self, now: Time) -> Vec<u32> {
        if now < self.swept.after(IDLE) {
            return Vec::new();
        }
        self.swept = now;
        let is_idle =
            |grants: &SmallVec<[Grant; 2]>| grants.iter().all(|g| g.last.after(IDLE) <= now);
        let idle: Vec<u32> = self
            .cells
            .iter()
            .filter(|(_, grants)| is_idle(grants))
            .map(|(cell, _)| *cell)
            .collect();
        idle.into_iter().filter(|cell| self.forget(*cell)).collect()
    }

    fn find(&mut self, cell: u32, charge: &Charge) -> Option<&mut Grant> {
        let grants = self.cells.get_mut(&cell)?;
        grants.iter_mut().find(|grant| grant.asked.limit == charge.limit)
    }

    /// Asks for a grant that an order like this fits in several times, or twice what there is,
    /// if the account is busy.
    fn ask(&mut self, cell: u32, charge: &Charge, now: Time) -> Option<Ask> {
        let (batch, written) = (self.batch, self.written);
        let most = charge.rule.cap / SHARE;
        if charge.amount > most {
            return None;
        }
        let is_full = self.count >= self.most;
        if self.find(cell, charge).is_none() && !is_full {
            let asked = Charge { amount: 0, ..*charge };
            let (held, held_in, before) = ([0; 2], batch, 0);
            let grant = Grant { asked, asked_in: batch, before, held, held_in, last: now };
            self.cells.entry(cell).or_default().push(grant);
            self.count += 1;
            return None;
        }
        let grant = self.find(cell, charge)?;
        let is_busy = now < grant.last.after(BUSY);
        grant.last = now;
        let asked = if grant.is_for(charge) { grant.asked.amount } else { 0 };
        let want = asked.saturating_mul(2).max(charge.amount.saturating_mul(ORDERS)).min(most);
        if want <= asked || (asked == 0 && !is_busy) {
            return None;
        }
        grant.before = grant.amount(charge, written);
        grant.asked = Charge { amount: want, ..*charge };
        grant.asked_in = batch;
        Some(Ask { cell, charge: grant.asked })
    }
}

/// Where the row of a hold is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Batch {
    Gathered,
    Taken,
}

impl Grant {
    /// Whether it is for the same account and period. What the rule allows may vary.
    fn is_for(&self, charge: &Charge) -> bool {
        self.asked.rule.kind == charge.rule.kind && self.asked.unit == charge.unit
    }

    /// What of it is on the disk.
    fn amount(&self, charge: &Charge, written: u64) -> u64 {
        match (self.is_for(charge), self.asked_in < written) {
            (true, true) => self.asked.amount,
            (true, false) => self.before,
            (false, _) => 0,
        }
    }

    /// Whether an amount fits in beside what is held and not written.
    fn covers(&self, charge: &Charge, batch: u64, written: u64) -> bool {
        let [gathered, taken] = self.held_now(batch);
        let taken = if written == batch { 0 } else { taken };
        let held = gathered.saturating_add(taken).saturating_add(charge.amount);
        held <= self.amount(charge, written)
    }

    fn take(&mut self, charge: &Charge, batch: u64, now: Time) {
        let [gathered, taken] = self.held_now(batch);
        self.held = [gathered.saturating_add(charge.amount), taken];
        (self.held_in, self.last) = (batch, now);
    }

    /// What is held in the batch that is gathered, and in the one before it.
    const fn held_now(&self, batch: u64) -> [u64; 2] {
        match batch - self.held_in {
            0 => self.held,
            1 => [0, self.held[0]],
            _ => [0; 2],
        }
    }
}

#[cfg(test)]
mod tests;
