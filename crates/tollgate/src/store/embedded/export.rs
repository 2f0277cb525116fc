//! The rows of a ledger as they leave it, each with the names of who asked.
//!
//! They are read some thousands at a time, each lot in a transaction of its own, so that
//! neither memory nor the log of a process that writes the ledger grows with them, however
//! slowly they are taken. Rows never change, so the lots fit together.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, Row};
use serde_json::{Map, Value};
use tollgate_core::{Amounts, Attribute, ReservationId, Time};

use super::{
    LedgerError,
    entry::{self, wrong},
    redo,
    rules::json,
    schema::{self, EntryKind, WHOLE, integer},
};

/// Reads the rows of a ledger in their order, up to the last one that was there at first.
#[derive(Debug)]
pub struct Export {
    connection: Connection,
    path: PathBuf,
    /// On the wall clock.
    from: Time,
    to: Time,
    /// The first row and the last one, and how far reading has come.
    first: u64,
    last: u64,
    read: u64,
    /// Ends of whole reservations that have begun, by their numbers.
    ends: BTreeMap<u64, LedgerRow>,
}

/// One row of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// Its number; rows are numbered in the order of what they tell.
    pub seq: u64,
    /// What happened: `reserve`, `extend`, `renew`, `settle`, `void`, `expire`, `overrun` or
    /// `end_session`.
    pub kind: &'static str,
    /// The reservation's id; a session that was ended has none.
    pub id: Option<ReservationId>,
    /// When, on the wall clock.
    pub wall: Time,
    /// What was reserved, added, charged, given back or used beyond what was reserved.
    pub amounts: Amounts,
    /// Whether nobody told what was used.
    pub estimated: bool,
    /// Who asked, by name: attributes with a column of their own, then the others.
    pub attributes: Vec<(String, String)>,
}

/// Attributes that have a column of their own.
const COLUMNS: [&str; 8] = ["user", "session", "team", "tier", "key", "provider", "model", "task"];

/// Rows that are read at a time.
const LOT: u64 = 4_096;

/// What a [`LedgerRow`] is read from, and after that the charges and when it expires.
pub(super) const ROWS: &str = "SELECT e.seq, e.kind, e.id, e.wall, e.requests, e.input_tokens, \
    e.output_tokens, e.nano_usd, e.millis, e.estimated, coalesce(e.other, r.other), \
    coalesce(e.user, r.user), coalesce(e.session, r.session), coalesce(e.team, r.team), \
    coalesce(e.tier, r.tier), coalesce(e.key, r.key), coalesce(e.provider, r.provider), \
    coalesce(e.model, r.model), coalesce(e.task, r.task), e.end_seq, e.end_wall, \
    e.used_requests, e.used_input_tokens, e.used_output_tokens, e.used_nano_usd, e.used_millis, \
    e.charges, e.expires FROM entries e LEFT JOIN entries r ON r.seq = e.reserve_seq";

impl Export {
    /// Opens a ledger to read its rows from an instant on and before another, on the wall
    /// clock. Also while a process writes it.
    ///
    /// # Errors
    /// When there is no such ledger or it can't be read.
    pub fn open(path: &Path, from: Option<Time>, to: Option<Time>) -> Result<Self, LedgerError> {
        redo::bring_in(path);
        let connection = schema::open_to_read(path, None)?;
        let ends = "SELECT coalesce(min(seq), 1), coalesce(max(seq), 0) FROM entries";
        let read = |row: &Row<'_>| Ok((entry::unsigned(row, 0)?, entry::unsigned(row, 1)?));
        let (first, last) = connection
            .query_row(ends, [], read)
            .map_err(|error| LedgerError::from_sqlite(path, &error))?;
        Ok(Self {
            connection,
            path: path.to_path_buf(),
            from: from.unwrap_or(Time::ZERO),
            to: to.unwrap_or(Time::from_nanos(u64::MAX)),
            first,
            last,
            read: first.saturating_sub(1),
            ends: BTreeMap::new(),
        })
    }

