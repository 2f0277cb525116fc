//! A browser's visit: which session its request is of, and what becomes of that.

use std::sync::Arc;

use http::{
    HeaderMap, HeaderValue, Response,
    header::{COOKIE, SET_COOKIE},
};
use tollgate::{Refused, Store as _, new_id};
use tollgate_core::{Attribute, Attributes, Demand, Kind, Order, policy::settings::SessionUse};

use super::exchange::Exchange;
use crate::{
    app::App,
    browser::{self, Busy, Wanted},
    net::Body,
    refusal::{self, Failure, Reader},
    sessions::{self, Secret},
};

/// What is known of the session that a request is of.
#[derive(Debug)]
pub(super) struct Visit {
    /// The secret that the browser is to hold, where it holds none yet.
    cookie: Option<Secret>,
    /// Whether no session of its name lived before.
    is_new: bool,
    ends: bool,
}

/// A session whose browser does not hold its secret yet. It ends if the answer that brings
/// the cookie is never made: nobody could come back to it, and it would take up a place.
#[derive(Debug)]
pub(super) struct Begun(Option<(Arc<App>, Attributes)>);

impl Visit {
    /// Finds out which session a request is of: the one of its cookie, or of a name that a
    /// trusted caller gives, or a new one. A request that is to begin none, and is of none
    /// that lives, stays outside.
    ///
    /// # Errors
    /// When the store cannot tell.
    pub(super) async fn begin(
        exchange: &mut Exchange,
        headers: &HeaderMap,
        usage: SessionUse,
        wanted: Option<Wanted>,
    ) -> Result<Self, Failure> {
        let outside = Self { cookie: None, is_new: false, ends: false };
        if !sessions::are_limited(&exchange.live.policy) {
            return Ok(outside);
        }
        if usage == SessionUse::Ignore {
            exchange.who.set_outside_sessions();
            return Ok(outside);
        }
        let is_named = exchange.who.value(&Attribute::Session).is_some();
        let held = exchange.app.sessions.key.find(headers).filter(|_| !is_named);
        let begins = usage == SessionUse::Register;
        let made = (begins && held.is_none() && !is_named).then(Secret::random);
        if let Some(secret) = held.as_ref().or(made.as_ref()) {
            exchange.who.set(Attribute::Session, secret.name());
        }
        let lives = made.is_none() && (is_named || held.is_some()) && lives(exchange).await?;
        if !lives && !begins {
            exchange.who.set_outside_sessions();
            // A page may send several requests at once, which are to be of one session.
            let is_unknown = held.is_none() && !is_named && wanted == Some(Wanted::Page);
            return Ok(Self { cookie: is_unknown.then(Secret::random), ..outside });
        }
        if !lives && exchange.app.sessions.tickets.are_waited_for() {
            // What is free belongs to who waits.
            let tickets = &exchange.app.sessions.tickets;
            Box::pin(tickets.serve(&exchange.app)).await;
        }
        Ok(Self { cookie: made, is_new: !lives, ends: usage == SessionUse::End })
    }

    /// Notes that its request was admitted.
    pub(super) fn admitted(
        &self,
        exchange: &Exchange,
        standings: &[tollgate_core::Standing],
    ) -> Begun {
        let Some(name) = session(exchange) else { return Begun(None) };
        let now = exchange.app.gate.clock().now().time;
        let idle = exchange.live.policy.limits().iter().find_map(|limit| {
            match limit.measure.rule(exchange.arrived.wall).kind {
                Kind::Sessions { idle_ns } => Some(std::time::Duration::from_nanos(idle_ns)),
                _ => None,
            }
        });
        let Some(expires) = idle.map(|idle| now.after(idle)) else { return Begun(None) };
        let sessions = &exchange.app.sessions;
        if self.is_new {
            let taken = sessions::taken(&exchange.live.policy, standings).unwrap_or_default();
            let (active, max) = taken;
            if active * 10 > max * 9 && active < max {
                tracing::warn!("Server is above 90 % full: {active}/{max} active sessions");
            }
            sessions.tracker.registered(name, expires, taken);
        } else {
            sessions.tracker.touched(name, expires);
        }
        sessions.tickets.claimed(name);
        let is_unheld = self.is_new && self.cookie.is_some();
        Begun(is_unheld.then(|| (Arc::clone(&exchange.app), exchange.who.clone())))
    }

