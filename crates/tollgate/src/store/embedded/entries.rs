//! Rows as what they tell, one after the other: a whole reservation's row is met where the
//! reservation began and again where it ended.

use std::collections::BTreeMap;

use rusqlite::Rows;

use super::entry::Entry;

/// Reads rows that come in the order of their numbers.
pub(super) struct Entries<'s> {
    rows: Rows<'s>,
    /// The row that was read last, while an end comes before it.
    read: Option<(Entry, Option<Entry>)>,
    /// Ends of whole reservations that have begun, by their numbers.
    ends: BTreeMap<u64, Entry>,
}

impl<'s> Entries<'s> {
    pub(super) const fn of(rows: Rows<'s>) -> Self {
        Self { rows, read: None, ends: BTreeMap::new() }
    }

    pub(super) fn next(&mut self) -> rusqlite::Result<Option<Entry>> {
        if self.read.is_none()
            && let Some(row) = self.rows.next()?
        {
            self.read = Some((Entry::read(row)?, Entry::read_end(row)?));
        }
        let row = self.read.as_ref().map_or(u64::MAX, |(entry, _)| entry.seq);
        if self.ends.first_key_value().is_some_and(|(end, _)| *end < row) {
            return Ok(self.ends.pop_first().map(|(_, end)| end));
        }
        let Some((entry, end)) = self.read.take() else { return Ok(None) };
        self.ends.extend(end.map(|end| (end.seq, end)));
        Ok(Some(entry))
    }
}
