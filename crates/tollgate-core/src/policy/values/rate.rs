//! Rates as people write them: `10/minute`, `100/15m`, `5/day`.

use std::{fmt, str::FromStr, time::Duration};

use super::{Decimal, Span, excerpt, span, written_as_text};
use crate::PeriodUnit;

/// An amount every so often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) amount: Decimal,
    pub(crate) every: Every,
}

/// How often: one of a named unit of time, or a length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Every {
    /// A day or week: a window of that length, or the calendar's; a month; or in all.
    Calendar(PeriodUnit),
    /// Any other length.
    Length(Duration),
}

const DAY: Duration = Duration::from_secs(86_400);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

impl Every {
    /// The length, where it has one: a month has not, nor has all of time.
    pub(crate) const fn length(self) -> Option<Duration> {
        match self {
            Self::Length(length) => Some(length),
            Self::Calendar(PeriodUnit::Day) => Some(DAY),
            Self::Calendar(PeriodUnit::Week) => Some(WEEK),
            Self::Calendar(PeriodUnit::Month | PeriodUnit::Total) => None,
        }
    }

    /// The calendar's period, where it is one.
    pub(crate) const fn period(self) -> Option<PeriodUnit> {
        match self {
            Self::Calendar(unit) => Some(unit),
            Self::Length(_) => None,
        }
    }
}

impl FromStr for Every {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let once = text.strip_prefix('1').map_or(text, str::trim_start);
        let every = match once {
            "d" | "day" | "days" => Some(Self::Calendar(PeriodUnit::Day)),
            "w" | "week" | "weeks" => Some(Self::Calendar(PeriodUnit::Week)),
            "month" | "months" => Some(Self::Calendar(PeriodUnit::Month)),
            "total" => Some(Self::Calendar(PeriodUnit::Total)),
            unit if span::unit_nanos(unit).is_some() => {
                span::parse(&format!("1{unit}")).map(Self::Length)
            }
            _ => span::parse(text).filter(|length| !length.is_zero()).map(Self::Length),
        };
        every.ok_or_else(|| {
            format!(
                "`{}` is no unit of time: write second, minute, hour, day, week, month or total, or a length such as 15m",
                excerpt(text)
            )
        })
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (amount, every) = text.split_once('/').ok_or_else(|| {
            format!(
                "`{}` is no rate: write an amount per time, like 10/minute or 100/15m",
                excerpt(text)
            )
        })?;
        Ok(Self { amount: amount.trim().parse()?, every: every.trim().parse()? })
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(&str, u64); 3] = [("second", 1), ("minute", 60), ("hour", 3_600)];
        match self {
            Self::Calendar(PeriodUnit::Day) => f.write_str("day"),
            Self::Calendar(PeriodUnit::Week) => f.write_str("week"),
            Self::Calendar(PeriodUnit::Month) => f.write_str("month"),
            Self::Calendar(PeriodUnit::Total) => f.write_str("total"),
            Self::Length(length) => {
                let named = NAMES.iter().find(|(_, secs)| Duration::from_secs(*secs) == *length);
                match named {
                    Some((name, _)) => f.write_str(name),
                    None => Span(*length).fmt(f),
                }
            }
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.amount, self.every)
    }
}

written_as_text!(
    Every,
    "a unit of time like \"minute\" or a length like \"15m\"",
    r"^([0-9]+(\.[0-9]+)? ?)?[a-z]+$"
);
written_as_text!(
    Rate,
    "a rate like \"10/minute\"",
    r"^ *[0-9]+(\.[0-9]{1,9})? */ *([0-9]+(\.[0-9]+)? ?)?[a-z]+ *$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_shown() {
        for (text, shown) in [
            ("10/minute", "10/minute"),
            ("20/m", "20/minute"),
            ("100/15m", "100/15m"),
            ("100 / 15 minutes", "100/15m"),
            ("1.50/minute", "1.5/minute"),
            ("5/day", "5/day"),
            ("5/1 day", "5/day"),
            ("5/7d", "5/1w"),
            ("5/15d", "5/15d"),
            ("5/15s", "5/15s"),
            ("5/week", "5/week"),
            ("5/months", "5/month"),
            ("500 / total", "500/total"),
            ("0/s", "0/second"),
        ] {
            let rate: Rate = text.parse().expect(text);
            assert_eq!(rate.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in ["", "10", "/", "10/", "/minute", "x/minute", "10/fortnight", "10/0s", "-1/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
