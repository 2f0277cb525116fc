//! Lengths of time as people write them: `500ms`, `30s`, `1.5m`, `7d`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{excerpt, written_as_text};

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

/// Units by their names, from the longest to the shortest; the first name is the one shown.
const UNITS: [(&[&str], u64); 6] = [
    (&["w", "week", "weeks"], 7 * 86_400 * NANOS),
    (&["d", "day", "days"], 86_400 * NANOS),
    (&["h", "hour", "hours"], 3_600 * NANOS),
    (&["m", "minute", "minutes", "min"], 60 * NANOS),
    (&["s", "second", "seconds", "sec"], NANOS),
    (&["ms", "millisecond", "milliseconds"], 1_000_000),
];

const NANOS: u64 = 1_000_000_000;

/// Longer than any wait, and short enough that adding it to an instant cannot overflow.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

/// The nanoseconds of one unit of time, by any of its names.
pub(crate) fn unit_nanos(name: &str) -> Option<u64> {
    UNITS.iter().find(|(names, _)| names.contains(&name)).map(|(_, nanos)| *nanos)
}

/// A number of at most nine decimals, times a unit.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = (&text[..end], text[end..].trim());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let unit = u128::from(unit_nanos(unit)?);
    let whole: u128 = whole.parse::<u64>().ok()?.into();
    let fraction_nanos = u128::from(fraction.parse::<u64>().ok()?) * unit
        / 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let nanos = u64::try_from(whole * unit + fraction_nanos).ok()?;
    Some(Duration::from_nanos(nanos)).filter(|length| *length <= LONGEST)
}

/// Reads a [`Duration`] as a span.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
    Ok(Span::deserialize(d)?.0)
}

/// Shows a [`Duration`] as a span.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
pub(crate) fn serialize<S: Serializer>(length: &Duration, s: S) -> Result<S::Ok, S::Error> {
    Span(*length).serialize(s)
}

/// Reads and shows an [`Option`] of a [`Duration`], which is left out if there is none.
pub(crate) mod optional {
    use super::{Deserialize, Deserializer, Duration, Serialize, Serializer, Span};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Span>::deserialize(d)?.map(|Span(length)| length))
    }

    #[allow(clippy::ref_option, reason = "the shape that serde asks for")]
    pub(crate) fn serialize<S: Serializer>(
        length: &Option<Duration>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        length.map(Span).serialize(s)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).map(Self).ok_or_else(|| {
            format!(
                "`{}` is no length of time: write it like 500ms, 30s, 5m, 1h or 7d",
                excerpt(text)
            )
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        for (names, unit) in UNITS {
            if nanos.is_multiple_of(u128::from(unit)) {
                return write!(f, "{}{}", nanos / u128::from(unit), names[0]);
            }
        }
        let (millis, rest) = (nanos / 1_000_000, nanos % 1_000_000);
        write!(f, "{millis}.{}ms", format!("{rest:06}").trim_end_matches('0'))
    }
}

written_as_text!(
    Span,
    "a length of time like \"30s\" or \"5m\"",
    r"^[0-9]+(\.[0-9]+)? ?(w|weeks?|d|days?|h|hours?|m|min|minutes?|s|sec|seconds?|ms|milliseconds?)$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_and_shown() {
        for (text, millis, shown) in [
            ("500ms", 500, "500ms"),
            ("30s", 30_000, "30s"),
            ("30.0s", 30_000, "30s"),
            ("1.5m", 90_000, "90s"),
            ("60 minutes", 3_600_000, "1h"),
            ("24h", 86_400_000, "1d"),
            ("7d", 604_800_000, "1w"),
            ("0s", 0, "0s"),
            ("1.5ms", 1, "1.5ms"),
        ] {
            let span: Span = text.parse().expect(text);
            assert_eq!(span.0.as_millis(), millis, "{text}");
            assert_eq!(span.to_string(), shown);
            assert_eq!(shown.parse(), Ok(span));
        }
    }

    #[test]
    fn what_is_no_length_is_refused() {
        for text in ["", "5", "s", "-1s", "1.s", ".5s", "1 month", "99999999999d", "1e3s", "1..5s"]
        {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
