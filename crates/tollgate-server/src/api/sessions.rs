//! Sessions: slots of the server's capacity, held while somebody is active.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tollgate::{Store as _, new_id};
use tollgate_core::{Attribute, Attributes, Demand, Kind, Now, Order, Policy, Standing, Time};

use super::{
    Api, Instant, Problem, Shared, admitted,
    asked::Name,
    input::{Asking, Input, Named},
    uuid,
};
use crate::{decisions, emergency, sessions};

/// Whose session it is.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Owner {
    /// The user, where the policy limits sessions per user.
    #[param(value_type = Option<String>)]
    user: Option<Name>,
}

/// Which session is registered.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Registered {
    /// The session; a new one if not given.
    session: Option<Name>,
    /// The user, where the policy limits sessions per user.
    user: Option<Name>,
}

/// A live session. What no limit counts is null.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Session {
    session: String,
    /// When it ends without activity.
    expires_at: Option<Instant>,
    /// Live sessions, this one included.
    active_sessions: Option<u64>,
    /// The most there may be.
    max_sessions: Option<u64>,
}

/// Registers a session, or keeps it alive. Where the server is full and has a queue, the
/// answer bears a ticket; when it is its turn, a session of this name is held for it.
#[utoipa::path(post, path = "/v1/sessions", tag = "sessions", request_body = Registered, responses(
    (status = 201, description = "It is registered", body = Session),
    (status = 400, description = "The request is wrong", body = Problem),
    (status = 429, description = "The user has as many sessions as it may", body = Problem),
    (status = 503, description = "The server is full", body = Problem),
))]
pub(super) async fn open(
    State(api): State<Shared>,
    Input(registered): Input<Registered>,
) -> Result<(StatusCode, Json<Session>), Response> {
    let fresh = || uuid(new_id(api.app.gate.clock().now().wall)).to_string();
    let session = registered.session.map_or_else(fresh, |Name(session)| session);
    let session = register(&api, session, registered.user).await?;
    Ok((StatusCode::CREATED, Json(session)))
}

/// Keeps a session alive, or registers it.
#[utoipa::path(put, path = "/v1/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "The session"), Owner), responses(
    (status = 200, description = "It is alive", body = Session),
    (status = 400, description = "The request is wrong", body = Problem),
    (status = 429, description = "The user has as many sessions as it may", body = Problem),
    (status = 503, description = "It was not alive and the server is full", body = Problem),
))]
pub(super) async fn touch(
    State(api): State<Shared>,
    Named(id): Named,
    Asking(owner): Asking<Owner>,
) -> Result<Json<Session>, Response> {
    register(&api, id, owner.user).await.map(Json)
}

/// Ends a session.
#[utoipa::path(delete, path = "/v1/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "The session"), Owner), responses(
    (status = 204, description = "It is ended, its slot is free"),
    (status = 400, description = "The request is wrong", body = Problem),
    (status = 404, description = "It was not alive", body = Problem),
))]
pub(super) async fn end(
    State(api): State<Shared>,
    Named(id): Named,
    Asking(owner): Asking<Owner>,
) -> Result<StatusCode, Problem> {
    let now = api.app.gate.clock().now();
    let policy = api.app.gate.policy();
    let who = attributes(&api, &id, owner.user.as_ref(), &policy, now);
    let order = policy.order(new_id(now.wall), &who, &Demand::default(), now, now.time);
    let order = order.of_sessions();
    if api.app.gate.store().end_session(&order, now).await? {
        api.app.sessions.tracker.ended(&id);
        api.app.sessions.tickets.changed();
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::not_found("No such session is alive: it has ended, or belongs to another user."))
}

async fn register(api: &Shared, session: String, user: Option<Name>) -> Result<Session, Response> {
    let live = api.app.live();
    let now = api.app.gate.clock().now();
    let store = api.app.gate.store();
    let who = attributes(api, &session, user.as_ref(), &live.policy, now);
    let expires = now.time.after(api.app.gate.hold());
    let order = live.policy.order(new_id(now.wall), &who, &Demand::default(), now, expires);
    let mut order = order.of_sessions();
    order.report = true;
    if order.charges.is_empty() {
        let nobody_counts =
            Session { session, expires_at: None, active_sessions: None, max_sessions: None };
        return Ok(nobody_counts);
    }
    let failed = |error| api.store_failed(error).into_response();
    let tickets = &api.app.sessions.tickets;
    let lives = store.session(&order, now).await.map_err(failed)?.is_some();
    if !lives {
        emergency::check(&api.app, &live.settings.emergency, &who)
            .map_err(|failure| Problem::from(failure).into_response())?;
    }
    if !lives && tickets.are_waited_for() {
        // What is free belongs to who waits.
        tickets.serve(&api.app).await;
    }
    let decided = store.reserve(&order, now).await.map_err(failed)?.told(&order);
    let admission = admitted(decided, &live, now).map_err(|refused| {
        let ticket = sessions::are_full(&refused).then(|| tickets.give(&refused, &order));
        let (id, demand) = (order.id, Some(&order.demand));
        let asked = decisions::Asked { id, who: &who, demand, attempts: None };
        api.refuse_with(&refused, asked, ticket.flatten())
    })?;
    tickets.claimed(&session);
    // The session lives by its own time; the reservation that registered it has done its part.
    store.void(order.id, now).await.map_err(|error| Problem::from(error).into_response())?;
    api.app.metrics.admitted(&live.policy, &admission.shadowed);
    let fullest = admission.standings.iter().min_by_key(|standing| standing.remaining);
    let active = |standing: &Standing| standing.cap.saturating_sub(standing.remaining);
    Ok(Session {
        expires_at: expiry(&order, now).map(|at| Instant::new(at, now)),
        active_sessions: fullest.map(active),
        max_sessions: fullest.map(|standing| standing.cap),
        session,
    })
}

fn attributes(
    api: &Api,
    session: &str,
    user: Option<&Name>,
    policy: &Arc<Policy>,
    now: Now,
) -> Attributes {
    let mut who = Attributes::new().with(Attribute::Session, session);
    if let Some(Name(user)) = user {
        who.set(Attribute::User, user.as_str());
    }
    api.app.roster.snapshot().grant(&mut who, policy, now);
    who
}

/// When the first of the slots is free again without activity.
fn expiry(order: &Order<'_>, now: Now) -> Option<Time> {
    let idle = order.charges.iter().filter_map(|charge| match charge.rule.kind {
        Kind::Sessions { idle_ns } => Some(idle_ns),
        _ => None,
    });
    idle.min().map(|idle_ns| Time::from_nanos(now.time.as_nanos().saturating_add(idle_ns)))
}
