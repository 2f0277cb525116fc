//! How the ledger stays bounded: what is old becomes sums, some rows at a time.
//!
//! A reservation that ended longer ago than is kept loses its rows; the sums of each of its
//! accounts stay, so that an audit still adds up from the first row on. So do the sums of
//! spend, by the day. It happens in the transactions of the writer's groups, so whoever is
//! served waits for none of it, and a crash finds all of a step or nothing. What a restart
//! reads is never touched: nothing from the last checkpoint on, and no reservation that has
//! not ended. The file does not shrink; its free pages are used again.

mod fold;
mod old;
mod sums;

use std::time::Duration;

use rusqlite::Connection;
use tollgate_core::Time;

use self::{old::Old, sums::Sums};
use super::{
    entry::{self, Entry},
    rules::Rules,
    schema::integer,
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
        for row in self.next(connection, (end, most), latest)? {
            let last = row.step(connection, rules, &mut sums)?;
            self.compacted = self.compacted.max(last);
        }
        sums.write(connection)?;
        connection
            .prepare_cached("UPDATE meta SET value = ? WHERE name = 'compacted'")?
            .execute([integer(self.compacted)])
            .map(drop)
    }

    /// The next rows whose time has come: so many, and as many more as it takes to the end of
    /// every reservation that began in them.
    fn next(
        &mut self,
        connection: &Connection,
        (end, most): (u64, u64),
        latest: Time,
    ) -> rusqlite::Result<Vec<Old>> {
        let next = format!(
            "SELECT {}, reserve_seq, link FROM entries WHERE seq > ? AND seq < ? ORDER BY seq",
            entry::COLUMNS
        );
        let mut next = connection.prepare_cached(&next)?;
        let mut rows = next.query([integer(self.compacted), integer(end)])?;
        let (mut old, mut whole, mut last) = (Vec::new(), 0, 0);
        loop {
            let row = rows.next()?.map(Old::read).transpose()?;
            if last < row.as_ref().map_or(end, |row| row.begun.seq) {
                whole = old.len();
            }
            let Some(row) = row.filter(|_| (whole as u64) < most) else { break };
            if let Some(later) = self.not_before(connection, &row, latest)? {
                self.next_row = later;
                break;
            }
            last = row.last().max(last);
            old.push(row);
        }
        old.truncate(whole);
        Ok(old)
    }

    /// When a row can go, if that is not now.
    fn not_before(
        &self,
        connection: &Connection,
        row: &Old,
        latest: Time,
    ) -> rusqlite::Result<Option<Time>> {
        let told = row.ended.as_ref().unwrap_or(&row.begun);
        let old = told.now.time.after(self.keep.unwrap_or(Duration::MAX));
        if old > latest {
            return Ok(Some(old));
        }
        let may_come_back = row.is_expiry() && !row.ends_later(connection)?;
        let needed = may_come_back && is_listed(connection, &row.begun)?;
        Ok(needed.then(|| latest.after(LATER)))
    }
}

/// Whether a restart would read a reservation's rows.
fn is_listed(connection: &Connection, entry: &Entry) -> rusqlite::Result<bool> {
    let listed = "SELECT EXISTS (SELECT 1 FROM outstanding WHERE id = ?)";
    connection.prepare_cached(listed)?.query_row([entry.id.0.to_be_bytes()], |row| row.get(0))
}
