//! A body that may not stand still.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use super::{BoxError, timer::Timer};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;

/// A body stood still for longer than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nothing of the body came for {} s", .limit.as_secs_f64())]
pub(crate) struct Stalled {
    /// How long it may stand still.
    pub(crate) limit: Duration,
}

pin_project! {
    /// A body that fails with [`Stalled`] when somebody waits for its next frame for too long.
    ///
    /// The time between frames counts only while it is waited for: a slow reader is no fault
    /// of the body. Nothing is spent on a body whose frames are there when they are asked for.
    #[derive(Debug)]
    pub(crate) struct Idle<B> {
        #[pin]
        body: B,
        limit: Duration,
        timer: Timer,
    }
}

impl<B> Idle<B> {
    /// Lets `body` stand still for `limit`, but not longer.
    pub(crate) const fn new(body: B, limit: Duration) -> Self {
        Self { body, limit, timer: Timer::new() }
    }
}

impl<B> http_body::Body for Idle<B>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        let limit = *this.limit;
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            this.timer.rest();
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        this.timer.poll(limit, cx).map(|()| Some(Err(Stalled { limit }.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
