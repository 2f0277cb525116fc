//! The way of a request to a provider of models, whatever dialect it speaks.
//!
//! What makes text or reads audio is metered. What only reads or deletes costs nothing and
//! passes as one request. What makes something that cannot be metered yet (images, speech,
//! batches, …) passes where neither money nor tokens are counted, and is refused elsewhere.

use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use tollgate_core::{Attribute, Demand, Unit, policy::settings::Dialect};
use tollgate_meter::{PlainMeter, StreamMeter};

use super::{
    aside::{LONG_BODY_BYTES, aside},
    body,
    dialect::{self, Request, Target},
    estimate,
    exchange::{Exchange, Incoming, Stop},
    forward::ProviderBody,
    metered::{Stream, plain},
    planner::Planner,
    slices::Slices,
    ticket::{Outcome, Ticket},
};
use crate::{
    net::{self, Body, OnEnd, UpstreamError},
    prices::{self, Rate},
    refusal::{Failure, What},
};

/// What makes another method of a request's for Google, so that it would pass for one that
/// costs nothing.
static METHOD_OVERRIDES: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];

/// What a request that cannot be metered must not be counted in.
const METERED_UNITS: [Unit; 5] =
    [Unit::Usd, Unit::Tokens, Unit::InputTokens, Unit::OutputTokens, Unit::Seconds];

/// Answers a request.
///
/// # Errors
/// When it is refused or fails before its provider answers.
pub(super) async fn answer(
    exchange: &mut Exchange,
    mut incoming: Incoming,
) -> Result<Response<Body>, Stop> {
    exchange.identify(&mut incoming)?;
    if exchange.dialect == Dialect::Gemini {
        for name in &METHOD_OVERRIDES {
            incoming.head.headers.remove(name);
        }
    }
    let (path, query) = incoming.path_and_query();
    let target = match incoming.head.method {
        Method::POST => Target::of(exchange.dialect, path, query).map_err(Failure::from)?,
        _ => None,
    };
    if let Some(target) = target {
        exchange.form = target.form();
        return Box::pin(metered(exchange, incoming, target)).await;
    }
    if !dialect::is_free(exchange.dialect, &incoming.head.method, path) {
        exchange.allow_model(None)?;
        check_unmetered(exchange, path)?;
    }
    Box::pin(unmetered(exchange, incoming)).await
}

async fn metered(
    exchange: &mut Exchange,
    incoming: Incoming,
    target: Target,
) -> Result<Response<Body>, Stop> {
    let provider = Arc::clone(&exchange.provider);
    let uri = provider.target(incoming.rest())?;
    let deployment = deployment(exchange, &incoming);
    let Incoming { mut head, body, .. } = incoming;
    let body = body::read(body, provider.max_body_bytes).await?;
    let clock = exchange.app.gate.clock().clone();
    let read = clock.now();
    let mut request = scan(target, deployment.as_deref(), &head.headers, &body).await?;
    if deployment.is_none()
        && let Some(model) = provider.deployments.get(&request.scan().model)
    {
        request.rename(model.clone());
    }
    let model = CompactString::from(&request.scan().model);
    exchange.allow_model(Some(&model))?;
    exchange.who.set(Attribute::Model, model.clone());
    let rate = rate(exchange, &model)?;
    let (request, planned) = estimate::plan(exchange, request, &body, rate.price()).await?;
    let planner = Arc::new(Planner::new(&exchange.app, &rate, planned));
    let mut ticket = admit(exchange, &planner, &model, &rate).await?;
    let mut plan = planner.latest();
    ticket.teach(plan.pupil.take());
    let body = match plan.clamped() {
        Some(most) => request.clamped_body(&body, most),
        None => request.upstream_body(body),
    };
    net::identity_encoding(&mut head.headers);
    let entry = exchange.signed_entry(&body).await;
    let sent = clock.now();
    let answered = Arc::clone(&provider).send(head, uri, net::full(body), entry).await;
    let came = clock.now();
    let response = match answered {
        Ok(response) => response,
        Err(error) => return Err(unanswered(ticket, &error, 0).into()),
    };
    let (mut head, body) = response.into_parts();
    net::strip_response(&mut head.headers);
    exchange.mark(&mut head.headers, &ticket, came);
    let now = clock.now().time;
    ticket.note_added(sent.time.since(read.time) + now.since(came.time));
    let body = if !head.status.is_success() {
        passed(body, ticket)
    } else if is_stream(exchange, &request, &head.headers) {
        // A chunk of it may be taken out.
        head.headers.remove(CONTENT_LENGTH);
        let slices = Slices::new(&plan, &rate, &exchange.who);
        let meter = StreamMeter::new(&*request, plan.gauge);
        net::boxed(Stream::new(body, meter, ticket, slices, exchange.form))
    } else {
        let mut meter = PlainMeter::new(&*request);
        for (name, value) in &head.headers {
            meter.header(name.as_str(), value.as_bytes());
        }
        match plain(body, meter, ticket).await {
            Ok(body) => body,
            Err((error, ticket)) => return Err(unanswered(ticket, &error, 0).into()),
        }
    };
    Ok(Response::from_parts(head, body))
}

