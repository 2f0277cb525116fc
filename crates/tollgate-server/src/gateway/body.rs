//! Bodies of requests: read whole within a bound, or passed on within one.

use std::error::Error;

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::{
    net::{self, Body, Stalled},
    refusal::{Failure, What},
};

/// Reads a body whole.
///
/// # Errors
/// When it is longer than `max_bytes`, stands still for too long or breaks.
pub(super) async fn read(body: Body, max_bytes: Option<u64>) -> Result<Bytes, Failure> {
    let Some(max) = max_bytes else {
        return body.collect().await.map(|body| body.to_bytes()).map_err(|error| why(&*error, 0));
    };
    check_length(&body, max)?;
    let limited = Limited::new(body, usize::try_from(max).unwrap_or(usize::MAX));
    limited.collect().await.map(|body| body.to_bytes()).map_err(|error| why(&*error, max))
}

/// A body that breaks once it is longer than `max_bytes`.
///
/// # Errors
/// When it says beforehand that it is.
pub(super) fn bounded(body: Body, max_bytes: Option<u64>) -> Result<Body, Failure> {
    let Some(max) = max_bytes else { return Ok(body) };
    check_length(&body, max)?;
    Ok(net::boxed(Limited::new(body, usize::try_from(max).unwrap_or(usize::MAX))))
}

/// What the error of a request's body means for its sender.
pub(super) fn why(error: &(dyn Error + 'static), max_bytes: u64) -> Failure {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<LengthLimitError>() {
            return too_large(max_bytes);
        }
        if error.is::<Stalled>() {
            let sentence = "The request's body stopped coming; send it in one go.";
            return Failure::new(What::TooSlow, sentence);
        }
        next = error.source();
    }
    Failure::new(What::InvalidRequest, "The request's body ended before it was complete.")
}

fn check_length(body: &Body, max: u64) -> Result<(), Failure> {
    if body.size_hint().lower() > max { Err(too_large(max)) } else { Ok(()) }
}

fn too_large(max_bytes: u64) -> Failure {
    let sentence =
        format!("The request's body is longer than the {max_bytes} bytes that are read.");
    Failure::new(What::TooLarge, sentence)
}
