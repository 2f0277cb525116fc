//! A socket that does not wait for ever: neither for a head nor for a reader.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Timeouts, timer::Timer};

/// What a connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The head of a request: from the first byte on, or from the start of the connection.
    Head,
    /// The answer to a request.
    Answer,
    /// The next request.
    Next,
}

/// What socket and service of one connection tell each other.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Counts the phases that were entered; the remainder by three is the present one, so
    /// that a timer of an earlier phase is known by its number.
    steps: AtomicU64,
    unread: AtomicBool,
}

/// A socket with deadlines: an error of kind `TimedOut` where the peer sends no complete
/// head, or takes nothing of what is written to it, for too long.
///
/// hyper's own timer starts with the second byte of a head, so a peer that is silent, or
/// stops after one byte, would stay for ever.
#[derive(Debug)]
pub(super) struct Timed<T> {
    socket: T,
    timeouts: Timeouts,
    progress: Arc<Progress>,
    reading: Timer,
    /// The step that `reading` was started in.
    reading_since: u64,
    writing: Timer,
    closing: Closing,
}

/// How far the end of a socket has come.
#[derive(Debug)]
enum Closing {
    Open,
    /// Our side is closed; what still comes is thrown away for a while.
    Lingering(Timer),
}

/// How long input is thrown away after an answer that did not wait for it. Without this the
/// kernel resets the connection, and a caller that is still sending never sees its answer.
const LINGER: Duration = Duration::from_secs(5);

impl Progress {
    /// The number of the present step and its phase.
    fn present(&self) -> (u64, Phase) {
        let step = self.steps.load(Ordering::Relaxed);
        let phase = match step % 3 {
            0 => Phase::Head,
            1 => Phase::Answer,
            _ => Phase::Next,
        };
        (step, phase)
    }

    /// Goes on to the next step of this phase. One task uses a connection, so this is no race.
    pub(super) fn enter(&self, phase: Phase) {
        let step = self.steps.load(Ordering::Relaxed);
        let ahead = (phase as u64 + 3 - step % 3) % 3;
        self.steps.store(step + if ahead == 0 { 3 } else { ahead }, Ordering::Relaxed);
    }

    /// Notes that a request's body was let go before its end.
    pub(super) fn leave_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    /// Whether a request's body was let go before its end.
    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }
}

impl<T> Timed<T> {
    pub(super) const fn new(socket: T, timeouts: Timeouts, progress: Arc<Progress>) -> Self {
        Self {
            socket,
            timeouts,
            progress,
            reading: Timer::new(),
            reading_since: 0,
            writing: Timer::new(),
            closing: Closing::Open,
        }
    }

    /// Nothing was there to read: fails once that has lasted for too long.
    fn wait_to_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (step, phase) = self.progress.present();
        let (limit, what) = match phase {
            Phase::Head => (self.timeouts.header, "no complete request head came in time"),
            Phase::Next => (self.timeouts.keep_alive, "no further request came in time"),
            // The body's own timer knows whether anybody waits for it.
            Phase::Answer => return Poll::Pending,
        };
        if self.reading_since != step {
            self.reading_since = step;
            self.reading.rest();
        }
        self.reading.poll(limit, cx).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, what)))
    }

    /// Passes a write on; fails once it has been pending for too long.
    fn watch_write<R>(
        &mut self,
        wrote: Poll<io::Result<R>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<R>> {
        if wrote.is_ready() {
            self.writing.rest();
            return wrote;
        }
        let what = "the peer took nothing of its answer in time";
        self.writing
            .poll(self.timeouts.body_idle, cx)
            .map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, what)))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Timed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = buf.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buf);
        if read.is_pending() {
            return self.wait_to_read(cx);
        }
        if buf.filled().len() > filled && self.progress.present().1 == Phase::Next {
            self.progress.enter(Phase::Head);
        }
        read
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Timed<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.watch_write(wrote, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.watch_write(wrote, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
        // After an answer hyper flushes, but does not read until it is woken.
        match self.progress.present().1 {
            Phase::Next => match self.wait_to_read(cx) {
                Poll::Ready(late) => Poll::Ready(late),
                Poll::Pending => Poll::Ready(Ok(())),
            },
            Phase::Head | Phase::Answer => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Closing::Open = this.closing {
            ready!(Pin::new(&mut this.socket).poll_shutdown(cx))?;
            if !this.progress.is_unread() {
                return Poll::Ready(Ok(()));
            }
            this.closing = Closing::Lingering(Timer::new());
        }
        let Closing::Lingering(timer) = &mut this.closing else { return Poll::Ready(Ok(())) };
        if timer.poll(LINGER, cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        ready!(discard(&mut this.socket, cx));
        Poll::Ready(Ok(()))
    }
}

/// Throws away what comes; ready when nothing more can come.
fn discard<T: AsyncRead + Unpin>(socket: &mut T, cx: &mut Context<'_>) -> Poll<()> {
    let mut space = [MaybeUninit::uninit(); 4096];
    loop {
        let mut buf = ReadBuf::uninit(&mut space);
        match ready!(Pin::new(&mut *socket).poll_read(cx, &mut buf)) {
            Ok(()) if !buf.filled().is_empty() => {}
            _ => return Poll::Ready(()),
        }
    }
}
