//! A request on its way out.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Version,
    header::{CONTENT_LENGTH, HOST},
};
use http_body::{Body as _, Frame, SizeHint};
use tokio::sync::Notify;

use crate::net::{Body, BoxError, body};

/// The error of a request's body, marked so that it is known from the upstream's own.
#[derive(Debug, thiserror::Error)]
#[error("the request's body failed")]
pub(super) struct Broken(#[source] BoxError);

/// A body that tells of each piece that is taken.
struct Told {
    body: Body,
    taken: Arc<Notify>,
}

/// The request as it is sent: in HTTP/1.1, to the upstream's own host, with a body that
/// tells `taken` of each piece.
pub(super) fn prepare(request: Request<Body>, taken: &Arc<Notify>) -> Request<Body> {
    let (mut head, body) = request.into_parts();
    head.version = Version::HTTP_11;
    head.headers.remove(HOST);
    if body.is_end_stream() {
        // Some servers refuse these methods without a length.
        if matches!(head.method, Method::POST | Method::PUT | Method::PATCH) {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        return Request::from_parts(head, body);
    }
    let told = Told { body, taken: Arc::clone(taken) };
    Request::from_parts(head, body::boxed(told))
}

/// The outcome of `answering`, or nothing when no piece was taken and no outcome came for so
/// long: a caller that sends slowly is no fault of the upstream.
pub(super) async fn until_silent<T>(
    answering: impl Future<Output = T>,
    taken: &Notify,
    limit: Duration,
) -> Option<T> {
    let mut answering = pin!(answering);
    loop {
        tokio::select! {
            biased;
            outcome = &mut answering => return Some(outcome),
            () = taken.notified() => {}
            () = tokio::time::sleep(limit) => return None,
        }
    }
}

impl http_body::Body for Told {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.taken.notify_one();
        Poll::Ready(frame.map(|frame| frame.map_err(Broken)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
