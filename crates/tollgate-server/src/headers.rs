//! What every admitted or refused answer tells about limits, in its headers.
//!
//! `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers) name every limit
//! that applies and can refuse. Their unit `qu` is `requests` where none is given, and else
//! `tokens`, `input-tokens`, `output-tokens`, `usd-cents`, `audio-seconds`,
//! `concurrent-requests` or `sessions`. `X-RateLimit-*` tells of one limit: the one in the
//! way, or the one on requests of which the least is left; beside it, requests, tokens and
//! dollars are told each by itself (`units`). What never begins anew has no window and no
//! reset: an instant that is far away would be waited for. Budgets that are not the caller's
//! own are nobody else's business and are left out.

mod list;
mod units;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tollgate_core::{
    Attribute, Attributes, Kind, LimitId, Now, Policy, Standing, Time, Unit, policy::Limit,
};

use list::{List, MAX_INTEGER};
use units::Units;

use crate::refusal::Form;

/// What an answer tells about limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    /// The policy that was asked.
    pub(crate) policy: &'a Policy,
    /// Who asked it.
    pub(crate) who: &'a Attributes,
    /// Where the accounts stand.
    pub(crate) standings: &'a [Standing],
    /// The limit in the way, if one is.
    pub(crate) binding: Option<LimitId>,
    /// When that was.
    pub(crate) now: Now,
    /// Whose clients read it.
    pub(crate) form: Form,
}

/// One account, as the headers tell of it.
#[derive(Clone, Copy)]
struct Shown<'a> {
    limit: &'a Limit,
    standing: Standing,
    unit: Option<&'static str>,
    quota: u64,
    left: u64,
    window_seconds: Option<u64>,
    /// Nothing where no more will ever be left.
    reset: Option<Time>,
}

const QUOTA: &str = "q";
const UNIT: &str = "qu";
const WINDOW: &str = "w";
const LEFT: &str = "r";
const RESET: &str = "t";

const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const X_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const X_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const X_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The header that names the reservation, or a request that has none.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-tollgate-request-id");
/// The header that says how it was decided.
pub(crate) const DECISION: HeaderName = HeaderName::from_static("x-tollgate-decision");
/// The header that names the limit in the way.
pub(crate) const LIMIT: HeaderName = HeaderName::from_static("x-tollgate-limit");
/// The header that tells when to come back, RFC 3339 with milliseconds.
pub(crate) const RETRY_AT: HeaderName = HeaderName::from_static("x-tollgate-retry-at");

/// The header that names the model that served a request, as `provider/model`.
pub(crate) const SERVED_BY: HeaderName = HeaderName::from_static("x-tollgate-served-by");
/// The header that tells why others did not, in the order in which they were asked.
pub(crate) const ATTEMPTS: HeaderName = HeaderName::from_static("x-tollgate-attempts");

/// The header that tells how many tokens are held for what a provider may read beside the body.
pub(crate) const OPEN_INPUT: HeaderName = HeaderName::from_static("x-tollgate-open-input");

/// The header that tells when a task should end, RFC 3339 with milliseconds.
pub(crate) const SOFT_DEADLINE: HeaderName = HeaderName::from_static("x-tollgate-soft-deadline");
/// The header that tells when it is cut.
pub(crate) const HARD_DEADLINE: HeaderName = HeaderName::from_static("x-tollgate-hard-deadline");

/// The header that tells how long a request waited for its turn, in milliseconds.
pub(crate) const WAITED_MS: HeaderName = HeaderName::from_static("x-tollgate-waited-ms");

/// About how much is written of each limit.
const BYTES_PER_LIMIT: usize = 56;

/// About how many headers tell of an answer how it was decided.
const MOST_HEADERS: usize = 16;

const NANOS_PER_CENT: u64 = 10_000_000;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Adds what is told about limits.
pub(crate) fn add(headers: &mut HeaderMap, told: &Told<'_>) {
    let shown = told.standings.iter().filter_map(|standing| Shown::new(standing, told));
    let room = told.standings.len() * BYTES_PER_LIMIT;
    let (mut policies, mut states) = (List::with_capacity(room), List::with_capacity(room));
    let mut single: Option<Shown<'_>> = None;
    let mut units = Units::default();
    for shown in shown {
        shown.write(&mut policies, &mut states, told.now.time);
        units.note(shown, told);
        if single.as_ref().is_none_or(|other| shown.rank(told) < other.rank(told)) {
            single = Some(shown);
        }
    }
    if let Some(shown) = single {
        // What an answer has of its own leaves no room: it would grow twice meanwhile.
        headers.reserve(MOST_HEADERS);
        set(headers, RATELIMIT_POLICY, Some(policies.into_bytes()));
        set(headers, RATELIMIT, Some(states.into_bytes()));
        headers.insert(X_LIMIT, shown.quota.into());
        headers.insert(X_REMAINING, shown.left.into());
        if let Some(reset) = shown.reset {
            headers.insert(X_RESET, epoch_seconds(reset, told.now).into());
        }
        units.add(headers, told);
    }
}

