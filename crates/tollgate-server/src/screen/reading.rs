//! What one round of questions told of a gateway.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    services::{self, Service},
    told::{instant, list, number, text, whole},
};

/// The answers of one round. What could not be had is null.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers {
    /// `/v1/monitor`.
    pub(crate) monitor: Value,
    /// `/status`.
    pub(crate) status: Value,
    /// `/v1/circuits`.
    pub(crate) circuits: Value,
    /// `/v1/top` by user and by model.
    pub(crate) by_user: Value,
    pub(crate) by_model: Value,
    /// Why there is no spend.
    pub(crate) no_spend: Option<String>,
}

/// How a gateway is.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(super) version: String,
    pub(super) stage: String,
    pub(super) listen: String,
    pub(super) profile: Option<String>,
    pub(super) store: String,
    pub(super) store_is_well: bool,
    pub(super) uptime: u64,
    /// Its own wall clock.
    pub(super) now: Option<Timestamp>,
    pub(crate) health: Health,
    pub(super) score: Option<f64>,
    pub(super) emergency: Option<Emergency>,
    pub(super) totals: Totals,
    pub(super) running: u64,
    pub(super) waiting: Option<u64>,
    per_minute: Option<f64>,
    pub(super) users: Option<u64>,
    pub(crate) services: Vec<Service>,
    pub(crate) limits: Vec<Limit>,
    pub(crate) alerts: Vec<Alert>,
    /// Budgets that reached a threshold, the newest first.
    pub(super) warnings: Vec<Warning>,
    pub(super) spend: Spend,
}

/// How well something is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Health {
    Critical,
    Degraded,
    Healthy,
    Idle,
    #[default]
    Unknown,
}

/// Everything is at its minimum, and who wanted it so.
#[derive(Debug, Default)]
pub(super) struct Emergency {
    pub(super) since: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
    pub(super) who: Option<String>,
    pub(super) reason: Option<String>,
}

/// Sums since the start.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) requests: u64,
    pub(super) admitted: u64,
    pub(super) refused: u64,
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) cost: f64,
    pub(super) overrun: f64,
    pub(super) saved: f64,
}

/// One limit of the policy.
#[derive(Debug, Default)]
pub(crate) struct Limit {
    pub(crate) name: String,
    pub(super) per: String,
    pub(super) allows: String,
    /// `shadow` or `soft`, where it never refuses.
    pub(super) mode: Option<&'static str>,
    pub(super) refused: u64,
    pub(super) waited: Option<u64>,
    pub(super) shadowed: u64,
    pub(super) dial: Option<f64>,
    /// Who waits before it now, and how full its fullest queue is.
    pub(super) waiting: Option<u64>,
    pub(super) fullest: Option<f64>,
    pub(super) standing: Option<Standing>,
    pub(super) told: Value,
}

/// Where a limit stands that is kept for all requests together.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) unit: String,
    pub(super) limit: f64,
    pub(super) left: f64,
    pub(super) resets: Option<Timestamp>,
}

/// Something that is not as it should be, and holds now.
#[derive(Debug, Default)]
pub(crate) struct Alert {
    pub(super) name: String,
    pub(super) is_critical: bool,
    pub(super) subject: Option<String>,
    pub(super) value: Option<String>,
    pub(super) threshold: Option<String>,
    pub(super) since: Option<Timestamp>,
    pub(super) message: String,
}

/// A budget that reached a threshold.
#[derive(Debug)]
pub(super) struct Warning {
    pub(super) at: Option<Timestamp>,
    pub(super) message: String,
}

/// What the last day cost.
#[derive(Debug, Default)]
pub(super) struct Spend {
    /// Why it is not known.
    pub(super) missing: Option<String>,
    pub(super) total: Spender,
    pub(super) by_user: Vec<Spender>,
    pub(super) by_model: Vec<Spender>,
}

/// Who spent, or what for.
#[derive(Debug, Default)]
pub(super) struct Spender {
    pub(super) name: String,
    pub(super) cost: f64,
    pub(super) requests: u64,
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) overrun: f64,
    pub(super) estimated: u64,
    pub(super) share: Option<f64>,
}

