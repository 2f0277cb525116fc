//! The store that survives: decisions in memory, and a ledger on the disk.
//!
//! [`Embedded`] is [`Memory`] with a [`Ledger`] for its journal. Every change becomes a row;
//! one thread writes the rows in groups, one SQLite transaction each, at most a few
//! milliseconds after they were made ([`Store::durable`] waits for that). The file is a
//! plain SQLite database whose rows are never changed; its tables are described in
//! `schema.sql`, and the view `ledger` shows them to people.
//!
//! What is lost by `kill -9` is at most the rows of the last few milliseconds, and nobody
//! was told that those are safe: a hold is when [`Store::held`] returns, by its row or by a
//! grant that is on the disk already. After a restart, whatever was reserved and not settled has
//! expired: its slots are free, and its money and tokens count as used until a late
//! settlement says better. A failed write stops admission for good; there is no second try,
//! since nobody knows what the first one left behind. What has no budget runs on: its rates
//! and slots are kept in memory, and nothing of it must be remembered.

mod audit;
mod charges;
mod checkpoints;
mod entries;
mod entry;
mod error;
mod export;
mod grants;
mod group;
mod join;
mod ledger;
mod lock;
mod log;
mod lookup;
mod lost;
mod mirror;
mod names;
mod queue;
mod reconcile;
mod redo;
mod replay;
mod retention;
mod row;
mod rows;
mod rules;
mod schema;
mod spend;
mod tables;
mod told;
mod writer;

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::Connection;
use smallvec::SmallVec;
use tollgate_core::{
    Amounts, Attributes, Decision, Now, Order, Policy, ReservationId, Standing, Time, Usage,
};

pub use audit::{Audit, Balance, LimitBalance, MAX_FINDINGS, audit};
pub use error::LedgerError;
pub use export::{Export, LedgerRow};
pub use ledger::Ledger;
pub use lookup::{AccountCharge, ReservationRow, lookup};
pub use reconcile::{Reconciled, Resolution, reconcile};
pub use spend::{
    Bucket, Dimension, MAX_SPAN, MAX_SPEND_ROWS, OTHERS, SpendOrder, SpendQuery, SpendRow, spend,
};

pub(in crate::store) use self::told::Untold;
use self::{
    lock::lock,
    lost::Lost,
    queue::Queue,
    redo::{Recovered, Redo},
    replay::Replay,
    row::{LimitRow, Row},
    rules::RuleNumbers,
    tables::Tables,
    writer::{Group, Writer},
};
use super::memory::{Bounds, Journal, Memory, Record, Remembered};
use crate::{Clock, Receipt, Store, StoreError, store::Crossings};

/// Keeps accounts in memory and writes down what happens in a ledger on the disk.
#[derive(Debug)]
pub struct Embedded {
    memory: Arc<Memory<Ledger>>,
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
    path: PathBuf,
    restored: Restored,
    #[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "no store is shared"))]
    untold: Vec<Untold>,
    /// Held as long as the ledger is in use; the last field, so that it goes last.
    _lock: File,
}

/// The named maxima of an embedded store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbeddedBounds {
    /// Of what is kept in memory.
    pub memory: Bounds,
    /// The ledger's size in bytes; a full ledger stops admission. Without it, the disk's.
    pub max_bytes: Option<u64>,
    /// How long the rows of reservations that ended are kept, two days at least; the sums of
    /// older ones stay. For ever without it.
    pub retention: Option<Duration>,
    /// About how many entries a restart reads again; accounts are written down as often.
    pub max_replay: u64,
    /// Accounts of which something may be held before it is written (see `held`); of others
    /// each hold waits until it is.
    pub max_grants: usize,
    /// Groups of rows, one in five milliseconds, that make one transaction of the ledger's; until
    /// then the redo file has them. With 1, each is a transaction of its own.
    pub groups_per_commit: u32,
    /// About how many pages are in the write-ahead log before they are moved to the file.
    pub max_log_pages: u32,
    /// SQLite's name of the way to files that is used; the usual one without it. For disks
    /// that fail as a test tells them to.
    pub vfs: Option<&'static str>,
}

