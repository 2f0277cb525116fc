//! A metered request's way to one of its models, try by try.
//!
//! Each try reserves for its own provider, model and price. One that made nothing is voided
//! before the next begins, so that a request is counted once, whatever it took.

use std::sync::Arc;

use compact_str::CompactString;
use http::{
    HeaderMap, HeaderValue, Response,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
    response::Parts,
};
use tollgate_core::{Attribute, Now, policy::settings::Dialect};
use tollgate_meter::{PlainMeter, Scan, StreamMeter, signals::Signals};

use super::{
    attempts::{Attempts, Chosen},
    body,
    cached::{self, Found, Keeper},
    candidates::{self, Candidate},
    dialect::{Request, Target},
    estimate::{How, Plan},
    exchange::{Exchange, Incoming, Stop},
    forward::ProviderBody,
    judged::{self, Judged},
    metered::{Stream, plain},
    peeked::Peeked,
    planner::Planner,
    prepared::{Asked, Prepared, deployment, prepare, rough, scan},
    provider::{passed, unanswered},
    slices::Slices,
    ticket::Ticket,
};
use crate::{
    cache::Recorder,
    credentials,
    guards::{Pass, announced},
    net::{self, Body},
    prices::Rate,
    refusal::{Failure, What},
};

/// One try.
struct Try<'a> {
    exchange: &'a mut Exchange,
    attempts: &'a mut Attempts,
    /// Where, among the candidates.
    place: usize,
    asked: &'a Asked,
    /// What becomes of its answer.
    keeper: &'a mut Keeper,
}

/// What came of a try.
enum Tried {
    Answered(Response<Body>),
    /// There is another, which may begin at once.
    Again(Option<Chosen>),
}

/// Answers a request that is metered.
///
/// # Errors
/// When it is refused or fails, and may not be tried again.
pub(super) async fn metered(
    exchange: &mut Exchange,
    incoming: Incoming,
    target: Target,
) -> Result<Response<Body>, Stop> {
    let provider = Arc::clone(&exchange.provider);
    let rest = incoming.rest().to_owned();
    provider.target(&rest)?;
    let deployment = deployment(exchange, &incoming)?;
    let Incoming { head, body, .. } = incoming;
    let body = body::read(body, provider.max_body_bytes).await?;
    let read = exchange.app.gate.clock().now();
    let request = scan(&target, deployment.as_deref(), &head.headers, &body).await?;
    let mut asked = Asked { head, rest, body, target, deployment, name: None, read };
    let request = called(exchange, &asked, request);
    let mut keeper = match look(exchange, &asked, request.scan()).await? {
        Found::Answer(response) => return Ok(response),
        Found::Ask(keeper) => keeper,
    };
    net::identity_encoding(&mut asked.head.headers);
    let answered = ask(exchange, asked, request, &mut keeper).await;
    if answered.is_err() {
        keeper.fail();
    }
    answered
}

/// Asks one model after the other.
async fn ask(
    exchange: &mut Exchange,
    mut asked: Asked,
    request: Request,
    keeper: &mut Keeper,
) -> Result<Response<Body>, Stop> {
    let (mut attempts, mut scanned) = attempts(exchange, &mut asked, request)?;
    let mut next = None;
    loop {
        let chosen = match next.take() {
            Some(chosen) => chosen,
            None => attempts.next(exchange).await?,
        };
        let Chosen { place, pass } = chosen;
        let attempts = &mut attempts;
        let this = Try { exchange, attempts, place, asked: &asked, keeper };
        match Box::pin(this.make(pass, scanned.take())).await? {
            Tried::Answered(response) => return Ok(response),
            Tried::Again(chosen) => next = chosen,
        }
    }
}

/// The request by the name of its model, where the policy calls that otherwise.
fn called(exchange: &Exchange, asked: &Asked, mut request: Request) -> Request {
    if asked.deployment.is_none()
        && !exchange.live.settings.models.contains_key(&request.scan().model)
        && let Some(model) = exchange.provider.deployments.get(&request.scan().model)
    {
        request.rename(model.clone());
    }
    request
}

/// The answer that is kept for it, or who keeps the one that is asked for. Who may not use the
/// model is told so once it is made ready for it.
async fn look(exchange: &mut Exchange, asked: &Asked, scan: &Scan) -> Result<Found, Stop> {
    if !exchange.live.settings.cache.enabled || exchange.allow_model(Some(&scan.model)).is_err() {
        return Ok(Found::Ask(Keeper::Off));
    }
    exchange.who.set(Attribute::Model, scan.model.as_str());
    let uri = &exchange.provider.target(&asked.rest)?;
    let Asked { head, body, read, .. } = asked;
    let asked = cached::Asked { uri, headers: &head.headers, body, scan, read: *read };
    cached::look(exchange, asked).await
}

