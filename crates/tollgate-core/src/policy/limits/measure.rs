//! What an entry counts and how much it allows, from the form in which it is said.

use std::{sync::Arc, time::Duration};

use jiff::tz::TimeZone;

use super::{
    entry::{Allowance, BucketForm, CountedBy, LimitEntry, SessionsForm},
    forms::ShortOr,
};
use crate::{
    Calendar, PeriodUnit, Unit,
    policy::{
        Measure,
        values::{Decimal, Every, Rate, Span},
    },
};

/// What an entry counts, as it says it.
#[derive(Debug)]
pub(super) enum Said {
    Amount(Unit, ShortOr<Rate, Allowance>),
    Bucket(BucketForm),
    Concurrency(Decimal),
    Sessions(ShortOr<Decimal, SessionsForm>),
}

const IDLE: Duration = Duration::from_secs(30 * 60);

impl LimitEntry {
    /// Everything that it says it counts, each with its key.
    pub(super) fn take_said(&mut self) -> Vec<(&'static str, Said)> {
        let mut said = Vec::new();
        for (unit, amount) in [
            (Unit::Requests, self.requests.take()),
            (Unit::Tokens, self.tokens.take()),
            (Unit::InputTokens, self.input_tokens.take()),
            (Unit::OutputTokens, self.output_tokens.take()),
            (Unit::Usd, self.usd.take()),
            (Unit::Seconds, self.seconds.take()),
        ] {
            said.extend(amount.map(|amount| (unit.name(), Said::Amount(unit, amount))));
        }
        said.extend(self.bucket.take().map(|form| ("bucket", Said::Bucket(form))));
        said.extend(self.concurrency.take().map(|cap| ("concurrency", Said::Concurrency(cap))));
        said.extend(self.sessions.take().map(|form| ("sessions", Said::Sessions(form))));
        said
    }
}

impl Said {
    /// What is counted.
    pub(super) const fn unit(&self) -> Unit {
        match self {
            Self::Amount(unit, _) => *unit,
            Self::Bucket(form) => form.unit,
            Self::Concurrency(_) | Self::Sessions(_) => Unit::Requests,
        }
    }

    /// How it is counted.
    ///
    /// # Errors
    /// A sentence that says why it cannot be.
    pub(super) fn measure(&self, zone: &TimeZone) -> Result<Measure, String> {
        match self {
            Self::Amount(unit, ShortOr::Short(rate)) => {
                counted(*unit, rate.amount, rate.every, usual(*unit, rate.every), None, zone)
            }
            Self::Amount(unit, ShortOr::Full(full)) => {
                let by = full.kind.unwrap_or_else(|| usual(*unit, full.per));
                counted(*unit, full.amount, full.per, by, full.burst, zone)
            }
            Self::Bucket(form) => {
                let Rate { amount, every } = form.rate;
                bucket(form.unit, amount, every, (form.tokens, form.burst))
            }
            Self::Concurrency(cap) => Ok(Measure::Concurrency { cap: cap.count(Unit::Requests)? }),
            Self::Sessions(ShortOr::Short(max)) => sessions(*max, None),
            Self::Sessions(ShortOr::Full(full)) => sessions(full.max, full.idle),
        }
    }
}

/// How the short form is counted: money by the calendar, all else in any interval, and by
/// one period what has no other end.
const fn usual(unit: Unit, every: Every) -> CountedBy {
    match (unit, every) {
        (Unit::Usd, Every::Calendar(_)) | (_, Every::Calendar(PeriodUnit::Total)) => {
            CountedBy::Period
        }
        _ => CountedBy::Window,
    }
}

fn counted(
    unit: Unit,
    amount: Decimal,
    every: Every,
    by: CountedBy,
    burst: Option<Decimal>,
    zone: &TimeZone,
) -> Result<Measure, String> {
    if burst.is_some() && by != CountedBy::Bucket {
        return Err("only a bucket has a burst: say kind = \"bucket\" or leave it out".to_owned());
    }
    match by {
        CountedBy::Bucket => bucket(unit, amount, every, (None, burst)),
        CountedBy::Window => {
            Ok(Measure::Window { length: length(every, "window")?, cap: amount.count(unit)? })
        }
        CountedBy::Period => {
            let period = every.period().ok_or_else(|| {
                format!("`{every}` is no calendar period: write day, week, month or total, or kind = \"window\"")
            })?;
            Ok(Measure::Period {
                calendar: Arc::new(Calendar::new(period, zone.clone())),
                cap: amount.count(unit)?,
            })
        }
    }
}

/// A bucket that holds so many tokens and a burst.
fn bucket(
    unit: Unit,
    amount: Decimal,
    every: Every,
    (tokens, burst): (Option<Decimal>, Option<Decimal>),
) -> Result<Measure, String> {
    // What is no whole unit a second is one in more of them.
    let (rate, times) = amount.count_in_parts(unit)?;
    if rate == 0 {
        return Err("a bucket that is never refilled is of no use: write a rate above 0, or concurrency = 0 to close".to_owned());
    }
    let per = length(every, "bucket")?
        .checked_mul(times)
        .ok_or_else(|| format!("a bucket is not refilled as slowly as {amount}/{every}"))?;
    let held = [tokens, burst].into_iter().flatten().map(|it| it.count(unit));
    let held = held.reduce(|one, other| Ok(one?.saturating_add(other?)));
    let burst =
        held.unwrap_or_else(|| {
            amount.count(unit).map_err(|_| {
        format!("{amount} {unit} are no whole number: say how much the bucket holds with `burst`")
    })
        })?;
    Ok(Measure::Bucket { rate, per, burst })
}

fn length(every: Every, what: &str) -> Result<Duration, String> {
    every.length().ok_or_else(|| {
        if every == Every::Calendar(PeriodUnit::Total) {
            return format!(
                "a {what} has a length, and a total has none: leave the kind out, or write kind = \"period\""
            );
        }
        format!(
            "a {what} cannot last a {every}, since months differ: write 30d, or {{ amount = …, per = \"month\", kind = \"period\" }} for the calendar's"
        )
    })
}

fn sessions(max: Decimal, idle: Option<Span>) -> Result<Measure, String> {
    let idle = idle.map_or(IDLE, |Span(idle)| idle);
    if idle.is_zero() {
        return Err(
            "sessions that are gone at once count nothing: write an idle time above 0".to_owned()
        );
    }
    Ok(Measure::Sessions { cap: max.count(Unit::Requests)?, idle })
}

/// What two measures must have in common to count in the same account; `None` differs
/// from everything that has something else.
pub(super) fn shape(measure: &Measure) -> (&'static str, Duration, Option<PeriodUnit>) {
    match measure {
        Measure::Bucket { .. } => ("bucket", Duration::ZERO, None),
        Measure::Window { length, .. } => ("window", *length, None),
        Measure::Period { calendar, .. } => ("period", Duration::ZERO, Some(calendar.unit())),
        Measure::Concurrency { .. } => ("concurrency", Duration::ZERO, None),
        Measure::Sessions { .. } => ("sessions", Duration::ZERO, None),
    }
}