/// What was in a ledger when it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// The last entry's number.
    pub entries: u64,
    /// How many of them were read.
    pub replayed: u64,
    /// Keys whose accounts came back.
    pub keys: usize,
    /// Reservations that nobody had ended; they have expired.
    pub expired: usize,
}

impl Default for EmbeddedBounds {
    fn default() -> Self {
        Self {
            memory: Bounds::default(),
            max_bytes: None,
            retention: None,
            max_replay: 16_384,
            max_grants: 65_536,
            groups_per_commit: 8,
            max_log_pages: 1_000,
            vfs: None,
        }
    }
}

impl EmbeddedBounds {
    /// Those of a node's own books, where a store that several nodes share decides: that one
    /// holds what it grants, and what a crash left of a grant would count there a second time.
    pub fn beside_shared() -> Self {
        Self { max_grants: 0, ..Self::default() }
    }
}

impl Embedded {
    /// Opens a ledger, or makes it, and puts the accounts back as they were. `clock` makes
    /// the clock of the store from the latest instant that the ledger knows, usually
    /// [`Clock::no_earlier_than`].
    ///
    /// # Errors
    /// When the file is in use, is no ledger, is damaged, or the system refuses.
    pub fn open(
        path: &Path,
        bounds: EmbeddedBounds,
        clock: impl FnOnce(Time) -> Clock,
    ) -> Result<(Self, Clock), LedgerError> {
        Self::open_locked(path, lock::wait(path)?, bounds, clock, Replay::read)
    }

    /// Opens a ledger that nobody else writes; `read` reads what it remembers.
    fn open_locked(
        path: &Path,
        lock: File,
        bounds: EmbeddedBounds,
        clock: impl FnOnce(Time) -> Clock,
        read: impl FnOnce(&Connection, &Path, Option<&str>) -> Result<Replay, LedgerError>,
    ) -> Result<(Self, Clock), LedgerError> {
        let refused = |error: rusqlite::Error| LedgerError::from_sqlite(path, &error);
        let connection = schema::open(path, &bounds)?;
        let mut replay = read(&connection, path, bounds.vfs)?;
        let Recovered { connection, known, failed } = redo::recover(connection, path, &mut replay)?;
        let clock = clock(replay.latest);
        let mut now = clock.now();
        now.time = now.time.max(replay.latest);
        let lost = replay.lose_grants(&connection, now).map_err(refused)?;
        let (told, untold) = told::read(&connection, replay.seq).map_err(refused)?;

        let rules = RuleNumbers::of(&replay.rules);
        let last = (replay.seq, replay.latest);
        let queue = Arc::new(Queue::new(last, told, bounds.max_grants, rules));
        match &failed {
            Some(error) => queue.fail(&error.to_string()),
            None => Lost::write_all(lost, &queue),
        }
        let ledger = Ledger { queue: Arc::clone(&queue) };
        let mut restored = Restored {
            entries: replay.seq,
            replayed: replay.seq.saturating_sub(replay.from.saturating_sub(1)),
            ..Restored::default()
        };
        let mirror = replay.mirror();
        let reservations = replay.reservations.into_values().map(|open| open.restored).collect();
        let mut memory = Memory::new(bounds.memory, ledger);
        let remembered = Remembered {
            cells: replay.cells,
            reservations,
            receipts: replay.receipts,
            next_number: replay.next_number,
        };
        for cell in memory.restore(remembered, now) {
            memory.journal().record(Record::Close { cell });
        }
        restored.keys = memory.keys();
        restored.expired = memory.expire_all(now);

        let memory = Arc::new(memory);
        let writer = Writer {
            queue: Arc::clone(&queue),
            memory: Arc::clone(&memory),
            tables: Tables::new(connection, (replay.rules, mirror), last, bounds.retention)
                .map_err(refused)?,
            redo: if failed.is_some() { Redo::left(path, known) } else { Redo::begin(path, known) },
            group: Group::after(replay.seq, bounds.groups_per_commit),
            committed: replay.seq,
            replay_from: replay.from,
            max_replay: bounds.max_replay,
        };
        let writer = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| LedgerError::unusable(path, &error))?;
        let path = path.to_path_buf();
        let writer = Some(writer);
        Ok((Self { memory, queue, writer, path, restored, untold, _lock: lock }, clock))
    }

    /// What was in the ledger when it was opened.
    pub const fn restored(&self) -> Restored {
        self.restored
    }

    /// The ledger's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns when every entry so far outlasts this process, also if it is killed; a loss of
    /// power may take what is not [`durable`](Store::durable).
    ///
    /// # Errors
    /// When the disk has failed.
    pub async fn kept(&self) -> Result<(), StoreError> {
        self.queue.kept().await
    }

    /// How reservations ended that the shared store may not know the end of, where this ledger
    /// is one node's own; once.
    #[cfg(feature = "redis")]
    pub(in crate::store) fn take_untold(&mut self) -> Vec<Untold> {
        std::mem::take(&mut self.untold)
    }

    /// Takes note that the shared store was told how everything ended that is in here by now.
    #[cfg(feature = "redis")]
    pub(in crate::store) fn note_told(&self) {
        self.queue.note_told();
    }

    /// The accounts in memory.
    pub fn memory(&self) -> &Memory<Ledger> {
        &self.memory
    }

    /// Writes down how a policy's limits are called, for people who read the ledger.
    pub fn note_policy(&self, policy: &Policy) {
        let nobody = Attributes::new();
        let limits = policy.limits().iter().chain(policy.granted_limits());
        let limits = limits.map(|limit| LimitRow {
            id: limit.id,
            name: limit.name.clone(),
            per: limit.per.iter().map(|attribute| attribute.name()).collect::<Vec<_>>().join(","),
            description: limit.describe(&nobody),
        });
        let limits = limits.collect();
        self.queue.push(|pending| pending.add(&Row::Limits(limits)));
    }
}

