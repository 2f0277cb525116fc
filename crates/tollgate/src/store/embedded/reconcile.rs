//! What a crash left unresolved, resolved when somebody knows better.
//!
//! A reservation that nobody ended counts as used. While no process serves from the ledger,
//! each can be released, kept for good, or settled by what the provider's bill says. That
//! happens as it would in the process: rows are added, accounts move with them, no row
//! changes. What is resolved once is not asked about again.

use std::{fs::File, path::Path, sync::Arc};

use hashbrown::HashMap;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde::Serialize;
use tollgate_core::{Demand, ReservationId, Time, Usage};

use super::{
    Audit, Embedded, EmbeddedBounds, LedgerError, audit,
    entry::{read_amounts, read_id},
    lock, redo,
    replay::Replay,
    schema,
};
use crate::Clock;

/// What becomes of a reservation that nobody ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Nothing: it stays counted as used, and unresolved.
    Leave,
    /// It is voided: all of it is given back.
    Release,
    /// It is settled, as an estimate, with all that it had reserved.
    Keep,
    /// It is settled with what was used. Requests count as they were reserved.
    Settle(Usage),
}

/// What was resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// The ledger as it was.
    pub before: Audit,
    /// The ledger as it is now.
    pub after: Audit,
    /// Reservations that were given back.
    pub released: u64,
    /// Reservations that count as used for good.
    pub kept: u64,
    /// Reservations that were settled with what was used.
    pub settled: u64,
}

/// Long ago forgotten reservations that are brought back at a time.
const MAX_BROUGHT_BACK: usize = 65_536;

/// What nobody brings the end of any more; it is not forgotten while it is resolved.
const NEVER: Time = Time::from_nanos(i64::MAX.cast_unsigned());

/// Expired reservations without an end that a start would not read again.
const LOST: &str = "SELECT x.id, x.reserve_seq, x.requests, x.input_tokens, x.output_tokens, \
    x.nano_usd, x.millis FROM entries x WHERE x.kind = 6 \
    AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.link = x.link AND e.kind IN (4, 5)) \
    AND x.reserve_seq < (SELECT value FROM meta WHERE name = 'replay_from') \
    AND x.id NOT IN (SELECT id FROM outstanding) ORDER BY x.seq";

/// Lists a reservation with its rows.
const LIST: &str = "INSERT OR IGNORE INTO outstanding \
    SELECT ?1, json_group_array(seq) FROM (SELECT ?2 AS seq UNION ALL \
        SELECT seq FROM entries WHERE link = ?2 ORDER BY seq)";

type Resolutions = HashMap<ReservationId, Resolution>;

/// Asks what shall become of each reservation that nobody ended, however long ago it was,
/// and does it. `decide` hears the id and what was reserved, some ids more than once.
///
/// # Errors
/// When there is no such ledger, a process has it open, or it can't be read or written.
pub fn reconcile(
    path: &Path,
    clock: impl Fn(Time) -> Clock,
    mut decide: impl FnMut(ReservationId, &Demand) -> Resolution,
) -> Result<Reconciled, LedgerError> {
    if !path.exists() {
        return Err(LedgerError::Missing { path: path.to_path_buf() });
    }
    redo::bring_in(path);
    let mut held = lock(path)?;
    // An older file is brought up to date, so that it can be audited.
    drop(schema::open(path, &EmbeddedBounds::default())?);
    let before = audit(path)?;
    let mut done = Reconciled { after: before.clone(), before, released: 0, kept: 0, settled: 0 };
    loop {
        let resolved = done.resolved();
        let was_full = done.pass(path, held, &clock, &mut decide)?;
        if !was_full || done.resolved() == resolved {
            break;
        }
        held = lock(path)?;
    }
    done.after = audit(path)?;
    Ok(done)
}

impl Reconciled {
    /// Reservations that were resolved.
    pub const fn resolved(&self) -> u64 {
        self.released + self.kept + self.settled
    }

    /// Resolves what the store knows and some of what it has forgotten; whether there may be
    /// more of the latter.
    fn pass(
        &mut self,
        path: &Path,
        held: File,
        clock: impl Fn(Time) -> Clock,
        decide: &mut impl FnMut(ReservationId, &Demand) -> Resolution,
    ) -> Result<bool, LedgerError> {
        let mut decided = Resolutions::new();
        let read = |connection: &Connection, path: &Path, vfs: Option<&str>| {
            decided = bring_back(connection, decide)
                .map_err(|error| LedgerError::from_sqlite(path, &error))?;
            let mut replay = Replay::read(connection, path, vfs)?;
            for open in replay.reservations.values_mut().filter(|open| open.restored.expired) {
                open.restored.expires = NEVER;
                open.expired_at = Some(NEVER);
            }
            Ok(replay)
        };
        let (store, clock) =
            Embedded::open_locked(path, held, EmbeddedBounds::default(), clock, read)?;
        for (id, demand) in store.memory.unended() {
            let resolution = decided.get(&id).copied().unwrap_or_else(|| decide(id, &demand));
            let (memory, now) = (&store.memory, clock.now());
            let (ended, count) = match resolution {
                Resolution::Leave => continue,
                Resolution::Release => (memory.void_now(id, now), &mut self.released),
                Resolution::Keep => (memory.settle_estimated_now(id, &demand, now), &mut self.kept),
                Resolution::Settle(usage) => {
                    (memory.settle_now(id, &usage, now), &mut self.settled)
                }
            };
            *count += u64::from(ended.is_ok());
        }
        let queue = Arc::clone(&store.queue);
        // Writes what is left.
        drop(store);
        match queue.has_failed() {
            true => Err(LedgerError::unusable(path, &queue.failure())),
            false => Ok(decided.len() == MAX_BROUGHT_BACK),
        }
    }
}

/// Lists reservations that expired so long ago that the ledger's list has lost them, if
/// anything shall become of them, so that the store knows them when it opens.
fn bring_back(
    connection: &Connection,
    decide: &mut impl FnMut(ReservationId, &Demand) -> Resolution,
) -> rusqlite::Result<Resolutions> {
    let behavior = TransactionBehavior::Immediate;
    let transaction = Transaction::new_unchecked(connection, behavior)?;
    let mut decided = Resolutions::new();
    let mut listed = Vec::new();
    let mut lost = transaction.prepare(LOST)?;
    let mut rows = lost.query([])?;
    while let Some(row) = rows.next()?.filter(|_| decided.len() < MAX_BROUGHT_BACK) {
        let (id, demand) = (read_id(row, 0)?, read_amounts(row, 2)?);
        let resolution = decide(id, &demand);
        if resolution != Resolution::Leave && decided.insert(id, resolution).is_none() {
            listed.push((id, row.get::<_, i64>(1)?));
        }
    }
    drop(rows);
    drop(lost);
    for (id, first) in listed {
        let mut list = transaction.prepare_cached(LIST)?;
        list.execute(params![id.0.to_be_bytes(), first])?;
    }
    transaction.commit()?;
    Ok(decided)
}
