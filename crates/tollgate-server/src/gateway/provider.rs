//! The way of a request to a provider of models, whatever dialect it speaks.
//!
//! What makes text or reads audio is metered. What only reads or deletes costs nothing and
//! passes as one request. What makes something that cannot be metered yet (images, speech,
//! batches, …) passes where neither money nor tokens are counted, and is refused elsewhere.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response};
use tollgate_core::{Demand, Unit, policy::settings::Dialect};

use super::{
    body,
    dialect::{self, Target},
    exchange::{Exchange, Incoming, Stop},
    google, judged,
    live::Call,
    outcome::Outcome,
    secrets,
    ticket::Ticket,
    tries,
};
use crate::{
    net::{self, Body, OnEnd, UpstreamError},
    prices::{self, Rate},
    refusal::{Failure, What},
};

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
    if exchange.dialect == Dialect::Gemini {
        google::keep_known(&mut incoming);
    }
    incoming.call = Call::of(exchange.dialect, &mut incoming)?.map(Box::new);
    exchange.identify(&mut incoming)?;
    exchange.check_critical()?;
    secrets::strip(&mut incoming);
    let (path, query) = incoming.path_and_query();
    let target = match (&incoming.head.method, &incoming.call) {
        (_, Some(call)) => Some(Target::Live(call.target().clone())),
        (&Method::POST, None) => {
            Target::of(exchange.dialect, path, query).map_err(Failure::from)?
        }
        _ => None,
    };
    if let Some(target) = target {
        exchange.form = target.form();
        return Box::pin(tries::metered(exchange, incoming, target)).await;
    }
    if !dialect::is_free(exchange.dialect, &incoming.head.method, path) {
        exchange.allow_model(None)?;
        check_unmetered(exchange, path)?;
    }
    Box::pin(unmetered(exchange, incoming)).await
}

async fn unmetered(exchange: &mut Exchange, incoming: Incoming) -> Result<Response<Body>, Stop> {
    let provider = Arc::clone(&exchange.provider);
    let target = provider.target(incoming.rest())?;
    let Incoming { head, body, .. } = incoming;
    let (body, whole) = if provider.signs(&exchange.entry) {
        let whole = body::read(body, provider.max_body_bytes).await?;
        (net::full(whole.clone()), whole)
    } else {
        (body::bounded(body, provider.max_body_bytes)?, Bytes::new())
    };
    let pass = exchange.pass()?;
    let mut ticket = exchange.admit(Demand::ONE_REQUEST, "".into(), Rate::Free).await?;
    ticket.guard(pass);
    // A signature is good for minutes, and a turn may take longer to come.
    let entry = exchange.signed_entry(&whole).await;
    let is_keyed = provider.has_key(&entry);
    let sending = Arc::clone(&provider).send(head, target, body, entry);
    let response = match exchange.within(Box::pin(sending)).await {
        Ok(response) => response,
        Err(error) => {
            ticket.ended(judged::of_error(&error).end);
            let max = provider.max_body_bytes.unwrap_or(u64::MAX);
            return Err(unanswered(ticket, &error, max).into());
        }
    };
    let (mut head, body) = response.into_parts();
    net::strip_response(&mut head.headers);
    ticket.ended(judged::of_head(head.status, is_keyed));
    exchange.mark(&mut head.headers, &ticket, exchange.app.gate.clock().now());
    Ok(Response::from_parts(head, passed(body, ticket)))
}

/// A body that passes unread; the request is charged, but no tokens.
pub(super) fn passed<B>(body: B, ticket: Ticket) -> Body
where
    B: http_body::Body<Data = Bytes, Error = UpstreamError> + Send + 'static,
{
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

fn check_unmetered(exchange: &Exchange, path: &str) -> Result<(), Failure> {
    // It may be of any model, whatever its path says.
    let (policy, who) = (&exchange.live.policy, &exchange.who);
    if !is_counted(exchange, &METERED_UNITS) && !prices::counts_a_model(policy, who, &METERED_UNITS)
    {
        return Ok(());
    }
    let path: String = path.chars().take(80).collect();
    let sentence = format!(
        "`{path}` cannot be metered yet, and money or tokens are counted here: use {}, or ask the operator.",
        dialect::metered(exchange.dialect)
    );
    Err(Failure::new(What::Forbidden, sentence))
}

pub(super) fn is_counted(exchange: &Exchange, units: &[Unit]) -> bool {
    prices::counts(&exchange.live.policy, &exchange.who, exchange.arrived, units)
}
