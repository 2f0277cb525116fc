//! The dial of a limit: how much of it is allowed for a while, by the money that is left and by
//! how its service does.
//!
//! - **Never above the limit, never below its floor**: the share that the policy names, and
//!   the limit's own minimum.
//! - **Monotone**: the more is left of the budget, the later it is in its period, and the more
//!   calls succeed, the more is allowed.
//! - **In steps** of a thousandth, rounded down: what remembers measures has not many of a limit.
//! - **Open where all is well**: a budget that is used no faster than its time passes, and a
//!   service that does what it is asked, leave the limit as it is.
//!
//! It decides in whole numbers, and there is no clock: what is left of the time is an argument.

mod refused;

use std::{fmt, time::Duration};

use crate::{
    Standing, Time,
    policy::{Measure, Tighten},
};

/// A share of a limit that is allowed, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dial(u32);

/// A budget as it stands, and the time that it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// How much it is.
    pub amount: u64,
    /// How much of it is left.
    pub remaining: u64,
    /// How long its period is.
    pub length: Duration,
    /// How much of that is left.
    pub left: Duration,
}

/// How a service did of late.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct History {
    /// Calls that counted.
    pub calls: u64,
    /// Of these, those that failed.
    pub failures: u64,
}

/// A share of fewer calls says nothing.
pub const MIN_CALLS: u64 = 10;

const WHOLE: u32 = 1_000_000;

/// A dial moves by so much at the least, so that a limit has few measures: ledgers keep each.
const STEP: u32 = WHOLE / 1_000;

/// Longer periods count as so long: thousands of years.
const MAX_MILLIS: u128 = 1 << 43;

impl Dial {
    /// All of it is allowed.
    pub const OPEN: Self = Self(WHOLE);

    /// What a limit is dialed to.
    pub fn of(tighten: &Tighten, budget: &Budget, history: History) -> Self {
        let (spending, success) = (spending(budget), success(tighten, history));
        let both = u64::from(spending) * u64::from(success) / u64::from(WHOLE);
        let floor = millionths(tighten.floor.value());
        let both = u32::try_from(both).unwrap_or(WHOLE) / STEP * STEP;
        Self(both.max(floor).min(WHOLE))
    }

    /// The share, from 0 to 1.
    pub fn share(self) -> f64 {
        f64::from(self.0) / f64::from(WHOLE)
    }

    /// Whether all of it is allowed.
    pub const fn is_open(self) -> bool {
        self.0 >= WHOLE
    }

    /// So much of an amount, rounded up; no less than the minimum, if there is as much.
    pub fn of_amount(self, amount: u64, minimum: u64) -> u64 {
        let share = (u128::from(amount) * u128::from(self.0)).div_ceil(u128::from(WHOLE));
        u64::try_from(share).unwrap_or(amount).max(minimum).min(amount)
    }

    /// The time for which a rate is, the longer the less is allowed; rounded up, and never for
    /// ever.
    fn of_pace(self, per: Duration) -> Duration {
        let slower = per.as_nanos().saturating_mul(WHOLE.into());
        let nanos = slower.div_ceil(self.0.max(STEP).into());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// So much of what a limit allows.
    #[must_use]
    pub fn of_measure(self, measure: &Measure, minimum: u64) -> Measure {
        let less = |amount: u64| self.of_amount(amount, minimum);
        match measure {
            Measure::Bucket { rate, per, burst } => {
                // In longer time, since a rate may be one; never refilled, it would never open.
                Measure::Bucket { rate: *rate, per: self.of_pace(*per), burst: less(*burst) }
            }
            Measure::Window { length, cap } => Measure::Window { length: *length, cap: less(*cap) },
            Measure::Period { calendar, cap } => {
                Measure::Period { calendar: calendar.clone(), cap: less(*cap) }
            }
            Measure::Concurrency { cap } => Measure::Concurrency { cap: less(*cap) },
            Measure::Sessions { cap, idle } => Measure::Sessions { cap: less(*cap), idle: *idle },
        }
    }
}

impl Budget {
    /// As its account stands, where it has a period that ends.
    pub fn of(measure: &Measure, standing: &Standing, wall: Time) -> Option<Self> {
        let Measure::Period { calendar, .. } = measure else { return None };
        let crate::Kind::Period { start, end } = calendar.period(wall) else { return None };
        (end < u64::MAX).then(|| Self {
            amount: standing.cap,
            remaining: standing.remaining.saturating_add(standing.held),
            length: Duration::from_nanos(end - start),
            left: Time::from_nanos(end).since(wall),
        })
    }
}

/// What is left of the money for what is left of the time, in millionths; all where that is
/// enough for going on as evenly as time passes.
fn spending(budget: &Budget) -> u32 {
    // Of 64 bits of money, months of milliseconds and millionths, the product has room.
    let length = budget.length.as_millis().clamp(1, MAX_MILLIS);
    let left = budget.left.as_millis().min(length);
    let due = u128::from(budget.amount) * left;
    let there = u128::from(budget.remaining.min(budget.amount)) * length;
    if there >= due {
        return if budget.amount == 0 { 0 } else { WHOLE };
    }
    u32::try_from(there * u128::from(WHOLE) / due).unwrap_or(WHOLE)
}

/// The share of calls that succeeded, of the share that is asked for.
fn success(tighten: &Tighten, history: History) -> u32 {
    let History { calls, failures } = history;
    let wanted = u128::from(millionths(tighten.success.value()));
    if calls < MIN_CALLS || wanted == 0 {
        return WHOLE;
    }
    let whole = u128::from(WHOLE);
    let succeeded = u128::from(calls.saturating_sub(failures)) * whole / u128::from(calls);
    u32::try_from(succeeded * whole / wanted).unwrap_or(WHOLE).min(WHOLE)
}

fn millionths(share: f64) -> u32 {
    // A share is from 0 to 1.
    (share * f64::from(WHOLE)).round() as u32
}

impl fmt::Display for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} %", self.share() * 100.0)
    }
}
