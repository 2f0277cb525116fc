//! A kept answer where no model can give one: they fail, they have enough, or a limit is in the
//! way.
//!
//! The promise: it is one that its caller could have got from the cache, perhaps beyond its time.
//! It says so (`X-Tollgate-Cache: fallback`, and its `Age`), it costs nothing, and it is counted
//! as one request; where not even that is left, the request is refused.

use std::sync::Arc;

use compact_str::CompactString;
use http::{
    HeaderMap, HeaderValue, Response,
    header::{AGE, CONTENT_TYPE},
};
use tollgate::Patience;
use tollgate_core::{Attribute, Demand, policy::settings::Fallback};
use tollgate_meter::Scan;

use super::{
    attempts::Attempts,
    cached::{CACHE, Keeper},
    exchange::{Exchange, Stop},
    judged, open,
    outcome::Outcome as Ended,
    ticket::Ticket,
};
use crate::{
    cache::{Kept, Key, Outcome},
    headers,
    net::{self, Body, OnEnd},
    prices::Rate,
    refusal::What,
};

/// Where an answer may be kept that would do.
#[derive(Debug)]
pub(super) struct Spare {
    key: Key,
    /// The name of the models that it stands in for.
    name: CompactString,
}

/// What headers begin with that tell how a request was decided.
const OF_DECISIONS: [&str; 3] = ["x-tollgate-", "ratelimit", "x-ratelimit-"];

/// Where an answer may be kept, if the policy lets it stand in for the models behind this name.
/// A caller that wants a new answer wants no old one either.
pub(super) fn spare(exchange: &Exchange, keeper: &Keeper, scan: &Scan) -> Option<Spare> {
    let named = exchange.live.settings.models.get(&scan.model)?;
    let key = keeper.missed().filter(|_| named.fallback == Fallback::Cache)?;
    Some(Spare { key, name: scan.model.as_str().into() })
}

/// What was answered, or what is kept where that is nothing.
///
/// # Errors
/// When nothing was answered, and nothing is kept or may be given.
pub(super) async fn instead(
    exchange: &mut Exchange,
    spare: Spare,
    attempts: &Attempts,
    answered: Result<Response<Body>, Stop>,
) -> Result<Response<Body>, Stop> {
    if !is_nothing(&answered) {
        return answered;
    }
    let now = exchange.app.gate.clock().now().time;
    let Some(kept) = exchange.app.cache.answers.last(&spare.key, now) else { return answered };
    let (told, ticket) = match answered {
        // Its body is dropped, which settles it as one request that used nothing.
        Ok(refusal) => (refusal.into_parts().0.headers, None),
        Err(_) if exchange.is_charged => (HeaderMap::new(), None),
        Err(stop) => match admit(exchange, spare.name).await {
            Ok(ticket) => (HeaderMap::new(), Some(ticket)),
            Err(_) => return Err(stop),
        },
    };
    exchange.app.cache.tally.count(Outcome::Fallback);
    tracing::info!(provider = %exchange.provider.name, "answered from the cache, since no model could");
    Ok(exchange.with_id(given(exchange, &kept, attempts, &told, ticket)))
}

/// Whether no model gave an answer, for a reason that is not the request's own.
fn is_nothing(answered: &Result<Response<Body>, Stop>) -> bool {
    match answered {
        Ok(response) => judged::is_refusal(response.status()),
        Err(Stop::Refused(_)) => true,
        Err(Stop::Failed(failure)) => matches!(
            failure.what,
            What::Overloaded
                | What::CircuitOpen
                | What::ProviderBusy
                | What::BadGateway
                | What::GatewayTimeout
        ),
    }
}

/// Counts the request, as one of the provider that it was for.
async fn admit(exchange: &mut Exchange, name: CompactString) -> Result<Ticket, Stop> {
    let home = Arc::clone(&exchange.home);
    exchange.turn_to(&home)?;
    exchange.who.set(Attribute::Model, name.clone());
    exchange.patience = Patience::NONE;
    exchange.spare = open::Spare::default();
    exchange.admit(Demand::ONE_REQUEST, name, Rate::Free).await
}

fn given(
    exchange: &Exchange,
    kept: &Kept,
    attempts: &Attempts,
    told: &HeaderMap,
    ticket: Option<Ticket>,
) -> Response<Body> {
    let now = exchange.app.gate.clock().now();
    let mut headers = HeaderMap::new();
    for (name, value) in told {
        // What its model would have read beside the body is nothing to what is kept.
        let is_of_plan = *name == headers::OPEN_INPUT;
        if !is_of_plan && OF_DECISIONS.iter().any(|it| name.as_str().starts_with(it)) {
            headers.append(name, value.clone());
        }
    }
    if let Some(content_type) = &kept.content_type {
        headers.insert(CONTENT_TYPE, content_type.clone());
    }
    headers.insert(AGE, now.time.since(kept.since).as_secs().into());
    headers.insert(CACHE.clone(), HeaderValue::from_static(Outcome::Fallback.name()));
    headers.insert(headers::DECISION, HeaderValue::from_static("admit"));
    attempts.mark_cache(&mut headers);
    let mut body = net::full(kept.body.clone());
    if let Some(ticket) = ticket {
        exchange.mark(&mut headers, &ticket, now);
        body = net::boxed(OnEnd::new(body, move |_| ticket.conclude(Ended::Answered)));
    }
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response
}
