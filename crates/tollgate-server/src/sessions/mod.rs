//! Sessions of browsers behind the gateway, and the queue before them.
//!
//! A browser holds a secret in a signed cookie. Everything else knows its session by a short
//! public name that is made from the secret: limits, logs and the ledger. A full server gives
//! a ticket; when it is its turn, a session of that browser's name is held for it for a while,
//! which its next request takes over. So nobody else can claim it, and nothing must be handed
//! out but the name of the ticket.

mod cookie;
mod tickets;
mod tracker;

use std::sync::Arc;

use tollgate::{Cause, Refused, Store as _, new_id};
use tollgate_core::{Attributes, Demand, Policy, policy::Measure};

pub(crate) use cookie::{CookieKey, Secret, is_own_cookie};
pub(crate) use tickets::{Given, Shown, Tickets, attend};
pub(crate) use tracker::Tracker;

use crate::app::App;

/// What the process knows of sessions beside what its store does.
#[derive(Debug)]
pub(crate) struct Sessions {
    pub(crate) key: CookieKey,
    pub(crate) tracker: Tracker,
    pub(crate) tickets: Arc<Tickets>,
}

impl Sessions {
    pub(crate) fn new(key: CookieKey) -> Self {
        Self { key, tracker: Tracker::default(), tickets: Arc::default() }
    }
}

/// Whether a policy limits sessions at all.
pub(crate) fn are_limited(policy: &Policy) -> bool {
    policy.limits().iter().any(|limit| matches!(limit.measure, Measure::Sessions { .. }))
}

/// Ends a session; who waits for one is let in.
pub(crate) async fn end(app: &App, who: &Attributes, name: &str) {
    let (policy, now) = (app.gate.policy(), app.gate.clock().now());
    let order = policy.order(new_id(now.wall), who, &Demand::default(), now, now.time);
    match app.gate.store().end_session(&order.of_sessions(), now).await {
        Ok(_) => {
            app.sessions.tracker.ended(name);
            app.sessions.tickets.changed();
        }
        Err(error) => tracing::warn!(%error, "session {name} is not ended"),
    }
}

/// Whether there was no session to be had.
pub(crate) fn are_full(refused: &Refused) -> bool {
    let counts =
        |limit: &tollgate_core::policy::Limit| matches!(limit.measure, Measure::Sessions { .. });
    refused.cause == Cause::Limit && refused.limit().is_some_and(counts)
}

/// How many sessions live of how many, where a decision told it.
pub(crate) fn taken(policy: &Policy, standings: &[tollgate_core::Standing]) -> Option<(u64, u64)> {
    let counts = |standing: &&tollgate_core::Standing| {
        let limit = policy.limit(standing.limit);
        limit.is_some_and(|limit| matches!(limit.measure, Measure::Sessions { .. }))
    };
    let standing = standings.iter().filter(counts).min_by_key(|standing| standing.remaining)?;
    Some((standing.cap.saturating_sub(standing.remaining), standing.cap))
}
