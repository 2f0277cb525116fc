//! Budgets that reached a threshold: one line in the log, a count, and the latest of them
//! for the control plane.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use serde::Serialize;
use tollgate::{Crossing, Crossings, Store as _};

use crate::{api::Instant, app::App, live::Live};

/// The latest warnings, the newest first.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Mutex<VecDeque<Warning>>);

/// A budget that reached a threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Warning {
    at: Instant,
    /// The budget, as the policy names it.
    limit: String,
    /// Whose account it is; empty where it is kept for all together.
    account: String,
    /// The threshold as a share of the budget.
    threshold: f64,
    /// All of it in a sentence.
    message: String,
}

/// Warnings that are kept; the oldest go first.
pub(crate) const MAX_WARNINGS: usize = 100;

impl Warnings {
    /// Tells of every threshold that was crossed since this was last asked.
    pub(crate) fn collect(app: &App) {
        let Crossings { known, lost } = app.gate.store().take_crossings();
        if lost > 0 {
            tracing::warn!(lost, "BUDGET: more budgets reached a threshold than can be told of");
            app.metrics.warnings_lost(lost);
        }
        if known.is_empty() {
            return;
        }
        let live = app.live();
        for crossing in known {
            let Some(warning) = Warning::new(&crossing, &live) else { continue };
            tracing::warn!(limit = warning.limit, account = warning.account, "{}", warning.message);
            app.metrics.warned(&warning.limit, warning.threshold);
            let limit = live.policy.limit(crossing.limit);
            if let Some(limit) = limit.filter(|limit| !limit.per.is_empty() && !limit.shadow) {
                app.alerts.crossed.note(limit, crossing.percent, crossing.at.wall);
            }
            app.warnings.keep(warning);
        }
    }

    /// The latest, the newest first.
    pub(crate) fn latest(&self) -> Vec<Warning> {
        self.0.lock().iter().cloned().collect()
    }

    fn keep(&self, warning: Warning) {
        let mut all = self.0.lock();
        all.truncate(MAX_WARNINGS - 1);
        all.push_front(warning);
    }
}

impl Warning {
    /// `None` if no policy has the budget any more.
    fn new(crossing: &Crossing, live: &Arc<Live>) -> Option<Self> {
        let limit = live.policy.limit(crossing.limit)?;
        let account = limit.whose(&crossing.key);
        let of = if account.is_empty() { String::new() } else { format!(" of {account}") };
        let kind = if limit.refuses() { "" } else { "soft " };
        let message = format!(
            "BUDGET {}{of}: {} % of the {kind}budget is used, {} of {}",
            limit.name,
            crossing.percent,
            limit.say(crossing.settled),
            limit.say(crossing.cap),
        );
        Some(Self {
            at: Instant::new(crossing.at.time, crossing.at),
            limit: limit.name.to_string(),
            account,
            threshold: f64::from(crossing.percent) / 100.0,
            message,
        })
    }
}
