//! The way of a request to an application of the operator's: any method, any body, both
//! ways as it comes. What it cost, the application says itself, in a header of its answer.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, Response};
use tollgate_core::{Attribute, Demand, NanoUsd};

use super::{
    body,
    exchange::{Exchange, Incoming, Stop},
    openai::unanswered,
    ticket::Outcome,
};
use crate::{
    net::{self, Body, OnEnd},
    prices::Rate,
};

/// What a request cost: a decimal number of dollars. Callers do not see it.
const COST: HeaderName = HeaderName::from_static("x-tollgate-cost-usd");

/// Answers a request.
///
/// # Errors
/// When it is refused or fails before the application answers.
pub(super) async fn answer(
    exchange: &mut Exchange,
    mut incoming: Incoming,
) -> Result<Response<Body>, Stop> {
    exchange.identify(&mut incoming.head.headers)?;
    let provider = Arc::clone(&exchange.provider);
    let target = provider.target(incoming.rest())?;
    let Incoming { head, body, .. } = incoming;
    exchange.who.set(Attribute::Route, head.uri.path());
    exchange.who.set(Attribute::named("method"), head.method.as_str());
    let body = body::bounded(body, provider.max_body_bytes)?;
    let clock = exchange.app.gate.clock().clone();
    let mut ticket = exchange.admit(Demand::ONE_REQUEST, "".into(), Rate::Free).await?;
    let sent = clock.now();
    let answered = Box::pin(Arc::clone(&provider).send(head, target, body)).await;
    let came = clock.now();
    let response = match answered {
        Ok(response) => response,
        Err(error) => {
            let max = provider.max_body_bytes.unwrap_or(u64::MAX);
            return Err(unanswered(ticket, &error, max).into());
        }
    };
    let (mut head, body) = response.into_parts();
    net::strip_response(&mut head.headers);
    let outcome = cost(&mut head.headers).map_or(Outcome::Answered, Outcome::Cost);
    exchange.mark(&mut head.headers, &ticket, came);
    let now = clock.now().time;
    ticket.note_added(sent.time.since(exchange.arrived.time) + now.since(came.time));
    let body = OnEnd::new(body, move |_| ticket.conclude(outcome));
    Ok(Response::from_parts(head, net::boxed(body)))
}

/// Takes the cost out of an answer's headers. One that cannot be read costs nothing, and
/// is logged.
fn cost(headers: &mut HeaderMap) -> Option<NanoUsd> {
    let value = headers.remove(COST)?;
    let cost = value.to_str().ok().and_then(|text| text.trim().parse::<NanoUsd>().ok());
    if cost.is_none() {
        tracing::warn!(header = %COST, "an application's cost is no decimal number of dollars");
    }
    cost
}
