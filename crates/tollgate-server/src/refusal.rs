//! The one place that turns a refusal or a failure into an answer, in the caller's dialect.
//!
//! Clients of a dialect read errors of that dialect; everybody else gets problem details
//! (RFC 9457) with Tollgate's own members beside the standard ones. What is told is for the
//! caller; what happened in detail is for the log.

mod cut;
mod failure;
mod native;
mod queue;
mod render;

use std::time::Duration;

use http::StatusCode;
use tollgate::{Cause, Refused};
use tollgate_core::{Attributes, Kind, Retry, Time, Unit, policy::Limit};

use crate::{headers, sessions::Given};
pub(crate) use cut::CutShort;
pub(crate) use failure::{Failure, What, sentence};
pub(crate) use native::Form;
pub(crate) use render::{Reader, failed, refused, rfc3339};

/// What a refusal by a limit comes to, before it is rendered.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    /// The status of the answer.
    pub(crate) status: StatusCode,
    /// The `error` of the answer, which is the reason that is counted.
    pub(crate) error: &'static str,
    /// What stands in the way, without saying until when.
    pub(crate) detail: String,
    /// What stands in the way and until when.
    pub(crate) message: String,
    /// How long to wait; nothing where waiting does not help.
    pub(crate) wait: Option<Duration>,
    /// Whether money is what is spent, for longer than anybody waits.
    pub(crate) is_budget: bool,
    /// A place in the queue for a session.
    pub(crate) ticket: Option<Given>,
}

/// Clients are told to retry by themselves up to here; longer waits make some of them retry
/// at once.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

impl Verdict {
    /// What a refusal comes to for this caller.
    pub(crate) fn new(refused: &Refused, who: &Attributes) -> Self {
        let Some(limit) = refused.limit() else {
            // The limit is of the policy that refused, so this cannot be; and if, it is no panic.
            return Self::of_nobody(refused);
        };
        let kind = limit.measure_for(who).rule(refused.now.wall).kind;
        let is_shared_slot = kind.is_slot() && limit.per.is_empty();
        // What never begins anew is spent for good, whatever it counts.
        // What a dial forbids for now is not spent.
        let is_dialed = is_dialed(refused, limit, who);
        let is_budget = !is_dialed
            && (kind.is_endless()
                || limit.unit == Unit::Usd && matches!(kind, Kind::Period { .. }));
        let status = limit.status.and_then(|status| StatusCode::from_u16(status).ok());
        let by_kind = if is_shared_slot {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::TOO_MANY_REQUESTS
        };
        let error = match refused.cause {
            Cause::TimedOut { .. } => "queue_timeout",
            Cause::TooLate { .. } => "wait_too_long",
            _ if is_shared_slot => "server_busy",
            Cause::QueueFull { .. } | Cause::Displaced { .. } | Cause::Reserved => {
                "too_many_requests"
            }
            Cause::Limit if is_budget => "budget_exhausted",
            Cause::Limit => "too_many_requests",
        };
        let is_budget = is_budget && refused.cause == Cause::Limit;
        if let Some((detail, advice)) = queue::words(refused, limit, who, &kind) {
            return Self {
                status: queue::status(refused, limit).or(status).unwrap_or(by_kind),
                error,
                message: format!("{detail}. {advice}"),
                detail,
                // No instant is known, or it was missed: the policy's own value is told.
                wait: Some(limit.retry_after),
                is_budget,
                ticket: None,
            };
        }
        let wait = wait(refused, limit, &kind);
        let detail = detail(refused, limit, who, &kind, is_budget);
        let advice = advice(refused, limit, who, &kind, wait);
        Self {
            status: status.unwrap_or(by_kind),
            error,
            message: format!("{detail}. {advice}"),
            detail,
            wait,
            is_budget,
            ticket: None,
        }
    }

    fn of_nobody(refused: &Refused) -> Self {
        let detail = "Rate limit exceeded".to_owned();
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            error: "too_many_requests",
            message: format!("{detail}."),
            detail,
            wait: refused.refusal.retry.wait(refused.now.time, Duration::ZERO),
            is_budget: false,
            ticket: None,
        }
    }

    /// Whether a client should come back by itself.
    pub(crate) fn is_worth_retrying(&self) -> bool {
        !self.is_budget && self.wait.is_some_and(|wait| wait <= LONGEST_RETRY)
    }
}

