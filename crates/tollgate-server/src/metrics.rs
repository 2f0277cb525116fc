//! What the process counts: decisions, tokens, money and time.
//!
//! Counting takes no lock: one relaxed addition for each number, found by a look-up in a
//! map that is only ever replaced. Labels come from the policy and from providers, never
//! from users or keys, and every set of them has a maximum beyond which `other` counts.
//! Money is whole nano-dollars until it is shown, so that sums are exact.

mod histogram;
mod history;
mod labels;
mod running;
mod seen;
#[cfg(test)]
mod tests;
mod text;
mod totals;

use std::time::Duration;

use crossbeam_utils::CachePadded;
use parking_lot::Mutex;
use tollgate::{Crowd, Present};
use tollgate_core::{Amounts, LimitId, Policy, Refusal, Usage};

use histogram::Histogram;
use history::History;
pub(crate) use history::{Decided, OfLimit};
use labels::Labels;
pub(crate) use running::UserCount;
pub(crate) use seen::{Decisions, Used};
pub(crate) use text::{CONTENT_TYPE, Gauges};
use totals::Count;
pub(crate) use totals::{LimitTotals, ProviderTotals, Totals};

/// The numbers of one process, from its start.
#[derive(Debug)]
pub(crate) struct Metrics {
    admitted: CachePadded<Count>,
    refused: Count,
    /// Those of them that would have been admitted with more room, or from something well.
    held_back: Count,
    by_limit: Labels<LimitCounts>,
    by_reason: Labels<Count>,
    by_provider: Labels<ProviderCounts>,
    used: CachePadded<UsedCounts>,
    overrun_nanos: Count,
    added: Histogram,
    round_trip: Histogram,
    store_failures: Labels<Count>,
    queued: Histogram,
    crowd: Crowd,
    history: Mutex<History>,
}

/// A request that has ended, however it did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finished<'a> {
    /// As the policy names it; empty for permits of `/v1` that name none.
    pub(crate) provider: &'a str,
    /// As the request names it; empty where there is none.
    pub(crate) model: &'a str,
    /// What it was charged.
    pub(crate) usage: &'a Usage,
    /// What of that is more than was reserved.
    pub(crate) overrun: &'a Amounts,
    /// From its arrival to the end of its response, where a request was carried.
    pub(crate) lasted: Option<Duration>,
    /// What of that the gateway itself took, where it is known.
    pub(crate) added: Option<Duration>,
}

#[derive(Debug)]
struct LimitCounts {
    refused: Count,
    waited: Count,
    shadowed: Count,
    /// By the threshold that was reached.
    warned: Labels<Count>,
}

#[derive(Debug)]
struct ProviderCounts {
    lasted: Histogram,
    by_model: Labels<UsedCounts>,
}

#[derive(Debug, Default)]
struct UsedCounts {
    input_tokens: Count,
    output_tokens: Count,
    nanos: Count,
}

/// Limits that are told apart, over all reloads.
const MAX_LIMITS: usize = 256;
/// Providers that are told apart.
const MAX_PROVIDERS: usize = 64;
/// Models that are told apart, for each provider.
const MAX_MODELS: usize = 128;
/// Thresholds that are told apart, for each limit, over all reloads.
const MAX_WARNED: usize = 16;
/// Reasons and modes that are told apart; the code has fewer.
const MAX_REASONS: usize = 32;

/// Reasons, other than limits, that say nothing against the request itself.
const HOLD_BACK: [&str; 5] =
    ["store_unavailable", "overloaded", "circuit_open", "too_many_requests", "emergency_mode"];

/// What a limit is called that no policy names any more.
const GONE: &str = "gone";

impl Default for Metrics {
    fn default() -> Self {
        Self {
            admitted: CachePadded::default(),
            refused: Count::default(),
            held_back: Count::default(),
            by_limit: Labels::at_most(MAX_LIMITS),
            by_reason: Labels::at_most(MAX_REASONS),
            by_provider: Labels::at_most(MAX_PROVIDERS),
            used: CachePadded::default(),
            overrun_nanos: Count::default(),
            added: Histogram::of_gateway(),
            round_trip: Histogram::of_gateway(),
            store_failures: Labels::at_most(MAX_REASONS),
            queued: Histogram::of_queues(),
            crowd: Crowd::default(),
            history: Mutex::default(),
        }
    }
}

