//! Rows on their way to the writer, and how far it has come.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;
use tollgate_core::{ReservationId, Time};

use super::{
    grants::{self, Grants},
    row::Row,
    rows::Rows,
    rules::RuleNumbers,
};
use crate::StoreError;

/// Takes rows in the order of changes; one thread takes them out in groups.
#[derive(Debug)]
pub(super) struct Queue {
    pending: Mutex<Pending>,
    wake: Condvar,
    depth: AtomicUsize,
    failed: AtomicBool,
    /// Whether any hold waits for its row.
    is_awaited: AtomicBool,
    /// Up to which entry a shared store was told everything.
    told: AtomicU64,
    progress: watch::Sender<Progress>,
}

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) rows: Rows,
    /// The number of the last entry.
    pub(super) seq: u64,
    /// The latest instant of an entry.
    pub(super) latest: Time,
    pub(super) grants: Grants,
    pub(super) rules: RuleNumbers,
    /// The state of an account that is written down, one after the other.
    pub(super) state: Vec<u8>,
    /// The last entry of the batch that was taken last.
    pub(super) taken: u64,
    is_asleep: bool,
    is_urgent: bool,
    is_closed: bool,
}

#[derive(Debug, Clone, Default)]
struct Progress {
    /// The last entry on the disk, and the last that outlasts this process.
    committed: u64,
    kept: u64,
    failed: Option<String>,
}

/// Why the writer was woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Woken {
    /// Rows are there, or it was time for some.
    Rows,
    /// Somebody waits for rows, or there are many.
    Haste,
    /// Nothing has happened for a while.
    Idle,
    /// No more rows come.
    Closed,
}

/// Rows that may wait before new reservations are refused. Ends are always taken; there are
/// never more of them than reservations.
const MAX_WAITING: usize = 65_536;

/// Rows that are written without waiting for more.
pub(super) const FULL_GROUP: usize = 4_096;

/// How long rows wait for more, unless somebody waits for them.
const LINGER: Duration = Duration::from_millis(5);

/// Groups without a row after which the writer sleeps until there is one.
const QUIET_GROUPS: u32 = 25;

impl Queue {
    pub(super) fn new(
        (seq, latest): (u64, Time),
        told: u64,
        max_grants: usize,
        rules: RuleNumbers,
    ) -> Self {
        let pending = Pending {
            rows: Rows::default(),
            seq,
            latest,
            grants: Grants::new(max_grants),
            rules,
            state: Vec::new(),
            taken: seq,
            is_asleep: false,
            is_urgent: false,
            is_closed: false,
        };
        let progress = Progress { committed: seq, kept: seq, failed: None };
        Self {
            pending: Mutex::new(pending),
            wake: Condvar::new(),
            depth: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            is_awaited: AtomicBool::new(false),
            told: AtomicU64::new(told),
            progress: watch::Sender::new(progress),
        }
    }

    /// Whether a new reservation could be written, or need not be where nothing is written
    /// any more. A disk that is merely slow may come to it yet, so nothing is left out then.
    pub(super) fn ready(&self, must: impl FnOnce() -> bool) -> Result<(), StoreError> {
        if self.failed.load(Ordering::Relaxed) {
            return if must() { Err(self.failure()) } else { Ok(()) };
        }
        if self.depth.load(Ordering::Relaxed) >= MAX_WAITING {
            let late = format!("{MAX_WAITING} rows wait for the disk");
            return Err(StoreError::Unavailable(late));
        }
        Ok(())
    }

    /// Adds what `make` makes of the pending rows; the number of the last entry after it.
    pub(super) fn push(&self, make: impl FnOnce(&mut Pending)) -> u64 {
        let mut pending = self.pending.lock();
        make(&mut pending);
        let seq = pending.seq;
        if self.failed.load(Ordering::Relaxed) {
            // It will never be written; the number says how far the ledger is behind.
            pending.rows.clear();
            return seq;
        }
        let depth = pending.rows.len();
        self.depth.store(depth, Ordering::Relaxed);
        if pending.grants.anybody_waits() {
            self.is_awaited.store(true, Ordering::Relaxed);
        }
        if pending.is_asleep || depth == FULL_GROUP {
            self.wake.notify_one();
        }
        seq
    }

    /// Takes note that a shared store was told everything so far.
    #[cfg(feature = "redis")]
    pub(super) fn note_told(&self) {
        let told = self.pending.lock().seq;
        self.told.fetch_max(told, Ordering::SeqCst);
    }

    /// Up to which entry a shared store was told everything.
    pub(super) fn told(&self) -> u64 {
        self.told.load(Ordering::SeqCst)
    }

    /// Returns when every entry so far is on the disk.
    pub(super) async fn durable(&self) -> Result<(), StoreError> {
        let target = {
            let mut pending = self.pending.lock();
            self.hurry(&mut pending);
            pending.seq
        };
        self.reach(target, |progress| progress.committed).await
    }

    /// Returns when every entry so far outlasts this process.
    pub(super) async fn kept(&self) -> Result<(), StoreError> {
        let target = self.pending.lock().seq;
        self.reach(target, |progress| progress.kept).await
    }