/// Things of a kind that are shown.
pub(super) const MAX_ITEMS: usize = 2_000;

impl Reading {
    /// What the answers tell.
    pub(crate) fn of(answers: &Answers) -> Self {
        let Answers { monitor, status, .. } = answers;
        let uptime = whole(&status["uptime_seconds"]).unwrap_or_default();
        let store = &status["store"];
        let services = services::all(monitor, &answers.circuits);
        let queued = || services.iter().filter_map(|service| service.queue).reduce(|a, b| a + b);
        Self {
            version: text(&status["version"]).unwrap_or_default(),
            stage: text(&status["stage"]).unwrap_or_default(),
            listen: text(&status["listen"]).unwrap_or_default(),
            profile: text(&status["policy"]["profile"]),
            store: text(&store["kind"]).unwrap_or_default(),
            store_is_well: store["healthy"] == true,
            uptime,
            now: instant(&status["started_at"]).and_then(|started| {
                let since = SignedDuration::from_secs(i64::try_from(uptime).ok()?);
                started.checked_add(since).ok()
            }),
            health: Health::of(&monitor["overall_status"]),
            score: number(&monitor["health_score"]),
            emergency: Emergency::of(&monitor["emergency"]),
            totals: Totals::of(&status["totals"], &status["cache"]),
            running: whole(&status["concurrent"]).unwrap_or_default(),
            waiting: whole(&monitor["total"]["queue"]).or_else(queued),
            per_minute: number(&monitor["total"]["cost_per_minute_usd"]),
            users: whole(&status["users"]),
            services,
            limits: list(&status["limits"], MAX_ITEMS)
                .map(|told| Limit::of(told, &monitor["queues"]))
                .collect(),
            alerts: alerts(&monitor["alerts"]),
            warnings: list(&status["budget_warnings"], MAX_ITEMS).map(Warning::of).collect(),
            spend: Spend::of(answers),
        }
    }

    /// Dollars per minute of all services, where they tell.
    pub(super) fn per_minute(&self) -> Option<f64> {
        let of_services = || self.services.iter().filter_map(|service| service.per_minute);
        self.per_minute.or_else(|| of_services().reduce(|a, b| a + b))
    }

    /// How long something has lasted.
    pub(super) fn age(&self, since: Option<Timestamp>) -> Option<u64> {
        let age = self.now?.duration_since(since?);
        Some(u64::try_from(age.as_secs()).unwrap_or_default())
    }
}

impl Health {
    pub(super) fn of(told: &Value) -> Self {
        match told.as_str() {
            Some("critical") => Self::Critical,
            Some("degraded") => Self::Degraded,
            Some("healthy") => Self::Healthy,
            Some("idle") => Self::Idle,
            _ => Self::Unknown,
        }
    }

    /// In a word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Degraded => "degraded",
            Self::Healthy => "healthy",
            Self::Idle => "idle",
            Self::Unknown => "unknown",
        }
    }
}

impl Emergency {
    fn of(told: &Value) -> Option<Self> {
        told.is_object().then(|| Self {
            since: instant(&told["since_at"]),
            until: instant(&told["until_at"]),
            who: text(&told["who"]),
            reason: text(&told["reason"]),
        })
    }
}

impl Totals {
    fn of(told: &Value, cache: &Value) -> Self {
        let count = |name: &str| whole(&told[name]).unwrap_or_default();
        let usd = |name: &str| number(&told[name]).unwrap_or_default();
        Self {
            requests: count("requests"),
            admitted: count("admitted"),
            refused: count("refused"),
            input_tokens: count("input_tokens"),
            output_tokens: count("output_tokens"),
            cost: usd("cost_usd"),
            overrun: usd("overrun_usd"),
            saved: number(&cache["saved_usd"]).unwrap_or_default(),
        }
    }
}

