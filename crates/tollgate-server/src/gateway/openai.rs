//! The way of a request to a provider that speaks OpenAI's dialect.
//!
//! Completions and embeddings are metered. What only reads or deletes costs nothing and
//! passes as one request. What makes something that cannot be metered yet (images, audio,
//! batches, …) passes where neither money nor tokens are counted, and is refused elsewhere.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, Method, Response,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use tollgate_core::{Attribute, Demand, Unit};
use tollgate_meter::openai::{self, Endpoint, PlainMeter, StreamMeter};

use super::{
    body, estimate,
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

/// A body of more bytes takes longer to scan than a worker may be kept.
const LONG_BODY_BYTES: usize = 256 * 1024;

/// Requests that make nothing that is charged for, although they send something.
const FREE_POSTS: [&str; 2] = ["/moderations", "/files"];

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
    exchange.identify(&mut incoming.head.headers)?;
    let path = incoming.rest().split('?').next().unwrap_or_default();
    match Endpoint::of(path) {
        Some(endpoint) if incoming.head.method == Method::POST => {
            Box::pin(metered(exchange, incoming, endpoint)).await
        }
        _ => {
            if !is_free(&incoming.head.method, path) {
                exchange.allow_model(None)?;
                check_unmetered(exchange, path)?;
            }
            Box::pin(unmetered(exchange, incoming)).await
        }
    }
}

async fn metered(
    exchange: &mut Exchange,
    incoming: Incoming,
    endpoint: Endpoint,
) -> Result<Response<Body>, Stop> {
    let provider = Arc::clone(&exchange.provider);
    let target = provider.target(incoming.rest())?;
    let Incoming { mut head, body, .. } = incoming;
    let body = body::read(body, provider.max_body_bytes).await?;
    let clock = exchange.app.gate.clock().clone();
    let read = clock.now();
    let mut request = scan(endpoint, &body).await?;
    exchange.allow_model(Some(&request.scan.model))?;
    exchange.who.set(Attribute::Model, request.scan.model.as_str());
    let rate = rate(exchange, &request.scan.model)?;
    let planned = estimate::plan(exchange, &mut request, &body, rate.price()).await;
    let planner = Arc::new(Planner::new(&exchange.app, &rate, planned));
    let mut ticket = admit(exchange, &planner, &request.scan.model, &rate).await?;
    let mut plan = planner.latest();
    ticket.teach(plan.pupil.take());
    let body = match plan.clamped() {
        Some(most) => request.clamped_body(&body, most),
        None => request.upstream_body(body),
    };
    net::identity_encoding(&mut head.headers);
    let sent = clock.now();
    let answered =
        Arc::clone(&provider).send(head, target, net::full(body), exchange.own.clone()).await;
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
    } else if is_event_stream(&head.headers) {
        // A chunk of it may be taken out.
        head.headers.remove(CONTENT_LENGTH);
        let slices = Slices::new(&plan, &rate, &exchange.who);
        net::boxed(Stream::new(body, StreamMeter::new(&request, plan.gauge), ticket, slices))
    } else {
        match plain(body, PlainMeter::new(&request), ticket).await {
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
    let body = body::bounded(body, provider.max_body_bytes)?;
    let ticket = exchange.admit(Demand::ONE_REQUEST, "".into(), Rate::Free).await?;
    let response = match Arc::clone(&provider).send(head, target, body, exchange.own.clone()).await
    {
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
async fn scan(endpoint: Endpoint, body: &Bytes) -> Result<openai::Request, Failure> {
    if body.len() <= LONG_BODY_BYTES {
        return Ok(openai::scan(endpoint, body)?);
    }
    let body = body.clone();
    let scanning = tokio::task::spawn_blocking(move || openai::scan(endpoint, &body));
    match scanning.await {
        Ok(scanned) => Ok(scanned?),
        // Only a process that ends lets go of what was begun.
        Err(_) => Err(Failure::new(What::Overloaded, "Tollgate is stopping; try again.")),
    }
}

fn rate(exchange: &Exchange, model: &str) -> Result<Rate, Failure> {
    let prices = &exchange.live.prices;
    let provider = &exchange.provider;
    if let Some(rate) = prices.known(&provider.name, provider.is_sandbox(), model) {
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

fn is_free(method: &Method, path: &str) -> bool {
    let path = path.trim_end_matches('/');
    method == Method::GET
        || method == Method::HEAD
        || method == Method::DELETE
        || method == Method::OPTIONS
        || FREE_POSTS.iter().any(|end| path.ends_with(end))
}

fn check_unmetered(exchange: &Exchange, path: &str) -> Result<(), Failure> {
    if !is_counted(exchange, &METERED_UNITS) {
        return Ok(());
    }
    let path: String = path.chars().take(80).collect();
    let sentence = format!(
        "`{path}` cannot be metered yet, and money or tokens are counted here: use chat completions, completions or embeddings, or ask the operator."
    );
    Err(Failure::new(What::Forbidden, sentence))
}

fn is_counted(exchange: &Exchange, units: &[Unit]) -> bool {
    prices::counts(&exchange.live.policy, &exchange.who, exchange.arrived, units)
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.as_bytes().get(..17))
        .is_some_and(|start| start.eq_ignore_ascii_case(b"text/event-stream"))
}
