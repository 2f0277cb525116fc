//! What is sent to a model, and what becomes of its answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
    response::Parts,
};
use tollgate_core::{Now, policy::settings::Dialect};
use tollgate_meter::{PlainMeter, StreamMeter, signals::Signals, translate::Answers};

use super::{
    attempts::Chosen,
    cached,
    dialect::Request,
    estimate::{How, Plan},
    exchange::{Exchange, Stop},
    forward::ProviderBody,
    judged::{self, Again, Judged},
    live::{self, Admitted},
    metered::{Stream, plain},
    outcome::Outcome,
    peeked::Peeked,
    prepared::Prepared,
    provider::{passed, unanswered},
    retold::{self, Retelling, Whole},
    slices::Slices,
    ticket::Ticket,
    translated,
    tries::{Tried, Try},
};
use crate::{
    cache::Recorder,
    credentials,
    guards::{End, announced},
    net::{self, Body, Line, OnEnd, UpstreamError},
    prices::Rate,
    refusal::Failure,
};

/// What was asked for, as its answer is read by it.
struct Sent {
    request: Request,
    plan: Plan,
    rate: Rate,
    /// How its answer is told, where it was translated.
    answers: Option<Answers>,
}

/// An answer whose head has come.
struct Headed {
    head: Parts,
    body: ProviderBody,
    ticket: Ticket,
    came: Now,
}

static SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

