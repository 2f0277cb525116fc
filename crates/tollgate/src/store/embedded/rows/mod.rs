//! Rows on their way to the ledger: as bytes, from the moment that they are made.
//!
//! One core makes them, another writes them, and what both touch costs each. So a row is no
//! value with lists of its own but a few hundred bytes behind the one before it, which are the
//! redo file's as they are, and are read once, when SQLite gets them.

mod codec;
mod varint;

use tollgate_core::Attributes;

pub(super) use codec::{Charges, Full};

use super::row::{Row, RowCharge};

/// Rows one after the other.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Room for what the redo file says of them, then each after its length.
    bytes: Vec<u8>,
    count: usize,
}

/// Bytes before the first row.
pub(super) const ROOM: usize = 40;

/// Bytes of memory that are kept for the next rows.
const MOST_KEPT: usize = 4 << 20;

/// Bytes of a row's length.
const LENGTH: usize = 4;

impl Rows {
    /// Adds a row with what it holds of accounts and who made it.
    pub(super) fn add(&mut self, row: &Row<'_>, charges: &[RowCharge], who: Option<&Attributes>) {
        if self.bytes.is_empty() {
            self.bytes.resize(ROOM, 0);
        }
        let start = self.bytes.len();
        self.bytes.extend([0; LENGTH]);
        codec::write(&mut self.bytes, row, charges, who);
        let length = (self.bytes.len() - start - LENGTH) as u32;
        self.bytes[start..start + LENGTH].copy_from_slice(&length.to_le_bytes());
        self.count += 1;
    }

    /// Adds the rows of another one, which is empty then.
    pub(super) fn append(&mut self, other: &mut Self) {
        if self.bytes.is_empty() {
            self.bytes.resize(ROOM, 0);
        }
        self.bytes.extend_from_slice(other.all());
        self.count += other.count;
        other.clear();
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        // What a disk that was slow for a while made of it is not kept for ever.
        self.bytes.shrink_to(MOST_KEPT);
        self.count = 0;
    }

    /// How many they are.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The bytes of all rows.
    pub(super) fn all(&self) -> &[u8] {
        self.bytes.get(ROOM..).unwrap_or_default()
    }

    /// The same, with the room before them.
    pub(super) fn with_room(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Rows that were written down; nothing if any can't be read.
    pub(super) fn read(all: &[u8]) -> Option<Self> {
        let mut bytes = vec![0; ROOM];
        bytes.extend_from_slice(all);
        let mut rows = Self { bytes, count: 0 };
        let mut at = rows.first();
        while let Some(next) = rows.next(at) {
            rows.row(at)?.is_whole().then_some(())?;
            (at, rows.count) = (next, rows.count + 1);
        }
        (at == rows.bytes.len()).then_some(rows)
    }

    /// Where the first row is, if there is any.
    pub(super) const fn first(&self) -> usize {
        ROOM
    }

    /// Where the row after this one is, if there is one here.
    pub(super) fn next(&self, at: usize) -> Option<usize> {
        let length = self.bytes.get(at..at + LENGTH)?.try_into().ok()?;
        let next = at + LENGTH + u32::from_le_bytes(length) as usize;
        (next <= self.bytes.len()).then_some(next)
    }

    /// The row that is here.
    pub(super) fn row(&self, at: usize) -> Option<Full<'_>> {
        codec::read(self.bytes.get(at + LENGTH..self.next(at)?)?)
    }

    /// Says that one row of the ledger tells a reservation and its end, which are here and there.
    pub(super) fn join(&mut self, begun: usize, ended: usize) {
        // So far into a group that there is no telling: they stay two.
        let Ok(end) = u32::try_from(ended) else { return };
        codec::mark_begun(&mut self.bytes[begun + LENGTH..], end);
        codec::mark_ended(&mut self.bytes[ended + LENGTH..]);
    }
}

#[cfg(test)]
pub(super) mod tests;
