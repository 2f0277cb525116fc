//! What a provider answers, told in another dialect: its caller's.
//!
//! The promise: it is translated after it was metered, with no more of it held than an answer in
//! one piece or one event of a stream; and whatever cannot be told ends with an error that the
//! caller's client raises, never as if it had been whole.

use std::{collections::VecDeque, pin::Pin};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, StatusCode, header::CONTENT_TYPE, response::Parts};
use http_body::{Body as _, Frame};
use tollgate_core::{Now, ReservationId};
use tollgate_meter::{
    Ending, PlainMeter,
    refusal::{Native, NativeEvent},
    translate::{Answers, Stamp, StreamTranslator},
};

use super::{
    aside::{LONG_BODY_BYTES, aside},
    forward::ProviderBody,
    metered::BROKEN,
    outcome::Outcome,
    ticket::Ticket,
    translated::JSON,
};
use crate::{
    headers,
    net::UpstreamError,
    refusal::{Failure, Form, What},
};

/// The most bytes of an answer in one piece that is translated.
const MAX_ANSWER_BYTES: usize = 8 << 20;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// What an answer in one piece came to.
#[derive(Debug)]
pub(super) enum Whole {
    /// This, in the caller's dialect.
    Told(Bytes),
    /// It broke off.
    Broken(Failure),
    /// It is there and paid for, and cannot be told.
    Untold(Failure),
}

/// A stream on its way into its caller's dialect.
#[derive(Debug)]
pub(super) struct Retelling {
    translator: StreamTranslator,
    ready: VecDeque<Bytes>,
}

/// What an answer is given in place of the provider's own.
pub(super) fn stamp(id: ReservationId, now: Now) -> Stamp {
    Stamp { id: format!("{:032x}", id.0), created: now.wall.as_nanos() / NANOS_PER_SECOND }
}

/// An answer in one piece that is read. However that ends, also by a caller that leaves, it is
/// charged what it is known to have used.
struct Reading {
    meter: PlainMeter,
    ticket: Option<Ticket>,
}

/// An answer in one piece, metered and translated once it is there.
///
/// # Errors
/// When nothing comes but an error; the ticket is given back.
pub(super) async fn whole(
    mut body: ProviderBody,
    meter: PlainMeter,
    ticket: Ticket,
    (answers, stamp): (Answers, Stamp),
) -> Result<Whole, (UpstreamError, Ticket)> {
    let mut reading = Reading { meter, ticket: Some(ticket) };
    let mut bytes = BytesMut::new();
    loop {
        match std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            Some(Ok(frame)) => {
                let Some(data) = reading.take(frame) else { continue };
                if bytes.len() + data.len() > MAX_ANSWER_BYTES {
                    let sentence = format!(
                        "The provider's answer is longer than the {MAX_ANSWER_BYTES} bytes that are translated."
                    );
                    return Ok(Whole::Untold(Failure::new(What::BadGateway, sentence)));
                }
                bytes.extend_from_slice(&data);
            }
            Some(Err(error)) => {
                return match reading.ticket.take_if(|_| bytes.is_empty()) {
                    Some(ticket) => Err((error, ticket)),
                    None => Ok(reading.broken(&error)),
                };
            }
            None => break,
        }
    }
    reading.meter.finish();
    let told = told(bytes.freeze(), answers, stamp).await;
    if told.is_err()
        && let Some(ticket) = &mut reading.ticket
    {
        ticket.forget_whole();
    }
    Ok(told.map_or_else(Whole::Untold, Whole::Told))
}

impl Reading {
    /// Meters what came next; what of it is to be told.
    fn take(&mut self, frame: Frame<Bytes>) -> Option<Bytes> {
        if let Some(ticket) = &mut self.ticket {
            ticket.begun();
        }
        let data = frame.into_data().ok()?;
        self.meter.push(&data);
        Some(data)
    }

    /// Its provider did not bring it to its end.
    fn broken(&mut self, error: &UpstreamError) -> Whole {
        if let Some(ticket) = &mut self.ticket {
            ticket.ends(BROKEN);
        }
        Whole::Broken(Failure::from(error))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            ticket.conclude(Outcome::Plain(self.meter.metered()));
        }
    }
}

/// A long answer aside from the workers that others wait for.
async fn told(body: Bytes, answers: Answers, stamp: Stamp) -> Result<Bytes, Failure> {
    let told = if body.len() <= LONG_BODY_BYTES {
        answers.whole(&body, &stamp)
    } else {
        aside(move || answers.whole(&body, &stamp)).await?
    };
    told.map_err(|error| {
        let sentence = format!("The provider's answer cannot be told in this dialect. {error}");
        Failure::new(What::BadGateway, sentence)
    })
}

/// Makes the head of an answer that of an error; its body.
pub(super) fn error(head: &mut Parts, native: Native) -> Bytes {
    head.status = StatusCode::from_u16(native.status).unwrap_or(StatusCode::BAD_GATEWAY);
    head.headers.insert(CONTENT_TYPE, JSON);
    for (name, value) in native.headers {
        headers::set(&mut head.headers, HeaderName::from_static(name), Some(value));
    }
    native.body
}

impl Retelling {
    pub(super) fn new(answers: &Answers, stamp: Stamp) -> Self {
        Self { translator: answers.stream(stamp), ready: VecDeque::new() }
    }

    /// Takes what its meter has let pass.
    pub(super) fn push(&mut self, bytes: &Bytes) {
        let told = self.translator.push(bytes);
        self.put(told);
    }

    /// The next bytes for the caller, if any are ready.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        self.ready.pop_front()
    }

    /// The provider has sent its last byte; a stream that has not come to its end by then ends
    /// with an error.
    pub(super) fn finish(&mut self, form: Form) {
        let told = self.translator.finish();
        self.put(told);
        let sentence = "The provider's answer broke off before its end.";
        let cut = self.cut(&Failure::new(What::BadGateway, sentence).native(form).event);
        self.put(cut);
    }

    /// Ends it with an error: the bytes to send last.
    pub(super) fn cut(&mut self, error: &NativeEvent) -> Bytes {
        self.translator.cut(error)
    }

    /// Whether its caller has got its end.
    pub(super) fn is_whole(&self) -> bool {
        self.translator.ending() == Some(Ending::Complete)
    }

    /// Whether it has ended with an error.
    pub(super) fn has_failed(&self) -> bool {
        self.translator.ending() == Some(Ending::Failed)
    }

    fn put(&mut self, told: Bytes) {
        if !told.is_empty() {
            self.ready.push_back(told);
        }
    }
}