/// The models that may serve it; and what was scanned, where that goes to its model as it is.
fn attempts(
    exchange: &Exchange,
    asked: &mut Asked,
    request: Request,
) -> Result<(Attempts, Option<Request>), Failure> {
    let demand = rough(request.scan());
    let name = CompactString::from(&request.scan().model);
    let named = exchange.live.settings.models.get(name.as_str());
    if let Some(named) = named.filter(|_| asked.deployment.is_none()) {
        let candidates = candidates::of_name(exchange, named, &asked.rest);
        if candidates.is_empty() {
            let sentence = format!(
                "None of the models behind `{name}` speaks as this request does: ask for another, or by another API."
            );
            return Err(Failure::new(What::NotFound, sentence).at("model"));
        }
        asked.name = Some(name);
        return Ok((Attempts::new(exchange, candidates, demand), None));
    }
    let provider = &exchange.provider;
    let model = CompactString::from(&request.scan().model);
    let candidate = Candidate::new(Arc::clone(provider), model, exchange.account(provider));
    Ok((Attempts::new(exchange, vec![candidate], demand), Some(request)))
}

impl Try<'_> {
    async fn make(mut self, pass: Pass, scanned: Option<Request>) -> Result<Tried, Stop> {
        let candidate = &self.attempts.candidates[self.place];
        let prepared = match prepare(self.exchange, candidate, self.asked, scanned).await {
            Ok(prepared) => prepared,
            Err(failure) => {
                pass.unsent();
                let elsewhere = self.attempts.leave_out(self.place, failure.what.error());
                return if elsewhere { Ok(Tried::Again(None)) } else { Err(failure.into()) };
            }
        };
        let Prepared { model, rate, planner, .. } = &prepared;
        match self.reserve(planner, model, rate, pass).await? {
            Some(ticket) => self.send(prepared, ticket).await,
            None => Ok(Tried::Again(None)),
        }
    }

    /// Reserves what it may use; nothing where it is tried elsewhere or later.
    async fn reserve(
        &mut self,
        planner: &Arc<Planner>,
        model: &str,
        rate: &Rate,
        pass: Pass,
    ) -> Result<Option<Ticket>, Stop> {
        let Self { exchange, attempts, place, .. } = self;
        let most = std::mem::replace(&mut exchange.patience, attempts.patience_at(*place));
        let admitted = admit(exchange, planner, model, rate).await;
        exchange.patience = most;
        let mut ticket = match admitted {
            Ok(ticket) => ticket,
            Err(stop) => {
                pass.unsent();
                let elsewhere = matches!(stop, Stop::Refused(_)) && attempts.refused(*place);
                return if elsewhere { Ok(None) } else { Err(stop) };
            }
        };
        exchange.is_again = true;
        let now = exchange.app.gate.clock().now().time;
        if ticket.permit().waited().is_zero() {
            ticket.guard(pass);
        } else {
            // Who waited for a limit has kept a place at the provider for too long.
            pass.unsent();
            match attempts.ask(*place, now) {
                Ok(pass) => ticket.guard(pass),
                Err(_) => {
                    ticket.void();
                    return Ok(None);
                }
            }
        }
        attempts.begin(*place, now);
        Ok(Some(ticket))
    }

    async fn send(mut self, prepared: Prepared, mut ticket: Ticket) -> Result<Tried, Stop> {
        let mut plan = prepared.planner.latest();
        let Prepared { request, rate, uri, body, .. } = prepared;
        if plan.pupil.is_some() && request.scan().stream && plan.how == How::Whole {
            ticket.note_hiding();
        }
        ticket.teach(plan.pupil.take());
        let body = match plan.clamped() {
            Some(most) => request.clamped_body(&body, most),
            None => request.upstream_body(body),
        };
        let clock = self.exchange.app.gate.clock().clone();
        let entry = self.exchange.signed_entry(&body).await;
        let provider = Arc::clone(&self.exchange.provider);
        let mut head = self.asked.head.clone();
        if self.exchange.is_abroad() && provider.passes_callers(&entry) {
            credentials::remove_all(&mut head.headers);
        }
        let sent = clock.now();
        let answered = provider.send(head, uri, net::full(body), entry).await;
        let came = clock.now();
        let response = match answered {
            Ok(response) => response,
            Err(error) => {
                return match self.again(&mut ticket, &judged::of_error(&error)) {
                    Some(next) => Ok(another(ticket, next)),
                    None => Err(unanswered(ticket, &error, 0).into()),
                };
            }
        };
        let (mut head, body) = response.into_parts();
        net::strip_response(&mut head.headers);
        if judged::is_refusal(head.status) {
            return Ok(self.refused(head, body, ticket, came).await);
        }
        ticket.headed(&announced(&signals(&head, &[], came), came.time));
        self.mark(&mut head.headers, &ticket, came);
        let gone = sent.time.since(self.asked.read.time);
        ticket.note_added(gone + clock.now().time.since(came.time));
        let recorder = self.keep(&mut head, &mut ticket, plan.clamped().is_none());
        if !head.status.is_success() {
            return Ok(Tried::Answered(Response::from_parts(head, passed(body, ticket))));
        }
        let (head, body) = self.answered((head, body), request, &plan, &rate, ticket).await?;
        let body = cached::recorded(body, recorder);
        Ok(Tried::Answered(Response::from_parts(head, body)))
    }

    /// An answer that refuses: the caller's, if there is no other try.
    async fn refused(
        mut self,
        mut head: Parts,
        body: ProviderBody,
        mut ticket: Ticket,
        came: Now,
    ) -> Tried {
        let body = Peeked::of(body).await;
        let signals = signals(&head, body.first(), came);
        ticket.headed(&announced(&signals, came.time));
        let judged = judged::of_refusal(head.status, &signals);
        if let Some(next) = self.again(&mut ticket, &judged) {
            return another(ticket, next);
        }
        self.mark(&mut head.headers, &ticket, came);
        self.keep(&mut head, &mut ticket, false);
        Tried::Answered(Response::from_parts(head, passed(body, ticket)))
    }

    /// Says what the cache had, and begins to write an answer down that is kept.
    fn keep(
        &mut self,
        head: &mut Parts,
        ticket: &mut Ticket,
        as_it_stands: bool,
    ) -> Option<Recorder> {
        let keeper = std::mem::replace(self.keeper, Keeper::Off);
        keeper.begin(self.exchange, head, ticket, as_it_stands)
    }

    /// An answer that is metered.
    async fn answered(
        self,
        (mut head, body): (Parts, ProviderBody),
        request: Request,
        plan: &Plan,
        rate: &Rate,
        ticket: Ticket,
    ) -> Result<(Parts, Body), Stop> {
        let exchange = self.exchange;
        let body = if is_stream(exchange, &request, &head.headers) {
            // A chunk of it may be taken out.
            head.headers.remove(CONTENT_LENGTH);
            let slices = Slices::new(plan, rate, &exchange.who);
            let meter = StreamMeter::new(&*request, plan.gauge);
            net::boxed(Stream::new(body, meter, ticket, slices, exchange.form))
        } else {
            let mut meter = PlainMeter::new(&*request);
            for (name, value) in &head.headers {
                meter.header(name.as_str(), value.as_bytes());
            }
            match plain(body, meter, ticket).await {
                Ok(body) => body,
                Err((error, mut ticket)) => {
                    ticket.ended(judged::of_error(&error).end);
                    return Err(unanswered(ticket, &error, 0).into());
                }
            }
        };
        Ok((head, body))
    }

    /// Tells what came of it, and whether there is another try.
    fn again(&mut self, ticket: &mut Ticket, judged: &Judged) -> Option<Option<Chosen>> {
        // First, so that the next one is chosen by what is known now.
        ticket.ended(judged.end);
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

    fn mark(&self, headers: &mut HeaderMap, ticket: &Ticket, came: Now) {
        self.exchange.mark(headers, ticket, came);
        self.attempts.mark(headers, self.place, self.asked.name.is_some());
    }
}

fn another(ticket: Ticket, next: Option<Chosen>) -> Tried {
    ticket.void();
    Tried::Again(next)
}

fn signals(head: &Parts, body: &[u8], came: Now) -> Signals {
    let headers = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    Signals::read(head.status.as_u16(), headers, body, came.wall)
}

/// Asks for what the plan says, and for less where that does not fit and less may do.
async fn admit(
    exchange: &mut Exchange,
    planner: &Arc<Planner>,
    model: &str,
    rate: &Rate,
) -> Result<Ticket, Stop> {
    let asked = exchange.admit_planned(planner, model.into(), rate.clone()).await;
    match asked {
        Err(Stop::Refused(refused)) if planner.shrink(&refused) => {
            exchange.admit_planned(planner, model.into(), rate.clone()).await
        }
        asked => asked,
    }
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