async fn unmetered(exchange: &mut Exchange, incoming: Incoming) -> Result<Response<Body>, Stop> {
    let provider = Arc::clone(&exchange.provider);
    let target = provider.target(incoming.rest())?;
    let Incoming { head, body, .. } = incoming;
    let (body, entry) = if provider.signs(&exchange.entry) {
        let body = body::read(body, provider.max_body_bytes).await?;
        let entry = exchange.signed_entry(&body).await;
        (net::full(body), entry)
    } else {
        (body::bounded(body, provider.max_body_bytes)?, exchange.entry.clone())
    };
    let ticket = exchange.admit(Demand::ONE_REQUEST, "".into(), Rate::Free).await?;
    let response = match Arc::clone(&provider).send(head, target, body, entry).await {
        Ok(response) => response,
        Err(error) => {
            let max = provider.max_body_bytes.unwrap_or(u64::MAX);
            return Err(unanswered(ticket, &error, max).into());
        }
    };
    let (mut head, body) = response.into_parts();
    net::strip_response(&mut head.headers);
    exchange.mark(&mut head.headers, &ticket, exchange.app.gate.clock().now());
    Ok(Response::from_parts(head, passed(body, ticket)))
}

/// A body that passes unread; the request is charged, but no tokens.
fn passed(body: ProviderBody, ticket: Ticket) -> Body {
    net::boxed(OnEnd::new(body, move |_| ticket.conclude(Outcome::Answered)))
}

/// Concludes a request that was not answered.
pub(super) fn unanswered(ticket: Ticket, error: &UpstreamError, max_body_bytes: u64) -> Failure {
    let source: Option<&dyn std::error::Error> = std::error::Error::source(error);
    tracing::warn!(error = %error, source, "a provider gave no answer");
    ticket.conclude(if error.is_unsent() { Outcome::Unsent } else { Outcome::Unknown });
    match error {
        UpstreamError::Request(why) => body::why(&**why, max_body_bytes),
        _ => Failure::from(error),
    }
}

/// Scans a body, a long one aside from the workers that others wait for.
async fn scan(
    target: Target,
    model: Option<&str>,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Request, Failure> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if body.len() <= LONG_BODY_BYTES {
        return Ok(target.scan(model, content_type, body)?);
    }
    let body = body.clone();
    let (model, content_type) = (model.map(str::to_owned), content_type.map(str::to_owned));
    Ok(aside(move || target.scan(model.as_deref(), content_type.as_deref(), &body)).await??)
}

/// The model that the path is of, where paths name deployments.
fn deployment(exchange: &Exchange, incoming: &Incoming) -> Option<String> {
    if exchange.dialect != Dialect::Azure {
        return None;
    }
    let name = dialect::deployment(incoming.path_and_query().0)?;
    Some(exchange.provider.deployments.get(&name).cloned().unwrap_or(name))
}

fn rate(exchange: &Exchange, model: &str) -> Result<Rate, Failure> {
    let prices = &exchange.live.prices;
    let provider = &exchange.provider;
    if let Some(rate) = prices.known(&provider.name, Some(provider), model) {
        return Ok(rate);
    }
    prices.unpriced(|| is_counted(exchange, &[Unit::Usd])).ok_or_else(|| {
        let sentence = format!(
            "The model `{model}` has no price here, and what it costs would be counted: use a priced model, or ask the operator to price it."
        );
        Failure::new(What::ModelUnpriced, sentence).at("model")
    })
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

fn check_unmetered(exchange: &Exchange, path: &str) -> Result<(), Failure> {
    if !is_counted(exchange, &METERED_UNITS) {
        return Ok(());
    }
    let path: String = path.chars().take(80).collect();
    let sentence = format!(
        "`{path}` cannot be metered yet, and money or tokens are counted here: use {}, or ask the operator.",
        dialect::metered(exchange.dialect)
    );
    Err(Failure::new(What::Forbidden, sentence))
}

fn is_counted(exchange: &Exchange, units: &[Unit]) -> bool {
    prices::counts(&exchange.live.policy, &exchange.who, exchange.arrived, units)
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
