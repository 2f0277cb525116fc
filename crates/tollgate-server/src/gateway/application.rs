//! The way of a request to an application of the operator's: any method, any body, both
//! ways as it comes. What it cost, the application says itself, in a header of its answer.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, Response};
use tollgate_core::{
    Attribute, Demand, NanoUsd,
    policy::{
        Size, Word,
        settings::{Route, SessionUse},
    },
};

use super::{
    body,
    exchange::{Exchange, Incoming, Stop},
    judged,
    limits::TimeLimits,
    outcome::Outcome,
    provider::unanswered,
    visit::{self, Visit},
};
use crate::{
    net::{self, Body, OnEnd},
    prices::Rate,
    refusal::{Failure, What},
    sessions,
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
    exchange.identify(&mut incoming)?;
    let provider = Arc::clone(&exchange.provider);
    let path = incoming.rest().split('?').next().unwrap_or_default();
    let route = provider.routes.find(&incoming.head.method, path);
    let named = route.and_then(|route| route.route.as_ref());
    exchange.who.set(Attribute::Route, named.map_or(path, Word::as_str));
    if let Some(task) = route.and_then(|route| route.task.as_ref()) {
        exchange.who.set(Attribute::Task, task.as_str());
    }
    exchange.who.set(Attribute::named("method"), incoming.head.method.as_str());
    exchange.limits = TimeLimits::of(&exchange.live.settings.tasks, &exchange.who).on(route);
    exchange.check_critical()?;
    // Where nobody says which requests begin sessions, all do.
    let usual =
        if provider.routes.all().is_empty() { SessionUse::Register } else { SessionUse::Touch };
    let usage = route.map_or(usual, |route| route.session);
    let wanted = visit::wanted(&incoming.head.method, &incoming.head.headers);
    let visit = Visit::begin(exchange, &incoming.head.headers, usage, wanted).await?;
    match Box::pin(pass(exchange, incoming, &visit, route)).await {
        Err(Stop::Refused(refused)) if sessions::are_full(&refused) => {
            Ok(visit.full(exchange, &refused, wanted))
        }
        answered => answered,
    }
}

async fn pass(
    exchange: &mut Exchange,
    incoming: Incoming,
    visit: &Visit,
    route: Option<&Route>,
) -> Result<Response<Body>, Stop> {
    let provider = Arc::clone(&exchange.provider);
    let target = provider.target(incoming.rest())?;
    let Incoming { mut head, body, .. } = incoming;
    let max_body = route.and_then(|route| route.max_body).map(|Size(bytes)| bytes);
    let max_body = max_body.or(provider.max_body_bytes);
    let body = body::bounded(body, max_body)?;
    let clock = exchange.app.gate.clock().clone();
    let leave = exchange.pass()?;
    let mut ticket = exchange.admit(Demand::ONE_REQUEST, "".into(), Rate::Free).await?;
    ticket.guard(leave);
    let begun = visit.admitted(exchange, &ticket.permit().admission().standings);
    visit::strip_cookie(&mut head.headers);
    let (limits, name) = (exchange.limits, route_name(exchange));
    let sent = clock.now();
    let entry = exchange.entry.clone();
    let send = Arc::clone(&provider).send_telling(head, target, body, entry, |it| limits.tell(it));
    let answered = limits.hold(Duration::ZERO, &name, Box::pin(send)).await;
    let came = clock.now();
    let response = match answered {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            ticket.ended(judged::of_error(&error).end);
            return Err(unanswered(ticket, &error, max_body.unwrap_or(u64::MAX)).into());
        }
        Err(cut) => {
            ticket.ended(judged::SILENT);
            ticket.conclude(Outcome::Answered);
            let message = format!("The application did not answer in time: {cut}.");
            return Err(Failure::new(What::GatewayTimeout, message).into());
        }
    };
    let (mut head, body) = response.into_parts();
    ticket.ended(judged::of_head(head.status, false));
    visit.end(exchange).await;
    net::strip_response(&mut head.headers);
    visit.answer(exchange, &mut head.headers, begun);
    let outcome = cost(&mut head.headers).map_or(Outcome::Answered, Outcome::Cost);
    exchange.mark(&mut head.headers, &ticket, came);
    let now = clock.now().time;
    ticket.note_added(sent.time.since(exchange.arrived.time) + now.since(came.time));
    let body = limits.limit(body, came.time.since(sent.time), &name);
    let body = OnEnd::new(body, move |_| ticket.conclude(outcome));
    Ok(Response::from_parts(head, net::boxed(body)))
}

fn route_name(exchange: &Exchange) -> String {
    exchange.who.value(&Attribute::Route).unwrap_or_default().to_owned()
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
