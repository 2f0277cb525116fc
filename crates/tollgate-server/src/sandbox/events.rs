//! A stream's pieces, one after the other.

use std::{fmt, ops::Range, vec};

use bytes::Bytes;

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

/// How a token is written, by its place in the answer.
type WriteToken = Box<dyn Fn(usize, &mut Vec<u8>) + Send + Sync>;

/// The usual course: what opens a stream, a token an event, and what closes it.
pub(crate) struct Script {
    opening: vec::IntoIter<Bytes>,
    tokens: Range<usize>,
    write: WriteToken,
    closing: vec::IntoIter<Bytes>,
    error: Bytes,
}

impl Script {
    /// So many `tokens`, each as `write` writes it, between `opening` and `closing`; `error` is
    /// what may cut it short.
    pub(crate) fn new(
        opening: Vec<Bytes>,
        tokens: usize,
        write: impl Fn(usize, &mut Vec<u8>) + Send + Sync + 'static,
        closing: Vec<Bytes>,
        error: Bytes,
    ) -> Box<Self> {
        Box::new(Self {
            opening: opening.into_iter(),
            tokens: 0..tokens,
            write: Box::new(write),
            closing: closing.into_iter(),
            error,
        })
    }
}

impl Events for Script {
    fn count(&self) -> usize {
        self.opening.len() + self.tokens.len() + self.closing.len()
    }

    fn token_is_next(&mut self) -> bool {
        self.opening.len() == 0 && !self.tokens.is_empty()
    }

    fn write_next(&mut self, out: &mut Vec<u8>) {
        if let Some(event) = self.opening.next() {
            out.extend_from_slice(&event);
        } else if let Some(place) = self.tokens.next() {
            (self.write)(place, out);
        } else if let Some(event) = self.closing.next() {
            out.extend_from_slice(&event);
        }
    }

    fn write_error(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.error);
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("tokens", &self.tokens).finish_non_exhaustive()
    }
}

/// A server-sent event with a name.
pub(crate) fn named(name: &str, data: impl fmt::Display) -> Bytes {
    format!("event: {name}\ndata: {data}\n\n").into()
}
