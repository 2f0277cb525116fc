//! What is told of requests, of tokens and of dollars, each by one limit: the one in the
//! way, or the one of which the least is left.
//!
//! Clients of OpenAI's dialect read `x-ratelimit-*-requests` and `-tokens`, with the time
//! until more is left as Go writes it (`1m30s`); those of Anthropic's read
//! `anthropic-ratelimit-requests-*`, `-tokens-*`, `-input-tokens-*` and `-output-tokens-*`,
//! with the instant as RFC 3339 has it. A provider's own are kept where it has less left than
//! Tollgate. Dollars are told to everybody, of budgets that are the caller's
//! own: `X-Tollgate-Budget-Limit`, `-Remaining` (dollars, exact) and `-Reset` (epoch
//! seconds).

use std::{fmt::Write as _, time::Duration};

use http::{HeaderMap, HeaderName};
use tollgate_core::{NanoUsd, Unit};

use super::{Shown, Told, epoch_seconds, set};
use crate::refusal::{Form, rfc3339};

/// The limits that are told, as they are found.
#[derive(Default)]
pub(super) struct Units<'a> {
    requests: Option<Shown<'a>>,
    tokens: Option<Shown<'a>>,
    dollars: Option<Shown<'a>>,
}

/// Limit, remaining and reset.
type Names = [HeaderName; 3];

static REQUESTS: Names = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
static TOKENS: Names = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];
static ANTHROPIC_REQUESTS: Names = [
    HeaderName::from_static("anthropic-ratelimit-requests-limit"),
    HeaderName::from_static("anthropic-ratelimit-requests-remaining"),
    HeaderName::from_static("anthropic-ratelimit-requests-reset"),
];
static ANTHROPIC_TOKENS: Names = [
    HeaderName::from_static("anthropic-ratelimit-tokens-limit"),
    HeaderName::from_static("anthropic-ratelimit-tokens-remaining"),
    HeaderName::from_static("anthropic-ratelimit-tokens-reset"),
];
static ANTHROPIC_INPUT_TOKENS: Names = [
    HeaderName::from_static("anthropic-ratelimit-input-tokens-limit"),
    HeaderName::from_static("anthropic-ratelimit-input-tokens-remaining"),
    HeaderName::from_static("anthropic-ratelimit-input-tokens-reset"),
];
static ANTHROPIC_OUTPUT_TOKENS: Names = [
    HeaderName::from_static("anthropic-ratelimit-output-tokens-limit"),
    HeaderName::from_static("anthropic-ratelimit-output-tokens-remaining"),
    HeaderName::from_static("anthropic-ratelimit-output-tokens-reset"),
];
static BUDGET: Names = [
    HeaderName::from_static("x-tollgate-budget-limit"),
    HeaderName::from_static("x-tollgate-budget-remaining"),
    HeaderName::from_static("x-tollgate-budget-reset"),
];

impl<'a> Units<'a> {
    /// Takes note of a limit.
    pub(super) fn note(&mut self, shown: Shown<'a>, told: &Told<'_>) {
        let of_unit = match shown.limit.unit {
            Unit::Usd => &mut self.dollars,
            Unit::Tokens | Unit::InputTokens | Unit::OutputTokens => &mut self.tokens,
            Unit::Requests if shown.unit.is_none() => &mut self.requests,
            // Slots and seconds have no headers of their own.
            Unit::Requests | Unit::Seconds => return,
        };
        if of_unit.as_ref().is_none_or(|other| shown.rank(told) < other.rank(told)) {
            *of_unit = Some(shown);
        }
    }

    /// Adds what is told of them.
    pub(super) fn add(&self, headers: &mut HeaderMap, told: &Told<'_>) {
        for shown in [&self.requests, &self.tokens].into_iter().flatten() {
            if let Some(names) = names(told.form, shown.limit.unit) {
                by_names(headers, names, shown, told);
            }
        }
        if let Some(Shown { standing, reset, .. }) = self.dollars {
            let [limit, remaining, again] = &BUDGET;
            set(headers, limit.clone(), Some(NanoUsd(standing.cap).to_string()));
            set(headers, remaining.clone(), Some(NanoUsd(standing.remaining).to_string()));
            if let Some(reset) = reset {
                headers.insert(again, epoch_seconds(reset, told.now).into());
            }
        }
    }
}

/// What a limit's headers are called, where the dialect has any.
fn names(form: Form, unit: Unit) -> Option<&'static Names> {
    if form.is_openai() {
        return Some(if unit == Unit::Requests { &REQUESTS } else { &TOKENS });
    }
    let names = match unit {
        Unit::Requests => &ANTHROPIC_REQUESTS,
        Unit::InputTokens => &ANTHROPIC_INPUT_TOKENS,
        Unit::OutputTokens => &ANTHROPIC_OUTPUT_TOKENS,
        _ => &ANTHROPIC_TOKENS,
    };
    (form == Form::Anthropic).then_some(names)
}

fn by_names(headers: &mut HeaderMap, names: &Names, shown: &Shown<'_>, told: &Told<'_>) {
    let [limit, remaining, reset] = names;
    let of_provider = headers.get(remaining).and_then(|value| value.to_str().ok()?.parse().ok());
    if of_provider.is_some_and(|left: u64| left < shown.left) {
        return;
    }
    headers.insert(limit, shown.quota.into());
    headers.insert(remaining, shown.left.into());
    let at = shown.reset.and_then(|at| match told.form {
        Form::Anthropic => rfc3339(at, told.now),
        _ => Some(as_go(at.since(told.now.time))),
    });
    set(headers, reset.clone(), at);
}

/// A length of time as Go writes it, in milliseconds rounded up.
fn as_go(duration: Duration) -> String {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    if millis < 1_000 {
        return if millis == 0 { "0s".to_owned() } else { format!("{millis}ms") };
    }
    let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
    let (seconds, fraction) = (millis / 1_000 % 60, millis % 1_000);
    let mut text = String::new();
    // Writing to a string cannot fail.
    if hours > 0 {
        let _ = write!(text, "{hours}h");
    }
    if hours > 0 || minutes > 0 {
        let _ = write!(text, "{minutes}m");
    }
    let _ = write!(text, "{seconds}");
    if fraction > 0 {
        let digits = format!("{fraction:03}");
        let _ = write!(text, ".{}", digits.trim_end_matches('0'));
    }
    text.push('s');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_written_as_go_writes_it_and_never_shorter_than_it_is() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ms"),
            (12_000_000, "12ms"),
            (999_000_001, "1s"),
            (1_500_000_000, "1.5s"),
            (59_999_999_999, "1m0s"),
            (360_000_000_000, "6m0s"),
            (90_020_000_000, "1m30.02s"),
            (28_800_000_000_000, "8h0m0s"),
            (90_061_000_000_000, "25h1m1s"),
        ] {
            assert_eq!(as_go(Duration::from_nanos(nanos)), text, "{nanos}");
        }
    }
}
