//! Which time a question is about, and how it is cut into hours, days or months.

use jiff::{
    Span as Length, Timestamp, ToSpan as _, Unit, Zoned, ZonedRound, civil::Date, tz::TimeZone,
};
use serde::Deserialize;
use tollgate::store::embedded::MAX_SPAN;
use tollgate_core::Time;

use crate::api::Problem;

/// The time that a question is about, as it is asked for.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Asked {
    /// An instant (RFC 3339) or a day.
    pub(super) from: Option<String>,
    /// The same; now, if not given.
    pub(super) to: Option<String>,
    /// How long before `to` it begins, such as `7d`.
    pub(super) since: Option<String>,
    /// The name of the zone in which days and months are meant; UTC, if not given.
    pub(super) time_zone: Option<String>,
}

/// The time that a question is about, in the zone in which days are meant.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span {
    pub(super) from: Zoned,
    pub(super) to: Zoned,
}

/// Into what time is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Cut {
    Hour,
    Day,
    Month,
}

/// One part of a time that was cut.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    /// When the hour, the day or the month begins.
    pub(super) start: Zoned,
    /// What of it is asked about, in whole hours of UTC, as spend is summed up: where a zone
    /// is off by half an hour, that half hour counts to the day after.
    pub(super) from: Time,
    pub(super) to: Time,
}

/// Pieces that one answer has at most.
pub(super) const MAX_PIECES: usize = 400;

const HOUR_NS: u64 = 3_600_000_000_000;

impl Asked {
    /// The time that is meant; the last day if nothing is said.
    ///
    /// # Errors
    /// When it cannot be understood, is none, or is longer than anything is kept.
    pub(super) fn span(&self, now: Time) -> Result<Span, Problem> {
        let zone = match self.time_zone.as_deref() {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|_| {
                Problem::invalid(format!(
                    "There is no time zone `{name}`: write one like `Europe/Berlin`."
                ))
            })?,
        };
        let now = timestamp(now).to_zoned(zone.clone());
        let to = self.to.as_deref().map_or_else(|| Ok(now), |to| instant("to", to, &zone))?;
        let from = match (&self.from, &self.since) {
            (Some(_), Some(_)) => {
                return Err(Problem::invalid("Give `from` or `since`, not both."));
            }
            (Some(from), None) => instant("from", from, &zone)?,
            (None, since) => {
                let since = since.as_deref().unwrap_or("1d");
                let length: Option<Length> = since.parse().ok();
                length.and_then(|length| to.checked_sub(length.abs()).ok()).ok_or_else(|| {
                    Problem::invalid(format!(
                        "`since` is `{since}`: write a length of time like `90m`, `24h` or `7d`."
                    ))
                })?
            }
        };
        if from >= to {
            return Err(Problem::invalid(format!(
                "The time asked about ends before it begins: from {from:.0} to {to:.0}."
            )));
        }
        if to.timestamp().duration_since(from.timestamp()).unsigned_abs() > MAX_SPAN {
            let days = MAX_SPAN.as_secs() / 86_400;
            return Err(Problem::invalid(format!(
                "The time asked about is longer than {days} days: ask about less."
            )));
        }
        Ok(Span { from, to })
    }
}

impl Span {
    /// When it begins and ends.
    pub(super) fn bounds(&self) -> (Time, Time) {
        (time(&self.from), time(&self.to))
    }

    /// The hours, days or months that it is in, each as far as it is in them.
    ///
    /// # Errors
    /// When there are more than [`MAX_PIECES`].
    pub(super) fn cut(&self, cut: Cut) -> Result<Vec<Piece>, Problem> {
        let (from, to) = self.bounds();
        let mut pieces = Vec::new();
        let mut start = cut.beginning(&self.from);
        while let Some(begins) = start.take().filter(|start| *start < self.to) {
            if pieces.len() == MAX_PIECES {
                return Err(Problem::invalid(format!(
                    "That is more than {MAX_PIECES} spans of time: ask about less, or in larger ones."
                )));
            }
            start = cut.after(&begins);
            let (first, next) = (whole_hours(time(&begins)), start.as_ref().map(time));
            let end = next.map_or(to, |next| if next < to { whole_hours(next) } else { to });
            if first.max(from) < end {
                pieces.push(Piece { start: begins, from: first.max(from), to: end });
            }
        }
        Ok(pieces)
    }
}

impl Cut {
    /// When the one begins that an instant is in; `None` outside of all calendars.
    fn beginning(self, at: &Zoned) -> Option<Zoned> {
        match self {
            Self::Hour => at.round(ZonedRound::new().smallest(Unit::Hour).mode(DOWN)).ok(),
            Self::Day => at.start_of_day().ok(),
            Self::Month => at.first_of_month().ok()?.start_of_day().ok(),
        }
    }

