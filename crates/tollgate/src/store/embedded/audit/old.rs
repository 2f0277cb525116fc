//! What is left of old rows: sums, which an audit begins with.

use rusqlite::{Connection, Row};
use tollgate_core::Amounts;

use super::Balance;
use crate::store::embedded::{
    entry::{read_amounts, unsigned},
    schema::EntryKind,
};

/// How many rows are gone, and what they told.
#[derive(Debug, Default)]
pub(super) struct Old {
    /// Rows up to this one may be gone.
    pub(super) upto: u64,
    /// Rows that are.
    pub(super) rows: u64,
    /// Rows up to there that are not.
    pub(super) left: u64,
    pub(super) reservations: u64,
    pub(super) settled: Amounts,
    pub(super) overrun: Amounts,
}

/// The sums of one account.
pub(super) struct Summary {
    pub(super) cell: u32,
    pub(super) rule: i64,
    pub(super) balance: Balance,
    /// What of it counts in a budget that never begins anew.
    pub(super) ever: u64,
}

impl Old {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let upto = "SELECT value FROM meta WHERE name = 'compacted'";
        let upto = connection.query_row(upto, [], |row| unsigned(row, 0))?;
        let mut old = Self { upto, ..Self::default() };
        let mut statement = connection.prepare(
            "SELECT kind, count, requests, input_tokens, output_tokens, nano_usd, millis \
                FROM totals",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (count, amounts) = (unsigned(row, 1)?, read_amounts(row, 2)?);
            old.rows += count;
            match EntryKind::numbered(row.get(0)?) {
                Some(EntryKind::Reserve) => old.reservations = count,
                Some(EntryKind::Settle) => old.settled = amounts,
                Some(EntryKind::Overrun) => old.overrun = amounts,
                _ => {}
            }
        }
        Ok(old)
    }
}

pub(super) fn summaries(connection: &Connection) -> rusqlite::Result<Vec<Summary>> {
    let mut statement = connection.prepare(
        "SELECT cell, rule, reserved, settled, released, expired, overrun, ever FROM summaries",
    )?;
    let read = |row: &Row<'_>| {
        Ok(Summary {
            cell: row.get(0)?,
            rule: row.get(1)?,
            balance: Balance {
                reserved: unsigned(row, 2)?,
                settled: unsigned(row, 3)?,
                released: unsigned(row, 4)?,
                expired: unsigned(row, 5)?,
                held: 0,
                overrun: unsigned(row, 6)?,
            },
            ever: unsigned(row, 7)?,
        })
    };
    statement.query_map([], read)?.collect()
}