impl Limit {
    fn of(told: &Value, queues: &Value) -> Self {
        let standing = &told["standing"];
        let queue = list(queues, MAX_ITEMS).find(|it| it["limit"] == told["name"]);
        Self {
            waiting: queues
                .is_array()
                .then(|| queue.and_then(|it| whole(&it["waiting"])).unwrap_or_default()),
            fullest: queue.and_then(|it| number(&it["fullest"])),
            name: text(&told["name"]).unwrap_or_default(),
            per: text(&told["per"]).unwrap_or_default(),
            allows: text(&told["allows"]).unwrap_or_default(),
            mode: match (&told["shadow"], &told["soft"]) {
                (Value::Bool(true), _) => Some("shadow"),
                (_, Value::Bool(true)) => Some("soft"),
                _ => None,
            },
            refused: whole(&told["refused"]).unwrap_or_default(),
            waited: whole(&told["waited"]),
            shadowed: whole(&told["shadowed"]).unwrap_or_default(),
            dial: number(&told["dial"]),
            standing: number(&standing["limit"]).zip(number(&standing["remaining"])).map(
                |(limit, left)| Standing {
                    unit: text(&standing["unit"]).unwrap_or_default(),
                    limit,
                    left,
                    resets: instant(&standing["reset_at"]),
                },
            ),
            told: told.clone(),
        }
    }

    /// The share of it that is used or reserved, of what its dial leaves of it.
    pub(super) fn used(&self) -> Option<f64> {
        let Standing { limit, left, .. } = self.standing.as_ref()?;
        Some(if *limit > 0.0 { (1.0 - left / limit).clamp(0.0, 1.0) } else { 1.0 })
    }

    /// How much it is in the way, to put the first first.
    pub(super) fn pressure(&self) -> f64 {
        let dialed = self.dial.map_or(0.0, |dial| 1.0 - dial);
        let waited =
            self.waited.unwrap_or_default().saturating_add(self.waiting.unwrap_or_default());
        let refuses = if self.refused > 0 || waited > 0 { 0.5 } else { 0.0 };
        self.used().unwrap_or_default().max(dialed) + refuses
    }
}

impl Warning {
    fn of(told: &Value) -> Self {
        Self { at: instant(&told["at"]), message: text(&told["message"]).unwrap_or_default() }
    }
}

impl Spend {
    fn of(answers: &Answers) -> Self {
        let rows = |told: &Value, by: &str| {
            list(&told["rows"], MAX_ITEMS).map(|row| Spender::of(row, &row[by])).collect()
        };
        Self {
            missing: answers.no_spend.clone(),
            total: Spender::of(&answers.by_user["total"], &Value::Null),
            by_user: rows(&answers.by_user, "user"),
            by_model: rows(&answers.by_model, "model"),
        }
    }
}

impl Spender {
    fn of(told: &Value, name: &Value) -> Self {
        let count = |name: &str| whole(&told[name]).unwrap_or_default();
        let name = text(name).filter(|name| !name.is_empty());
        Self {
            name: name.unwrap_or_else(|| "(none)".to_owned()),
            cost: number(&told["cost_usd"]).unwrap_or_default(),
            requests: count("requests"),
            input_tokens: count("input_tokens"),
            output_tokens: count("output_tokens"),
            overrun: number(&told["overrun_usd"]).unwrap_or_default(),
            estimated: count("estimated"),
            share: number(&told["share_percent"]).map(|percent| percent / 100.0),
        }
    }
}

/// The alerts, the critical ones first and then the oldest.
fn alerts(told: &Value) -> Vec<Alert> {
    let mut alerts: Vec<Alert> = list(told, MAX_ITEMS).map(Alert::of).collect();
    alerts.sort_by_key(|alert| (!alert.is_critical, alert.since));
    alerts
}

impl Alert {
    fn of(told: &Value) -> Self {
        Self {
            name: text(&told["name"]).unwrap_or_default(),
            is_critical: told["severity"] == "critical",
            subject: text(&told["subject"]),
            value: text(&told["value"]),
            threshold: text(&told["threshold"]),
            since: instant(&told["since_at"]),
            message: text(&told["message"]).unwrap_or_default(),
        }
    }

    /// What tells it from others.
    pub(super) fn key(&self) -> String {
        format!("{} {}", self.name, self.subject.as_deref().unwrap_or_default())
    }
}
