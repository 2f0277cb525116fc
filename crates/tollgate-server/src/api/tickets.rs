//! Tickets, for browsers: where one stands in the queue for a session, and when its turn is.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use http::{HeaderName, HeaderValue, header::CACHE_CONTROL};
use tollgate::{Store as _, new_id};
use tollgate_core::Demand;

use super::{Problem, Shared, accounts};
use crate::{app::App, sessions::Shown};

/// Comments that keep a quiet stream open, more often than connections are given up.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

const NO_STORE: (HeaderName, HeaderValue) = (CACHE_CONTROL, HeaderValue::from_static("no-store"));

/// Tells where a ticket stands.
#[utoipa::path(get, path = "/tollgate/tickets/{ticket}", tag = "sessions",
    params(("ticket" = String, Path, description = "The ticket, as the 503 told it")), responses(
    (status = 200, description = "Where it stands", body = Shown),
    (status = 404, description = "There is no such ticket", body = Problem),
    (status = 503, description = "The store cannot answer", body = Problem),
))]
pub(super) async fn look(
    State(api): State<Shared>,
    Path(ticket): Path<String>,
) -> Result<Response, Problem> {
    let shown = shown(&api.app, &ticket).await?.ok_or_else(unknown)?;
    Ok(([NO_STORE], Json(shown)).into_response())
}

/// Tells where a ticket stands, and again whenever that changes, as server-sent events:
/// `place`, and at the end `admitted` or `gone`.
#[utoipa::path(get, path = "/tollgate/tickets/{ticket}/events", tag = "sessions",
    params(("ticket" = String, Path, description = "The ticket, as the 503 told it")), responses(
    (status = 200, description = "Events", content_type = "text/event-stream", body = Shown),
    (status = 404, description = "There is no such ticket", body = Problem),
))]
pub(super) async fn events(
    State(api): State<Shared>,
    Path(ticket): Path<String>,
) -> Result<Response, Problem> {
    let follow = Follow {
        changes: api.app.sessions.tickets.follow(),
        app: Arc::clone(&api.app),
        ticket,
        last: None,
        is_over: false,
    };
    if shown(&follow.app, &follow.ticket).await?.is_none() {
        return Err(unknown());
    }
    let events = stream::unfold(follow, |mut follow| async move {
        let shown = follow.next().await?;
        let name = match shown.state {
            "waiting" => "place",
            over => over,
        };
        let event = Event::default().event(name).json_data(&shown).ok()?;
        Some((Ok::<_, Infallible>(event), follow))
    });
    Ok(([NO_STORE], Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
        .into_response())
}

/// Gives a place in the queue up.
#[utoipa::path(delete, path = "/tollgate/tickets/{ticket}", tag = "sessions",
    params(("ticket" = String, Path, description = "The ticket, as the 503 told it")), responses(
    (status = 204, description = "It is given up"),
    (status = 404, description = "There is no such ticket", body = Problem),
))]
pub(super) async fn leave(
    State(api): State<Shared>,
    Path(ticket): Path<String>,
) -> Result<StatusCode, Problem> {
    let now = api.app.gate.clock().now();
    let held = api.app.sessions.tickets.leave(&ticket, now.time).ok_or_else(unknown)?;
    if let Some(who) = held {
        let policy = api.app.gate.policy();
        let order = policy.order(new_id(now.wall), &who, &Demand::default(), now, now.time);
        api.app.gate.store().end_session(&order.of_sessions(), now).await?;
        api.app.sessions.tickets.changed();
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A ticket that somebody follows.
struct Follow {
    app: Arc<App>,
    ticket: String,
    changes: tokio::sync::watch::Receiver<u64>,
    last: Option<Shown>,
    is_over: bool,
}

impl Follow {
    /// What it says next, once that is something else; nothing after its end.
    async fn next(&mut self) -> Option<Shown> {
        while !self.is_over {
            self.changes.mark_unchanged();
            let shown = shown(&self.app, &self.ticket).await.ok()??;
            if self.last.as_ref() != Some(&shown) {
                self.is_over = shown.state != "waiting";
                self.last = Some(shown.clone());
                return Some(shown);
            }
            self.changes.changed().await.ok()?;
        }
        None
    }
}

async fn shown(app: &App, ticket: &str) -> Result<Option<Shown>, Problem> {
    let (live, now) = (app.live(), app.gate.clock().now());
    let common = accounts::common(app, &live, now).await?;
    let taken = accounts::capacity(&common).map_or((0, 0), |(_, standing)| {
        (standing.cap.saturating_sub(standing.remaining), standing.cap)
    });
    Ok(app.sessions.tickets.show(ticket, taken, now))
}

fn unknown() -> Problem {
    Problem::not_found("There is no such ticket: it was claimed or given up, or its time is over.")
}
