//! How long a caller is ready to wait: what it says itself, and what its SDK announces.
//!
//! Such a header only ever makes a wait shorter, so it is believed from everybody.

use std::time::Duration;

use http::{HeaderMap, HeaderName};
use jiff::{fmt::strtime, tz::TimeZone};
use tollgate::Patience;
use tollgate_core::Time;

/// Milliseconds until the caller's own deadline.
static DEADLINE_MS: HeaderName = HeaderName::from_static("x-tollgate-deadline-ms");

/// Seconds after which clients give up: those of OpenAI and Anthropic, and of Gemini.
static ANNOUNCED: [HeaderName; 3] = [
    HeaderName::from_static("x-stainless-read-timeout"),
    HeaderName::from_static("x-stainless-timeout"),
    HeaderName::from_static("x-server-timeout"),
];

/// When AWS's clients give up: `ttl=20261122T045220Z; attempt=2; max=3`.
static AMZ_REQUEST: HeaderName = HeaderName::from_static("amz-sdk-request");

/// The least of what the headers say, as of `wall`; what cannot be read says nothing.
pub(super) fn patience(headers: &HeaderMap, wall: Time) -> Patience {
    let own = told(headers, &DEADLINE_MS).and_then(|millis| lasting(millis / 1_000.0));
    let announced = ANNOUNCED.iter().filter_map(|name| lasting(told(headers, name)?));
    let announced = announced.chain(until_ttl(headers, wall));
    announced.fold(Patience::POLICY.and(own), |patience, one| patience.and(Some(one)))
}

/// The time until AWS's client gives up, by its clock.
fn until_ttl(headers: &HeaderMap, wall: Time) -> Option<Duration> {
    let value = headers.get(&AMZ_REQUEST)?.to_str().ok()?;
    let mut parts = value.split(';').filter_map(|part| part.trim().split_once('='));
    let (_, at) = parts.find(|(name, _)| *name == "ttl")?;
    let at = strtime::parse("%Y%m%dT%H%M%SZ", at).ok()?.to_datetime().ok()?;
    let at = at.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond();
    Some(Time::from_millis(u64::try_from(at).ok()?).since(wall))
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
        patience(&pairs.collect(), Time::from_millis(1_795_323_135_000))
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
    fn a_client_of_aws_says_when_it_gives_up() {
        let ttl = |value| of(&[("amz-sdk-request", value)]);
        let left = ttl("ttl=20261122T045220Z; attempt=2; max=3");
        assert_eq!(left, Patience::of(Duration::from_secs(5)));
        assert_eq!(ttl("ttl=20261122T045210Z"), Patience::NONE, "it has given up");
        for value in ["attempt=1", "ttl=soon", "ttl=20269922T045220Z", "ttl"] {
            assert_eq!(ttl(value), Patience::POLICY, "{value}");
        }
    }

    #[test]
    fn what_makes_no_sense_says_nothing() {
        for value in ["", "soon", "-1", "NaN", "1e400", "inf"] {
            assert_eq!(of(&[("x-tollgate-deadline-ms", value)]), Patience::POLICY, "{value}");
        }
        assert_eq!(of(&[("x-tollgate-deadline-ms", "0")]), Patience::NONE);
    }
}
