//! From what a provider tells to what a quota learns.

use tollgate_core::{
    Time,
    quota::{Announced, Reading},
};
use tollgate_meter::signals::{self, Refused, Signals};

/// What an answer announces, which came at `now`.
pub(crate) fn announced(signals: &Signals, now: Time) -> Announced {
    let reading = |told: signals::Quota| {
        told.remaining.map(|remaining| Reading {
            limit: told.limit,
            remaining: Some(remaining),
            reset_at: told.reset_after.map(|after| now.after(after)),
        })
    };
    Announced {
        requests: reading(signals.requests),
        tokens: reading(signals.tokens),
        input_tokens: reading(signals.input_tokens),
        output_tokens: reading(signals.output_tokens),
        throttled: is_throttled(signals),
        retry_after: signals.retry_after,
    }
}

/// Whether it was too much for now: what is too large or too dear stays so.
fn is_throttled(signals: &Signals) -> bool {
    matches!(
        signals.refused,
        Some(Refused::Requests | Refused::Tokens | Refused::Concurrency | Refused::Rate)
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Time = Time::from_millis(5_000);

    fn of(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Announced {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        announced(&Signals::read(status, headers, body.as_bytes(), Time::ZERO), NOW)
    }

    #[test]
    fn a_reset_counts_from_when_it_came() {
        let told = of(
            200,
            &[
                ("x-ratelimit-limit-requests", "60"),
                ("x-ratelimit-remaining-requests", "59"),
                ("x-ratelimit-reset-requests", "1.2s"),
            ],
            "",
        );
        let expected = Reading {
            limit: Some(60),
            remaining: Some(59),
            reset_at: Some(Time::from_millis(6_200)),
        };
        assert_eq!(told.requests, Some(expected));
        assert_eq!((told.tokens, told.throttled), (None, false));
    }

    #[test]
    fn what_waiting_does_not_cure_closes_no_quota() {
        let spent =
            r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota","message":"no"}}"#;
        assert!(!of(429, &[], spent).throttled);
        let requests =
            r#"{"error":{"type":"requests","code":"rate_limit_exceeded","message":"no"}}"#;
        let told = of(429, &[("retry-after", "7")], requests);
        assert!(told.throttled);
        assert_eq!(told.retry_after, Some(Duration::from_secs(7)));
        assert!(!of(503, &[("retry-after", "7")], "").throttled);
    }
}
