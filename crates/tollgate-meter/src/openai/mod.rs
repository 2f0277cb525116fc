//! The dialect of OpenAI's API: chat completions, completions and embeddings.
//!
//! Field names and shapes are those of OpenAI's OpenAPI description; where compatible
//! providers are known to differ, the function that meets it says so.

mod chunk;
mod error;
mod request;
mod stream;
mod usage;

pub use error::{Error, error_body, error_event};
pub use request::{Endpoint, MAX_CHOICES, Request, scan};

pub use crate::{Gauge, PlainMeter, StreamMeter};

/// The event that ends every proper stream.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// The data of that event.
const DONE_DATA: &[u8] = b"[DONE]";
