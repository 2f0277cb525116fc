//! Meters a response that comes as one JSON object, while it passes untouched.

#[cfg(test)]
mod tests;

use super::{Request, usage::Told};
use crate::{Counts, Ending, Input, Metered, top_level::TopLevel};

/// The largest `usage` that is read, in bytes.
const MAX_USAGE_BYTES: usize = 64 << 10;

/// Meters a JSON response from its chunks, which pass as they are.
#[derive(Debug)]
pub struct PlainMeter {
    input: Input,
    /// The most tokens that the model could make; 0 where it makes none.
    output_bound: Option<u64>,
    usage: TopLevel,
    bytes: u64,
}

impl PlainMeter {
    /// A meter for the response to a request.
    pub fn new(request: &Request) -> Self {
        Self {
            input: request.scan.input,
            output_bound: request.scan.output_bound(),
            usage: TopLevel::new("usage", MAX_USAGE_BYTES),
            bytes: 0,
        }
    }

    /// Takes note of the next bytes.
    pub fn push(&mut self, chunk: &[u8]) {
        self.bytes = self.bytes.saturating_add(chunk.len() as u64);
        self.usage.push(chunk);
    }

    /// What is metered so far; final after the last byte.
    pub fn metered(&self) -> Metered {
        let told = match self.usage.value() {
            Ok(Some(usage)) => Told::read(usage),
            Ok(None) => Told::Nothing,
            Err(()) => Told::Implausible,
        };
        let (counts, basis) = told.or(self.estimate());
        let ending = if self.usage.is_complete() { Ending::Complete } else { Ending::Cut };
        Metered { counts, basis, ending, text_bytes: 0 }
    }

    /// All that has come is taken for text, its JSON included.
    fn estimate(&self) -> Counts {
        let tokens = self.bytes.div_ceil(Input::BYTES_PER_TOKEN);
        let output = self.output_bound.map_or(tokens, |bound| tokens.min(bound));
        Counts::tokens(self.input.likely, output)
    }
}
