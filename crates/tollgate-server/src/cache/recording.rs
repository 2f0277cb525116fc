//! The body of an answer that is kept as it passes.
//!
//! What passes is copied once, in pieces as they come: a piece that was merely held on to would
//! keep the whole buffer alive that it was read into, and a bound in bytes would mean nothing.
//! Kept is only what came whole: its meter says so before the last piece passes.

use std::{
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderValue;
use http_body::{Body, Frame, SizeHint};
use tollgate::Clock;
use tollgate_core::{Now, Usage};

use super::{
    Errand, Keeping, Kept,
    tally::{Outcome, Tally},
};

/// Where a request's end tells that its answer came whole, and what it used.
pub(crate) type Whole = Arc<OnceLock<Usage>>;

/// What all recordings share: bytes that they hold together.
#[derive(Debug)]
pub(super) struct Desk {
    taken: AtomicU64,
    most: AtomicU64,
}

/// Writes an answer down.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(super) errand: Errand,
    pub(super) content_type: Option<HeaderValue>,
    pub(super) keeping: Keeping,
    pub(super) clock: Clock,
    pub(super) tally: Arc<Tally>,
    pub(super) whole: Whole,
    pub(super) page: Page,
}

/// What is written down so far.
#[derive(Debug)]
pub(super) struct Page {
    bytes: Vec<u8>,
    desk: Arc<Desk>,
}

/// A body that is written down as it passes.
#[derive(Debug)]
pub(crate) struct Recorded<B: Body> {
    body: B,
    recorder: Option<Box<Recorder>>,
}

impl Desk {
    pub(super) const fn of_bytes(most: u64) -> Self {
        Self { taken: AtomicU64::new(0), most: AtomicU64::new(most) }
    }

    pub(super) fn resize(&self, most: u64) {
        self.most.store(most, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Takes room for so many bytes more, if there is as much.
    fn take(&self, bytes: u64) -> bool {
        let before = self.taken.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.most.load(Ordering::Relaxed);
        if !fits {
            self.taken.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }
}

impl Page {
    pub(super) const fn on(desk: Arc<Desk>) -> Self {
        Self { bytes: Vec::new(), desk }
    }

    fn write(&mut self, data: &[u8], max_bytes: u64) -> bool {
        let more = data.len() as u64;
        let fits = self.bytes.len() as u64 + more <= max_bytes && self.desk.take(more);
        if fits {
            self.bytes.extend_from_slice(data);
        }
        fits
    }

    /// In no more memory than it needs.
    fn take(&mut self) -> Bytes {
        self.desk.taken.fetch_sub(self.bytes.len() as u64, Ordering::Relaxed);
        Bytes::from(std::mem::take(&mut self.bytes).into_boxed_slice())
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.desk.taken.fetch_sub(self.bytes.len() as u64, Ordering::Relaxed);
    }
}

impl Recorder {
    /// Ends at the end of the body: what came whole is kept.
    fn end(mut self) {
        let Some(usage) = self.whole.get().copied() else { return self.errand.fail() };
        let Now { time: since, wall } = self.clock.now();
        let body = self.page.take();
        let Keeping { lasts, stale, .. } = self.keeping;
        let (content_type, expires) = (self.content_type, since.after(lasts));
        let gone = expires.after(stale);
        let is_kept = self.errand.bring(|labels, begun| Kept {
            content_type,
            body,
            usage,
            since,
            wall,
            expires,
            gone,
            labels,
            begun,
        });
        if is_kept {
            self.tally.count(Outcome::Stored);
        }
    }
}

impl<B: Body<Data = Bytes>> Recorded<B> {
    pub(crate) fn new(body: B, recorder: Recorder) -> Self {
        Self { body, recorder: Some(Box::new(recorder)) }
    }

    fn note(&mut self, frame: Option<&Frame<Bytes>>) {
        let Some(recorder) = &mut self.recorder else { return };
        let max_bytes = recorder.keeping.max_bytes;
        let goes_on = match frame.map(Frame::data_ref) {
            Some(Some(data)) => recorder.page.write(data, max_bytes),
            // Trailers are not kept, so nothing is that has some.
            Some(None) => false,
            None => true,
        };
        if !goes_on {
            if let Some(recorder) = self.recorder.take() {
                recorder.errand.fail();
            }
        } else if frame.is_none() || self.body.is_end_stream() {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(recorder) = self.recorder.take() {
            recorder.end();
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Recorded<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => this.note(Some(frame)),
            None => this.note(None),
            Some(Err(_)) => {
                if let Some(recorder) = this.recorder.take() {
                    recorder.errand.fail();
                }
            }
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

impl<B: Body> Drop for Recorded<B> {
    fn drop(&mut self) {
        // A reader that knows the length does not ask once more; any other has gone away,
        // and who waits goes in its place.
        if self.body.is_end_stream()
            && let Some(recorder) = self.recorder.take()
        {
            recorder.end();
        }
    }
}
