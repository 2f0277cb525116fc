//! Meters a streamed answer while it passes, whatever dialect it speaks.
//!
//! Three things are apart: how events are cut out of bytes ([`frames`]), what an event means
//! ([`Events`], one for each dialect), and what has come so far ([`Tally`]).

mod array;
mod aws;
pub(crate) mod frames;

use std::{collections::VecDeque, fmt, ops::Range};

use bytes::Bytes;

use crate::{
    AnyRequest, Gauge, Metered,
    sse::{Block, Event},
    tally::Tally,
};
use frames::Frames;

/// Meters a stream of events and passes it on.
///
/// [`push`](Self::push) what the provider sends and [`pop`](Self::pop) what the client
/// gets: the same bytes, without what the client did not ask for and the provider was. An
/// event passes as soon as it is complete; bytes are copied only where an event came in
/// several chunks. After the provider's last byte [`finish`](Self::finish), or
/// [`cut`](Self::cut) to end it earlier.
#[derive(Debug)]
pub struct StreamMeter {
    frames: Frames,
    events: Box<dyn Events>,
    tally: Tally,
    passing: VecDeque<Bytes>,
    /// The last byte that the client got, blanks aside.
    last: Option<u8>,
    /// The block before was dropped, and so is what continues it.
    dropping: bool,
}

/// What the events of a dialect mean.
pub(crate) trait Events: fmt::Debug + Send + Sync {
    /// Takes note of an event; whether the client gets it.
    fn read(&mut self, event: &Event, tally: &mut Tally) -> Fate;

    /// Takes note that the provider has sent its last byte.
    fn ended(&mut self, _tally: &mut Tally) {}
}

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The client gets it.
    Pass,
    /// It was for the meter alone.
    Drop,
}

/// An error that a stream can end with, in the words of a dialect.
pub trait StreamError {
    /// The name of the event, where the dialect gives one.
    fn name(&self) -> Option<&str>;

    /// What it says, in JSON.
    fn body(&self) -> Bytes;
}

impl StreamMeter {
    /// A meter for the response to a request.
    pub fn new(request: &(impl AnyRequest + ?Sized), gauge: Gauge) -> Self {
        request.stream_meter(gauge)
    }

    pub(crate) fn of(frames: Frames, events: Box<dyn Events>, tally: Tally) -> Self {
        Self { frames, events, tally, passing: VecDeque::new(), last: None, dropping: false }
    }

    /// Takes the next bytes from the provider.
    pub fn push(&mut self, chunk: &Bytes) {
        let mut rest = chunk.clone();
        // Neighbours that pass are passed as one.
        let mut run: Range<usize> = 0..0;
        while let Some(block) = self.frames.next(&mut rest) {
            let end = chunk.len() - rest.len();
            let keeps = self.keeps(&block);
            let is_of_chunk = block.raw.len() <= end - run.end;
            if keeps && is_of_chunk {
                run.end = end;
                continue;
            }
            self.pass(chunk.slice(run));
            if keeps {
                self.pass(block.raw);
            }
            run = end..end;
        }
        self.pass(chunk.slice(run));
    }

    /// Takes of the next bytes no more than complete one event, and leaves the others; whether
    /// one is complete. For whoever must know what an event brought before the next passes.
    pub fn push_event(&mut self, chunk: &mut Bytes) -> bool {
        let Some(block) = self.frames.next(chunk) else { return false };
        if self.keeps(&block) {
            self.pass(block.raw);
        }
        true
    }

    /// The next bytes for the client, if any are ready.
    pub fn pop(&mut self) -> Option<Bytes> {
        let bytes = self.passing.pop_front()?;
        let last = bytes.iter().rfind(|byte| !byte.is_ascii_whitespace());
        self.last = last.copied().or(self.last);
        Some(bytes)
    }

    /// Takes note that the provider has sent its last byte; what was held back passes.
    pub fn finish(&mut self) -> Metered {
        if let Some(block) = self.frames.finish()
            && self.keeps(&block)
        {
            self.pass(block.raw);
        }
        self.events.ended(&mut self.tally);
        self.metered()
    }

    /// Ends the stream with an error in the client's dialect: the bytes to send last.
    ///
    /// What has not passed yet never will, so that the error is an event of its own.
    pub fn cut(&mut self, error: &dyn StreamError) -> Bytes {
        self.passing.clear();
        self.frames.cut(error, self.last)
    }

    /// What is metered so far.
    pub fn metered(&self) -> Metered {
        self.tally.metered()
    }

    /// The tokens that the model has made so far, as far as the text tells. Most providers
    /// send one event for each, some send several in one.
    pub fn output_estimate(&self) -> u64 {
        self.tally.output_estimate()
    }

    /// The tokens of the largest event so far: about what the next may bring.
    pub fn largest_event(&self) -> u64 {
        self.tally.largest_event()
    }

    fn pass(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.passing.push_back(bytes);
        }
    }

    /// Meters a block; whether the client gets it.
    fn keeps(&mut self, block: &Block) -> bool {
        if !block.continues {
            self.dropping = block
                .event
                .as_ref()
                .is_some_and(|event| self.events.read(event, &mut self.tally) == Fate::Drop);
        }
        !self.dropping
    }
}
