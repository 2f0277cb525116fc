//! The body of a metered answer: it passes while it is read for its usage, and its ticket
//! concludes when it is over, before its last piece is passed on.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tollgate_meter::{
    Ending, Metered as Metering,
    openai::{self, PlainMeter, StreamMeter},
};

use super::{
    forward::ProviderBody,
    ticket::{Outcome, Ticket},
};
use crate::{
    net::{self, UpstreamError},
    refusal::Failure,
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
    /// What is sent when the meter has nothing more to pass.
    last: Option<Frame<Bytes>>,
    is_over: bool,
}

/// The body of an answer in one piece, once its first bytes are there: they go out with its
/// head in one write, and most answers are whole then.
///
/// # Errors
/// When nothing comes but an error; the ticket is given back.
pub(super) async fn plain(
    mut body: ProviderBody,
    meter: PlainMeter,
    ticket: Ticket,
) -> Result<net::Body, (UpstreamError, Ticket)> {
    let first = match std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        Some(Ok(first)) => Some(first),
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
                    self.conclude();
                }
            }
            None => self.conclude(),
        }
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
                    this.conclude();
                }
            }
            Some(Err(_)) | None => this.conclude(),
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
    pub(super) const fn new(body: ProviderBody, meter: StreamMeter, ticket: Ticket) -> Self {
        Self { body, meter, ticket: Some(ticket), last: None, is_over: false }
    }

    /// Takes in what the provider sends next; `None` while it sends nothing.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    self.meter.push(&data);
                    // The dialect's own mark ends it: whoever reads it may ask anew at once.
                    if self.meter.metered().ending == Ending::Complete {
                        let metered = self.meter.metered();
                        self.conclude(metered);
                    }
                }
                Err(trailers) => self.last = Some(trailers),
            },
            Some(Err(error)) => self.fail(&error),
            None => {
                let metered = self.meter.finish();
                self.conclude(metered);
                self.is_over = true;
            }
        }
        Poll::Ready(())
    }

    /// Ends the stream with an error that clients raise: a stream that merely stops looks
    /// complete to them.
    fn fail(&mut self, error: &UpstreamError) {
        let metered = self.meter.metered();
        self.conclude(metered);
        let failure = Failure::from(error);
        let (kind, code) = failure.what.openai();
        let event =
            self.meter.cut(&openai::Error { message: &failure.message, kind, param: None, code });
        self.last = Some(Frame::data(event));
        self.is_over = true;
    }

    fn conclude(&mut self, metered: Metering) {
        if let Some(ticket) = self.ticket.take() {
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
            if let Some(bytes) = this.meter.pop() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if this.is_over {
                return Poll::Ready(this.last.take().map(Ok));
            }
            ready!(this.poll_more(cx));
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let metered = self.meter.metered();
        self.conclude(metered);
    }
}
