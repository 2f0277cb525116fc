//! Where an account stood before one of its reservations, counted anew from the rows.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;
use tollgate_core::{Charge, Kind, ReservationId};

use super::first_at;
use crate::store::embedded::{
    LedgerRow,
    entries::Entries,
    entry::COLUMNS,
    rules::Rules,
    schema::{EntryKind, integer},
};

/// One account: the cells that it had one after the other, and the rules of its limit.
pub(super) struct Account {
    cells: HashSet<u32>,
    rules: HashSet<i64>,
    kind: Kind,
}

/// Rows that are read for one account at most.
const MAX_ROWS: u64 = 500_000;

impl Account {
    pub(super) fn of(
        connection: &Connection,
        rules: &Rules,
        cell: u64,
        charge: &Charge,
    ) -> rusqlite::Result<Self> {
        let kind = charge.rule.kind;
        let mut cells = HashSet::new();
        let same = "SELECT b.number FROM cells a JOIN cells b ON b.scope = a.scope \
            AND b.key = a.key WHERE a.number = ?";
        let mut statement = connection.prepare_cached(same)?;
        let mut found = statement.query([integer(cell)])?;
        while let Some(row) = found.next()? {
            cells.insert(row.get(0)?);
        }
        let rules = rules.all().filter(|(_, other)| {
            other.limit == charge.limit && other.unit == charge.unit && other.rule.kind == kind
        });
        Ok(Self { cells, rules: rules.map(|(number, _)| number).collect(), kind })
    }

    /// What was used or reserved of it before a row that reserves; nothing where that can't be
    /// told: of what refills or is held, and where the rows do not go back far enough.
    pub(super) fn before(
        &self,
        connection: &Connection,
        row: &LedgerRow,
    ) -> rusqlite::Result<Option<u64>> {
        let wall = row.wall.as_nanos();
        let since = match self.kind {
            Kind::Period { start, .. } => start,
            Kind::Window { length_ns } => wall.saturating_sub(length_ns),
            Kind::Bucket { .. } | Kind::Concurrency | Kind::Sessions { .. } => return Ok(None),
        };
        let first = first_at(connection, since)?;
        let compacted: u64 = connection.query_row(
            "SELECT coalesce((SELECT value FROM meta WHERE name = 'compacted'), 0)",
            [],
            |row| row.get::<_, i64>(0).map(i64::cast_unsigned),
        )?;
        if row.seq.saturating_sub(first) > MAX_ROWS || first <= compacted {
            return Ok(None);
        }
        self.sum(connection, (first, row.seq), since).map(Some)
    }

    fn sum(
        &self,
        connection: &Connection,
        (first, end): (u64, u64),
        since: u64,
    ) -> rusqlite::Result<u64> {
        let select =
            format!("SELECT {COLUMNS} FROM entries WHERE seq >= ? AND seq < ? ORDER BY seq");
        let mut statement = connection.prepare_cached(&select)?;
        let mut entries = Entries::of(statement.query([integer(first), integer(end)])?);
        let mut charged: HashMap<ReservationId, u64> = HashMap::new();
        while let Some(entry) = entries.next()? {
            // The end of a whole reservation may come after the row that is asked about.
            if entry.seq >= end || entry.now.wall.as_nanos() < since {
                continue;
            }
            let its = entry.charges.iter().filter(|charge| {
                self.cells.contains(&charge.cell) && self.rules.contains(&charge.rule)
            });
            match entry.kind {
                EntryKind::Reserve | EntryKind::Extend => {
                    let more: u64 = its.map(|charge| charge.amount).sum();
                    *charged.entry(entry.id).or_default() += more;
                }
                EntryKind::Settle | EntryKind::Void | EntryKind::Expire => {
                    let used = its.map(|charge| charge.used).sum();
                    charged.entry(entry.id).and_modify(|it| *it = used);
                }
                EntryKind::Renew | EntryKind::Overrun | EntryKind::EndSession => {}
            }
        }
        Ok(charged.into_values().fold(0, u64::saturating_add))
    }
}
