//! Meters an answer that comes as one JSON object, while it passes untouched.

#[cfg(test)]
mod tests;

use crate::{AnyRequest, Counts, Ending, Input, Metered, Scan, told::Told, top_level::TopLevel};

/// The largest member with usage that is read, in bytes.
const MAX_USAGE_BYTES: usize = 64 << 10;

/// Meters a JSON response from its chunks, which pass as they are.
#[derive(Debug)]
pub struct PlainMeter {
    input: Input,
    /// The most tokens that the model could make; 0 where it makes none.
    output_bound: Option<u64>,
    likely_millis: u64,
    usage: TopLevel,
    read: fn(&[u8]) -> Told,
    bytes: u64,
}

impl PlainMeter {
    /// A meter for the response to a request.
    pub fn new(request: &(impl AnyRequest + ?Sized)) -> Self {
        request.plain_meter()
    }

    /// One that finds usage in this member of the answer, and reads it so.
    pub(crate) fn of(scan: &Scan, member: &'static str, read: fn(&[u8]) -> Told) -> Self {
        Self {
            input: scan.input,
            output_bound: scan.output_bound(),
            likely_millis: scan.audio.map_or(0, |audio| audio.likely_millis),
            usage: TopLevel::new(member, MAX_USAGE_BYTES),
            read,
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
            Ok(Some(usage)) => (self.read)(usage),
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
        Counts { millis: self.likely_millis, ..Counts::tokens(self.input.likely, output) }
    }
}
