//! Meters an answer that comes as one JSON object, while it passes untouched.

#[cfg(test)]
mod tests;

use crate::{
    AnyRequest, Calls, Counts, Ending, Input, Metered, Scan, bedrock::counted, calls::Called,
    told::Told, top_level::TopLevel,
};

/// The largest member with usage that is read, in bytes.
const MAX_USAGE_BYTES: usize = 64 << 10;

/// What the names of headers with usage begin with; Bedrock alone has them.
const HEAD: &str = "x-amzn-bedrock-";

/// What the head of an answer told.
#[derive(Debug, Default)]
struct Head {
    input: Option<u64>,
    output: Option<u64>,
    /// Read from the cache, and written to it.
    cached: (Option<u64>, Option<u64>),
}

/// Meters a JSON response from its chunks, which pass as they are.
#[derive(Debug)]
pub struct PlainMeter {
    input: Input,
    /// The most tokens that the model could make; 0 where it makes none.
    output_bound: Option<u64>,
    likely_millis: u64,
    /// Milliseconds of audio where a whole answer is plain text, which tells none.
    text_millis: Option<u64>,
    is_whole: bool,
    usage: TopLevel,
    read: fn(&[u8]) -> Told,
    head: Head,
    /// How calls of the provider's tools are counted, and how many were allowed.
    called: Called,
    allowed: Calls,
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
            text_millis: None,
            is_whole: false,
            usage: TopLevel::new(member, MAX_USAGE_BYTES),
            read,
            head: Head::default(),
            called: Called::Told,
            allowed: scan.tools.allowed(),
            bytes: 0,
        }
    }

    /// The same, where calls of tools are counted otherwise than by usage.
    pub(crate) fn counting(mut self, called: Called) -> Self {
        self.called = called;
        self
    }

    /// The same, where a whole answer is plain text and the audio is taken to be so long.
    pub(crate) const fn of_text(mut self, millis: u64) -> Self {
        self.text_millis = Some(millis);
        self
    }

    /// Takes note of a header of the answer, its name in lower case: some providers tell
    /// there what they used.
    pub fn header(&mut self, name: &str, value: &[u8]) {
        let Some(name) = name.strip_prefix(HEAD) else { return };
        let told = std::str::from_utf8(value).ok().and_then(|value| value.trim().parse().ok());
        match name {
            "input-token-count" => self.head.input = told,
            "output-token-count" => self.head.output = told,
            "cache-read-input-token-count" => self.head.cached.0 = told,
            "cache-write-input-token-count" => self.head.cached.1 = told,
            _ => {}
        }
    }

    /// Takes note of the next bytes.
    pub fn push(&mut self, chunk: &[u8]) {
        self.bytes = self.bytes.saturating_add(chunk.len() as u64);
        self.usage.push(chunk);
        // Also where none is enabled: something that is kept may enable them.
        self.called.push(chunk);
    }

    /// The answer has come to its end, as whoever carried it says.
    pub const fn finish(&mut self) {
        self.is_whole = true;
    }

    /// What is metered so far; final after the last byte.
    pub fn metered(&self) -> Metered {
        let told = match self.usage.value() {
            Ok(Some(usage)) => (self.read)(usage),
            Ok(None) => Told::Nothing,
            Err(()) => Told::Implausible,
        };
        // The body tells more than the head, where it tells anything.
        let told = if matches!(told, Told::Counts(_)) { told } else { self.head.told(self, told) };
        let (mut counts, basis) = told.or(self.estimate());
        let is_complete = self.usage.is_complete() || self.whole_text().is_some();
        counts.calls = self.called.count(&counts, (basis, is_complete), self.allowed);
        let ending = if is_complete { Ending::Complete } else { Ending::Cut };
        Metered { counts, basis, ending, text_bytes: 0 }
    }

    fn whole_text(&self) -> Option<u64> {
        self.text_millis.filter(|_| self.is_whole)
    }

    /// All that has come is taken for text, its JSON included.
    fn estimate(&self) -> Counts {
        let tokens = self.bytes.div_ceil(Input::BYTES_PER_TOKEN);
        let output = self.output_bound.map_or(tokens, |bound| tokens.min(bound));
        let millis = self.whole_text().unwrap_or(self.likely_millis);
        Counts { millis, ..Counts::tokens(self.input.likely, output) }
    }
}

impl Head {
    /// What it says; else what the body said.
    fn told(&self, meter: &PlainMeter, body: Told) -> Told {
        let none_is_made = meter.output_bound == Some(0);
        let output = self.output.or(none_is_made.then_some(0));
        match (self.input, output) {
            (Some(_), Some(_)) => counted(self.input, output, self.cached),
            _ => body,
        }
    }
}