/// The wall clock's time at an instant, if nobody sets it.
pub(crate) fn wall_at(at: Time, now: Now) -> Time {
    now.wall.after(at.since(now.time))
}

/// Whole seconds, rounded up.
pub(crate) fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// A length of time in whole units, as people say it, never shorter than it is.
pub(crate) fn people(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..=119 => (seconds, "second"),
        120..=7_199 => (seconds.div_ceil(60), "minute"),
        7_200..=172_799 => (seconds.div_ceil(3_600), "hour"),
        _ => (seconds.div_ceil(86_400), "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Tells how long a request waited, if it did.
pub(crate) fn tell_waited(headers: &mut HeaderMap, waited: Duration) {
    if !waited.is_zero() {
        let millis = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        headers.insert(WAITED_MS, millis.into());
    }
}

/// Sets a header to a text that was just made.
pub(crate) fn set(headers: &mut HeaderMap, name: HeaderName, text: Option<impl Into<Vec<u8>>>) {
    // A text that no header can bear is left out rather than sent broken.
    if let Some(value) =
        text.and_then(|text| HeaderValue::from_maybe_shared(Bytes::from(text.into())).ok())
    {
        headers.insert(name, value);
    }
}

/// Whether what is counted is money of more than the caller alone.
pub(crate) fn is_common_budget(limit: &Limit) -> bool {
    const OWN: [Attribute; 3] = [Attribute::User, Attribute::Session, Attribute::Key];
    limit.unit == Unit::Usd && !limit.per.iter().any(|attribute| OWN.contains(attribute))
}

fn epoch_seconds(at: Time, now: Now) -> u64 {
    wall_at(at, now).as_nanos().div_ceil(NANOS_PER_SECOND)
}

impl<'a> Shown<'a> {
    /// `None` for what nobody needs to know: what never refuses and common budgets.
    fn new(standing: &Standing, told: &Told<'a>) -> Option<Self> {
        let limit = told.policy.limit(standing.limit)?;
        if !limit.refuses() || is_common_budget(limit) {
            return None;
        }
        let kind = limit.measure_for(told.who).rule(told.now.wall).kind;
        let (unit, size) = unit(limit.unit, &kind);
        Some(Self {
            limit,
            standing: *standing,
            unit,
            quota: (standing.cap / size).min(MAX_INTEGER),
            left: (standing.remaining / size).min(MAX_INTEGER),
            window_seconds: window_seconds(&kind, standing.cap),
            reset: (standing.reset < Time::MAX).then_some(standing.reset),
        })
    }

    fn write(&self, policies: &mut List, states: &mut List, now: Time) {
        let name = &self.limit.name;
        if let Some(mut policy) = policies.string(name) {
            policy.integer(QUOTA, self.quota);
            if let Some(unit) = self.unit {
                policy.word(UNIT, unit);
            }
            if let Some(seconds) = self.window_seconds {
                policy.integer(WINDOW, seconds);
            }
        }
        if let Some(mut state) = states.string(name) {
            state.integer(LEFT, self.left);
            if let Some(reset) = self.reset {
                state.integer(RESET, seconds_up(reset.since(now)));
            }
        }
    }

    /// The least is the one that `X-RateLimit-*` tells of.
    fn rank(&self, told: &Told<'_>) -> (bool, bool, u64, u64) {
        let binds = told.binding == Some(self.limit.id);
        let counts_requests = self.unit.is_none();
        (!binds, !counts_requests, self.left, self.quota)
    }
}

/// The unit's name, where it is not requests, and how much of what is counted makes one.
const fn unit(unit: Unit, kind: &Kind) -> (Option<&'static str>, u64) {
    match (kind, unit) {
        (Kind::Concurrency, _) => (Some("concurrent-requests"), 1),
        (Kind::Sessions { .. }, _) => (Some("sessions"), 1),
        (_, Unit::Requests) => (None, 1),
        (_, Unit::Tokens) => (Some("tokens"), 1),
        (_, Unit::InputTokens) => (Some("input-tokens"), 1),
        (_, Unit::OutputTokens) => (Some("output-tokens"), 1),
        (_, Unit::Usd) => (Some("usd-cents"), NANOS_PER_CENT),
        (_, Unit::Seconds) => (Some("audio-seconds"), 1_000),
    }
}

/// The length of the interval that the quota is for; for a bucket, the time it takes to fill.
fn window_seconds(kind: &Kind, cap: u64) -> Option<u64> {
    let nanos = match *kind {
        Kind::Bucket { rate, per_ns } => {
            u128::from(cap) * u128::from(per_ns) / u128::from(rate.max(1))
        }
        Kind::Window { length_ns } => return Some(whole_seconds(length_ns)),
        _ if kind.is_endless() => return None,
        Kind::Period { start, end } => return Some(whole_seconds(end.saturating_sub(start))),
        Kind::Concurrency | Kind::Sessions { .. } => return None,
    };
    let seconds = nanos.div_ceil(u128::from(NANOS_PER_SECOND)).max(1);
    Some(u64::try_from(seconds).unwrap_or(MAX_INTEGER))
}

fn whole_seconds(nanos: u64) -> u64 {
    nanos.div_ceil(NANOS_PER_SECOND).max(1)
}
