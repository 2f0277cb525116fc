//! The body of a metered answer: it passes while it is read for its usage, and its ticket
//! concludes when it is over, before its last piece is passed on.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tollgate_meter::{Ending, Metered as Metering, PlainMeter, StreamMeter, refusal::NativeEvent};

use super::{
    forward::ProviderBody,
    outcome::Outcome,
    retold::Retelling,
    slices::{Made, Room, Slices},
    ticket::Ticket,
};
use crate::{
    guards::End,
    net::{self, UpstreamError},
    refusal::{Failure, Form},
};

/// The body of an answer in one piece.
#[derive(Debug)]
pub(super) struct Plain {
    /// What came with the head.
    first: Option<Frame<Bytes>>,
    body: ProviderBody,
    meter: PlainMeter,
    ticket: Option<Ticket>,
}

/// The body of a stream of events.
#[derive(Debug)]
pub(super) struct Stream {
    body: ProviderBody,
    meter: StreamMeter,
    ticket: Option<Ticket>,
    /// What it reserves as it goes on; nothing if all that it may use is reserved.
    slices: Option<Slices>,
    /// What came and is not metered yet.
    pending: Bytes,
    /// What is sent when the meter has nothing more to pass.
    last: Option<Frame<Bytes>>,
    is_over: bool,
    /// In which form an error at its end is told.
    form: Form,
    /// Where its caller speaks another dialect.
    retelling: Option<Box<Retelling>>,
}

/// An answer that its provider did not bring to its end.
pub(super) const BROKEN: End = End::Failed { retry_after: None, overloaded: false };

/// The body of an answer in one piece, once its first bytes are there: they go out with its
/// head in one write, and most answers are whole then.
///
/// # Errors
/// When nothing comes but an error; the ticket is given back.
pub(super) async fn plain(
    mut body: ProviderBody,
    meter: PlainMeter,
    mut ticket: Ticket,
) -> Result<net::Body, (UpstreamError, Ticket)> {
    let first = match std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        Some(Ok(first)) => {
            ticket.begun();
            Some(first)
        }
        Some(Err(error)) => return Err((error, ticket)),
        None => None,
    };
    let mut plain = Plain { first, body, meter, ticket: Some(ticket) };
    plain.read();
    if plain.ticket.is_none()
        && let Some(Ok(whole)) = plain.first.take().map(Frame::into_data)
    {
        return Ok(net::full(whole));
    }
    Ok(net::boxed(plain))
}

impl Plain {
    /// Meters what came with the head.
    fn read(&mut self) {
        match &self.first {
            Some(frame) => {
                if let Some(data) = frame.data_ref() {
                    self.meter.push(data);
                }
                if self.body.is_end_stream() {
                    self.finish();
                }
            }
            None => self.finish(),
        }
    }

    /// Its answer came to its end.
    fn finish(&mut self) {
        self.meter.finish();
        self.conclude();
    }

    fn conclude(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            ticket.conclude(Outcome::Plain(self.meter.metered()));
        }
    }
}

impl Body for Plain {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    this.meter.push(data);
                }
                // Nobody need ask again who knows the length.
                if this.body.is_end_stream() {
                    this.finish();
                }
            }
            Some(Err(_)) => {
                if let Some(ticket) = &mut this.ticket {
                    ticket.ends(BROKEN);
                }
                this.conclude();
            }
            None => this.finish(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len) as u64;
        let rest = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(first));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(first));
        }
        hint
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.conclude();
    }
}

impl Stream {
    pub(super) fn new(
        body: ProviderBody,
        meter: StreamMeter,
        ticket: Ticket,
        slices: Option<Slices>,
        form: Form,
    ) -> Self {
        let (pending, last) = (Bytes::new(), None);
        let (ticket, is_over, retelling) = (Some(ticket), false, None);
        Self { body, meter, ticket, slices, pending, last, is_over, form, retelling }
    }

    /// The same, told in another dialect.
    pub(super) fn retold(mut self, retelling: Retelling) -> Self {
        self.retelling = Some(Box::new(retelling));
        self
    }

