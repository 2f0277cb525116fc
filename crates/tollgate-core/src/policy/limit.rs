//! One rule of a compiled policy.

use std::{fmt, sync::Arc, time::Duration};

use compact_str::CompactString;

use crate::{
    Amounts, Attribute, Attributes, Calendar, Charge, Kind, LimitId, NanoUsd, PeriodUnit, Rule,
    Time, Unit, Warn,
    policy::{
        Queue, Tighten, When, kept,
        settings::{OnStoreFailure, SyncMode},
    },
};

/// One rule: when it applies, per which attributes it is kept, what it counts, how much.
#[derive(Debug, Clone)]
pub struct Limit {
    /// The same across reloads as long as name and `per` are.
    pub id: LimitId,
    /// As the policy names it.
    pub name: CompactString,
    /// Which requests it applies to.
    pub when: When,
    /// Which attributes it is kept per; empty for one account in all.
    pub per: Vec<Attribute>,
    /// What it counts.
    pub unit: Unit,
    /// How it counts and how much it allows.
    pub measure: Measure,
    /// Other amounts for the tiers named here, of the same kind of measure.
    pub tiers: Vec<(CompactString, Measure)>,
    /// Counts and reports, but never refuses.
    pub shadow: bool,
    /// When it warns, and whether it is a soft budget that does nothing else.
    pub warn: Warn,
    /// What `Retry-After` says where no instant can be promised.
    pub retry_after: Duration,
    /// The status of its refusals, where the policy chooses one.
    pub status: Option<u16>,
    /// Where requests wait that it would refuse; without one they are refused at once.
    pub queue: Option<Queue>,
    /// What is left of it when it is dialed down, in its unit as it is counted; a tier that
    /// has less keeps that.
    pub minimum: u64,
    /// By which budget it is dialed down, if by one.
    pub tighten: Option<Tighten>,
    /// What critical work keeps of it in emergency mode; where nothing is said, all of it.
    pub keeps: Option<u64>,
    /// How nodes that share it decide.
    pub sync: SyncMode,
    /// What decides about it while the shared store is away, where it says so itself.
    pub on_store_failure: Option<OnStoreFailure>,
}

/// How a limit counts and how much it allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// Refills `rate` units every `per`, holds `burst`.
    Bucket {
        /// Units refilled every `per`, at least 1.
        rate: u64,
        /// At least a nanosecond.
        per: Duration,
        /// The most it holds.
        burst: u64,
    },
    /// At most `cap` in every interval of `length`.
    Window {
        /// At least a nanosecond.
        length: Duration,
        /// The most it allows.
        cap: u64,
    },
    /// At most `cap` in each period of the calendar, or in all.
    Period {
        /// What cuts the time.
        calendar: Arc<Calendar>,
        /// The most it allows.
        cap: u64,
    },
    /// At most `cap` at once.
    Concurrency {
        /// The most it allows.
        cap: u64,
    },
    /// At most `cap` sessions at once.
    Sessions {
        /// The most it allows.
        cap: u64,
        /// Idle time after which a session is gone.
        idle: Duration,
    },
}

impl Limit {
    /// A limit for every request, the same for all tiers, that refuses; the fields say more.
    pub fn new(name: &str, per: &[Attribute], unit: Unit, measure: Measure) -> Self {
        let minimum = measure.least();
        let keeps = kept::by_default(unit, &measure);
        Self {
            id: LimitId::new(name, per),
            name: name.into(),
            when: When::default(),
            per: per.to_vec(),
            unit,
            measure,
            tiers: Vec::new(),
            shadow: false,
            warn: Warn::NEVER,
            retry_after: Duration::from_secs(5),
            status: None,
            queue: None,
            minimum,
            tighten: None,
            keeps,
            sync: SyncMode::Auto,
            on_store_failure: None,
        }
    }

    /// The charge this limit makes for a demand, if it applies.
    pub(crate) fn charge(&self, who: &Attributes, demand: &Amounts, wall: Time) -> Option<Charge> {
        if !self.when.matches(who) {
            return None;
        }
        let mut charge = self.charge_under(self.measure_for(who).rule(wall));
        charge.amount = charge.asked(demand);
        Some(charge)
    }

    /// The charge that it makes of everybody, at the beginning of time and but for the
    /// amount; none if it depends on who asks.
    pub(crate) fn charge_of_all(&self) -> Option<Charge> {
        let depends = !self.when.conditions().is_empty() || !self.tiers.is_empty();
        (!depends).then(|| self.charge_under(self.measure.rule(Time::ZERO)))
    }

