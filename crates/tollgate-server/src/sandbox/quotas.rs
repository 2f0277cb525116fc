//! The provider's own limits: so many requests and tokens for each model in a window, a minute
//! if nothing else is set.
//!
//! They are buckets, as most providers have, full at first and refilled evenly; or fixed
//! windows, at whose end all of it is there again. A request takes all its tokens when it
//! comes, those of its answer too, since the sandbox knows what it will say. What is refused
//! takes nothing, and would be admitted at the instant it is told if nothing else came.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use smallvec::SmallVec;
pub(crate) use tollgate_core::Unit;
use tollgate_core::{Cell, Charge, Kind, LimitId, Now, Retry, Rule, Time, Warn};

use super::{LimitRefill, SandboxSettings};

/// What the limits have left, for each model.
#[derive(Debug)]
pub(crate) struct Quotas {
    charges: Charges,
    window: Duration,
    refill: LimitRefill,
    models: Mutex<HashMap<String, Model>>,
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

#[derive(Debug, Default)]
struct Model {
    cell: Cell,
    /// Which of the fixed windows it is of.
    nth: u128,
}

type Charges = SmallVec<[Charge; 2]>;

const MINUTE: Duration = Duration::from_secs(60);

/// The most models that have limits of their own; more share one's.
const MAX_MODELS: usize = 256;

impl Quotas {
    /// The limits of the settings; nothing where there are none.
    pub(crate) fn new(settings: &SandboxSettings) -> Option<Self> {
        let (window, refill) = (settings.limit_window, settings.limit_refill);
        let limits = [
            (Unit::Requests, settings.requests_per_minute),
            (Unit::Tokens, settings.tokens_per_minute),
        ];
        let charges: Charges = limits
            .into_iter()
            .filter(|(_, limit)| *limit > 0)
            .map(|(unit, limit)| charge(unit, limit.into(), window, refill))
            .collect();
        (!charges.is_empty()).then(|| Self { charges, window, refill, models: Mutex::default() })
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
        let cell = self.cell_of(&mut models, model, now);
        let now = Now { time: now.time.max(cell.latest()), ..now };
        let checked = charges.iter().enumerate().filter_map(|(nth, charge)| {
            let retry = cell.check(nth, charge, "", now).err()?;
            Some(self.exceeded(charge, cell.standing(nth, charge, now).remaining, retry, now))
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
            let standing = self.standing(charge, cell.standing(nth, charge, now).remaining, now);
            match charge.unit {
                Unit::Tokens => standings.tokens = Some(standing),
                _ => standings.requests = Some(standing),
            }
        }
        (worst.map_or(Ok(()), Err), standings)
    }

    fn cell_of<'a>(
        &self,
        models: &'a mut HashMap<String, Model>,
        name: &str,
        now: Now,
    ) -> &'a mut Cell {
        let nth = u128::from(now.time.as_nanos()) / self.window.as_nanos();
        let is_over = |model: &Model| self.refill == LimitRefill::AtReset && model.nth < nth;
        if models.len() >= MAX_MODELS && !models.contains_key(name) {
            models.retain(|_, model| !model.cell.is_idle(now) && !is_over(model));
        }
        let is_crowded = models.len() >= MAX_MODELS && !models.contains_key(name);
        let model = models.entry(if is_crowded { String::new() } else { name.to_owned() });
        let model = model.or_default();
        if is_over(model) {
            *model = Model { nth, cell: Cell::default() };
        }
        &mut model.cell
    }

    /// How long it is to the end of the fixed window.
    fn rest(&self, now: Now) -> Duration {
        let into = u128::from(now.time.as_nanos()) % self.window.as_nanos();
        self.window.saturating_sub(nanos(into))
    }

    fn exceeded(&self, charge: &Charge, remaining: u64, retry: Retry, now: Now) -> Exceeded {
        let limit = charge.rule.cap;
        let wait = match self.refill {
            LimitRefill::Evenly => retry.promised().map(|at| at.since(now.time)),
            LimitRefill::AtReset => (charge.amount <= limit).then(|| self.rest(now)),
        };
        Exceeded { unit: charge.unit, limit, used: limit - remaining, asked: charge.amount, wait }
    }

    fn standing(&self, charge: &Charge, remaining: u64, now: Now) -> Standing {
        let limit = charge.rule.cap;
        let reset_after = match self.refill {
            LimitRefill::Evenly => {
                let used = u128::from(limit - remaining);
                nanos(self.window.as_nanos() * used / u128::from(limit))
            }
            LimitRefill::AtReset => self.rest(now),
        };
        Standing { limit, remaining, reset_after }
    }
}

/// What is taken of a unit of which there is so much a minute.
fn charge(unit: Unit, per_minute: u64, window: Duration, refill: LimitRefill) -> Charge {
    let due = u128::from(per_minute) * window.as_nanos() / MINUTE.as_nanos();
    let cap = u64::try_from(due).unwrap_or(u64::MAX).max(1);
    let per_ns = MINUTE.as_nanos() as u64;
    let kind = match refill {
        LimitRefill::Evenly => Kind::Bucket { rate: per_minute, per_ns },
        LimitRefill::AtReset => Kind::TOTAL,
    };
    let name = if unit == Unit::Tokens { "tokens" } else { "requests" };
    Charge {
        limit: LimitId::new(name, &[]),
        rule: Rule { kind, cap },
        unit,
        amount: 0,
        shadow: false,
        warn: Warn::NEVER,
    }
}

fn nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
