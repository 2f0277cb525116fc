//! What a stream has brought so far, whatever dialect it speaks.

use crate::{
    Basis, Calls, Counts, Ending, Input, MAX_TOLD_CALLS, Metered, Scan, Tokenizer, Tool,
    calls::with_kept, text::Text, told::Told,
};

/// No token of a published vocabulary stands for more text.
const MAX_BYTES_PER_TOKEN: u64 = 128;

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

/// What a stream has brought so far.
#[derive(Debug)]
pub(crate) struct Tally {
    input: Input,
    likely_millis: u64,
    output_bound: Option<u64>,
    /// Whether all that the model makes flows, so that usage can be compared with it.
    only_output: bool,
    gauge: Gauge,
    told: Told,
    text_bytes: u64,
    /// Tokens of the text by the vocabulary, if there is one.
    text_tokens: u64,
    text_events: u64,
    largest: Text,
    /// Calls of the provider's tools that were made so far, where usage does not tell them.
    calls: Calls,
    /// How many may be made.
    allowed: Calls,
    /// Whether an event tells each as it begins, so that one at most is not seen.
    tells_calls: bool,
    ending: Ending,
}

impl Tally {
    /// Of the answer to a request. `only_output` says that what flows is all that the model
    /// makes, and that usage which the text contradicts is false.
    pub(crate) fn new(scan: &Scan, gauge: Gauge, only_output: bool) -> Self {
        Self {
            input: scan.input,
            likely_millis: scan.audio.map_or(0, |audio| audio.likely_millis),
            output_bound: scan.output_bound(),
            only_output,
            gauge,
            told: Told::Nothing,
            text_bytes: 0,
            text_tokens: 0,
            text_events: 0,
            largest: Text::default(),
            calls: Calls::NONE,
            allowed: scan.tools.allowed(),
            tells_calls: false,
            ending: Ending::Cut,
        }
    }

    /// Of a stream that tells each call of a tool as it begins.
    pub(crate) const fn telling_calls(self) -> Self {
        Self { tells_calls: true, ..self }
    }

    /// The vocabulary that texts are to be counted by.
    pub(crate) const fn tokenizer(&self) -> Option<Tokenizer> {
        match self.gauge {
            Gauge::Vocabulary(tokenizer) => Some(tokenizer),
            Gauge::Bytes | Gauge::Density(_) => None,
        }
    }

    /// An event brought text, or none.
    pub(crate) fn count(&mut self, Text { bytes, tokens, .. }: Text) {
        self.text_bytes = self.text_bytes.saturating_add(bytes);
        self.text_tokens = self.text_tokens.saturating_add(tokens);
        self.text_events += u64::from(bytes > 0);
        self.largest.bytes = self.largest.bytes.max(bytes);
        self.largest.tokens = self.largest.tokens.max(tokens);
    }

    /// An event was not understood, so it is taken for text: rather too much than too little.
    pub(crate) fn count_unknown(&mut self, data: &[u8]) {
        let bytes = data.len() as u64;
        self.count(Text { bytes, tokens: bytes.div_ceil(Input::BYTES_PER_TOKEN), items: 0 });
    }

    /// The provider told of usage; what it says last counts. Usage that the text which flowed
    /// contradicts is not believed.
    pub(crate) const fn tell(&mut self, told: Told) {
        self.told = match told {
            Told::Nothing => self.told,
            Told::Counts(counts)
                if self.only_output
                    && self.text_bytes / MAX_BYTES_PER_TOKEN > counts.output_tokens =>
            {
                Told::Implausible
            }
            told => told,
        };
    }

    /// These calls were made, as far as events tell.
    pub(crate) fn called(&mut self, calls: Calls) {
        self.calls = calls.at_most(MAX_TOLD_CALLS);
    }

    /// So often a tool was called, as far as events tell.
    pub(crate) fn called_so_often(&mut self, tool: Tool, times: u64) {
        self.calls[tool] = times.min(MAX_TOLD_CALLS);
    }

    /// The calls that were made, as far as events told.
    pub(crate) const fn calls(&self) -> Calls {
        self.calls
    }

    /// The dialect's own mark ends the stream; an error stays one.
    pub(crate) const fn complete(&mut self) {
        if matches!(self.ending, Ending::Cut) {
            self.ending = Ending::Complete;
        }
    }

    /// The provider reported an error.
    pub(crate) const fn fail(&mut self) {
        self.ending = Ending::Failed;
    }

    /// What is metered so far.
    pub(crate) fn metered(&self) -> Metered {
        let mut estimate = Counts::tokens(self.input.likely, self.output_estimate());
        estimate.millis = self.likely_millis;
        let (mut counts, basis) = self.told.or(estimate);
        if basis != Basis::Told || counts.calls == Calls::NONE {
            counts.calls = counts.calls.max(self.calls);
        }
        if self.ending != Ending::Complete {
            counts.calls = counts.calls.max(self.possible(basis));
        }
        counts.calls = with_kept(counts.calls, self.allowed);
        Metered { counts, basis, ending: self.ending, text_bytes: self.text_bytes }
    }

    /// How many calls there may have been at a stream that does not come to its end: what was
    /// called may be told with the last piece alone.
    fn possible(&self, basis: Basis) -> Calls {
        match self.tells_calls {
            false => self.allowed,
            true if basis == Basis::Told => self.calls,
            true => Calls::of(|tool| self.allowed[tool].min(self.calls[tool] + 1)),
        }
    }

    /// The tokens that the model has made so far, as far as the text tells. Most providers
    /// send one event for each, some send several in one.
    pub(crate) fn output_estimate(&self) -> u64 {
        let tokens = self.tokens(self.text_bytes, self.text_tokens).max(match self.gauge {
            Gauge::Vocabulary(_) => 0,
            Gauge::Bytes | Gauge::Density(_) => self.text_events,
        });
        self.output_bound.map_or(tokens, |bound| tokens.min(bound))
    }

    /// The tokens of the largest event so far.
    pub(crate) const fn largest_event(&self) -> u64 {
        self.tokens(self.largest.bytes, self.largest.tokens)
    }

    /// So much text in tokens; `counted` is what the vocabulary says.
    const fn tokens(&self, bytes: u64, counted: u64) -> u64 {
        match self.gauge {
            Gauge::Bytes => bytes.div_ceil(Input::BYTES_PER_TOKEN),
            Gauge::Density(sixteenths) => {
                let least = if sixteenths == 0 { 1 } else { sixteenths };
                bytes.saturating_mul(16).div_ceil(least)
            }
            Gauge::Vocabulary(_) => counted,
        }
    }
}
