//! Reads provider traffic: bytes in, demand and usage out.
//!
//! This crate knows what the wire looks like and nothing else: dialects, server-sent
//! events, token counts and prices. It contains no I/O, no async runtime and no clock.
//! Whatever bytes a caller or a provider sends, it neither panics nor holds more memory
//! than its named maxima, and it takes time linear in their number.
//!
//! The way of a request: a dialect scans its body ([`openai::scan`]) into a [`Scan`], from
//! which the gateway makes its demand; the response passes through a meter
//! ([`openai::StreamMeter`], [`openai::PlainMeter`]), which ends in [`Metered`]; a
//! [`Price`] turns its [`Counts`] into money.

mod learned;
mod metered;
pub mod openai;
pub mod prices;
mod scan;
pub mod sse;
mod tokenizer;
mod top_level;

pub use learned::{Learned, Lesson};
pub use metered::{Basis, Counts, Ending, Metered};
pub use prices::{Price, PriceTable};
pub use scan::{Input, MAX_MODEL_BYTES, Scan, ScanError};
pub use tokenizer::Tokenizer;