impl Try<'_> {
    /// Sends it, and takes the answer.
    ///
    /// # Errors
    /// When there is none, and may be no other.
    pub(super) async fn send(
        mut self,
        prepared: Prepared,
        mut ticket: Ticket,
    ) -> Result<Tried, Stop> {
        let mut plan = prepared.planner.latest();
        let Prepared { request, rate, uri, body, answers, .. } = prepared;
        if plan.pupil.is_some() && request.scan().stream && plan.how == How::Whole {
            ticket.note_hiding();
        }
        ticket.teach(plan.pupil.take());
        let body = match plan.clamped() {
            Some(most) => request.clamped_body(&body, most),
            None => request.upstream_body(body),
        };
        let clock = self.exchange.app.gate.clock().clone();
        let mut entry = self.exchange.signed_entry(&body).await;
        let provider = Arc::clone(&self.exchange.provider);
        let mut head = self.asked.head.clone();
        if answers.is_some() {
            translated::dress(&mut head.headers, provider.dialect);
            entry.by_bearer = false;
        } else if self.exchange.is_abroad() && provider.passes_callers(&entry) {
            credentials::remove_all(&mut head.headers);
        }
        let (sent, is_keyed) = (clock.now(), provider.has_key(&entry));
        let ask =
            |headers: &mut HeaderMap| self.asked.call.iter().for_each(|call| call.ask(headers));
        let sending = provider.send_telling(head, uri, net::full(body), entry, ask);
        let answered = self.exchange.within(Box::pin(sending)).await;
        let came = clock.now();
        let response = match answered {
            Ok(response) => response,
            Err(error) => {
                return match self.again(&mut ticket, &judged::of_error(&error)).await {
                    Some(next) => Ok(another(ticket, next)),
                    None => Err(self.unanswered(ticket, &error)),
                };
            }
        };
        let (mut head, body) = response.into_parts();
        let line = Line::take(&mut head.extensions);
        net::strip_response(&mut head.headers);
        if judged::is_refusal(head.status) {
            let headed = Headed { head, body, ticket, came };
            return Ok(Box::pin(self.refused(headed, answers)).await);
        }
        if is_keyed && judged::is_barred(head.status) {
            ticket.ends(End::Barred);
        }
        ticket.headed(&announced(&signals(&head, &[], came), came.time));
        let gone = sent.time.since(self.asked.read.time);
        ticket.note_added(gone + clock.now().time.since(came.time));
        if let Some(call) = self.asked.call.as_deref().filter(|_| live::may_begin(head.status)) {
            ticket.lasts();
            self.mark(&mut head.headers, &ticket, came, false);
            let admitted = Admitted { ticket, plan, rate };
            return call.begin(self.exchange, head, line, admitted).map(Tried::Answered);
        }
        let sent = Sent { request, plan, rate, answers };
        let answered = self.answered(Headed { head, body, ticket, came }, sent).await?;
        Ok(Tried::Answered(answered))
    }

    /// An answer that refuses: the caller's, if there is no other try.
    async fn refused(mut self, headed: Headed, answers: Option<Answers>) -> Tried {
        let Headed { mut head, body, mut ticket, came } = headed;
        let body = Peeked::of(body).await;
        let signals = signals(&head, body.first(), came);
        ticket.headed(&announced(&signals, came.time));
        let judged = judged::of_refusal(head.status, &signals);
        if let Some(next) = self.again(&mut ticket, &judged).await {
            return another(ticket, next);
        }
        self.mark(&mut head.headers, &ticket, came, answers.is_some());
        self.keep(&mut head, &mut ticket, false);
        Tried::Answered(failed(head, body, ticket, answers.as_ref()))
    }

    /// Any other answer.
    async fn answered(mut self, headed: Headed, sent: Sent) -> Result<Response<Body>, Stop> {
        let Headed { mut head, body, mut ticket, came } = headed;
        self.mark(&mut head.headers, &ticket, came, sent.answers.is_some());
        let recorder = self.keep(&mut head, &mut ticket, sent.plan.clamped().is_none());
        if !head.status.is_success() {
            return Ok(match sent.answers {
                None => Response::from_parts(head, passed(body, ticket)),
                answers => {
                    let body = Box::pin(Peeked::of(body)).await;
                    failed(head, body, ticket, answers.as_ref())
                }
            });
        }
        let headed = Headed { head, body, ticket, came };
        let (head, body) = if is_stream(self.exchange, &sent.request, &headed.head.headers) {
            self.streamed(headed, &sent)
        } else {
            self.whole(headed, sent).await?
        };
        Ok(Response::from_parts(head, cached::recorded(body, recorder)))
    }

    /// An answer that comes in events.
    fn streamed(&self, headed: Headed, sent: &Sent) -> (Parts, Body) {
        let Headed { mut head, body, ticket, came } = headed;
        let Sent { request, plan, rate, answers } = sent;
        // A chunk of it may be taken out.
        head.headers.remove(CONTENT_LENGTH);
        let slices = Slices::new(plan, rate, &self.exchange.who);
        let meter = StreamMeter::new(&**request, plan.gauge);
        let stamp = retold::stamp(ticket.permit().id(), came);
        let stream = Stream::new(body, meter, ticket, slices, self.exchange.form);
        let stream = match answers {
            Some(answers) => stream.retold(Retelling::new(answers, stamp)),
            None => stream,
        };
        (head, net::boxed(stream))
    }

    /// An answer in one piece.
    async fn whole(mut self, headed: Headed, sent: Sent) -> Result<(Parts, Body), Stop> {
        let Headed { mut head, body, ticket, came } = headed;
        let mut meter = PlainMeter::new(&*sent.request);
        for (name, value) in &head.headers {
            meter.header(name.as_str(), value.as_bytes());
        }
        let answered = match sent.answers {
            None => plain(body, meter, ticket).await,
            Some(answers) => {
                let stamp = retold::stamp(ticket.permit().id(), came);
                let whole = Box::pin(retold::whole(body, meter, ticket, (answers, stamp))).await;
                whole.map(|whole| self.retold(&mut head, whole))
            }
        };
        answered.map(|body| (head, body)).map_err(|(error, mut ticket)| {
            ticket.ended(judged::of_error(&error).end);
            self.unanswered(ticket, &error)
        })
    }

    /// There is no answer, and no other try.
    fn unanswered(&mut self, ticket: Ticket, error: &UpstreamError) -> Stop {
        self.exchange.is_charged = !error.is_unsent();
        unanswered(ticket, error, 0).into()
    }

    /// What was told in the caller's dialect, or why it could not be.
    fn retold(&self, head: &mut Parts, whole: Whole) -> Body {
        let told = |head: &mut Parts, failure: Failure| {
            tracing::warn!(provider = %self.exchange.provider.name, "an answer was lost: {failure}");
            retold::error(head, failure.native(self.exchange.form))
        };
        net::full(match whole {
            Whole::Told(body) => {
                head.headers.insert(CONTENT_TYPE, translated::JSON);
                body
            }
            Whole::Broken(failure) => told(head, failure),
            Whole::Untold(failure) => {
                // It would be paid for once more, and come out alike.
                head.headers.insert(SHOULD_RETRY.clone(), HeaderValue::from_static("false"));
                told(head, failure)
            }
        })
    }

    /// Says what the cache had, and begins to write an answer down that is kept.
    fn keep(
        &mut self,
        head: &mut Parts,
        ticket: &mut Ticket,
        as_it_stands: bool,
    ) -> Option<Recorder> {
        let keeper = std::mem::take(self.keeper);
        keeper.begin(self.exchange, head, ticket, as_it_stands)
    }

    /// Tells what came of it, and whether there is another try.
    async fn again(&mut self, ticket: &mut Ticket, judged: &Judged) -> Option<Option<Chosen>> {
        // First, so that the next one is chosen by what is known now.
        ticket.ended(judged.end);
        // What came is given up only for one that it can be sent to.
        if judged.again != Again::Never
            && self.attempts.may_translate()
            && !Box::pin(translated::can_be_said(self.asked)).await
        {
            self.attempts.leave_out_translated();
        }
        let next = self.attempts.again(self.exchange, self.place, judged)?;
        let candidate = &self.attempts.candidates[self.place];
        tracing::info!(
            provider = %candidate.provider.name,
            model = %candidate.model,
            why = %judged.why,
            "a try made nothing, so there is another",
        );
        Some(next)
    }

    /// Tells in the head of an answer how it was decided and who gave it; of what its provider
    /// tells, a caller of another dialect gets what it understands.
    fn mark(&self, headers: &mut HeaderMap, ticket: &Ticket, came: Now, is_translated: bool) {
        if is_translated {
            translated::undress(headers);
        }
        self.exchange.mark(headers, ticket, came);
        self.attempts.mark(headers, self.place, self.asked.name.is_some());
        self.exchange.keep_way(ticket, self.attempts.told().as_deref(), came);
    }
}

