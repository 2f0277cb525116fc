//! What the chunks of a streamed completion mean.

#[cfg(test)]
mod tests;

use super::{Request, chunk::Chunk, usage};
use crate::{
    Gauge, StreamMeter,
    sse::Event,
    stream::{Events, Fate, frames::Frames},
    tally::Tally,
};

/// The chunks of a completion.
#[derive(Debug)]
pub(super) struct Chunks {
    strip_usage: bool,
}

/// A meter for the streamed answer to a request.
pub(super) fn meter(request: &Request, gauge: Gauge) -> StreamMeter {
    // A completion may repeat its prompt.
    let only_output = request.endpoint == super::Endpoint::ChatCompletions;
    let events = Chunks { strip_usage: !request.usage_asked };
    let mut tally = Tally::new(&request.scan, gauge, only_output);
    tally.called(request.scan.tools.allowed());
    StreamMeter::of(Frames::sse(), Box::new(events), tally)
}

impl Events for Chunks {
    fn read(&mut self, event: &Event, tally: &mut Tally) -> Fate {
        if event.data == super::DONE_DATA {
            tally.complete();
            return Fate::Pass;
        }
        let Some(chunk) = Chunk::read(&event.data) else {
            tally.count_unknown(&event.data);
            return Fate::Pass;
        };
        tally.count(chunk.text(tally.tokenizer()));
        if chunk.error.is_some() {
            tally.fail();
        }
        if let Some(usage) = chunk.usage {
            tally.tell(usage::read(usage.get().as_bytes()));
        }
        if self.strip_usage && chunk.is_usage_alone() { Fate::Drop } else { Fate::Pass }
    }
}