    /// When the one after this begins.
    fn after(self, start: &Zoned) -> Option<Zoned> {
        match self {
            Self::Hour => start.checked_add(1.hour()).ok(),
            Self::Day => start.tomorrow().ok()?.start_of_day().ok(),
            Self::Month => start.checked_add(1.month()).ok()?.start_of_day().ok(),
        }
    }
}

const DOWN: jiff::RoundMode = jiff::RoundMode::Trunc;

/// An instant as answers tell it: RFC 3339 in its zone.
pub(super) fn told(at: &Zoned) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

pub(super) fn timestamp(at: Time) -> Timestamp {
    // 64 bits of nanoseconds end long before the calendar does.
    Timestamp::from_nanosecond(i128::from(at.as_nanos())).unwrap_or(Timestamp::MAX)
}

fn time(at: &Zoned) -> Time {
    let nanos = at.timestamp().as_nanosecond();
    Time::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}

fn whole_hours(at: Time) -> Time {
    Time::from_nanos(at.as_nanos() / HOUR_NS * HOUR_NS)
}

fn instant(name: &str, text: &str, zone: &TimeZone) -> Result<Zoned, Problem> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.to_zoned(zone.clone()));
    }
    let day = text.parse::<Date>().ok().filter(|_| !text.contains(['T', ':']));
    day.and_then(|day| day.to_zoned(zone.clone()).ok()).ok_or_else(|| {
        Problem::invalid(format!(
            "`{name}` is `{text}`: write an instant like `2026-11-22T08:00:00Z`, or a day like `2026-11-22`."
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: &str, to: &str, zone: &str) -> Span {
        let text = |text: &str| Some(text.to_owned());
        let asked = Asked { from: text(from), to: text(to), since: None, time_zone: text(zone) };
        asked.span(Time::ZERO).expect("a span")
    }

    fn starts(span: &Span, cut: Cut) -> Vec<String> {
        span.cut(cut).expect("pieces").iter().map(|piece| told(&piece.start)).collect()
    }

    /// Whatever is cut, the pieces follow each other without gap or overlap.
    fn is_seamless(span: &Span, cut: Cut) {
        let pieces = span.cut(cut).expect("pieces");
        let (from, to) = span.bounds();
        assert_eq!((pieces[0].from, pieces[pieces.len() - 1].to), (from, to));
        assert!(pieces.iter().zip(&pieces[1..]).all(|(a, b)| a.to == b.from), "{pieces:?}");
    }

    #[test]
    fn days_begin_at_midnight_of_their_zone_also_when_clocks_change() {
        let berlin = span("2026-10-24", "2026-10-27", "Europe/Berlin");
        let days =
            ["2026-10-24T00:00:00+02:00", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"];
        assert_eq!(starts(&berlin, Cut::Day), days);
        assert_eq!(starts(&berlin, Cut::Hour).len(), 73, "the day of the change has 25 hours");
        for zone in ["UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns"] {
            for cut in [Cut::Hour, Cut::Day, Cut::Month] {
                is_seamless(&span("2026-10-20", "2026-11-03", zone), cut);
                is_seamless(&span("2026-10-20T10:20:30Z", "2026-10-23T01:02:03Z", zone), cut);
            }
        }
    }

    #[test]
    fn months_begin_on_their_first() {
        let quarter = span("2026-01-15", "2026-04-01", "America/New_York");
        let months =
            ["2026-01-01T00:00:00-05:00", "2026-02-01T00:00:00-05:00", "2026-03-01T00:00:00-05:00"];
        assert_eq!(starts(&quarter, Cut::Month), months);
    }

    #[test]
    fn a_length_of_time_ends_now_and_what_makes_no_sense_is_told() {
        let now = Time::from_millis(1_795_435_200_000);
        let since =
            |text: &str| Asked { since: Some(text.to_owned()), ..Asked::default() }.span(now);
        let week = since("7d").expect("a week");
        assert_eq!(
            (told(&week.from), told(&week.to)),
            ("2026-11-16T12:00:00+00:00".to_owned(), "2026-11-23T12:00:00+00:00".to_owned(),)
        );
        let day = Asked::default().span(now).expect("the last day");
        assert_eq!(told(&day.from), "2026-11-22T12:00:00+00:00");
        for (from, to, since, zone) in [
            (Some("yesterday"), None, None, None),
            (None, Some("2026-13-01"), None, None),
            (None, None, Some("long"), None),
            (Some("2026-11-01"), None, Some("1d"), None),
            (None, None, None, Some("Mars/Base")),
            (Some("2026-11-24"), Some("2026-11-24"), None, None),
            (Some("1999-01-01"), None, None, None),
        ] {
            let own = |text: Option<&str>| text.map(str::to_owned);
            let asked =
                Asked { from: own(from), to: own(to), since: own(since), time_zone: own(zone) };
            assert!(asked.span(now).is_err(), "{asked:?}");
        }
        assert!(since("30d").expect("a month").cut(Cut::Hour).is_err(), "720 hours are too many");
    }
}
