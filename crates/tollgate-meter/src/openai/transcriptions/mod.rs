//! OpenAI's transcriptions and translations of audio: `…/audio/transcriptions` and
//! `…/audio/translations`.
//!
//! A request is a form with a file; some models are charged by the audio's duration, others
//! by tokens, and the answer says which.

pub mod form;
mod rename;
mod request;
mod stream;
#[cfg(test)]
mod tests;
mod usage;

pub use rename::with_model;
pub use request::{Request, scan, scan_of};

/// Whether a path leads here, wherever the API is mounted.
pub fn is_path(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    path.ends_with("/audio/transcriptions") || path.ends_with("/audio/translations")
}
