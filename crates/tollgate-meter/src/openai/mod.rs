//! The dialect of OpenAI's API: chat completions, completions and embeddings; and, as modules
//! of their own, [`responses`] and [`transcriptions`].
//!
//! Field names and shapes are those of OpenAI's OpenAPI description; where compatible
//! providers are known to differ, the function that meets it says so.

mod chunk;
mod error;
mod request;
pub mod responses;
mod stream;
pub mod transcriptions;
mod usage;

pub use error::{Error, error_body, error_event, refusal};
pub use request::{Endpoint, MAX_CHOICES, Request, scan, scan_of};

use crate::Input;
pub use crate::{Gauge, PlainMeter, StreamMeter};
pub(crate) use usage::read as read_usage;

/// The event that ends every proper stream.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// The data of that event.
pub(crate) const DONE_DATA: &[u8] = b"[DONE]";

/// An image. The dearest of OpenAI's models counts 48,169 tokens for the largest image, most
/// count about a thousand.
const IMAGE: Input = Input { bound: 50_000, likely: 1_100, fixed: 50_000, is_open: false };
