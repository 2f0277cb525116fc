//! A cell as bytes, for a ledger that reads a hundred thousand of them when it opens.
//!
//! Every number is written seven bits a byte, the low ones first, so that the many small ones
//! of a cell are short.

use compact_str::CompactString;

use super::{Cell, Packed, Sessions};
use crate::{LimitId, Time};

/// Bytes that are no cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are no accounts: they were damaged, or written by another version")]
pub struct NotACell;

/// What is left of the bytes.
struct Reader<'a>(&'a [u8]);

impl Cell {
    /// Appends the cell to `bytes`.
    pub fn write_to(&self, bytes: &mut Vec<u8>) {
        number(bytes, self.latest.as_nanos());
        let words = self.packed.words();
        number(bytes, words.len() as u64);
        words.iter().for_each(|word| number(bytes, *word));
        let sessions = self.sessions.as_deref().map_or(&[][..], Vec::as_slice);
        number(bytes, sessions.len() as u64);
        for (limit, sessions) in sessions {
            number(bytes, limit.0);
            let all: Vec<(CompactString, Time)> = sessions.clone().into();
            number(bytes, all.len() as u64);
            for (session, expires) in all {
                number(bytes, session.len() as u64);
                bytes.extend_from_slice(session.as_bytes());
                number(bytes, expires.as_nanos());
            }
        }
    }

    /// Reads a cell that [`write_to`](Self::write_to) wrote.
    ///
    /// # Errors
    /// When the bytes are not exactly one cell.
    pub fn read_from(bytes: &[u8]) -> Result<Self, NotACell> {
        let mut reader = Reader(bytes);
        let latest = Time::from_nanos(reader.number()?);
        let count = reader.count()?;
        // Collecting results would not know how many come, and grow step by step.
        let mut words = Vec::with_capacity(count);
        for _ in 0..count {
            words.push(reader.number()?);
        }
        let packed = Packed::try_from(words.into_boxed_slice()).map_err(|_| NotACell)?;
        let limits = reader.count()?;
        let sessions = (0..limits).map(|_| reader.sessions()).collect::<Result<Vec<_>, _>>()?;
        let sessions = (!sessions.is_empty()).then(|| Box::new(sessions));
        if reader.0.is_empty() { Ok(Self { latest, packed, sessions }) } else { Err(NotACell) }
    }
}

impl Reader<'_> {
    #[inline]
    fn number(&mut self) -> Result<u64, NotACell> {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let (byte, rest) = self.0.split_first().ok_or(NotACell)?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if shift > 63 || (shift == 63 && bits > 1) {
                return Err(NotACell);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
            shift += 7;
        }
    }

    /// How many come: each takes a byte at least, so there can't be more than bytes.
    fn count(&mut self) -> Result<usize, NotACell> {
        let count = usize::try_from(self.number()?).map_err(|_| NotACell)?;
        if count <= self.0.len() { Ok(count) } else { Err(NotACell) }
    }

    fn sessions(&mut self) -> Result<(LimitId, Sessions), NotACell> {
        let limit = LimitId(self.number()?);
        let all = self.count()?;
        let all = (0..all).map(|_| {
            let length = self.count()?;
            let (text, rest) = self.0.split_at(length);
            self.0 = rest;
            let session = CompactString::from_utf8(text).map_err(|_| NotACell)?;
            Ok((session, Time::from_nanos(self.number()?)))
        });
        let all = all.collect::<Result<Vec<_>, NotACell>>()?;
        Ok((limit, Sessions::from(all)))
    }
}

fn number(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}
