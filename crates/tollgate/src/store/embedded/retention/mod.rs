//! How the ledger stays bounded: what is old becomes sums, some rows at a time.
//!
//! A reservation that ended longer ago than is kept loses its rows; the sums of each of its
//! accounts stay, so that an audit still adds up from the first row on. So do the sums of
//! spend, by the day. It happens in the transactions of the writer's groups, so whoever is
//! served waits for none of it, and a crash finds all of a step or nothing. What a restart
//! reads is never touched: nothing from the last checkpoint on, and no reservation that has
//! not ended. The file does not shrink; its free pages are used again.

mod fold;
mod sums;

use std::time::Duration;

use rusqlite::{Connection, Row, params};
use tollgate_core::Time;

use self::sums::Sums;
use super::{
    entry::{self, Entry},
    rules::Rules,
    schema::{EntryKind, integer},
};
use crate::store::memory::LATE;

/// How far old rows have become sums.
#[derive(Debug)]
pub(super) struct Retention {
    /// How long rows are kept; for ever without it.
    keep: Option<Duration>,
    /// Every ended reservation up to this row is in the sums.
    compacted: u64,
    /// When the next row is old, and the next hour of spend.
    next_row: Time,
    next_hour: Time,
    /// Hours before this one are folded.
    folded: i64,
}

/// The shortest time that rows are kept: a reservation that expired may be settled late, and
/// an id be asked for again.
const SHORTEST: Duration = Duration::from_secs(2 * LATE.as_secs());

/// When to look again where something is in the way.
const LATER: Duration = Duration::from_secs(3600);

/// What was found at a row.
enum Step {
    /// Up to this row all is in the sums, or belongs to what ends later.
    Done(u64),
    /// It is not old yet, or something still needs it.
    Stop(Time),
}

impl Retention {
    pub(super) fn read(connection: &Connection, keep: Option<Duration>) -> rusqlite::Result<Self> {
        let meta = "SELECT value FROM meta WHERE name = ?";
        Ok(Self {
            keep: keep.map(|keep| keep.max(SHORTEST)),
            compacted: connection.query_row(meta, ["compacted"], |row| entry::unsigned(row, 0))?,
            next_row: Time::ZERO,
            next_hour: Time::ZERO,
            folded: connection.query_row(meta, ["folded"], |row| row.get(0))?,
        })
    }

    /// Whether there may be something old, of the rows before `end`.
    pub(super) fn is_due(&self, end: u64, latest: Time) -> bool {
        let rows = self.compacted + 1 < end && latest >= self.next_row;
        self.keep.is_some() && (rows || latest >= self.next_hour)
    }

    /// Sums up so many rows before `end`, and an hour of spend, inside the transaction that is
    /// open.
    pub(super) fn advance(
        &mut self,
        connection: &Connection,
        rules: &Rules,
        (end, most): (u64, u64),
        latest: Time,
    ) -> rusqlite::Result<()> {
        let Some(keep) = self.keep else { return Ok(()) };
        if latest >= self.next_row {
            self.rows(connection, rules, (end, most), latest)?;
        }
        if latest >= self.next_hour && !self.fold(connection, latest.before(keep))? {
            self.next_hour = latest.after(LATER);
        }
        Ok(())
    }

    fn rows(
        &mut self,
        connection: &Connection,
        rules: &Rules,
        (end, most): (u64, u64),
        latest: Time,
    ) -> rusqlite::Result<()> {
        let mut sums = Sums::default();
        let next = format!(
            "SELECT {}, reserve_seq, link FROM entries WHERE seq > ? AND seq < ? \
                ORDER BY seq LIMIT ?",
            entry::COLUMNS
        );
        let mut next = connection.prepare_cached(&next)?;
        let span = [integer(self.compacted), integer(end), integer(most)];
        let ends = |row: &Row<'_>| Ok((Entry::read(row)?, row.get(15)?, row.get(16)?));
        let rows: Vec<(Entry, Option<i64>, Option<i64>)> =
            next.query_map(span, ends)?.collect::<Result<_, _>>()?;
        for (entry, first, link) in rows {
            match self.step(connection, rules, &mut sums, (&entry, first, link), latest)? {
                Step::Done(seq) => self.compacted = self.compacted.max(seq),
                Step::Stop(next) => {
                    self.next_row = next;
                    break;
                }
            }
        }
        sums.write(connection)?;
        connection
            .prepare_cached("UPDATE meta SET value = ? WHERE name = 'compacted'")?
            .execute([integer(self.compacted)])
            .map(drop)
    }

