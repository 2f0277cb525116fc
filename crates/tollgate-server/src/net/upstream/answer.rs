//! The body of an answer, which drives the connection that it comes from.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::{link::Link, pool::Pool};

/// The body of an answer. At its end its connection goes back into the pool; dropped before
/// that, it ends the connection.
///
/// An error that is found together with the piece before it comes one turn later: a server
/// that is told of it at once gives up what it has not written yet.
#[derive(Debug)]
pub(super) struct Answer {
    incoming: Incoming,
    /// Nothing when the body is over, or somebody else drives the connection.
    link: Option<Box<Link>>,
    pool: Arc<Pool>,
    /// Whether the last turn brought a piece.
    has_passed: bool,
    /// What the next turn brings.
    error: Option<hyper::Error>,
}

impl Answer {
    pub(super) fn new(incoming: Incoming, link: Option<Box<Link>>, pool: Arc<Pool>) -> Self {
        let mut answer = Self { incoming, link, pool, has_passed: false, error: None };
        if answer.incoming.is_end_stream() {
            answer.release();
        }
        answer
    }

    fn poll_incoming(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(link) = &mut self.link else {
            return Pin::new(&mut self.incoming).poll_frame(cx);
        };
        // Only driving the link brings anything, so nobody need be woken by what it brings.
        let mut unheard = Context::from_waker(Waker::noop());
        let frame = Pin::new(&mut self.incoming).poll_frame(&mut unheard);
        if frame.is_ready() {
            return frame;
        }
        let _ = link.poll_drive(cx);
        Pin::new(&mut self.incoming).poll_frame(&mut unheard)
    }

    fn release(&mut self) {
        if let Some(link) = self.link.take() {
            self.pool.put(link);
        }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        if let Some(error) = this.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let has_passed = mem::take(&mut this.has_passed);
        match this.poll_incoming(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.has_passed = true;
                if this.incoming.is_end_stream() {
                    this.release();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) if has_passed => {
                this.error = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(None) => {
                this.release();
                Poll::Ready(None)
            }
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
