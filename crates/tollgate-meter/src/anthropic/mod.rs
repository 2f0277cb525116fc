//! The dialect of Anthropic's API: messages.
//!
//! Its input tokens leave out what was read from the cache or written to it; [`Counts`]
//! count everything, so all three are added up. In a stream the counts are cumulative:
//! what is told last holds.
//!
//! [`Counts`]: crate::Counts

mod error;
mod request;
mod stream;
#[cfg(test)]
mod tests;
mod usage;

pub use error::{Error, error_body, refusal};
pub use request::{Endpoint, Request, scan};
pub(crate) use request::{NAMES, WORDS, clamped, input, most, paid_tools};
pub(crate) use stream::Messages;
pub(crate) use usage::{Usage, read as read_usage};
