//! One connection to a provider, driven by the very task whose request is on it.
//!
//! A connection with a task of its own would cost two wake-ups for each request, and the
//! memory of a task for each stream. While it idles nobody drives it: what its peer did
//! meanwhile is seen when it is used again, or when the pool is swept.

use std::{
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1},
};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::net::{Body, BoxError, timer::Timer};

pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
type Connection = http1::Connection<Stream, Outgoing>;

/// One connection to a provider.
pub(super) struct Link {
    sender: http1::SendRequest<Outgoing>,
    /// Nothing once it has ended.
    connection: Option<Connection>,
    /// How long a request on it has waited for its answer.
    silence: Timer,
}

/// The error of a request's body, marked so that it is known from the upstream's own.
#[derive(Debug, thiserror::Error)]
#[error("the request's body failed")]
pub(super) struct Broken(#[source] BoxError);

/// The body of a request on its way out. It tells how far it has come.
pub(super) struct Outgoing {
    body: Body,
    upload: Arc<Upload>,
}

/// How far the body of a request has come.
#[derive(Debug, Default)]
pub(super) struct Upload {
    pieces: AtomicU64,
    is_over: AtomicBool,
}

/// The bound of an answer's head and of each buffer of a connection.
pub(super) const MAX_HEAD_BYTES: usize = 64 * 1024;

impl Link {
    /// Makes a connection ready for requests. It is large and handed about, so it is boxed.
    ///
    /// # Errors
    /// Never in practice: nothing is sent yet.
    pub(super) async fn new(stream: Stream) -> hyper::Result<Box<Self>> {
        let mut builder = http1::Builder::new();
        let (sender, connection) = builder.max_buf_size(MAX_HEAD_BYTES).handshake(stream).await?;
        Ok(Box::new(Self { sender, connection: Some(connection), silence: Timer::new() }))
    }

    /// Begins to send a request; what is returned is ready with the head of the answer if
    /// the link is driven beside it.
    pub(super) fn send(
        &mut self,
        request: Request<Outgoing>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Outgoing>>>> + use<>
    {
        self.sender.try_send_request(request)
    }

    /// The outcome of a request on this link, which is driven until it is there; nothing when
    /// the provider is silent for too long.
    pub(super) async fn answered<T>(
        &mut self,
        head: impl Future<Output = T>,
        upload: &Upload,
        limit: Duration,
    ) -> Option<T> {
        let Self { connection, silence, .. } = self;
        let mut head = pin!(head);
        let answering = poll_fn(|cx| {
            let _ = poll_drive(connection, cx);
            // Nothing else brings an outcome, so nobody need be woken by it.
            head.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        });
        until_silent(answering, silence, upload, limit).await
    }

    /// Reads and writes what can be; ready once the connection has ended.
    pub(super) fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        poll_drive(&mut self.connection, cx)
    }

    /// Whether it can take another request.
    pub(super) fn is_ready(&self) -> bool {
        self.connection.is_some() && self.sender.is_ready()
    }

    /// Lets a task of its own drive it to the end of its request, its last.
    pub(super) fn detach(self) {
        if let Some(connection) = self.connection {
            tokio::spawn(connection);
        }
    }
}

fn poll_drive(connection: &mut Option<Connection>, cx: &mut Context<'_>) -> Poll<()> {
    let Some(running) = connection else { return Poll::Ready(()) };
    // How it ended is told to whoever waits for the head or the body.
    let _ = ready!(Pin::new(running).poll(cx));
    *connection = None;
    Poll::Ready(())
}

/// The outcome of `answering`, or nothing when no piece of the body was taken and no outcome
/// came for so long: a caller that sends slowly is no fault of the upstream.
pub(super) async fn until_silent<T>(
    answering: impl Future<Output = T>,
    silence: &mut Timer,
    upload: &Upload,
    limit: Duration,
) -> Option<T> {
    let mut answering = pin!(answering);
    let mut taken = upload.pieces();
    poll_fn(|cx| {
        let outcome = answering.as_mut().poll(cx);
        let pieces = upload.pieces();
        if outcome.is_ready() || pieces != taken {
            taken = pieces;
            silence.rest();
        }
        match outcome {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending => silence.poll(limit, cx).map(|()| None),
        }
    })
    .await
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("is_ready", &self.is_ready()).finish_non_exhaustive()
    }
}

impl Outgoing {
    pub(super) const fn new(body: Body, upload: Arc<Upload>) -> Self {
        Self { body, upload }
    }
}

impl Upload {
    pub(super) fn note_piece(&self) {
        self.pieces.fetch_add(1, Ordering::Relaxed);
    }

    /// How many pieces of the body were taken.
    pub(super) fn pieces(&self) -> u64 {
        self.pieces.load(Ordering::Relaxed)
    }

    /// Whether all of it was taken, or nobody wants the rest.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.upload.is_over.store(true, Ordering::Relaxed);
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.upload.note_piece();
        Poll::Ready(frame.map(|frame| frame.map_err(Broken)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