    fn step(
        &self,
        connection: &Connection,
        rules: &Rules,
        sums: &mut Sums,
        (entry, first, link): (&Entry, Option<i64>, Option<i64>),
        latest: Time,
    ) -> rusqlite::Result<Step> {
        let old = entry.now.time.after(self.keep.unwrap_or(Duration::MAX));
        if old > latest {
            return Ok(Step::Stop(old));
        }
        let Some(first) = first else {
            if entry.kind == EntryKind::EndSession {
                sums.count(entry);
                remove(connection, &[entry.seq])?;
            }
            return Ok(Step::Done(entry.seq));
        };
        match entry.kind {
            EntryKind::Settle | EntryKind::Void => {}
            EntryKind::Expire if ends_later(connection, first)? => {
                return Ok(Step::Done(entry.seq));
            }
            EntryKind::Expire if is_listed(connection, entry)? => {
                return Ok(Step::Stop(latest.after(LATER)));
            }
            EntryKind::Expire => {}
            _ => return Ok(Step::Done(entry.seq)),
        }
        let mut rows = reservation(connection, first)?;
        if rows.first().is_none_or(|first| first.kind != EntryKind::Reserve) {
            // There is no telling what ended; it stays for an audit to find.
            return Ok(Step::Done(entry.seq));
        }
        if link.is_none() {
            rows.extend(one(connection, entry.seq)?);
        }
        rows.extend(one(connection, entry.seq + 1)?.filter(|row| row.kind == EntryKind::Overrun));
        for row in &rows {
            sums.count(row);
            sums.add(rules, row, row.seq == entry.seq);
        }
        let numbers: Vec<u64> = rows.iter().map(|row| row.seq).collect();
        remove(connection, &numbers)?;
        Ok(Step::Done(numbers.into_iter().max().unwrap_or(entry.seq)))
    }
}

/// Whether a reservation that expired was settled or voided late.
fn ends_later(connection: &Connection, first: i64) -> rusqlite::Result<bool> {
    let end = "SELECT EXISTS (SELECT 1 FROM entries WHERE link = ? AND kind IN (4, 5))";
    connection.prepare_cached(end)?.query_row([first], |row| row.get(0))
}

/// Whether a restart would read a reservation's rows.
fn is_listed(connection: &Connection, entry: &Entry) -> rusqlite::Result<bool> {
    let listed = "SELECT EXISTS (SELECT 1 FROM outstanding WHERE id = ?)";
    connection.prepare_cached(listed)?.query_row([entry.id.0.to_be_bytes()], |row| row.get(0))
}

/// The rows of a reservation that are linked to its first, which comes first.
fn reservation(connection: &Connection, first: i64) -> rusqlite::Result<Vec<Entry>> {
    let rows = format!(
        "SELECT {0} FROM entries WHERE seq = ?1 UNION ALL \
            SELECT {0} FROM entries WHERE link = ?1",
        entry::COLUMNS
    );
    connection.prepare_cached(&rows)?.query_map([first], Entry::read)?.collect()
}

fn one(connection: &Connection, seq: u64) -> rusqlite::Result<Option<Entry>> {
    let row = format!("SELECT {} FROM entries WHERE seq = ?", entry::COLUMNS);
    let mut row = connection.prepare_cached(&row)?;
    let mut rows = row.query_map([integer(seq)], Entry::read)?;
    rows.next().transpose()
}

fn remove(connection: &Connection, rows: &[u64]) -> rusqlite::Result<()> {
    let mut remove = connection.prepare_cached("DELETE FROM entries WHERE seq = ?")?;
    rows.iter().try_for_each(|seq| remove.execute(params![integer(*seq)]).map(drop))
}
