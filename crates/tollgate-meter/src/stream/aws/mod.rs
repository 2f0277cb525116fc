//! AWS's event streams, `application/vnd.amazon.eventstream`: messages in binary frames, each
//! with the exact bytes that it was made of.
//!
//! A frame is its length, the length of its headers and a checksum of both (twelve bytes, all
//! integers big-endian), headers, payload, and a checksum of all before. As with
//! [`crate::sse`], the raw bytes of all blocks are the input, a message is told with its last
//! byte, no more than the maximum is held, and the time is linear. After a frame that is none
//! nothing can be understood, so everything passes as it is; clients fail there as well.

mod message;
#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};

pub(crate) use message::exception;

use crate::sse::Block;

/// The most bytes that headers may have, as AWS's own clients have it.
const MAX_HEADERS_BYTES: usize = 128 << 10;

/// The most bytes that a payload may have, as AWS's own clients have it.
const MAX_PAYLOAD_BYTES: usize = 24 << 20;

/// Lengths and their checksum.
const PRELUDE_BYTES: usize = 12;

/// A checksum.
const CRC_BYTES: usize = 4;

/// Reads messages from chunks of any size.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// Bytes of the frame that is not complete.
    held: BytesMut,
    /// How long that frame is, once its prelude is here.
    frame_bytes: Option<usize>,
    /// Something came that is no frame.
    is_lost: bool,
}

/// The parts of a frame.
struct Frame<'a> {
    headers: &'a [u8],
    payload: std::ops::Range<usize>,
}

impl Reader {
    /// The next block that the bytes so far complete, taken from the front of the chunk.
    pub(crate) fn next(&mut self, chunk: &mut Bytes) -> Option<Block> {
        if chunk.is_empty() {
            return None;
        }
        if self.is_lost {
            return Some(bare(chunk.split_to(chunk.len())));
        }
        if self.held.is_empty() && chunk.len() >= PRELUDE_BYTES {
            // The usual case: a frame that came in one chunk is not copied.
            match frame_bytes(chunk) {
                None => return Some(self.lose(chunk)),
                Some(length) if chunk.len() >= length => {
                    return Some(self.interpret(chunk.split_to(length)));
                }
                Some(length) => self.frame_bytes = Some(length),
            }
        }
        if self.frame_bytes.is_none() {
            self.take(chunk, PRELUDE_BYTES);
            if self.held.len() < PRELUDE_BYTES {
                return None;
            }
            self.frame_bytes = frame_bytes(&self.held);
        }
        let Some(length) = self.frame_bytes else { return Some(self.lose(chunk)) };
        self.take(chunk, length);
        if self.held.len() < length {
            return None;
        }
        self.frame_bytes = None;
        let raw = self.held.split().freeze();
        Some(self.interpret(raw))
    }

    /// The bytes that are held back when the stream has ended, uninterpreted.
    pub(crate) fn finish(&mut self) -> Option<Block> {
        (!self.held.is_empty()).then(|| bare(self.held.split().freeze()))
    }

    /// Takes bytes until so many are held.
    fn take(&mut self, chunk: &mut Bytes, most: usize) {
        let missing = most.saturating_sub(self.held.len());
        let part = chunk.split_to(missing.min(chunk.len()));
        self.held.extend_from_slice(&part);
    }

    fn interpret(&mut self, raw: Bytes) -> Block {
        let Some(Frame { headers, payload }) = frame(&raw) else {
            self.is_lost = true;
            return bare(raw);
        };
        let event = message::event(headers, raw.slice(payload));
        Block { raw, event, continues: false }
    }

    fn lose(&mut self, chunk: &mut Bytes) -> Block {
        self.is_lost = true;
        self.held.extend_from_slice(&chunk.split_to(chunk.len()));
        bare(self.held.split().freeze())
    }
}

/// How long a frame with this prelude is, if it is one.
fn frame_bytes(prelude: &[u8]) -> Option<usize> {
    let length = integer(prelude, 0)? as usize;
    let headers = integer(prelude, 4)? as usize;
    let crc = integer(prelude, 8)?;
    let payload = length.checked_sub(PRELUDE_BYTES + headers + CRC_BYTES)?;
    let is_frame = headers <= MAX_HEADERS_BYTES
        && payload <= MAX_PAYLOAD_BYTES
        && crc32fast::hash(prelude.get(..8)?) == crc;
    is_frame.then_some(length)
}

/// The parts of a whole frame, if its checksum is right.
fn frame(raw: &[u8]) -> Option<Frame<'_>> {
    let end = raw.len().checked_sub(CRC_BYTES)?;
    let payload = PRELUDE_BYTES + integer(raw, 4)? as usize;
    let is_right = crc32fast::hash(raw.get(..end)?) == integer(raw, end)?;
    let headers = raw.get(PRELUDE_BYTES..payload)?;
    (is_right && payload <= end).then_some(Frame { headers, payload: payload..end })
}

fn integer(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(four.try_into().ok()?))
}

/// Bytes that are no message.
const fn bare(raw: Bytes) -> Block {
    Block { raw, event: None, continues: false }
}
