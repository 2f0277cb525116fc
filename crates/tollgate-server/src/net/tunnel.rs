//! What a connection becomes once both sides have agreed on another protocol than HTTP.
//!
//! The promise: it keeps its place among the connections, it is told when the process is about
//! to end, and it is cut with the others when the grace is over.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::Extensions;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{OwnedSemaphorePermit, watch},
};

use super::connection::{Stage, reached};

/// A connection that speaks another protocol from now on.
pub(crate) struct Line {
    io: Box<dyn Io>,
    /// Its place among a provider's connections, where it has one.
    _slot: Option<OwnedSemaphorePermit>,
}

/// What goes on over a line to a caller until it ends.
pub(crate) struct Tunnel(Box<dyn FnOnce(Line, Drain) -> Running + Send>);

/// Tells when the process is about to end.
#[derive(Debug, Clone)]
pub(crate) struct Drain(Option<watch::Receiver<Stage>>);

/// Something that rides in the head of an answer and is taken out once.
struct Carried<T>(Arc<Mutex<Option<T>>>);

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Line {
    pub(crate) fn new(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self { io: Box::new(io), _slot: None }
    }

    /// The same, with its place.
    pub(super) fn within(self, slot: OwnedSemaphorePermit) -> Self {
        Self { _slot: Some(slot), ..self }
    }

    /// Lets it ride in the head of a provider's answer.
    pub(crate) fn ride(self, extensions: &mut Extensions) {
        Carried::put(self, extensions);
    }

    /// Takes it out.
    pub(crate) fn take(extensions: &mut Extensions) -> Option<Self> {
        Carried::take(extensions)
    }
}

impl Tunnel {
    pub(crate) fn new<F>(run: impl FnOnce(Line, Drain) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self(Box::new(move |line, drain| Box::pin(run(line, drain))))
    }

    /// Lets it ride in the head of the answer after which it begins.
    pub(crate) fn ride(self, extensions: &mut Extensions) {
        Carried::put(self, extensions);
    }

    /// Takes it out.
    pub(crate) fn take(extensions: &mut Extensions) -> Option<Self> {
        Carried::take(extensions)
    }

    /// Goes on until it ends.
    pub(crate) fn run(self, line: Line, drain: Drain) -> impl Future<Output = ()> + Send {
        (self.0)(line, drain)
    }
}

impl Drain {
    /// Tells nothing.
    pub(crate) const NEVER: Self = Self(None);

    pub(super) const fn of(stage: watch::Receiver<Stage>) -> Self {
        Self(Some(stage))
    }

    /// Ready once the process is about to end.
    pub(crate) async fn begun(&mut self) {
        match &mut self.0 {
            Some(stage) => reached(stage, Stage::Drain).await,
            None => std::future::pending().await,
        }
    }
}

impl<T: Send + 'static> Carried<T> {
    fn put(what: T, extensions: &mut Extensions) {
        extensions.insert(Self(Arc::new(Mutex::new(Some(what)))));
    }

    fn take(extensions: &mut Extensions) -> Option<T> {
        extensions.remove::<Self>()?.0.lock().take()
    }
}

impl<T> Clone for Carried<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tunnel")
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
