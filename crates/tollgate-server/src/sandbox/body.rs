//! The body of an answer: whole at once, or in pieces with a pace and perhaps a bad end.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use tokio::time::Sleep;

use super::{Plan, events::Events, plan::Fault, strain::Making};

/// The body of the sandbox's answers.
#[derive(Debug)]
pub(crate) enum SandboxBody {
    /// All of it at once.
    Whole(Full<Bytes>),
    /// In pieces.
    Pieces(Box<Pieces>),
}

/// A body that comes in pieces.
#[derive(Debug)]
pub(crate) struct Pieces {
    source: Source,
    timer: Option<Timer>,
    /// Of a stream, as long as it is made.
    making: Option<Making>,
    /// How many pieces come before the end.
    left: usize,
    end: End,
}

/// The connection broke on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox cut this answer in the middle, as it was told to")]
pub(crate) struct Cut;

#[derive(Debug)]
enum Source {
    /// A plain answer in pieces of so many bytes.
    Plain(Bytes, usize),
    /// One event a piece.
    Events(Box<dyn Events>),
}

#[derive(Debug)]
struct Timer {
    due: Pin<Box<Sleep>>,
    interval: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Close,
    /// Breaks at the next poll but one: what was written before must be on its way by then.
    Flush,
    Break,
    Silence,
    /// An error of the dialect's, then the end.
    Report,
}

/// Where a frame is sent although more pieces are ready.
const FRAME_BYTES: usize = 16 * 1024;
const SLOW_INTERVAL: Duration = Duration::from_millis(100);
const SLOW_PIECE_BYTES: usize = 64;

impl SandboxBody {
    /// A plain answer, with what goes wrong with its body.
    pub(crate) fn plain(bytes: Bytes, fault: Option<Fault>) -> Self {
        let Some(fault) = fault else { return Self::Whole(Full::new(bytes)) };
        let (size, timer) = match fault {
            Fault::Slow => (SLOW_PIECE_BYTES, Some(Timer::new(Duration::ZERO, SLOW_INTERVAL))),
            _ => ((bytes.len() / 2).max(1), None),
        };
        let count = bytes.len().div_ceil(size);
        Self::pieces(Source::Plain(bytes, size), count, (timer, None), Some(fault))
    }

    /// A stream, with its pace and what goes wrong with it.
    pub(crate) fn stream(events: Box<dyn Events>, plan: &Plan, making: Making) -> Self {
        let first = plan.settings.first_token;
        let timer = match (plan.fault, plan.settings.tokens_per_second) {
            (Some(Fault::Slow), _) => Some(Timer::new(first, SLOW_INTERVAL)),
            (_, 0) if first.is_zero() => None,
            (_, 0) => Some(Timer::new(first, Duration::ZERO)),
            (_, pace) => Some(Timer::new(first, Duration::from_secs(1) / pace)),
        };
        let count = events.count();
        Self::pieces(Source::Events(events), count, (timer, Some(making)), plan.fault)
    }

    fn pieces(
        source: Source,
        count: usize,
        (timer, making): (Option<Timer>, Option<Making>),
        fault: Option<Fault>,
    ) -> Self {
        let half = (count / 2).max(1);
        let (left, end) = match fault {
            Some(Fault::Cut) => (half, End::Flush),
            Some(Fault::End) => (half, End::Close),
            Some(Fault::Stall) => (half, End::Silence),
            Some(Fault::StreamError) => (half, End::Report),
            _ => (count, End::Close),
        };
        Self::Pieces(Box::new(Pieces { source, timer, making, left, end }))
    }
}

impl Timer {
    fn new(first: Duration, interval: Duration) -> Self {
        Self { due: Box::pin(tokio::time::sleep(first)), interval }
    }

    /// Waits until the next piece is due; late pieces are due at once.
    fn poll_due(&mut self, making: Option<&Making>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.due.as_mut().poll(cx));
        let interval = making.map_or(self.interval, |making| making.slowed(self.interval));
        let next = self.due.deadline() + interval;
        self.due.as_mut().reset(next);
        Poll::Ready(())
    }
}

impl Source {
    fn takes_time(&mut self) -> bool {
        match self {
            Self::Plain(..) => true,
            Self::Events(events) => events.token_is_next(),
        }
    }

    fn write_next(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Plain(bytes, size) => {
                let piece = bytes.split_to((*size).min(bytes.len()));
                out.extend_from_slice(&piece);
            }
            Self::Events(events) => events.write_next(out),
        }
    }

    fn write_error(&mut self, out: &mut Vec<u8>) {
        if let Self::Events(events) = self {
            events.write_error(out);
        }
    }
}

impl Pieces {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let mut out = Vec::new();
        while self.left > 0 && out.len() < FRAME_BYTES {
            if let Some(timer) = &mut self.timer
                && self.source.takes_time()
                && timer.poll_due(self.making.as_ref(), cx).is_pending()
            {
                if out.is_empty() {
                    return Poll::Pending;
                }
                break;
            }
            if out.capacity() == 0 {
                out.reserve(if self.timer.is_some() { 512 } else { FRAME_BYTES + 512 });
            }
            self.source.write_next(&mut out);
            self.left -= 1;
        }
        if self.left == 0 && self.end == End::Report {
            self.source.write_error(&mut out);
            self.end = End::Close;
        }
        if !out.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(out.into()))));
        }
        match self.end {
            End::Close | End::Report => Poll::Ready(None),
            End::Flush => {
                self.end = End::Break;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            End::Break => Poll::Ready(Some(Err(Cut))),
            End::Silence => Poll::Pending,
        }
    }
}

impl Body for SandboxBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.get_mut() {
            Self::Whole(full) => Pin::new(full).poll_frame(cx).map_err(|never| match never {}),
            Self::Pieces(pieces) => pieces.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(full) => full.is_end_stream(),
            Self::Pieces(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(full) => full.size_hint(),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}
