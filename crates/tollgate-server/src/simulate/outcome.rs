//! How one request ended, as its user sees it.

use std::time::Duration;

use http::{HeaderMap, StatusCode, response::Parts};

use crate::{
    guards::InTheWay,
    headers::{ATTEMPTS, SERVED_BY},
    replay::{Tokens, refusing_limit},
};

/// How one request ended. Times are from the start of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) user: u32,
    pub(crate) tokens: Tokens,
    pub(crate) asked: Duration,
    pub(crate) ended: Duration,
    pub(crate) ending: Ending,
    /// How many ran when it ended, itself among them.
    pub(crate) at_once: u64,
}

/// Where a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// A model answered, which took so long of it.
    Served { by: String, took: Duration },
    /// It was throttled: by a limit of that name, or by what else was in the way.
    Refused { by: String },
    /// It failed otherwise.
    Failed { status: u16 },
}

/// What guards hold requests back for.
const GUARDS: [InTheWay; 4] =
    [InTheWay::Circuit, InTheWay::Quota, InTheWay::Concurrency, InTheWay::Interval];

/// What the simulated model took, in microseconds.
const SERVICE: &str = "x-sandbox-service-us";

/// The most of a name that is kept.
const MAX_NAME_CHARS: usize = 1_000;

impl Outcome {
    /// How long it waited before a model took it, or for nothing.
    pub(crate) fn waited(&self) -> Duration {
        let lasted = self.ended.saturating_sub(self.asked);
        match &self.ending {
            Ending::Served { took, .. } => lasted.saturating_sub(*took),
            Ending::Refused { .. } | Ending::Failed { .. } => lasted,
        }
    }
}

impl Ending {
    /// What an answer means whose body arrived whole, or did not; `asked` is what serves where
    /// no header tells.
    pub(super) fn of(head: &Parts, is_whole: bool, asked: &str) -> Self {
        let (status, headers) = (head.status, &head.headers);
        if status.is_success() && is_whole {
            let by = text(headers, SERVED_BY.as_str()).unwrap_or_else(|| asked.to_owned());
            let micros = text(headers, SERVICE).and_then(|text| text.parse().ok());
            return Self::Served { by, took: Duration::from_micros(micros.unwrap_or_default()) };
        }
        match in_the_way(status, headers) {
            Some(by) => Self::Refused { by },
            None => Self::Failed { status: status.as_u16() },
        }
    }
}

/// What throttled a request, if that is what the answer says: a limit of the policy, what a guard
/// holds back, or the provider's own.
fn in_the_way(status: StatusCode, headers: &HeaderMap) -> Option<String> {
    if let Some(limit) = refusing_limit(status, headers) {
        return Some(limit);
    }
    // The last that was asked: what was in the way of `provider/model=quota`.
    let attempts = text(headers, ATTEMPTS.as_str());
    let last = attempts.as_deref().and_then(|all| all.rsplit(", ").next()?.rsplit_once('='));
    let is_throttled = status == StatusCode::TOO_MANY_REQUESTS;
    match last {
        Some((model, why)) if GUARDS.iter().any(|guard| guard.name() == why) => {
            Some(format!("{why} of {model}"))
        }
        Some((model, _)) if is_throttled => Some(format!("{model} itself")),
        None if is_throttled => Some("the model itself".to_owned()),
        _ => None,
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.chars().take(MAX_NAME_CHARS).collect())
}
