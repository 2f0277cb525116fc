//! The accounts as they were written down last, read a part at a time by whoever has nothing
//! else to read: at a start, that is most of the work.

use std::sync::atomic::{AtomicU64, Ordering};

use compact_str::CompactString;
use rusqlite::{Connection, Row, Statement, types::ValueRef};
use tollgate_core::{Cell, ScopeId};

use super::{entry, rules::json, schema::integer};
use crate::store::memory::RestoredCell;

/// What is left to read.
#[derive(Debug)]
pub(super) struct Checkpoints {
    next: AtomicU64,
    end: u64,
    part: u64,
}

/// The parts that all numbers are divided into, unless they become too small.
const PARTS: u64 = 64;
const MIN_PART: u64 = 1_024;

/// What a cell is called.
type Name = (u32, ScopeId, CompactString);

impl Checkpoints {
    /// Those of cells with numbers below this one.
    pub(super) fn below(end: u32) -> Self {
        let end = u64::from(end);
        Self { next: AtomicU64::new(0), end, part: (end / PARTS).max(MIN_PART) }
    }

    /// Reads one part after the other until none is left that nobody else has.
    pub(super) fn read(&self, connection: &Connection) -> rusqlite::Result<Vec<RestoredCell>> {
        let mut names = connection.prepare(
            "SELECT number, scope, key FROM cells WHERE number >= ? AND number < ? ORDER BY number",
        )?;
        let mut states = connection.prepare(
            "SELECT cell, seq, state FROM checkpoints WHERE cell >= ? AND cell < ? ORDER BY cell",
        )?;
        let mut kept = Vec::new();
        loop {
            let from = self.next.fetch_add(self.part, Ordering::Relaxed);
            if from >= self.end {
                return Ok(kept);
            }
            let range = [from, from + self.part].map(integer);
            read_part(&mut names, &mut states, range, &mut kept)?;
        }
    }
}

/// Both tables are in the order of numbers, so one pass over both joins them.
fn read_part(
    names: &mut Statement<'_>,
    states: &mut Statement<'_>,
    range: [i64; 2],
    kept: &mut Vec<RestoredCell>,
) -> rusqlite::Result<()> {
    let mut names = names.query(range)?;
    let mut states = states.query(range)?;
    let mut next: Option<Name> = None;
    while let Some(row) = states.next()? {
        let number: u32 = row.get(0)?;
        while next.as_ref().is_none_or(|(named, ..)| *named < number) {
            let Some(row) = names.next()? else { return Ok(()) };
            next = Some(read_name(row)?);
        }
        if let Some((number, scope, key)) = next.take_if(|(named, ..)| *named == number) {
            let cell = read_cell(row.get_ref(2)?)?;
            let seq = entry::unsigned(row, 1)?;
            kept.push(RestoredCell { number, seq, scope, key, cell, is_dirty: false });
        }
    }
    Ok(())
}

fn read_name(row: &Row<'_>) -> rusqlite::Result<Name> {
    let scope = ScopeId(row.get::<_, i64>(1)?.cast_unsigned());
    Ok((row.get(0)?, scope, CompactString::from(row.get_ref(2)?.as_str()?)))
}

fn read_cell(state: ValueRef<'_>) -> rusqlite::Result<Cell> {
    match state {
        ValueRef::Blob(bytes) => {
            Cell::read_from(bytes).map_err(|error| entry::wrong(2, error.to_string()))
        }
        state => json(2, state.as_str()?),
    }
}
