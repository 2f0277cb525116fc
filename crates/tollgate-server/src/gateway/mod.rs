//! The data plane's way of a request: whose it is, where it goes, whether it may, what it
//! used.
//!
//! The promise: every request is decided once, before it costs anything, and settled once,
//! however it ends. What the provider answers passes as it came, byte for byte, but for the
//! chunk of usage that the caller did not ask for.
//!
//! What is charged: a request that never reached its provider, nothing; an error that the
//! provider answered with, the request but no tokens; an answer, what the provider told of
//! it or else what its bytes make likely; one whose bytes tell little, what was reserved, or
//! what is usual of a model that thinks unseen and whose stream was left; a request of which no
//! answer is known, all that was reserved, since the provider may have worked on it.

mod application;
mod aside;
mod attempts;
mod behind;
mod body;
mod cached;
mod candidates;
mod critical;
mod dialect;
mod entering;
mod estimate;
mod exchange;
mod fallback;
mod forward;
mod found;
mod google;
mod judged;
mod limits;
mod live;
mod meaning;
mod metered;
mod open;
mod outcome;
mod patience;
mod peeked;
mod planner;
mod prepared;
mod provider;
mod query;
mod retold;
mod room;
mod secrets;
mod sent;
mod slices;
mod stopped;
#[cfg(test)]
pub(crate) mod tests;
mod ticket;
mod tier;
mod translated;
mod tries;
mod visit;

use std::sync::Arc;

use http::{Request, Response};
use tollgate::new_id;
use tollgate_core::{Attributes, policy::settings::Dialect};

use crate::{
    app::App,
    decisions::Asked,
    net::Body,
    providers::Providers,
    refusal::{Failure, Form, What},
};
use exchange::{Exchange, Incoming};

/// Answers a request for a provider.
pub(crate) async fn answer(app: Arc<App>, request: Request<Body>) -> Response<Body> {
    let arrived = app.gate.clock().now();
    let live = app.live();
    let (head, body) = request.into_parts();
    let path = exchange::path_and_query(&head);
    let Some((provider, rest)) = live.providers.route(path) else {
        let failure = unknown(path, &live.providers);
        let who = Attributes::new();
        let asked = Asked { id: new_id(arrived.wall), who: &who, demand: None, attempts: None };
        return stopped::turned_away(&app, arrived, (&failure, asked), Form::Problem);
    };
    let dialect = provider.dialect_at(rest);
    let (provider, prefix) = (Arc::clone(provider), path.len() - rest.len());
    let mut exchange = Exchange::new(app, live, provider, dialect, arrived);
    let incoming = Incoming { head, body, prefix, rest: None, call: None };
    let answered = match dialect {
        Dialect::Http => Box::pin(application::answer(&mut exchange, incoming)).await,
        _ => provider::answer(&mut exchange, incoming).await,
    };
    answered.unwrap_or_else(|stop| exchange.stopped(&stop))
}

fn unknown(path: &str, providers: &Providers) -> Failure {
    let names: Vec<String> = providers.names().iter().map(|name| format!("/{name}/")).collect();
    let first: String =
        path.split(['/', '?']).nth(1).unwrap_or_default().chars().take(40).collect();
    let known = if names.is_empty() {
        "The policy has no providers.".to_owned()
    } else {
        format!("Known are {}.", names.join(", "))
    };
    Failure::new(What::NotFound, format!("There is no provider `{first}` here. {known}"))
}
