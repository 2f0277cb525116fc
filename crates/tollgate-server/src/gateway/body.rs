//! Bodies of requests: read whole within a bound, or passed on within one.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::{
    net::{self, Body, BoxError, Stalled},
    refusal::{Failure, What},
};

/// The body of a request.
#[derive(Debug)]
pub(super) struct Sent(pub(super) Body);

/// The error of a request's body. A type of its own, since the compiler does not see in
/// every place that any boxed error becomes itself.
#[derive(Debug, thiserror::Error)]
#[error("the request's body failed")]
pub(super) struct Lost(#[source] BoxError);

/// Reads a body whole.
///
/// # Errors
/// When it is longer than `max_bytes`, stands still for too long or breaks.
pub(super) async fn read(body: Body, max_bytes: Option<u64>) -> Result<Bytes, Failure> {
    let Some(max) = max_bytes else {
        return Sent(body)
            .collect()
            .await
            .map(|body| body.to_bytes())
            .map_err(|error| why(&error, 0));
    };
    check_length(&body, max)?;
    let limited = Limited::new(Sent(body), usize::try_from(max).unwrap_or(usize::MAX));
    limited.collect().await.map(|body| body.to_bytes()).map_err(|error| why(&*error, max))
}

/// A body that breaks once it is longer than `max_bytes`.
///
/// # Errors
/// When it says beforehand that it is.
pub(super) fn bounded(body: Body, max_bytes: Option<u64>) -> Result<Body, Failure> {
    let Some(max) = max_bytes else { return Ok(body) };
    check_length(&body, max)?;
    Ok(net::boxed(Limited::new(Sent(body), usize::try_from(max).unwrap_or(usize::MAX))))
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

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = Lost;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Lost>>> {
        let frame = Pin::new(&mut self.get_mut().0).poll_frame(cx);
        frame.map(|frame| frame.map(|frame| frame.map_err(Lost)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
