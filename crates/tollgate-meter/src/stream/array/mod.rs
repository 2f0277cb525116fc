//! A JSON array that arrives item by item, each with the exact bytes that it was made of.
//!
//! Google's streams come so where nobody asks for server-sent events. An object outside of an
//! array is an item as well. As with [`crate::sse`], the raw bytes of all blocks are the
//! input, an item is told with its last byte, no more than the maximum is held, and the time
//! is linear. Only strings and brackets are followed: whether an item is valid JSON is for
//! its reader to say.

#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};

use crate::sse::{Block, Event};

/// Reads the items of an array from chunks of any size.
#[derive(Debug)]
pub(crate) struct Reader {
    max_item_bytes: usize,
    /// Bytes of the item that is not complete, if it is not oversized.
    held: BytesMut,
    /// How many brackets are open.
    depth: usize,
    /// How many of them the items stand in: one in an array, else none.
    base: usize,
    string: Quoted,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quoted {
    No,
    Yes,
    /// After a backslash.
    Escaped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before or between items.
    Between,
    /// In an item that is held.
    Item,
    /// In an item that has outgrown the maximum and passes uninterpreted.
    Oversized,
    /// After the array.
    After,
}

impl Reader {
    pub(crate) fn new(max_item_bytes: usize) -> Self {
        Self {
            max_item_bytes,
            held: BytesMut::new(),
            depth: 0,
            base: 0,
            string: Quoted::No,
            place: Place::Between,
        }
    }

    /// The next block that the bytes so far complete, taken from the front of the chunk.
    pub(crate) fn next(&mut self, chunk: &mut Bytes) -> Option<Block> {
        if chunk.is_empty() {
            return None;
        }
        match self.place {
            Place::After => Some(bare(chunk.split_to(chunk.len()))),
            Place::Between => {
                let taken = self.between(chunk);
                if taken == 0 { self.item(chunk) } else { Some(bare(chunk.split_to(taken))) }
            }
            Place::Item | Place::Oversized => self.item(chunk),
        }
    }

    /// The bytes that are held back when the stream has ended, uninterpreted.
    pub(crate) fn finish(&mut self) -> Option<Block> {
        (!self.held.is_empty()).then(|| bare(self.held.split().freeze()))
    }

    /// Forgets what is held back, and says how an item goes on from what has passed, whose
    /// last byte, blanks aside, was this.
    pub(crate) fn cut(&mut self, item: &[u8], last: Option<u8>) -> Bytes {
        self.held.clear();
        let before: &[u8] = match last {
            None => b"[",
            Some(b'}') => b",",
            Some(_) => b"",
        };
        [before, item, b"]"].concat().into()
    }

    /// How many bytes stand before the next item; enters it if it begins.
    fn between(&mut self, bytes: &[u8]) -> usize {
        for (at, byte) in bytes.iter().enumerate() {
            if self.string != Quoted::No {
                self.quoted(*byte);
                continue;
            }
            match byte {
                b'"' => self.string = Quoted::Yes,
                b'{' if self.depth == self.base => {
                    self.place = Place::Item;
                    return at;
                }
                b'[' if self.depth == 0 => (self.depth, self.base) = (1, 1),
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth < self.base {
                        self.place = Place::After;
                        return bytes.len();
                    }
                }
                _ => {}
            }
        }
        bytes.len()
    }

    /// Reads on in an item.
    fn item(&mut self, chunk: &mut Bytes) -> Option<Block> {
        let (taken, is_complete) = self.scan(chunk);
        let part = chunk.split_to(taken);
        let continues = self.place == Place::Oversized;
        let is_oversized = continues || self.held.len() + part.len() > self.max_item_bytes;
        if is_complete {
            self.place = if self.base == 0 { Place::After } else { Place::Between };
        } else if is_oversized {
            self.place = Place::Oversized;
        } else {
            self.held.extend_from_slice(&part);
            return None;
        }
        let raw = if self.held.is_empty() {
            part
        } else {
            self.held.extend_from_slice(&part);
            self.held.split().freeze()
        };
        let event = (!is_oversized).then(|| Event {
            name: Bytes::new(),
            data: raw.clone(),
            is_error: false,
        });
        Some(Block { raw, event, continues })
    }

    /// How many bytes belong to the item, and whether its last one is among them.
    fn scan(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while at < bytes.len() {
            match self.string {
                Quoted::Yes => {
                    let next = memchr::memchr2(b'"', b'\\', &bytes[at..]);
                    let Some(next) = next else { return (bytes.len(), false) };
                    at += next;
                    self.quoted(bytes[at]);
                }
                Quoted::Escaped => self.string = Quoted::Yes,
                Quoted::No => match bytes[at] {
                    b'"' => self.string = Quoted::Yes,
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => {
                        self.depth = self.depth.saturating_sub(1);
                        if self.depth <= self.base {
                            return (at + 1, true);
                        }
                    }
                    _ => {}
                },
            }
            at += 1;
        }
        (bytes.len(), false)
    }

    const fn quoted(&mut self, byte: u8) {
        self.string = match (self.string, byte) {
            (Quoted::Yes, b'"') => Quoted::No,
            (Quoted::Yes, b'\\') => Quoted::Escaped,
            _ => Quoted::Yes,
        };
    }
}

/// Bytes that are no item.
const fn bare(raw: Bytes) -> Block {
    Block { raw, event: None, continues: false }
}
