//! Bodies: one type for every answer, and a wrapper that knows when a body is over.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt as _, Empty, Full, combinators::UnsyncBoxBody};
use pin_project_lite::pin_project;

/// Any error that crosses a body.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of every answer and of every request that is sent on: pieces of bytes as they come.
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// How a body came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All of it was taken, trailers too.
    Complete,
    /// It broke; the error was passed on.
    Failed,
    /// Its reader let go of it before the end, as when a client goes away or the answer to
    /// a `HEAD` is sent without it.
    Dropped,
}

pin_project! {
    /// A body that says once how it ended: at its end, at its error or when it is dropped.
    ///
    /// It is the place where permits live: whatever a callback owns lives exactly as long as
    /// the body. Frames, trailers, size and end are passed on as they are, nothing is kept.
    #[derive(Debug)]
    pub(crate) struct OnEnd<B, F>
    where
        B: http_body::Body,
        F: FnOnce(Ended),
    {
        #[pin]
        body: B,
        then: Option<F>,
    }

    impl<B, F> PinnedDrop for OnEnd<B, F>
    where
        B: http_body::Body,
        F: FnOnce(Ended),
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(then) = this.then.take() {
                // A reader that knows the length, or that was told of the end beforehand,
                // does not ask once more.
                then(if this.body.is_end_stream() { Ended::Complete } else { Ended::Dropped });
            }
        }
    }
}

/// A body of these bytes.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    boxed(Full::new(bytes.into()))
}

/// No body.
pub(crate) fn empty() -> Body {
    boxed(Empty::new())
}

/// Any body as the one type.
pub(crate) fn boxed<B>(body: B) -> Body
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    body.map_err(Into::into).boxed_unsync()
}

impl<B: http_body::Body, F: FnOnce(Ended)> OnEnd<B, F> {
    /// Calls `then` once, when `body` is over. It is called while a connection is served or
    /// torn down, so it must neither wait nor panic.
    pub(crate) const fn new(body: B, then: F) -> Self {
        Self { body, then: Some(then) }
    }
}

impl<B: http_body::Body, F: FnOnce(Ended)> http_body::Body for OnEnd<B, F> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        let ended = match &frame {
            None => Some(Ended::Complete),
            Some(Err(_)) => Some(Ended::Failed),
            Some(Ok(_)) => this.body.is_end_stream().then_some(Ended::Complete),
        };
        if let Some(ended) = ended
            && let Some(then) = this.then.take()
        {
            then(ended);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
