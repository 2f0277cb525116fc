//! How far a shared store knows what is in this ledger, where it is the books of one of several
//! nodes: what ended since may be unknown there, and is told again by the next process.

use std::collections::VecDeque;

use rusqlite::{Connection, OptionalExtension as _};
use tollgate_core::{ReservationId, Usage};

use super::{
    entries::Entries,
    entry::{self, Entry},
    join::BLOCK,
    schema::{EntryKind, integer},
};
use crate::store::memory::End;

/// How a reservation ended that the shared store may not know the end of.
pub(in crate::store) type Untold = (ReservationId, End, Usage);

/// Ends that are told again at most, the last ones.
const MAX_ENDS: usize = 262_144;

/// Rows that are looked through for them at most.
const MAX_ROWS: u64 = 1 << 20;

/// Up to which row everything was told, and the ends after it; none in a ledger of which nothing
/// was ever told.
pub(super) fn read(connection: &Connection, last: u64) -> rusqlite::Result<(u64, Vec<Untold>)> {
    let told = "SELECT value FROM meta WHERE name = 'told'";
    let told = connection.query_row(told, [], |row| entry::unsigned(row, 0)).optional()?;
    let Some(told) = told else { return Ok((0, Vec::new())) };
    let after = told.max(last.saturating_sub(MAX_ROWS));
    // A row that tells a whole reservation may have begun before, in the same block.
    let rows = format!("SELECT {} FROM entries WHERE seq >= ? ORDER BY seq", entry::COLUMNS);
    let mut rows = connection.prepare(&rows)?;
    let mut rows = Entries::of(rows.query([integer(after / BLOCK * BLOCK)])?);
    let mut ends = VecDeque::new();
    while let Some(entry) = rows.next()? {
        let Some(how) = ended(&entry).filter(|_| entry.seq > after) else { continue };
        if ends.len() == MAX_ENDS {
            ends.pop_front();
        }
        ends.push_back((entry.id, how, entry.amounts));
    }
    Ok((told, ends.into()))
}

/// Notes up to which row everything was told.
pub(super) fn write(connection: &Connection, told: u64) -> rusqlite::Result<()> {
    let told = integer(told);
    let set = "INSERT OR REPLACE INTO meta VALUES ('told', ?)";
    connection.prepare_cached(set)?.execute([told]).map(drop)
}

/// How it ended, where the row says so. What expired here expires there by itself.
const fn ended(entry: &Entry) -> Option<End> {
    match entry.kind {
        EntryKind::Settle if entry.estimated => Some(End::Estimate),
        EntryKind::Settle => Some(End::Settle),
        EntryKind::Void => Some(End::Void),
        _ => None,
    }
}
