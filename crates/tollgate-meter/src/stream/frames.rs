//! How the events of a stream are cut out of its bytes.

use bytes::Bytes;

use super::{StreamError, array, aws};
use crate::sse::{self, Block};

/// The largest event of those dialects whose last event repeats the whole answer, or whose
/// events bring images, in bytes.
pub(crate) const MAX_LARGE_EVENT_BYTES: usize = 8 << 20;

/// The exception of AWS's that stands for an error without a name.
const UNNAMED: &str = "internalServerException";

/// A reader of one framing.
#[derive(Debug)]
pub(crate) enum Frames {
    /// Server-sent events.
    Sse(sse::Reader),
    /// The items of a JSON array.
    Array(array::Reader),
    /// AWS's binary messages.
    Aws(aws::Reader),
    /// One of those two; its first bytes tell which. Until then, what it was asked to be.
    Either {
        /// Whether server-sent events were asked for.
        sse: bool,
    },
}

impl Frames {
    /// Server-sent events.
    pub(crate) fn sse() -> Self {
        Self::Sse(sse::Reader::default())
    }

    /// Server-sent events that may be large.
    pub(crate) fn large_sse() -> Self {
        Self::Sse(sse::Reader::new(MAX_LARGE_EVENT_BYTES))
    }

    /// AWS's binary messages.
    pub(crate) fn aws() -> Self {
        Self::Aws(aws::Reader::default())
    }

    /// The next block that the bytes so far complete, taken from the front of the chunk;
    /// `None` when all of it is taken.
    pub(super) fn next(&mut self, chunk: &mut Bytes) -> Option<Block> {
        match self {
            Self::Sse(reader) => reader.next(chunk),
            Self::Array(reader) => reader.next(chunk),
            Self::Aws(reader) => reader.next(chunk),
            Self::Either { .. } => {
                let spaces = chunk.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                if spaces > 0 {
                    let raw = chunk.split_to(spaces);
                    return Some(Block { raw, event: None, continues: false });
                }
                *self = match chunk.first()? {
                    b'[' | b'{' => Self::Array(array::Reader::new(MAX_LARGE_EVENT_BYTES)),
                    _ => Self::large_sse(),
                };
                self.next(chunk)
            }
        }
    }

    /// What is left when the stream has ended.
    pub(super) fn finish(&mut self) -> Option<Block> {
        match self {
            Self::Sse(reader) => reader.finish(),
            Self::Array(reader) => reader.finish(),
            Self::Aws(reader) => reader.finish(),
            Self::Either { .. } => None,
        }
    }

    /// Forgets what was held back, and says what ends the stream with an error, where the
    /// last byte that has passed, blanks aside, was this.
    pub(super) fn cut(&mut self, error: &dyn StreamError, last: Option<u8>) -> Bytes {
        let body = error.body();
        match self {
            Self::Sse(reader) => {
                let within = reader.is_within_told_block();
                *reader = sse::Reader::default();
                let event = sse::event(error.name(), &body);
                if within { [b"\n\n", &event[..]].concat().into() } else { event }
            }
            Self::Array(reader) => reader.cut(&body, last),
            Self::Aws(reader) => {
                *reader = aws::Reader::default();
                aws::exception(error.name().unwrap_or(UNNAMED), &body)
            }
            Self::Either { sse: true } => sse::event(error.name(), &body),
            Self::Either { sse: false } => [b"[", &body[..], b"]"].concat().into(),
        }
    }
}
