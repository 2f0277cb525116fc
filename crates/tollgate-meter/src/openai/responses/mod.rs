//! OpenAI's responses: `…/responses`, which newer models are asked by.
//!
//! What differs from completions: the answer's last event repeats all of it, its usage
//! included, so nothing must be asked for; and a request may refer to what the provider has
//! kept, which nobody can count from its body.

mod request;
mod stream;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use serde::Serialize;

pub use request::{Request, scan};

use super::Error;
use crate::{
    json,
    refusal::{Native, NativeEvent, Refusal},
};

/// Whether a path leads here, wherever the API is mounted.
pub fn is_path(path: &str) -> bool {
    path.trim_end_matches('/').ends_with("/responses")
}

/// An error within a stream: an event `error` of this API, which clients that look for the
/// member `error` raise as well.
#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    code: Option<&'a str>,
    message: &'a str,
    param: Option<&'a str>,
    sequence_number: u64,
    error: &'a Error<'a>,
}

const ERROR: &str = "error";

/// A refusal in OpenAI's words; in a stream it is an event of this API.
pub fn refusal(refusal: &Refusal<'_>) -> Native {
    Native { event: error_event(&super::error::of(refusal).1), ..super::refusal(refusal) }
}

/// The event that ends a stream with an error.
pub fn error_event(error: &Error<'_>) -> NativeEvent {
    NativeEvent { name: Some(ERROR), body: event_body(error) }
}

fn event_body(error: &Error<'_>) -> Bytes {
    let Error { message, param, code, .. } = *error;
    json::written(&Event { kind: ERROR, code, message, param, sequence_number: 0, error })
}
