//! How a ledger is read when the store starts: the state of every account as it was written
//! down last, and every row since then played again.

use std::path::Path;

use hashbrown::HashMap;
use rusqlite::Connection;
use tollgate_core::{Amounts, Cell, Ending, LimitId, ReservationId, ScopeId, Time};

use super::{
    LedgerError,
    checkpoints::Checkpoints,
    entries::Entries,
    entry::{self, Entry, EntryCharge},
    join::BLOCK,
    mirror::{Mirror, Rows},
    rules::{Rules, json},
    schema::{self, EntryKind, integer},
};
use crate::{
    Receipt,
    store::memory::{LATE, Parcel, RestoredCell, RestoredReservation},
};

/// What a ledger remembers.
#[derive(Debug, Default)]
pub(super) struct Replay {
    pub(super) rules: Rules,
    pub(super) cells: Vec<RestoredCell>,
    /// How many of the cells each thread has read, in the order of their numbers.
    runs: [usize; 2],
    /// Where the cell of a number is, of those that were looked for.
    places: HashMap<u32, u32, foldhash::fast::RandomState>,
    pub(super) reservations: HashMap<ReservationId, Open, foldhash::fast::RandomState>,
    /// Ids that the ledger's list of reservations has though they ended.
    pub(super) ended: Vec<ReservationId>,
    /// How kept ids ended, the oldest first.
    pub(super) receipts: Receipts,
    /// The last entry's number, and the first one that was played again.
    pub(super) seq: u64,
    pub(super) from: u64,
    pub(super) next_number: u32,
    /// The latest instant of an entry.
    pub(super) latest: Time,
}

/// A reservation that has not ended.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) restored: RestoredReservation,
    pub(super) rows: Rows,
    pub(super) is_listed: bool,
    pub(super) expired_at: Option<Time>,
}

/// How ids ended.
type Receipts = Vec<(ReservationId, Receipt)>;

/// Receipts that come back after a restart.
const MAX_RECEIPTS: i64 = 65_536;

impl Replay {
    /// Reads a ledger.
    pub(super) fn read(
        connection: &Connection,
        path: &Path,
        vfs: Option<&str>,
    ) -> Result<Self, LedgerError> {
        let second = schema::open_to_read(path, vfs)?;
        let mut replay = Self::default();
        replay.all(connection, second).map_err(|error| LedgerError::from_sqlite(path, &error))?;
        Ok(replay)
    }

