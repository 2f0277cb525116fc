//! The dialect of OpenAI's API: chat completions, completions and embeddings.
//!
//! Field names and shapes are those of OpenAI's OpenAPI description; where compatible
//! providers are known to differ, the function that meets it says so.

mod chunk;
mod error;
mod plain;
mod request;
mod stream;
mod usage;

pub use error::{Error, error_body, error_event};
pub use plain::PlainMeter;
pub use request::{Endpoint, MAX_CHOICES, MAX_OUTPUT_TOKENS, Request, scan};
pub use stream::{Gauge, StreamMeter};
pub use usage::MAX_TOLD_TOKENS;

/// The event that ends every proper stream.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// Reads a JSON object. An array is none, though the parser would take it for the values of
/// the members in their order.
fn object<'a, T: serde::Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    json.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(json).ok())?
}
