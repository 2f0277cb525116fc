//! How long a caller is ready to wait: what it says itself, and what its SDK announces.
//!
//! Such a header only ever makes a wait shorter, so it is believed from everybody.

use std::time::Duration;

use http::{HeaderMap, HeaderName};
use tollgate::Patience;

/// Milliseconds until the caller's own deadline.
static DEADLINE_MS: HeaderName = HeaderName::from_static("x-tollgate-deadline-ms");

/// Seconds after which clients give up: those of OpenAI and Anthropic, and of Gemini.
static ANNOUNCED: [HeaderName; 3] = [
    HeaderName::from_static("x-stainless-read-timeout"),
    HeaderName::from_static("x-stainless-timeout"),
    HeaderName::from_static("x-server-timeout"),
];

/// The least of what the headers say; what cannot be read says nothing.
pub(super) fn patience(headers: &HeaderMap) -> Patience {
    let own = told(headers, &DEADLINE_MS).and_then(|millis| lasting(millis / 1_000.0));
    let announced = ANNOUNCED.iter().filter_map(|name| lasting(told(headers, name)?));
    announced.fold(Patience::POLICY.and(own), |patience, one| patience.and(Some(one)))
}

fn told(headers: &HeaderMap, name: &HeaderName) -> Option<f64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

fn lasting(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&'static str, &'static str)]) -> Patience {
        let pairs = headers.iter().map(|(name, value)| {
            (HeaderName::from_static(name), http::HeaderValue::from_static(value))
        });
        patience(&pairs.collect())
    }

    #[test]
    fn the_least_of_all_deadlines_holds() {
        assert_eq!(of(&[]), Patience::POLICY);
        let sdk = ("x-stainless-read-timeout", "600");
        assert_eq!(of(&[sdk]), Patience::of(Duration::from_secs(600)));
        let both = of(&[sdk, ("x-tollgate-deadline-ms", "1500")]);
        assert_eq!(both, Patience::of(Duration::from_millis(1_500)));
        let gemini = of(&[("x-server-timeout", "0.5"), ("x-tollgate-deadline-ms", "1500")]);
        assert_eq!(gemini, Patience::of(Duration::from_millis(500)));
    }

    #[test]
    fn what_makes_no_sense_says_nothing() {
        for value in ["", "soon", "-1", "NaN", "1e400", "inf"] {
            assert_eq!(of(&[("x-tollgate-deadline-ms", value)]), Patience::POLICY, "{value}");
        }
        assert_eq!(of(&[("x-tollgate-deadline-ms", "0")]), Patience::NONE);
    }
}