/// An answer that is an error.
fn failed(
    mut head: Parts,
    body: Peeked,
    ticket: Ticket,
    answers: Option<&Answers>,
) -> Response<Body> {
    let Some(answers) = answers else {
        return Response::from_parts(head, passed(body, ticket));
    };
    let native = answers.error(head.status.as_u16(), body.first());
    let told: Bytes = retold::error(&mut head, native);
    let body = OnEnd::new(net::full(told), move |_| ticket.conclude(Outcome::Answered));
    Response::from_parts(head, net::boxed(body))
}

fn another(ticket: Ticket, next: Option<Chosen>) -> Tried {
    ticket.void();
    Tried::Again(next)
}

fn signals(head: &Parts, body: &[u8], came: Now) -> Signals {
    let headers = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    Signals::read(head.status.as_u16(), headers, body, came.wall)
}

/// Whether an answer comes in events. Google sends a stream that nobody asked for as events
/// as one JSON array.
fn is_stream(exchange: &Exchange, request: &Request, headers: &HeaderMap) -> bool {
    const TYPES: [&[u8]; 2] = [b"text/event-stream", b"application/vnd.amazon.eventstream"];
    let told = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let begins =
        |kind: &&[u8]| told.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind));
    exchange.dialect == Dialect::Gemini && request.scan().stream || TYPES.iter().any(begins)
}