    const fn charge_under(&self, rule: Rule) -> Charge {
        let shadow = !self.refuses();
        Charge { limit: self.id, rule, unit: self.unit, amount: 0, shadow, warn: self.warn }
    }

    /// Whether it can refuse anything: not in shadow, and not as a soft budget.
    pub const fn refuses(&self) -> bool {
        !self.shadow && !self.warn.soft
    }

    /// The measure for a caller: what it is granted, else its tier's where the limit names
    /// it, else the general one.
    pub fn measure_for<'a>(&'a self, who: &'a Attributes) -> &'a Measure {
        if let Some(granted) = who.grants().of(self.id) {
            return granted;
        }
        if self.tiers.is_empty() {
            return &self.measure;
        }
        let tier = who.value(&Attribute::Tier);
        self.tiers
            .iter()
            .find(|(name, _)| Some(name.as_str()) == tier)
            .map_or(&self.measure, |(_, measure)| measure)
    }

    /// An amount of what it counts, as people say it: `$4.01`.
    pub fn say(&self, amount: u64) -> String {
        self::amount(self.unit, amount)
    }

    /// What it allows, as people say it: `10 requests per minute`.
    pub fn describe(&self, who: &Attributes) -> String {
        format!("{}", Described { unit: self.unit, measure: self.measure_for(who) })
    }
}

impl Measure {
    /// The most it allows.
    pub const fn cap(&self) -> u64 {
        match self {
            Self::Bucket { burst, .. } => *burst,
            Self::Window { cap, .. }
            | Self::Period { cap, .. }
            | Self::Concurrency { cap }
            | Self::Sessions { cap, .. } => *cap,
        }
    }

    /// One unit or one slot, if it allows as much.
    pub(crate) fn least(&self) -> u64 {
        self.cap().min(1)
    }

    /// The rule at an instant of the wall clock.
    pub fn rule(&self, wall: Time) -> Rule {
        let kind = match self {
            Self::Bucket { rate, per, .. } => Kind::Bucket { rate: *rate, per_ns: nanos(*per) },
            Self::Window { length, .. } => Kind::Window { length_ns: nanos(*length) },
            Self::Period { calendar, .. } => calendar.period(wall),
            Self::Concurrency { .. } => Kind::Concurrency,
            Self::Sessions { idle, .. } => Kind::Sessions { idle_ns: nanos(*idle) },
        };
        Rule { kind, cap: self.cap() }
    }
}

struct Described<'a> {
    unit: Unit,
    measure: &'a Measure,
}

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.measure {
            Measure::Bucket { rate, per, burst } => {
                write!(f, "{} per {}", amount(self.unit, *rate), span(*per))?;
                write!(f, " with a burst of {}", amount(self.unit, *burst))
            }
            Measure::Window { length, cap } => {
                write!(f, "{} per {}", amount(self.unit, *cap), span(*length))
            }
            Measure::Period { calendar, cap } => {
                let period = match calendar.unit() {
                    PeriodUnit::Day => "per calendar day",
                    PeriodUnit::Week => "per calendar week",
                    PeriodUnit::Month => "per calendar month",
                    PeriodUnit::Total => "in all",
                };
                write!(f, "{} {period}", amount(self.unit, *cap))
            }
            Measure::Concurrency { cap } => write!(f, "{cap} at once"),
            Measure::Sessions { cap, .. } => write!(f, "{cap} sessions at once"),
        }
    }
}

/// An amount with its unit, as people say it.
fn amount(unit: Unit, amount: u64) -> String {
    match unit {
        Unit::Requests => format!("{amount} requests"),
        Unit::Tokens => format!("{amount} tokens"),
        Unit::InputTokens => format!("{amount} input tokens"),
        Unit::OutputTokens => format!("{amount} output tokens"),
        Unit::Usd => format!("${}", NanoUsd(amount)),
        Unit::Seconds if amount.is_multiple_of(1000) => format!("{} seconds", amount / 1000),
        Unit::Seconds => format!("{}.{:03} seconds", amount / 1000, amount % 1000),
    }
}

/// A length of time, as people say it after "per".
fn span(length: Duration) -> String {
    for (name, seconds) in [("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)] {
        if length == Duration::from_secs(seconds) {
            return name.to_owned();
        }
        if length.subsec_nanos() == 0 && length.as_secs().is_multiple_of(seconds) {
            return format!("{} {name}s", length.as_secs() / seconds);
        }
    }
    format!("{length:?}")
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1)
}
