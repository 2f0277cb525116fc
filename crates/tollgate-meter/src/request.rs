//! What every request that was understood can do, whatever dialect it speaks.

use bytes::Bytes;

use crate::{Gauge, PlainMeter, Scan, StreamMeter, Tokenizer};

/// A request that was understood.
pub trait AnyRequest: std::fmt::Debug {
    /// What it asks for.
    fn scan(&self) -> &Scan;

    /// The same, to change what of it is known better elsewhere.
    fn scan_mut(&mut self) -> &mut Scan;

    /// A meter for an answer in one piece.
    fn plain_meter(&self) -> PlainMeter;

    /// A meter for an answer that comes as a stream.
    fn stream_meter(&self, gauge: Gauge) -> StreamMeter;

    /// Counts what the body sends by the model's vocabulary, in place of its bytes. It must
    /// be the body that was scanned; of another, nothing changes.
    fn count_input(&mut self, body: &[u8], tokenizer: Tokenizer);

    /// Gives the model the name by which it is known, where the one that was sent is only what
    /// somebody called it.
    fn rename(&mut self, model: String);

    /// Whether it has a maximum of its own that can be lowered.
    fn is_clampable(&self) -> bool {
        true
    }

    /// The body with its own maximum lowered to so many output tokens for each choice. It
    /// must be the body that was scanned; another passes as it is.
    fn clamped_body(&self, body: &Bytes, most: u64) -> Bytes;

    /// The body as it goes to the provider: the one that was scanned, but for what makes the
    /// provider tell its usage.
    fn upstream_body(&self, body: Bytes) -> Bytes {
        body
    }
}
