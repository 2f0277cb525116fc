//! Meters a streamed completion while it passes.

#[cfg(test)]
mod tests;

use std::{collections::VecDeque, ops::Range};

use bytes::Bytes;

use super::{
    Endpoint, Error, Request,
    chunk::{Chunk, Text},
    error_event,
    usage::Told,
};
use crate::{
    Counts, Ending, Input, Metered, Tokenizer,
    sse::{self, Block},
};

/// No token of OpenAI's vocabularies stands for more text.
const MAX_BYTES_PER_TOKEN: u64 = 128;

/// Meters a stream of completion chunks and passes it on.
///
/// [`push`](Self::push) what the provider sends and [`pop`](Self::pop) what the client
/// gets: the same bytes, without the chunk that tells the usage if the client did not ask
/// for it. An event passes as soon as it is complete; bytes are copied only where an event
/// came in several chunks. After the provider's last byte [`finish`](Self::finish), or
/// [`cut`](Self::cut) to end it earlier.
#[derive(Debug)]
pub struct StreamMeter {
    strip_usage: bool,
    /// Whether the model's text alone flows, so that usage can be compared with it.
    only_output: bool,
    input: Input,
    output_bound: Option<u64>,
    reader: sse::Reader,
    passing: VecDeque<Bytes>,
    /// The block before was dropped, and so is what continues it.
    dropping: bool,
    told: Told,
    gauge: Gauge,
    text_bytes: u64,
    /// Tokens of the text by the vocabulary, if there is one.
    text_tokens: u64,
    text_events: u64,
    ending: Ending,
}

/// How it is told how many tokens the text is that comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Gauge {
    /// By its bytes, of which few texts have less than three to a token.
    #[default]
    Bytes,
    /// By its bytes, of which the model makes so many sixteenths to a token.
    Density(u64),
    /// By the model's own vocabulary.
    Vocabulary(Tokenizer),
}

impl StreamMeter {
    /// A meter for the response to a request.
    pub fn new(request: &Request, gauge: Gauge) -> Self {
        Self {
            strip_usage: !request.usage_asked,
            only_output: request.endpoint == Endpoint::ChatCompletions,
            input: request.scan.input,
            output_bound: request.scan.output_bound(),
            reader: sse::Reader::default(),
            passing: VecDeque::new(),
            dropping: false,
            told: Told::Nothing,
            gauge,
            text_bytes: 0,
            text_tokens: 0,
            text_events: 0,
            ending: Ending::Cut,
        }
    }

    /// Takes the next bytes from the provider.
    pub fn push(&mut self, chunk: &Bytes) {
        let mut rest = chunk.clone();
        // Neighbours that pass are passed as one.
        let mut run: Range<usize> = 0..0;
        while let Some(block) = self.reader.next(&mut rest) {
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

    /// The next bytes for the client, if any are ready.
    pub fn pop(&mut self) -> Option<Bytes> {
        self.passing.pop_front()
    }

    /// Takes note that the provider has sent its last byte; what was held back passes.
    pub fn finish(&mut self) -> Metered {
        if let Some(block) = self.reader.finish()
            && self.keeps(&block)
        {
            self.pass(block.raw);
        }
        self.metered()
    }

    /// Ends the stream with an error in the client's dialect: the bytes to send last.
    ///
    /// What has not passed yet never will, so that the error is an event of its own.
    pub fn cut(&mut self, error: &Error<'_>) -> Bytes {
        self.passing.clear();
        let within = self.reader.is_within_told_block();
        self.reader = sse::Reader::default();
        let event = error_event(error);
        if within { [b"\n\n", &event[..]].concat().into() } else { event }
    }

    /// What is metered so far.
    pub fn metered(&self) -> Metered {
        let estimate = Counts::tokens(self.input.likely, self.output_estimate());
        let (counts, basis) = self.told.or(estimate);
        Metered { counts, basis, ending: self.ending, text_bytes: self.text_bytes }
    }

    /// The tokens that the model has made so far, as far as the text tells. Most providers
    /// send one event for each, some send several in one.
    pub fn output_estimate(&self) -> u64 {
        let tokens = match self.gauge {
            Gauge::Bytes => self.text_bytes.div_ceil(Input::BYTES_PER_TOKEN).max(self.text_events),
            Gauge::Density(sixteenths) => {
                (self.text_bytes * 16).div_ceil(sixteenths.max(1)).max(self.text_events)
            }
            Gauge::Vocabulary(_) => self.text_tokens,
        };
        self.output_bound.map_or(tokens, |bound| tokens.min(bound))
    }

    fn pass(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.passing.push_back(bytes);
        }
    }

    /// Meters a block; whether the client gets it.
    fn keeps(&mut self, block: &Block) -> bool {
        if !block.continues {
            self.dropping =
                block.event.as_ref().is_some_and(|event| self.is_for_us_alone(&event.data));
        }
        !self.dropping
    }

    fn is_for_us_alone(&mut self, data: &[u8]) -> bool {
        if data == b"[DONE]" {
            if self.ending == Ending::Cut {
                self.ending = Ending::Complete;
            }
            return false;
        }
        let Some(chunk) = Chunk::read(data) else {
            // Not understood, so taken for text: rather too much than too little.
            let bytes = data.len() as u64;
            self.count(Text { bytes, tokens: bytes.div_ceil(Input::BYTES_PER_TOKEN), items: 0 });
            return false;
        };
        self.count(chunk.text(self.gauge.tokenizer()));
        if chunk.error.is_some() {
            self.ending = Ending::Failed;
        }
        if let Some(usage) = chunk.usage {
            self.told = self.believed(Told::read(usage.get().as_bytes()));
        }
        self.strip_usage && chunk.is_usage_alone()
    }

    fn count(&mut self, Text { bytes, tokens, .. }: Text) {
        self.text_bytes = self.text_bytes.saturating_add(bytes);
        self.text_tokens = self.text_tokens.saturating_add(tokens);
        self.text_events += u64::from(bytes > 0);
    }

    /// Usage that the text which flowed contradicts is not believed.
    fn believed(&self, told: Told) -> Told {
        match told {
            Told::Counts(counts)
                if self.only_output
                    && self.text_bytes / MAX_BYTES_PER_TOKEN > counts.output_tokens =>
            {
                Told::Implausible
            }
            told => told,
        }
    }
}

impl Gauge {
    const fn tokenizer(self) -> Option<Tokenizer> {
        match self {
            Self::Vocabulary(tokenizer) => Some(tokenizer),
            Self::Bytes | Self::Density(_) => None,
        }
    }
}
