//! Waits and instants in the forms that providers write.

use std::time::Duration;

use jiff::Timestamp;
use tollgate_core::Time;

use super::MAX_WAIT;

/// The units of Go's durations, longest names first, in nanoseconds.
const UNITS: [(&str, f64); 7] =
    [("ms", 1e6), ("us", 1e3), ("µs", 1e3), ("ns", 1.0), ("h", 3.6e12), ("m", 6e10), ("s", 1e9)];

const SECOND: Duration = Duration::from_secs(1);

/// Seconds above which a bare number is an instant since the Unix epoch.
const EPOCH_SECONDS: f64 = 1e9;

/// A number of seconds, whole or not, that is no longer than is believed.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    of_nanos(number(text)? * 1e9)
}

/// A number of milliseconds.
pub(super) fn millis(text: &str) -> Option<Duration> {
    of_nanos(number(text)? * 1e6)
}

/// A duration as Go writes it, such as `6m0s` or `12ms`, or a bare number of seconds.
pub(super) fn go(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let Some(end) = end else { return if rest == text { seconds(text) } else { None } };
        let (value, unit) = rest.split_at(end);
        let (name, scale) = UNITS.iter().find(|(name, _)| unit.starts_with(name))?;
        nanos += number(value)? * scale;
        rest = &unit[name.len()..];
    }
    if text.is_empty() { None } else { of_nanos(nanos) }
}

/// A wait: seconds, or the date of HTTP until which to wait.
pub(super) fn retry_after(text: &str, wall: Time) -> Option<Duration> {
    let until = || jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    seconds(text).or_else(|| until_instant(until()?, wall))
}

/// A wait until an instant as RFC 3339 writes it. One in whole seconds is taken to have lost
/// what was behind them: a wait is never told too short.
pub(super) fn rfc3339(text: &str, wall: Time) -> Option<Duration> {
    let instant: Timestamp = text.parse().ok()?;
    let cut = if text.contains('.') { Duration::ZERO } else { SECOND };
    until_instant(instant.checked_add(cut).ok()?, wall)
}

/// A wait: seconds until then, or the second of the Unix epoch in which it ends.
pub(super) fn epoch(text: &str, wall: Time) -> Option<Duration> {
    let told = number(text)?;
    if told < EPOCH_SECONDS {
        return of_nanos(told * 1e9);
    }
    until_instant(Timestamp::from_second(told as i64).ok()?.checked_add(SECOND).ok()?, wall)
}

fn until_instant(instant: Timestamp, wall: Time) -> Option<Duration> {
    let nanos = instant.as_nanosecond() - i128::from(wall.as_nanos());
    let nanos = u64::try_from(nanos.max(0)).ok()?;
    Some(Duration::from_nanos(nanos)).filter(|wait| *wait <= MAX_WAIT)
}

/// Digits, perhaps with a fraction; no sign, exponent or word.
fn number(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_plain { text.parse().ok() } else { None }
}

fn of_nanos(nanos: f64) -> Option<Duration> {
    // Rounded up: a wait is never told too short. A cast saturates.
    let wait = Duration::from_nanos(nanos.ceil() as u64);
    (wait <= MAX_WAIT).then_some(wait)
}
