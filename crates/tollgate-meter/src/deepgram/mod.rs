//! The dialect of Deepgram's API: `listen`, for audio that is there as a whole and for such as
//! comes piece by piece.
//!
//! What is asked for stands in the query, and what is charged is the audio's duration: of
//! every channel, where each is transcribed by itself.

mod error;
mod live;
mod request;
#[cfg(test)]
mod tests;
mod usage;

pub use error::{Error, error_body, error_message, refusal};
pub use live::{CLOSE_STREAM, Live};
pub use request::{Request, Target, scan, scan_live};
