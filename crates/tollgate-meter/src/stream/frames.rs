//! How the events of a stream are cut out of its bytes.

use bytes::Bytes;

use super::StreamError;
use crate::sse::{self, Block};

/// A reader of one framing.
#[derive(Debug)]
pub(crate) enum Frames {
    /// Server-sent events.
    Sse(sse::Reader),
}

impl Frames {
    /// The next block that the bytes so far complete, taken from the front of the chunk;
    /// `None` when all of it is taken.
    pub(super) fn next(&mut self, chunk: &mut Bytes) -> Option<Block> {
        match self {
            Self::Sse(reader) => reader.next(chunk),
        }
    }

    /// What is left when the stream has ended.
    pub(super) fn finish(&mut self) -> Option<Block> {
        match self {
            Self::Sse(reader) => reader.finish(),
        }
    }

    /// Forgets what was held back, and says what ends the stream with an error.
    pub(super) fn cut(&mut self, error: &dyn StreamError) -> Bytes {
        match self {
            Self::Sse(reader) => {
                let within = reader.is_within_told_block();
                *reader = sse::Reader::default();
                let event = sse::event(error.name(), &error.body());
                if within { [b"\n\n", &event[..]].concat().into() } else { event }
            }
        }
    }
}