    /// Returns when what is held under an id survives a crash: at once where grants cover it.
    pub(super) async fn held(&self, id: ReservationId) -> Result<(), StoreError> {
        if !self.is_awaited.load(Ordering::Relaxed) {
            return Ok(());
        }
        let target = {
            let mut pending = self.pending.lock();
            match pending.grants.waits(id) {
                None => return Ok(()),
                Some(grants::Batch::Taken) => pending.taken,
                Some(grants::Batch::Gathered) => {
                    self.hurry(&mut pending);
                    pending.seq
                }
            }
        };
        self.reach(target, |progress| progress.committed).await
    }

    fn hurry(&self, pending: &mut Pending) {
        if self.progress.borrow().committed < pending.seq {
            pending.is_urgent = true;
            self.wake.notify_one();
        }
    }

    async fn reach(
        &self,
        target: u64,
        how_far: impl Fn(&Progress) -> u64,
    ) -> Result<(), StoreError> {
        let mut progress = self.progress.subscribe();
        let reached = progress
            .wait_for(|progress| how_far(progress) >= target || progress.failed.is_some())
            .await
            .map_err(|_| self.failure())?;
        match &reached.failed {
            Some(_) if how_far(&reached) < target => Err(self.failure()),
            _ => Ok(()),
        }
    }

    /// Lets the writer finish what is there.
    pub(super) fn close(&self) {
        self.pending.lock().is_closed = true;
        self.wake.notify_one();
    }

    // === the writer's side

    /// Waits until there are rows, or time for those that the writer has, or nothing has come
    /// for a while.
    pub(super) fn gather(&self, has_group: bool) -> Woken {
        let mut pending = self.pending.lock();
        let mut quiet = 0;
        loop {
            if !pending.is_hasty() {
                self.wake.wait_for(&mut pending, LINGER);
            }
            if has_group || !pending.rows.is_empty() {
                return if pending.is_hasty() { Woken::Haste } else { Woken::Rows };
            }
            if pending.is_closed {
                return Woken::Closed;
            }
            pending.is_urgent = false;
            quiet += 1;
            if quiet == QUIET_GROUPS {
                return Woken::Idle;
            }
        }
    }

    /// Sleeps until there is a row or the queue is closed.
    pub(super) fn sleep(&self) {
        let mut pending = self.pending.lock();
        while pending.rows.is_empty() && !pending.is_closed {
            pending.is_asleep = true;
            self.wake.wait(&mut pending);
        }
        pending.is_asleep = false;
    }

    /// How many rows wait.
    pub(super) fn depth(&self) -> usize {
        self.depth.load(Ordering::Relaxed)
    }

    /// Takes rows and leaves none; the number of the last entry among them.
    pub(super) fn take_rows(&self, rows: &mut Rows) -> u64 {
        self.swap(&mut self.pending.lock(), rows)
    }

    /// Says that every entry up to `seq` outlasts this process.
    pub(super) fn outlasts(&self, seq: u64) {
        self.progress.send_modify(|progress| progress.kept = progress.kept.max(seq));
    }

    fn swap(&self, pending: &mut Pending, rows: &mut Rows) -> u64 {
        std::mem::swap(&mut pending.rows, rows);
        self.depth.store(0, Ordering::Relaxed);
        pending.seq
    }

    /// Takes the last rows of a group, which is written now.
    pub(super) fn take(&self, rows: &mut Rows) -> u64 {
        let mut pending = self.pending.lock();
        self.swap(&mut pending, rows);
        pending.is_urgent = false;
        pending.grants.taken();
        pending.taken = pending.seq;
        pending.seq
    }

    /// Says that every entry up to `seq` is on the disk, and all that was taken with it.
    pub(super) fn committed(&self, seq: u64) {
        {
            let mut pending = self.pending.lock();
            pending.grants.written();
            let awaited = pending.grants.anybody_waits();
            self.is_awaited.store(awaited, Ordering::Relaxed);
            let latest = pending.latest;
            for cell in pending.grants.sweep(latest) {
                pending.add(&Row::Revoke { cell });
            }
        }
        if self.progress.borrow().committed < seq {
            self.progress.send_modify(|progress| (progress.committed, progress.kept) = (seq, seq));
        }
    }

    /// Says that nothing will be written any more. There is no way back but a restart: what
    /// a failed write has left on the disk is not known.
    pub(super) fn fail(&self, reason: &str) {
        self.progress.send_modify(|progress| {
            progress.failed.get_or_insert_with(|| reason.to_owned());
            // Before anybody hears of it, so that nothing is admitted after that.
            self.failed.store(true, Ordering::SeqCst);
        });
        self.pending.lock().rows.clear();
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// Why nothing is written any more.
    pub(super) fn failure(&self) -> StoreError {
        let failed = self.progress.borrow().failed.clone();
        StoreError::Unavailable(failed.unwrap_or_else(|| "its writer has ended".to_owned()))
    }
}

impl Pending {
    /// The next entry's number.
    pub(super) const fn number(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// Adds a row that holds nothing and was made by nobody.
    pub(super) fn add(&mut self, row: &Row<'_>) {
        self.rows.add(row, &[], None);
    }

    /// Whether the group shall be written without waiting for more.
    const fn is_hasty(&self) -> bool {
        self.is_urgent || self.is_closed || self.rows.len() >= FULL_GROUP
    }
}

#[cfg(test)]
mod tests;