impl Metrics {
    /// Counts a request that was admitted, and the shadow limits that would have refused it.
    pub(crate) fn admitted(&self, policy: &Policy, shadowed: &[LimitId]) {
        self.admitted.add(1);
        self.shadowed(policy, shadowed);
    }

    /// Counts a request that was refused; `reason` is the `error` of its answer.
    pub(crate) fn refused(&self, policy: &Policy, refusal: &Refusal, reason: &'static str) {
        self.refused.add(1);
        self.held_back.add(1);
        self.by_limit.with(name(policy, refusal.limit), |limit| limit.refused.add(1));
        self.by_reason.with(reason, |count| count.add(1));
        self.shadowed(policy, &refusal.shadowed);
    }

    /// Counts a request that was refused for a reason that is no limit: a model without a
    /// price, a store that cannot answer.
    pub(crate) fn turned_away(&self, reason: &'static str) {
        self.refused.add(1);
        if HOLD_BACK.contains(&reason) {
            self.held_back.add(1);
        }
        self.by_reason.with(reason, |count| count.add(1));
    }

    /// Counts a stream that was admitted and had to end before its answer did.
    pub(crate) fn cut_short(&self, reason: &'static str) {
        self.by_reason.with(reason, |count| count.add(1));
    }

    /// Counts what an ended request used. Its provider's time is counted only where a
    /// request was carried.
    pub(crate) fn finished(&self, finished: &Finished<'_>) {
        self.used.add(finished.usage);
        self.overrun_nanos.add(finished.overrun.cost.0);
        self.by_provider.with(finished.provider, |provider| {
            provider.by_model.with(finished.model, |model| model.add(finished.usage));
            if let Some(lasted) = finished.lasted {
                provider.lasted.observe(lasted);
            }
        });
        if let Some(added) = finished.added {
            self.added.observe(added);
        }
    }

    /// Counts a decision that the store could not make; `mode` is what was done instead,
    /// as the policy says it: `closed` where the request was turned away.
    pub(crate) fn store_failed(&self, mode: &'static str) {
        self.store_failures.with(mode, |count| count.add(1));
    }

    /// Counts how long Redis took to answer a node's sign of life.
    pub(crate) fn note_round_trip(&self, took: Duration) {
        self.round_trip.observe(took);
    }

    /// Counts a request among the running ones, until what is returned is dropped.
    pub(crate) fn running(&self, user: Option<&str>) -> Present {
        self.crowd.runs(user)
    }

    /// Counts a request among the waiting ones, until what is returned is dropped.
    pub(crate) fn waiting(&self, user: Option<&str>) -> Present {
        self.crowd.waits(user)
    }

    /// Counts how long a request waited for a limit, whatever came of it.
    pub(crate) fn waited(&self, policy: &Policy, limit: LimitId, waited: Duration) {
        self.by_limit.with(name(policy, limit), |limit| limit.waited.add(1));
        self.queued.observe(waited);
    }

    /// Counts a budget that reached a threshold, a share of it.
    pub(crate) fn warned(&self, limit: &str, threshold: f64) {
        let count = |warned: &Count| warned.add(1);
        self.by_limit.with(limit, |limit| limit.warned.with(&threshold.to_string(), count));
    }

    /// Counts those that were too many to be told of one by one.
    pub(crate) fn warnings_lost(&self, lost: u64) {
        let count = |warned: &Count| warned.add(lost);
        self.by_limit.with(labels::OTHER, |limit| limit.warned.with(labels::OTHER, count));
    }

    fn shadowed(&self, policy: &Policy, shadowed: &[LimitId]) {
        for limit in shadowed {
            self.by_limit.with(name(policy, *limit), |limit| limit.shadowed.add(1));
        }
    }
}

impl Default for LimitCounts {
    fn default() -> Self {
        let none = Count::default;
        let warned = Labels::at_most(MAX_WARNED);
        Self { refused: none(), waited: none(), shadowed: none(), warned }
    }
}

impl Default for ProviderCounts {
    fn default() -> Self {
        Self { lasted: Histogram::of_providers(), by_model: Labels::at_most(MAX_MODELS) }
    }
}

impl UsedCounts {
    fn add(&self, usage: &Usage) {
        self.input_tokens.add(usage.input_tokens);
        self.output_tokens.add(usage.output_tokens);
        self.nanos.add(usage.cost.0);
    }
}

fn name(policy: &Policy, limit: LimitId) -> &str {
    policy.limit(limit).map_or(GONE, |limit| limit.name.as_str())
}