    /// Reads accounts here and rows on a second thread, since both take their time; who is
    /// done helps the other with the accounts.
    fn all(&mut self, connection: &Connection, second: Connection) -> rusqlite::Result<()> {
        let meta = "SELECT value FROM meta WHERE name = ?";
        self.from = connection.query_row(meta, ["replay_from"], |row| entry::unsigned(row, 0))?;
        let latest = connection.query_row(meta, ["latest"], |row| entry::unsigned(row, 0))?;
        self.latest = Time::from_nanos(latest);
        self.next_number = next_number(connection)?;
        self.rules = Rules::read(connection)?;
        let (from, checkpoints) = (self.from, &Checkpoints::below(self.next_number));
        let (cells, rows) = std::thread::scope(|scope| {
            let rows = scope.spawn(move || rows(&second, from, checkpoints));
            let cells = checkpoints.read(connection);
            (cells, rows.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        let (cells, (tail, receipts, more)) = (cells?, rows?);
        self.runs = [cells.len(), more.len()];
        self.cells = cells;
        self.cells.extend(more);
        self.seq = match tail.last() {
            Some(entry) => entry.seq,
            None => last_before(connection, self.from)?,
        };
        let latest = self.cells.iter().map(|kept| kept.cell.latest()).max();
        self.latest = self.latest.max(latest.unwrap_or_default());
        self.outstanding(connection)?;
        for entry in &tail {
            self.play(connection, entry)?;
        }
        self.receipts = receipts;
        Ok(())
    }

    /// What has not ended, as the writer sees it.
    pub(super) fn mirror(&self) -> Mirror {
        let mut mirror = Mirror::default();
        for (id, open) in &self.reservations {
            let marks = (open.restored.keep, open.is_listed);
            mirror.restore(*id, open.rows.clone(), marks, open.expired_at);
        }
        self.ended.iter().for_each(|id| mirror.forget(*id));
        mirror
    }

    /// Reads the rows that were added since.
    pub(super) fn go_on(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let read = self.seq;
        self.next_number = next_number(connection)?;
        for entry in tail(connection, read + 1)? {
            self.play(connection, &entry)?;
            self.seq = entry.seq;
        }
        self.receipts.extend(receipts(connection, read)?);
        Ok(())
    }

    /// Reads the rows of reservations that were made before the rows that are played again.
    fn outstanding(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let one = format!("SELECT {} FROM entries WHERE seq = ?", entry::COLUMNS);
        let mut one = connection.prepare(&one)?;
        let mut statement = connection.prepare("SELECT id, rows FROM outstanding")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let id = entry::read_id(row, 0)?;
            let numbers: Vec<u64> = json(1, row.get_ref(1)?.as_str()?)?;
            let from = self.from;
            for seq in numbers.into_iter().filter(|seq| *seq < from) {
                let entry = one.query_row([integer(seq)], Entry::read)?;
                self.play(connection, &entry)?;
            }
            if let Some(open) = self.reservations.get_mut(&id) {
                open.is_listed = true;
            }
        }
        Ok(())
    }

    fn play(&mut self, connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
        self.latest = self.latest.max(entry.now.time);
        match entry.kind {
            EntryKind::Reserve => {
                let restored = RestoredReservation {
                    id: entry.id,
                    expires: entry.expires,
                    demand: entry.amounts,
                    keep: entry.keep,
                    expired: false,
                    accounts: u8::try_from(entry.charges.len()).unwrap_or(u8::MAX),
                    parcels: Vec::with_capacity(entry.charges.len()),
                };
                let rows = Rows::new();
                let open = Open { restored, rows, is_listed: false, expired_at: None };
                self.reservations.insert(entry.id, open);
                self.hold(connection, entry)
            }
            EntryKind::Extend => {
                if let Some(open) = self.reservations.get_mut(&entry.id) {
                    open.restored.demand = open.restored.demand.plus(&entry.amounts);
                }
                self.hold(connection, entry)
            }
            EntryKind::Renew => {
                if let Some(open) = self.reservations.get_mut(&entry.id) {
                    open.restored.expires = entry.expires;
                    open.rows.push(entry.seq);
                }
                Ok(())
            }
            EntryKind::Settle | EntryKind::Void | EntryKind::Expire => {
                self.end(entry);
                Ok(())
            }
            EntryKind::EndSession => {
                for EntryCharge { cell, rule, .. } in &entry.charges {
                    let limit = LimitId(rule.cast_unsigned());
                    if let Some(cell) = self.cell_behind(*cell, entry.seq)
                        && let Some(sessions) = cell.sessions_mut(limit)
                    {
                        sessions.end(&entry.session);
                    }
                }
                Ok(())
            }
            EntryKind::Overrun => Ok(()),
        }
    }

    fn hold(&mut self, connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
        for EntryCharge { cell, rule, amount, .. } in &entry.charges {
            let Some(mut charge) = self.rules.charge(*rule) else {
                let what =
                    format!("row {} names the rule {rule}, which there is none of", entry.seq);
                return Err(entry::wrong(12, what));
            };
            charge.amount = *amount;
            if entry.seq >= self.from {
                self.make_cell(connection, *cell)?;
            }
            if let Some(cell) = self.cell_behind(*cell, entry.seq) {
                cell.hold(0, &mut charge, &entry.session, entry.now);
            }
            if let Some(open) = self.reservations.get_mut(&entry.id) {
                open.restored.parcels.push(Parcel { cell: *cell, charge, at: entry.now });
            }
        }
        if let Some(open) = self.reservations.get_mut(&entry.id) {
            open.rows.push(entry.seq);
        }
        Ok(())
    }

    fn end(&mut self, entry: &Entry) {
        let Some(mut open) = self.reservations.remove(&entry.id) else { return };
        let expired = open.restored.expired;
        for (parcel, ended) in open.restored.parcels.iter().zip(&entry.charges) {
            let Parcel { cell, charge, at } = parcel;
            let ending = Ending { held: charge.amount, used: ended.used, at: *at, expired };
            if let Some(cell) = self.cell_behind(*cell, entry.seq) {
                cell.settle(0, charge, &ending, entry.now);
            }
        }
        if entry.kind == EntryKind::Expire {
            open.rows.push(entry.seq);
            open.restored.expired = true;
            open.restored.expires = entry.now.time.after(LATE);
            open.expired_at = Some(entry.now.time);
            self.reservations.insert(entry.id, open);
        } else if open.is_listed {
            self.ended.push(entry.id);
        }
    }

    /// The cell, if it does not hold the row of that number yet.
    pub(super) fn cell_behind(&mut self, cell: u32, seq: u64) -> Option<&mut Cell> {
        let place = self.place(cell)?;
        let kept = self.cells.get_mut(place as usize).filter(|kept| kept.seq < seq)?;
        kept.is_dirty = true;
        Some(&mut kept.cell)
    }

    /// Where the cell of a number is. Few of all are looked for, and those again and again.
    fn place(&mut self, number: u32) -> Option<u32> {
        if let Some(place) = self.places.get(&number) {
            return Some(*place);
        }
        let [first, second] = self.runs;
        let (first, second) = self.cells[..first + second].split_at(first);
        let find = |run: &[RestoredCell]| run.binary_search_by_key(&number, |kept| kept.number);
        let place = find(first).or_else(|_| find(second).map(|place| first.len() + place)).ok()?;
        self.places.insert(number, place as u32);
        Some(place as u32)
    }

    /// Makes a cell that was not written down yet. If it was forgotten, what happened to it
    /// before the rows that are played again is not missed.
    pub(super) fn make_cell(
        &mut self,
        connection: &Connection,
        number: u32,
    ) -> rusqlite::Result<()> {
        if self.place(number).is_some() {
            return Ok(());
        }
        let (scope, key): (i64, String) = connection
            .prepare_cached("SELECT scope, key FROM cells WHERE number = ?")?
            .query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let restored = RestoredCell {
            number,
            seq: self.from.saturating_sub(1),
            scope: ScopeId(scope.cast_unsigned()),
            key: key.into(),
            cell: Cell::default(),
            is_dirty: false,
        };
        self.places.insert(number, self.cells.len() as u32);
        self.cells.push(restored);
        Ok(())
    }
}

/// The rows that are played again, how kept ids ended, and the accounts that are left to read.
fn rows(
    connection: &Connection,
    from: u64,
    checkpoints: &Checkpoints,
) -> rusqlite::Result<(Vec<Entry>, Receipts, Vec<RestoredCell>)> {
    let (tail, receipts) = (tail(connection, from)?, receipts(connection, 0)?);
    Ok((tail, receipts, checkpoints.read(connection)?))
}

/// The rows that are played again.
fn tail(connection: &Connection, from: u64) -> rusqlite::Result<Vec<Entry>> {
    let tail = format!("SELECT {} FROM entries WHERE seq >= ? ORDER BY seq", entry::COLUMNS);
    let mut tail = connection.prepare(&tail)?;
    let mut rows = Entries::of(tail.query([integer(from)])?);
    let mut tail = Vec::new();
    while let Some(entry) = rows.next()? {
        tail.push(entry);
    }
    Ok(tail)
}

/// The number of the last entry, where there is none from this one on: the one before it, which
/// is never removed for its age.
fn last_before(connection: &Connection, from: u64) -> rusqlite::Result<u64> {
    let block = from.saturating_sub(1) / BLOCK * BLOCK;
    let last = "SELECT max(coalesce(max(seq), 0), coalesce(max(end_seq), 0)) FROM entries \
        WHERE seq >= ?";
    let last = connection.query_row(last, [integer(block)], |row| entry::unsigned(row, 0))?;
    if last + 1 < from {
        let what = format!("the rows from {} to {} are missing", last + 1, from - 1);
        return Err(entry::wrong(0, what));
    }
    Ok(last)
}

/// The number of the next account.
fn next_number(connection: &Connection) -> rusqlite::Result<u32> {
    let next = "SELECT coalesce(max(number), 0) + 1 FROM cells";
    connection.query_row(next, [], |row| row.get(0))
}

/// How kept ids ended after this row, the oldest first, from indexes alone.
fn receipts(connection: &Connection, after: u64) -> rusqlite::Result<Receipts> {
    let mut kept = connection.prepare(
        "SELECT seq, id, requests, input_tokens, output_tokens, nano_usd, millis \
            FROM entries INDEXED BY kept WHERE keep = 1 AND kind IN (4, 5) AND seq > ? \
            ORDER BY seq DESC LIMIT ?",
    )?;
    let mut kept = kept.query([integer(after), MAX_RECEIPTS])?;
    let mut receipts = Vec::new();
    let mut rows = Vec::new();
    while let Some(row) = kept.next()? {
        let usage = entry::read_amounts(row, 2)?;
        rows.push(entry::unsigned(row, 0)?);
        receipts.push((entry::read_id(row, 1)?, Receipt { usage, overrun: Amounts::default() }));
    }
    receipts.reverse();
    rows.reverse();
    overruns(connection, &rows, &mut receipts)?;
    Ok(receipts)
}

/// What was used beyond what was reserved, in the row after the one that tells what was used.
fn overruns(
    connection: &Connection,
    rows: &[u64],
    receipts: &mut Receipts,
) -> rusqlite::Result<()> {
    let Some(first) = rows.first() else { return Ok(()) };
    let mut overruns = connection.prepare(
        "SELECT seq, requests, input_tokens, output_tokens, nano_usd, millis \
            FROM entries INDEXED BY overruns WHERE kind = 7 AND seq > ?",
    )?;
    let mut overruns = overruns.query([integer(*first)])?;
    while let Some(row) = overruns.next()? {
        let of = entry::unsigned(row, 0)? - 1;
        if let Ok(nth) = rows.binary_search(&of) {
            receipts[nth].1.overrun = entry::read_amounts(row, 1)?;
        }
    }
    Ok(())
}