/// How long to wait. A session may end before it expires, so the policy's time is told
/// where it is sooner.
fn wait(refused: &Refused, limit: &Limit, kind: &Kind) -> Option<Duration> {
    let wait = refused.refusal.retry.wait(refused.now.time, limit.retry_after)?;
    Some(match kind {
        Kind::Sessions { .. } => wait.min(limit.retry_after),
        _ => wait,
    })
}

fn detail(
    refused: &Refused,
    limit: &Limit,
    who: &Attributes,
    kind: &Kind,
    is_budget: bool,
) -> String {
    match kind {
        Kind::Sessions { .. } => {
            let (active, max) = sessions(refused).unwrap_or_default();
            format!("Server is currently at capacity ({active}/{max} users)")
        }
        Kind::Concurrency => {
            format!("Too many concurrent requests: {}", limit.describe(who))
        }
        // How much others may spend is not told.
        _ if headers::is_common_budget(limit) => format!("Budget exhausted: {}", limit.name),
        _ if is_budget => format!("Budget exhausted: {}", limit.describe(who)),
        _ => format!("Rate limit exceeded: {}", limit.describe(who)),
    }
}

/// Whether it may be no more than a dial that is in the way.
fn is_dialed(refused: &Refused, limit: &Limit, who: &Attributes) -> bool {
    let Retry::NotBefore(at) = refused.refusal.retry else { return false };
    who.grants().dialed(limit.id).is_some() && !is_gone(refused, limit, at)
}

/// Whether what is in the way is spent, and there again at that instant when its period begins
/// anew, whatever a dial allows.
fn is_gone(refused: &Refused, limit: &Limit, at: Time) -> bool {
    let is_period = matches!(limit.measure.rule(refused.now.wall).kind, Kind::Period { .. });
    let mut standings = refused.refusal.standings.iter();
    is_period && standings.any(|standing| standing.limit == limit.id && standing.reset <= at)
}

fn advice(
    refused: &Refused,
    limit: &Limit,
    who: &Attributes,
    kind: &Kind,
    wait: Option<Duration>,
) -> String {
    let Some(wait) = wait else {
        return if limit.measure_for(who).cap() == 0 {
            "Nothing is allowed here.".to_owned()
        } else if kind.is_endless() {
            "It never begins anew: make the request smaller, or ask the operator to raise it."
                .to_owned()
        } else {
            "This request alone is larger than the limit ever allows: make it smaller.".to_owned()
        };
    };
    let seconds = headers::seconds_up(wait).max(1);
    match (kind, refused.refusal.retry) {
        (Kind::Sessions { .. }, _) if (120..=180).contains(&seconds) => {
            "Please wait 2-3 minutes and try again.".to_owned()
        }
        (Kind::Sessions { .. }, _) => {
            format!("Please wait {} and try again.", headers::people(seconds))
        }
        (_, Retry::At(_)) => format!("Try again in {}.", headers::people(seconds)),
        _ if is_dialed(refused, limit, who) => {
            format!("It is lowered for a while: try again in {}.", headers::people(seconds))
        }
        _ if who.grants().dialed(limit.id).is_some() => {
            format!("Try again in {}.", headers::people(seconds))
        }
        _ if limit.retry_after.is_zero() => "Try again when another has ended.".to_owned(),
        _ => format!("Try again when another has ended, or in {}.", headers::people(seconds)),
    }
}

/// The live sessions and the most there may be, where sessions are what is full.
fn sessions(refused: &Refused) -> Option<(u64, u64)> {
    let limit = refused.limit()?;
    let mut standings = refused.refusal.standings.iter();
    let standing = standings.find(|standing| standing.limit == limit.id);
    let max = standing.map_or_else(|| limit.measure.cap(), |standing| standing.cap);
    Some((max - standing.map_or(0, |standing| standing.remaining.min(max)), max))
}
