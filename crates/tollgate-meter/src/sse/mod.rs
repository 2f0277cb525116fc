//! Server-sent events as they arrive, each with the exact bytes that it was made of.
//!
//! The raw bytes of all [`Block`]s, in order, are the input, byte for byte, whatever it
//! holds and however it was cut into chunks; which events it holds does not depend on the
//! chunks either. An event is told as soon as its last byte is here. At most one event's
//! bytes are held, and no more than the maximum; the time is linear in the input.
//!
//! Lines and fields are read as the WHATWG's HTML standard says: lines end with LF, CR or
//! CRLF, a byte order mark at the start and lines that begin with `:` say nothing.

mod fields;
#[cfg(test)]
mod tests;

use bytes::{Buf, Bytes, BytesMut};

/// The largest event that is interpreted, in bytes of its block, unless set otherwise.
pub const MAX_EVENT_BYTES: usize = 1 << 20;

/// Reads a stream of server-sent events from chunks of any size.
///
/// For each chunk call [`next`](Reader::next) until it answers `None`; at the end of the
/// stream, [`finish`](Reader::finish).
#[derive(Debug)]
pub struct Reader {
    max_event_bytes: usize,
    /// Bytes of the block that is not complete, if it is not oversized.
    held: BytesMut,
    /// Where the scan for the end of the block stands.
    line: Line,
    /// The block has outgrown the maximum and passes uninterpreted.
    oversized: bool,
    /// Nothing has been told yet, so that a byte order mark may come.
    first: bool,
}

/// A run of raw bytes with the event that they make, if they make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The bytes exactly as they came, with the blank line that ends them.
    pub raw: Bytes,
    /// What they say; nothing for comments, for fields without data, for what is too large
    /// to be interpreted and for the LF of a line end that an earlier chunk began.
    pub event: Option<Event>,
    /// Whether the bytes only continue the block before them, whose fate they must share.
    pub continues: bool,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its type as the stream names it; empty when it names none.
    pub name: Bytes,
    /// Its data: the values of its `data` fields, joined by LF.
    pub data: Bytes,
    /// Whether the framing itself says that it is an error; server-sent events never do.
    pub is_error: bool,
}

/// One event in bytes. Neither name nor data may hold a line end.
pub(crate) fn event(name: Option<&str>, data: &[u8]) -> Bytes {
    match name {
        Some(name) => [b"event: ", name.as_bytes(), b"\ndata: ", data, b"\n\n"].concat().into(),
        None => [b"data: ", data, b"\n\n"].concat().into(),
    }
}

/// What the last byte was, as far as line ends go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// The block has not begun. After a CR, an LF still belongs to the block before.
    Fresh { after_cr: bool },
    /// At the start of a line. After a CR, an LF still belongs to the line before.
    Start { after_cr: bool },
    /// Within a line.
    Within,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new(MAX_EVENT_BYTES)
    }
}

impl Reader {
    /// A reader that interprets no event of more than `max_event_bytes`.
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            max_event_bytes,
            held: BytesMut::new(),
            line: Line::Fresh { after_cr: false },
            oversized: false,
            first: true,
        }
    }

    /// The next block that the bytes so far complete, taken from the front of the chunk.
    ///
    /// `None` means that the whole chunk is taken and more is needed.
    pub fn next(&mut self, chunk: &mut Bytes) -> Option<Block> {
        if chunk.is_empty() {
            return None;
        }
        if self.line == (Line::Fresh { after_cr: true }) {
            self.line = Line::Fresh { after_cr: false };
            if chunk[0] == b'\n' {
                return Some(Block { raw: chunk.split_to(1), event: None, continues: true });
            }
        }
        let (taken, complete) = self.line.scan(chunk);
        let part = chunk.split_to(taken);
        // An LF that completes the last line end may as well come in the next chunk.
        let late = usize::from(complete && part.ends_with(b"\r\n"));
        if self.oversized || self.held.len() + part.len() - late > self.max_event_bytes {
            return Some(self.pass(part, complete));
        }
        if !complete {
            self.held.extend_from_slice(&part);
            return None;
        }
        let raw = if self.held.is_empty() { part } else { self.join(&part) };
        Some(self.interpret(raw))
    }

    /// What is left when the stream has ended: bytes that no blank line completes.
    ///
    /// The standard discards such an event. It is told here all the same, since a provider
    /// that forgets its last blank line has still said what was used.
    pub fn finish(&mut self) -> Option<Block> {
        let raw = self.take_held()?;
        Some(self.interpret(raw))
    }

    /// The bytes that are held back, uninterpreted.
    pub fn take_held(&mut self) -> Option<Bytes> {
        self.line = Line::Fresh { after_cr: false };
        self.oversized = false;
        (!self.held.is_empty()).then(|| self.held.split().freeze())
    }

    /// Whether a part of a block has been told and its rest has not come yet.
    pub const fn is_within_told_block(&self) -> bool {
        self.oversized
    }

    fn pass(&mut self, part: Bytes, complete: bool) -> Block {
        let continues = self.oversized;
        let raw = if self.held.is_empty() { part } else { self.join(&part) };
        self.oversized = !complete;
        self.first = false;
        Block { raw, event: None, continues }
    }

    fn join(&mut self, part: &[u8]) -> Bytes {
        self.held.extend_from_slice(part);
        self.held.split().freeze()
    }

    fn interpret(&mut self, raw: Bytes) -> Block {
        const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
        let mut text = raw.clone();
        if std::mem::take(&mut self.first) && text.starts_with(BYTE_ORDER_MARK) {
            text.advance(BYTE_ORDER_MARK.len());
        }
        Block { event: fields::event(&text), raw, continues: false }
    }
}

impl Line {
    /// Looks for the end of the block: how many bytes belong to it, and whether it is there.
    fn scan(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while at < bytes.len() {
            if *self == Self::Within {
                let Some(end) = memchr::memchr2(b'\n', b'\r', &bytes[at..]) else { break };
                at += end + 1;
                *self = Self::Start { after_cr: bytes[at - 1] == b'\r' };
                continue;
            }
            let after_cr = *self == Self::Start { after_cr: true };
            let byte = bytes[at];
            at += 1;
            match byte {
                b'\n' if after_cr => *self = Self::Start { after_cr: false },
                b'\n' => {
                    *self = Self::Fresh { after_cr: false };
                    return (at, true);
                }
                b'\r' if bytes.get(at) == Some(&b'\n') => {
                    *self = Self::Fresh { after_cr: false };
                    return (at + 1, true);
                }
                b'\r' => {
                    *self = Self::Fresh { after_cr: at == bytes.len() };
                    return (at, true);
                }
                _ => *self = Self::Within,
            }
        }
        (bytes.len(), false)
    }
}
