//! Reads provider traffic: bytes in, demand and usage out.
//!
//! This crate knows what the wire looks like and nothing else: dialects, server-sent
//! events, token counts and prices. It contains no I/O, no async runtime and no clock.
//! Whatever bytes a caller or a provider sends, it neither panics nor holds more memory
//! than its named maxima, and it takes time linear in their number.
//!
//! The way of a request: a dialect scans its body ([`openai::scan`], say) into a [`Scan`], from
//! which the gateway makes its demand; the response passes through a meter
//! ([`StreamMeter`], [`PlainMeter`]), which ends in [`Metered`]; a [`Price`] turns its
//! [`Counts`] into money.

pub mod anthropic;
mod audio;
pub mod bedrock;
mod calls;
pub mod deepgram;
mod edit;
pub mod gemini;
#[cfg(test)]
mod hostile;
mod json;
mod learned;
mod members;
mod metered;
pub mod openai;
mod plain;
pub mod prices;
pub mod refusal;
mod rename;
mod request;
mod ruler;
mod scan;
pub mod signals;
pub mod sse;
mod stream;
mod tally;
#[cfg(test)]
mod testing;
mod text;
mod thinking;
pub mod tier;
mod tokenizer;
mod told;
mod top_level;
pub mod translate;

pub use calls::{ALLOWED_CALLS, Calls, Fees, Kept, MAX_TOLD_CALLS, PaidTools, PerTool, Tool};
pub use learned::{Learned, Lesson, OpenLesson};
pub use metered::{Basis, Counts, Ending, Metered};
pub use plain::PlainMeter;
pub use prices::{Price, PriceTable};
pub use rename::with_model;
pub use request::AnyRequest;
pub use scan::{Audio, Input, MAX_MODEL_BYTES, MAX_OUTPUT_TOKENS, Scan, ScanError};
pub use stream::{StreamError, StreamMeter};
pub use tally::Gauge;
pub use tokenizer::Tokenizer;
pub use told::{MAX_TOLD_MILLIS, MAX_TOLD_TOKENS};