    /// The next rows, some thousands at most; none when there are no more.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn next_rows(&mut self) -> Result<Vec<LedgerRow>, LedgerError> {
        let mut rows = Vec::new();
        while rows.is_empty() && self.read < self.last {
            self.lot(&mut rows).map_err(|error| LedgerError::from_sqlite(&self.path, &error))?;
        }
        Ok(rows)
    }

    /// How many rows have been looked at, and of how many.
    pub const fn progress(&self) -> (u64, u64) {
        let before = self.first.saturating_sub(1);
        (self.read - before, self.last - before)
    }

    fn lot(&mut self, rows: &mut Vec<LedgerRow>) -> rusqlite::Result<()> {
        let lots = format!("{ROWS} WHERE e.seq > ?1 AND e.seq <= ?2 ORDER BY e.seq LIMIT ?3");
        let mut statement = self.connection.prepare_cached(&lots)?;
        let span = [integer(self.read), integer(self.last), integer(LOT)];
        let mut lot = statement.query(span)?;
        let mut read = self.last;
        let mut left = LOT;
        let asked = self.from..self.to;
        let mut take = |row: LedgerRow| {
            if asked.contains(&row.wall) {
                rows.push(row);
            }
        };
        while let Some(row) = lot.next()? {
            left -= 1;
            let seq = entry::unsigned(row, 0)?;
            if left == 0 {
                read = seq;
            }
            while let Some(end) = self.ends.first_entry().filter(|end| *end.key() < seq) {
                take(end.remove());
            }
            let last_wall: Option<i64> = row.get(20)?;
            let last_wall = last_wall.map_or(entry::unsigned(row, 3)?, i64::cast_unsigned);
            if last_wall < self.from.as_nanos() {
                continue;
            }
            let begun = LedgerRow::read(row)?;
            if let Some(end) = begun.read_end(row)? {
                self.ends.insert(end.seq, end);
            }
            take(begun);
        }
        if read == self.last {
            std::mem::take(&mut self.ends).into_values().for_each(take);
        }
        self.read = read;
        Ok(())
    }
}

impl LedgerRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let number = row.get(1)?;
        let (kind, is_whole) = EntryKind::begun(number)
            .ok_or_else(|| wrong(1, format!("{number} is no kind of entry")))?;
        let mut attributes = Vec::new();
        for (nth, name) in COLUMNS.into_iter().enumerate() {
            if let Some(value) = row.get::<_, Option<String>>(11 + nth)? {
                attributes.push((name.to_owned(), value));
            }
        }
        if let Some(others) = row.get_ref(10)?.as_str_or_null()? {
            let others: Map<String, Value> = json(10, others)?;
            attributes.extend(others.into_iter().map(|(name, value)| match value {
                Value::String(value) => (name, value),
                value => (name, value.to_string()),
            }));
        }
        Ok(Self {
            seq: entry::unsigned(row, 0)?,
            kind: kind.name(),
            id: (kind != EntryKind::EndSession).then(|| entry::read_id(row, 2)).transpose()?,
            wall: Time::from_nanos(entry::unsigned(row, 3)?),
            amounts: entry::read_amounts(row, 4)?,
            estimated: row.get::<_, bool>(9)? && !is_whole,
            attributes,
        })
    }

    /// The end of a whole reservation, which the same row tells.
    pub(super) fn read_end(&self, row: &Row<'_>) -> rusqlite::Result<Option<Self>> {
        if row.get::<_, i64>(1)? != WHOLE {
            return Ok(None);
        }
        Ok(Some(Self {
            seq: entry::unsigned(row, 19)?,
            kind: EntryKind::Settle.name(),
            wall: Time::from_nanos(entry::unsigned(row, 20)?),
            amounts: entry::read_amounts(row, 21)?,
            estimated: row.get(9)?,
            ..self.clone()
        }))
    }

    /// The value of an attribute.
    pub fn value(&self, attribute: &Attribute) -> Option<&str> {
        let name = attribute.name();
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}
