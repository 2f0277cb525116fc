//! A stream's pieces, one after the other.

use std::fmt;

/// Writes the events of one answer.
pub(crate) trait Events: fmt::Debug + Send + Sync {
    /// How many events there are in all.
    fn count(&self) -> usize;

    /// Whether the next event is a token, which takes the model time.
    fn token_is_next(&mut self) -> bool;

    /// Writes the next event; nothing when there is none.
    fn write_next(&mut self, out: &mut Vec<u8>);

    /// Writes an error in the place of all that is left.
    fn write_error(&mut self, out: &mut Vec<u8>);
}
