//! The dialect of Deepgram's API: `listen`, for audio that is there as a whole.
//!
//! What is asked for stands in the query, and what is charged is the audio's duration: of
//! every channel, where each is transcribed by itself.

mod error;
mod request;
#[cfg(test)]
mod tests;
mod usage;

pub use error::{Error, error_body, refusal};
pub use request::{Request, Target, scan};