impl Drop for Embedded {
    /// Writes what is left, so that the next start has nothing to read again.
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!(path = %self.path.display(), "the ledger's writer has panicked");
        }
    }
}

impl Store for Embedded {
    async fn reserve(&self, order: &Order<'_>, now: Now) -> Result<Decision, StoreError> {
        self.memory.reserve(order, now).await
    }

    async fn check(&self, order: &Order<'_>, now: Now) -> Result<Decision, StoreError> {
        self.memory.check(order, now).await
    }

    async fn extend(
        &self,
        id: ReservationId,
        more: &Amounts,
        now: Now,
    ) -> Result<Decision, StoreError> {
        self.memory.extend(id, more, now).await
    }

    async fn settle(
        &self,
        id: ReservationId,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        self.memory.settle(id, usage, now).await
    }

    async fn settle_estimated(
        &self,
        id: ReservationId,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        self.memory.settle_estimated(id, usage, now).await
    }

    async fn void(&self, id: ReservationId, now: Now) -> Result<Receipt, StoreError> {
        self.memory.void(id, now).await
    }

    async fn renew(&self, id: ReservationId, expires: Time, now: Now) -> Result<(), StoreError> {
        self.memory.renew(id, expires, now).await
    }

    async fn expire(&self, now: Now) -> Result<usize, StoreError> {
        self.memory.expire(now).await
    }

    async fn standings(
        &self,
        order: &Order<'_>,
        now: Now,
    ) -> Result<SmallVec<[Standing; 8]>, StoreError> {
        self.memory.standings(order, now).await
    }

    async fn session(&self, order: &Order<'_>, now: Now) -> Result<Option<Time>, StoreError> {
        self.memory.session(order, now).await
    }

    async fn end_session(&self, order: &Order<'_>, now: Now) -> Result<bool, StoreError> {
        self.memory.end_session(order, now).await
    }

    async fn held(&self, id: ReservationId) -> Result<(), StoreError> {
        self.queue.held(id).await
    }

    fn take_crossings(&self) -> Crossings {
        self.memory.take_crossings()
    }

    async fn durable(&self) -> Result<(), StoreError> {
        self.queue.durable().await
    }
}