    /// Sees to it that what comes next is reserved, or ends the stream.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(slices), Some(ticket)) = (&mut self.slices, &mut self.ticket) else {
            return Poll::Ready(());
        };
        let made =
            Made { so_far: self.meter.output_estimate(), at_once: self.meter.largest_event() };
        match ready!(slices.poll_room(cx, made, ticket)) {
            Room::Enough => {}
            Room::Spent(cut) => {
                ticket.note_cut(&cut);
                self.end(&cut.event(self.form));
            }
            Room::Unknown(error) => self.fail(&Failure::from(&error)),
        }
        Poll::Ready(())
    }

    /// Takes in what the provider sends next; `None` while it sends nothing.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.pending.is_empty() {
            self.meter_pending();
            return Poll::Ready(());
        }
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    if let Some(ticket) = &mut self.ticket {
                        ticket.begun();
                    }
                    self.pending = data;
                    self.meter_pending();
                }
                Err(trailers) => self.last = Some(trailers),
            },
            Some(Err(error)) => {
                self.broken();
                self.fail(&Failure::from(&error));
            }
            None => {
                let metered = self.meter.finish();
                self.retell();
                if let Some(retelling) = &mut self.retelling {
                    retelling.finish(self.form);
                }
                self.conclude(metered);
                self.is_over = true;
            }
        }
        Poll::Ready(())
    }

    /// Translates what passes, if it is.
    fn retell(&mut self) {
        let Some(retelling) = &mut self.retelling else { return };
        while let Some(bytes) = self.meter.pop() {
            retelling.push(&bytes);
        }
        if retelling.has_failed() {
            // Nothing that comes after it would be told.
            let metered = self.meter.metered();
            self.conclude(metered);
            self.is_over = true;
        }
    }

    fn pop(&mut self) -> Option<Bytes> {
        match &mut self.retelling {
            Some(retelling) => retelling.pop(),
            None => self.meter.pop(),
        }
    }

    /// Meters what came: all of it where all that it may bring is reserved, else the next
    /// event alone, so that no more passes than is reserved.
    fn meter_pending(&mut self) {
        if self.slices.as_ref().is_none_or(|all| all.covers(self.pending.len())) {
            self.meter.push(&std::mem::take(&mut self.pending));
        } else {
            self.meter.push_event(&mut self.pending);
        }
        self.retell();
        // The dialect's own mark ends it: whoever reads it may ask anew at once.
        if self.meter.metered().ending == Ending::Complete {
            let metered = self.meter.metered();
            self.conclude(metered);
        }
    }

    fn broken(&mut self) {
        if let Some(ticket) = &mut self.ticket {
            ticket.ends(BROKEN);
        }
    }

    fn fail(&mut self, failure: &Failure) {
        self.end(&failure.native(self.form).event);
    }

    /// Ends the stream with an error that clients raise: a stream that merely stops looks
    /// complete to them.
    fn end(&mut self, error: &NativeEvent) {
        let metered = self.meter.metered();
        self.conclude(metered);
        let event = self.meter.cut(error);
        let event = match &mut self.retelling {
            Some(retelling) => retelling.cut(error),
            None => event,
        };
        self.last = (!event.is_empty()).then(|| Frame::data(event));
        self.is_over = true;
    }

    fn conclude(&mut self, metered: Metering) {
        if let Some(mut ticket) = self.ticket.take() {
            if self.retelling.as_ref().is_some_and(|retelling| !retelling.is_whole()) {
                ticket.forget_whole();
            }
            ticket.conclude(Outcome::Stream(metered));
        }
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        let this = self.get_mut();
        loop {
            if let Some(bytes) = this.pop() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if this.is_over {
                return Poll::Ready(this.last.take().map(Ok));
            }
            ready!(this.poll_room(cx));
            if !this.is_over {
                ready!(this.poll_more(cx));
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let metered = self.meter.metered();
        self.conclude(metered);
    }
}
