//! The provider's own limits: so many requests and tokens a minute for each model.
//!
//! They are buckets of one minute, as most providers have: full at first, refilled evenly. A
//! request takes all its tokens when it comes, those of its answer too, since the sandbox knows
//! what it will say. What is refused takes nothing, and would be admitted at the instant it is
//! told if nothing else came.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use smallvec::SmallVec;
pub(crate) use tollgate_core::Unit;
use tollgate_core::{Cell, Charge, Kind, LimitId, Now, Retry, Rule, Time, Warn};

use super::SandboxSettings;

/// What the limits have left, for each model.
#[derive(Debug)]
pub(crate) struct Quotas {
    charges: Charges,
    models: Mutex<HashMap<String, Cell>>,
}

/// Where the limits stand after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standings {
    /// When that is so, by the wall clock.
    pub(crate) wall: Time,
    pub(crate) requests: Option<Standing>,
    pub(crate) tokens: Option<Standing>,
}

/// Where one limit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    /// How long until there is all of it again.
    pub(crate) reset_after: Duration,
}

/// A limit that a request does not fit in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exceeded {
    pub(crate) unit: Unit,
    pub(crate) limit: u64,
    pub(crate) used: u64,
    pub(crate) asked: u64,
    /// How long until it fits; nothing where it never does.
    pub(crate) wait: Option<Duration>,
}

type Charges = SmallVec<[Charge; 2]>;

const MINUTE: Duration = Duration::from_secs(60);

/// The most models that have limits of their own; more share one's.
const MAX_MODELS: usize = 256;

impl Quotas {
    /// The limits of the settings; nothing where there are none.
    pub(crate) fn new(settings: &SandboxSettings) -> Option<Self> {
        let limits = [
            (Unit::Requests, settings.requests_per_minute),
            (Unit::Tokens, settings.tokens_per_minute),
        ];
        let charges: Charges = limits
            .into_iter()
            .filter(|(_, limit)| *limit > 0)
            .map(|(unit, limit)| charge(unit, limit.into()))
            .collect();
        (!charges.is_empty()).then(|| Self { charges, models: Mutex::default() })
    }

    /// Takes one request of so many tokens, or says which limit it does not fit in.
    pub(crate) fn take(
        &self,
        model: &str,
        tokens: u64,
        now: Now,
    ) -> (Result<(), Exceeded>, Standings) {
        let mut charges = self.charges.clone();
        for charge in &mut charges {
            charge.amount = if charge.unit == Unit::Tokens { tokens } else { 1 };
        }
        let mut models = self.models.lock();
        let cell = cell_of(&mut models, model, now);
        let now = Now { time: now.time.max(cell.latest()), ..now };
        let checked = charges.iter().enumerate().filter_map(|(nth, charge)| {
            let retry = cell.check(nth, charge, "", now).err()?;
            Some(exceeded(charge, cell.standing(nth, charge, now).remaining, retry, now))
        });
        // The longest wait; what never fits is longer than any.
        let worst = checked.max_by_key(|exceeded| exceeded.wait.unwrap_or(Duration::MAX));
        if worst.is_none() {
            for (nth, charge) in charges.iter_mut().enumerate() {
                cell.hold(nth, charge, "", now);
            }
        }
        let mut standings = Standings { wall: now.wall, requests: None, tokens: None };
        for (nth, charge) in charges.iter().enumerate() {
            let standing = standing(charge, cell.standing(nth, charge, now).remaining);
            match charge.unit {
                Unit::Tokens => standings.tokens = Some(standing),
                _ => standings.requests = Some(standing),
            }
        }
        (worst.map_or(Ok(()), Err), standings)
    }
}

fn charge(unit: Unit, limit: u64) -> Charge {
    let kind = Kind::Bucket { rate: limit, per_ns: MINUTE.as_nanos() as u64 };
    let name = if unit == Unit::Tokens { "tokens" } else { "requests" };
    Charge {
        limit: LimitId::new(name, &[]),
        rule: Rule { kind, cap: limit },
        unit,
        amount: 0,
        shadow: false,
        warn: Warn::NEVER,
    }
}

fn cell_of<'a>(models: &'a mut HashMap<String, Cell>, model: &str, now: Now) -> &'a mut Cell {
    if models.len() >= MAX_MODELS && !models.contains_key(model) {
        models.retain(|_, cell| !cell.is_idle(now));
    }
    let is_crowded = models.len() >= MAX_MODELS && !models.contains_key(model);
    models.entry(if is_crowded { String::new() } else { model.to_owned() }).or_default()
}

fn exceeded(charge: &Charge, remaining: u64, retry: Retry, now: Now) -> Exceeded {
    let limit = charge.rule.cap;
    let wait = retry.promised().map(|at| at.since(now.time));
    Exceeded { unit: charge.unit, limit, used: limit - remaining, asked: charge.amount, wait }
}

fn standing(charge: &Charge, remaining: u64) -> Standing {
    let limit = charge.rule.cap;
    let nanos = MINUTE.as_nanos() * u128::from(limit - remaining) / u128::from(limit);
    let reset_after = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
    Standing { limit, remaining, reset_after }
}
