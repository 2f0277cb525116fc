//! One line of the table: so many users under the policy, or under a part of it.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use tollgate_core::{Attributes, NanoUsd, Policy};

use super::{
    scene::Variation,
    tally::{Slice, Tally, Used},
    world::World,
};
use crate::load::{Latencies, percent};

/// What so many users meet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) users: u32,
    pub(crate) variation: Variation,
    /// Requests that were sent: those that were served, refused or failed. Nobody is left waiting.
    pub(crate) asked: u64,
    pub(crate) served: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    /// Refused of all that were sent.
    pub(crate) throttled_percent: f64,
    pub(crate) verdict: Verdict,
    /// What the users ask for, in the mean.
    pub(crate) requests_per_minute: f64,
    pub(crate) tokens_per_minute: f64,
    /// The most that was served in any minute.
    pub(crate) peak_requests_per_minute: u64,
    pub(crate) peak_tokens_per_minute: u64,
    /// The most requests at once that models had.
    pub(crate) at_once: u64,
    /// Of those that were served, the ones that waited.
    pub(crate) waited: u64,
    /// How long those waited that were served, in microseconds.
    pub(crate) waits_us: Option<Latencies>,
    /// By `provider/model`.
    pub(crate) by_model: BTreeMap<String, Used>,
    /// The model that is asked first, where there is an order.
    pub(crate) first_model: Option<String>,
    pub(crate) cost_usd: NanoUsd,
    /// What throttled requests or had them wait, the most often first.
    pub(crate) in_the_way: Vec<InTheWay>,
    pub(crate) timeline: Vec<Slice>,
}

/// What throttled requests or had them wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct InTheWay {
    /// A limit of the policy, or what else it was.
    pub(crate) name: String,
    /// What it allows, where it is a limit of the policy.
    pub(crate) allows: Option<String>,
    pub(crate) refused: u64,
    pub(crate) waited: u64,
}

/// What a throttled share means for those who ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Less than 2 %: hardly anybody notices.
    Good,
    /// At most 10 %: it can be lived with for a while.
    Tight,
    TooMany,
}

/// Less than this is good, in percent.
const GOOD_PERCENT: f64 = 2.0;
/// More than this is too much, in percent.
const TIGHT_PERCENT: f64 = 10.0;

impl Verdict {
    pub(super) fn of(throttled_percent: f64) -> Self {
        if throttled_percent < GOOD_PERCENT {
            Self::Good
        } else if throttled_percent <= TIGHT_PERCENT {
            Self::Tight
        } else {
            Self::TooMany
        }
    }

    /// In a word or two.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Tight => "tight",
            Self::TooMany => "too many",
        }
    }
}

impl Row {
    /// What a run came to in which so many were asked in so long.
    pub(super) fn new(
        world: &World,
        (users, variation): (u32, Variation),
        (asked, lasts): (u64, Duration),
        tally: &Tally,
    ) -> Self {
        let minutes = lasts.as_secs_f64().max(1.0) / 60.0;
        let throttled_percent = percent(tally.refused, tally.ended());
        let app = &world.app;
        Self {
            users,
            variation,
            asked,
            served: tally.served,
            refused: tally.refused,
            failed: tally.failed,
            throttled_percent,
            verdict: Verdict::of(throttled_percent),
            requests_per_minute: asked as f64 / minutes,
            tokens_per_minute: (tally.tokens.input + tally.tokens.output) as f64 / minutes,
            peak_requests_per_minute: tally.peak.0,
            peak_tokens_per_minute: tally.peak.1,
            at_once: tally.at_once,
            waited: tally.waited,
            waits_us: Latencies::of(&tally.waits),
            by_model: tally.by_model.clone(),
            first_model: world.asking.first.clone(),
            cost_usd: app.metrics.totals().cost_usd,
            in_the_way: in_the_way(world, tally),
            timeline: tally.timeline.clone(),
        }
    }

    /// The longest of so many parts of a hundred of the waits, in seconds: 0.95 for all but the
    /// longest twentieth.
    pub(crate) fn wait_seconds(&self, of: impl Fn(&Latencies) -> u64) -> f64 {
        self.waits_us.as_ref().map_or(0.0, |waits| of(waits) as f64 / 1e6)
    }

    /// Requests that another model than the first served.
    pub(crate) fn fallback(&self) -> u64 {
        self.timeline.iter().map(|slice| slice.fallback).sum()
    }
}

/// The limits that were waited for or refused, and what else refused.
fn in_the_way(world: &World, tally: &Tally) -> Vec<InTheWay> {
    let policy = world.app.gate.policy();
    let mut found: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (name, refused) in &tally.refused_by {
        found.entry(name.clone()).or_default().0 += refused;
    }
    for limit in world.app.metrics.by_limit().into_iter().filter(|limit| limit.waited > 0) {
        found.entry(limit.limit).or_default().1 += limit.waited;
    }
    let all = found.into_iter().map(|(name, (refused, waited))| {
        let allows = allows(&policy, &name);
        InTheWay { name, allows, refused, waited }
    });
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|it| std::cmp::Reverse((it.refused + it.waited, it.refused)));
    all
}

fn allows(policy: &Policy, name: &str) -> Option<String> {
    let limit = policy.limits().iter().find(|limit| limit.name == name)?;
    Some(limit.describe(&Attributes::new()))
}
