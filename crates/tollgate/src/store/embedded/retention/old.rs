//! A row that is old: what goes with it, and what of it stays as a sum.

use rusqlite::{Connection, Row, params};

use super::Sums;
use crate::store::embedded::{
    entry::{self, Entry},
    rules::Rules,
    schema::{EntryKind, integer},
};

/// A row, as what it tells.
pub(super) struct Old {
    pub(super) begun: Entry,
    /// The end, of a whole reservation.
    pub(super) ended: Option<Entry>,
    /// Its reservation's row.
    first: Option<i64>,
    link: Option<i64>,
}

impl Old {
    /// Reads the columns of an entry, and `reserve_seq` and `link` after them.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (begun, ended) = (Entry::read(row)?, Entry::read_end(row)?);
        let (first, link) = (row.get(entry::WIDTH)?, row.get(entry::WIDTH + 1)?);
        Ok(Self { begun, ended, first, link })
    }

    /// The last number that it tells of.
    pub(super) fn last(&self) -> u64 {
        self.ended.as_ref().unwrap_or(&self.begun).seq
    }

    pub(super) fn is_expiry(&self) -> bool {
        self.begun.kind == EntryKind::Expire
    }

    /// Whether a reservation that expired was settled or voided late.
    pub(super) fn ends_later(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let end = "SELECT EXISTS (SELECT 1 FROM entries WHERE link = ? AND kind IN (4, 5))";
        connection.prepare_cached(end)?.query_row([self.first], |row| row.get(0))
    }

    /// Sums up what ends with the row, and removes it; up to which row all is in the sums then,
    /// or belongs to what ends later.
    pub(super) fn step(
        self,
        connection: &Connection,
        rules: &Rules,
        sums: &mut Sums,
    ) -> rusqlite::Result<u64> {
        let seq = self.begun.seq;
        let last = match (self.begun.kind, self.first) {
            (EntryKind::EndSession, None) => {
                sums.count(&self.begun);
                remove(connection, &[seq])?;
                return Ok(seq);
            }
            (EntryKind::Reserve, _) if self.ended.is_some() => self.last(),
            (EntryKind::Settle | EntryKind::Void, Some(_)) => seq,
            (EntryKind::Expire, Some(_)) if !self.ends_later(connection)? => seq,
            _ => return Ok(seq),
        };
        let mut rows = self.reservation(connection)?;
        if rows.first().is_none_or(|first| first.kind != EntryKind::Reserve) {
            // There is no telling what ended; it stays for an audit to find.
            return Ok(seq);
        }
        rows.extend(one(connection, last + 1)?.filter(|row| row.kind == EntryKind::Overrun));
        for row in &rows {
            sums.count(row);
            sums.add(rules, row, row.seq == last);
        }
        let numbers: Vec<u64> = rows.iter().map(|row| row.seq).collect();
        remove(connection, &numbers)?;
        Ok(numbers.into_iter().max().unwrap_or(seq))
    }

    /// The rows of the reservation that this one ends, from the first on.
    fn reservation(self, connection: &Connection) -> rusqlite::Result<Vec<Entry>> {
        if let Some(ended) = self.ended {
            return Ok(vec![self.begun, ended]);
        }
        let rows = format!(
            "SELECT {0} FROM entries WHERE seq = ?1 UNION ALL \
                SELECT {0} FROM entries WHERE link = ?1",
            entry::COLUMNS
        );
        let mut rows: Vec<Entry> = connection
            .prepare_cached(&rows)?
            .query_map([self.first], Entry::read)?
            .collect::<Result<_, _>>()?;
        if self.link.is_none() {
            rows.push(self.begun);
        }
        Ok(rows)
    }
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