    /// Gives the browser its cookie, beside those of the application.
    pub(super) fn answer(&self, exchange: &Exchange, headers: &mut HeaderMap, mut begun: Begun) {
        self.set_cookie(exchange, headers);
        begun.0 = None;
    }

    /// Ends the session where its request was to do so.
    pub(super) async fn end(&self, exchange: &Exchange) {
        let Some(name) = session(exchange).filter(|_| self.ends) else { return };
        sessions::end(&exchange.app, &exchange.who, name).await;
    }

    /// The answer to a browser for which there is no session: with a ticket where there is a
    /// queue, and as a page where a page was asked for.
    pub(super) fn full(
        &self,
        exchange: &Exchange,
        refused: &Refused,
        wanted: Option<Wanted>,
    ) -> Response<Body> {
        let mut verdict = refusal::Verdict::new(refused, &exchange.who);
        let taken = sessions::taken(&refused.policy, &refused.refusal.standings);
        let (active, max) = taken.unwrap_or_default();
        tracing::warn!("Server at capacity: {active}/{max} active sessions");
        verdict.ticket = exchange.app.sessions.tickets.give(refused, &order(exchange));
        let app = &exchange.app;
        app.metrics.refused(&refused.policy, &refused.refusal, verdict.error);
        let mut response = match wanted {
            None => refusal::refused(refused, &verdict, &exchange.who, Reader::PROBLEM),
            Some(wanted) => browser::busy_answer(&Busy {
                active,
                max,
                message: &verdict.message,
                retry_after: verdict.wait.unwrap_or_default(),
                ticket: verdict.ticket.as_ref().map(|given| browser::Ticket {
                    id: &given.ticket,
                    place: given.place.map_or(0, |place| place as u64),
                    estimate: given.estimate,
                }),
                wanted,
            }),
        };
        if verdict.ticket.is_some() {
            self.set_cookie(exchange, response.headers_mut());
        }
        exchange.with_id(response)
    }

    fn set_cookie(&self, exchange: &Exchange, headers: &mut HeaderMap) {
        if let Some(secret) = &self.cookie {
            let is_secure = exchange.live.settings.session.secure;
            headers.append(SET_COOKIE, exchange.app.sessions.key.set(secret, is_secure));
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some((app, who)) = self.0.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                let name = who.value(&Attribute::Session).unwrap_or_default();
                sessions::end(&app, &who, name).await;
            });
        }
    }
}

/// What a browser wants that looks at a window; nothing where a script asks.
pub(super) fn wanted(method: &http::Method, headers: &HeaderMap) -> Option<Wanted> {
    browser::is_navigation(headers).then(|| {
        let reads = method == http::Method::GET || method == http::Method::HEAD;
        if reads { Wanted::Page } else { Wanted::Form }
    })
}

/// Takes Tollgate's own cookie off what is sent on: the application has no use for a secret.
pub(super) fn strip_cookie(headers: &mut HeaderMap) {
    let cookies = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    let pairs = cookies.flat_map(|cookies| cookies.split(|byte| *byte == b';'));
    let others = pairs.map(<[u8]>::trim_ascii).filter(|pair| !sessions::is_own_cookie(pair));
    let kept = others.collect::<Vec<_>>().join(&b"; "[..]);
    headers.remove(COOKIE);
    if !kept.is_empty()
        && let Ok(value) = HeaderValue::from_bytes(&kept)
    {
        headers.insert(COOKIE, value);
    }
}

fn session(exchange: &Exchange) -> Option<&str> {
    let is_inside = !exchange.who.is_outside_sessions();
    exchange.who.value(&Attribute::Session).filter(|_| is_inside)
}

fn order(exchange: &Exchange) -> Order<'_> {
    let now = exchange.app.gate.clock().now();
    let policy = &exchange.live.policy;
    let id = new_id(now.wall);
    policy.order(id, &exchange.who, &Demand::default(), now, now.time).of_sessions()
}

async fn lives(exchange: &Exchange) -> Result<bool, Failure> {
    let now = exchange.app.gate.clock().now();
    let found = exchange.app.gate.store().session(&order(exchange), now).await;
    found.map(|at| at.is_some()).map_err(|error| Failure::from(&error))
}
