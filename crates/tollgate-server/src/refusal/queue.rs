//! What is said to those who found no place in a queue, or whose turn did not come.

use http::StatusCode;
use tollgate::{Cause, Refused};
use tollgate_core::{Attribute, Attributes, Kind, policy::Limit, queue::Bound};

use super::detail;
use crate::headers::{self, is_common_budget, seconds_up};

/// What stands in the way, and what to do; nothing where no queue does.
pub(super) fn words(
    refused: &Refused,
    limit: &Limit,
    who: &Attributes,
    kind: &Kind,
) -> Option<(String, String)> {
    let whose = whose(refused, limit);
    let reason = reason(refused, limit, who, kind);
    Some(match refused.cause {
        Cause::Limit => return None,
        Cause::Reserved => (reserved(limit, who), advice_of_reserved(limit)),
        Cause::QueueFull { size, .. } => (format!("{whose} full ({size}/{size})"), reason),
        Cause::Displaced { size } => (
            format!("{whose} full ({size}/{size})"),
            "A later request took this one's place, as the policy has it.".to_owned(),
        ),
        Cause::TooLate { estimate } => {
            let estimate = headers::people(seconds_up(estimate).max(1));
            let told = format!("It would wait for about {estimate}, longer than it may");
            (told, reason)
        }
        Cause::TimedOut { waited } => {
            let waited = headers::people(seconds_up(waited).max(1));
            (format!("Its turn did not come within {waited}"), reason)
        }
    })
}

/// What is left of a budget is reserved by others, who may give some of it back.
fn reserved(limit: &Limit, who: &Attributes) -> String {
    let budget = match is_common_budget(limit) {
        true => limit.name.to_string(),
        false => limit.describe(who),
    };
    format!("Budget reserved: what is left of {budget} is held by requests that still run")
}

fn advice_of_reserved(limit: &Limit) -> String {
    let seconds = seconds_up(limit.retry_after).max(1);
    format!("Try again when one of them has ended, or in {}.", headers::people(seconds))
}

/// The status that a queue's own rules give; else it is the limit's.
pub(super) fn status(refused: &Refused, limit: &Limit) -> Option<StatusCode> {
    let Cause::TimedOut { .. } = refused.cause else { return None };
    let told = limit.queue.as_ref().map_or(408, |queue| queue.timeout_status);
    StatusCode::from_u16(told).ok()
}

/// Whose queue it is: `User queue`, `Queue`.
fn whose(refused: &Refused, limit: &Limit) -> String {
    let tenant = limit.queue.as_ref().map(|queue| queue.tenant.name());
    let name = match (refused.cause, limit.per.last()) {
        (Cause::QueueFull { bound: Bound::Tenant, .. }, _) => tenant,
        (_, last) => last.map(Attribute::name),
    };
    let Some(name) = name else { return "Queue".to_owned() };
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(" queue".chars()).collect()
}

/// What fills the queue, as a sentence of its own.
fn reason(refused: &Refused, limit: &Limit, who: &Attributes, kind: &Kind) -> String {
    match kind {
        Kind::Concurrency if limit.per.is_empty() => "The server is busy.".to_owned(),
        Kind::Concurrency => "Too many concurrent requests.".to_owned(),
        _ => format!("{}.", detail(refused, limit, who, kind, false)),
    }
}
