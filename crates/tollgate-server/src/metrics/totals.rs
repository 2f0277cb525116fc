//! The numbers as programs read them.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use serde::{Deserialize, Serialize};
use tollgate_core::NanoUsd;

use super::{Metrics, ProviderCounts, running::UserCount};

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

/// What all requests since the start add up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Totals {
    /// Requests and permits that were decided.
    pub(crate) requests: u64,
    /// Those that were admitted.
    pub(crate) admitted: u64,
    /// Those that were refused.
    pub(crate) refused: u64,
    /// Tokens sent to models, as settled.
    pub(crate) input_tokens: u64,
    /// Tokens made by models, as settled.
    pub(crate) output_tokens: u64,
    /// Dollars as settled: an exact decimal in a string.
    #[schema(value_type = String, example = "0.0002606")]
    pub(crate) cost_usd: NanoUsd,
    /// Dollars of that which were more than had been reserved.
    #[schema(value_type = String, example = "0")]
    pub(crate) overrun_usd: NanoUsd,
}

/// What one limit has done since the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct LimitTotals {
    /// The limit, as the policy names it.
    pub(crate) limit: String,
    /// Requests that it refused.
    pub(crate) refused: u64,
    /// Requests that waited for it, whatever came of them.
    #[serde(default)]
    pub(crate) waited: u64,
    /// Requests that it would have refused, were it not in shadow mode.
    pub(crate) shadowed: u64,
    /// Thresholds that its budgets reached.
    #[serde(default)]
    pub(crate) warned: u64,
}

/// What one provider was used for since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ProviderTotals {
    /// Requests that were carried to their end.
    pub(crate) requests: u64,
    /// Tokens sent to its models, as settled.
    pub(crate) input_tokens: u64,
    /// Tokens made by its models, as settled.
    pub(crate) output_tokens: u64,
    /// Dollars as settled: an exact decimal in a string.
    pub(crate) cost_usd: NanoUsd,
}

impl Count {
    pub(super) fn add(&self, more: u64) {
        if more > 0 {
            self.0.fetch_add(more, Ordering::Relaxed);
        }
    }

    pub(super) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Metrics {
    /// What all requests since the start add up to.
    pub(crate) fn totals(&self) -> Totals {
        let (admitted, refused) = (self.admitted.value(), self.refused.value());
        Totals {
            requests: admitted + refused,
            admitted,
            refused,
            input_tokens: self.used.input_tokens.value(),
            output_tokens: self.used.output_tokens.value(),
            cost_usd: NanoUsd(self.used.nanos.value()),
            overrun_usd: NanoUsd(self.overrun_nanos.value()),
        }
    }

    /// What each limit has done, for those that did something.
    pub(crate) fn by_limit(&self) -> Vec<LimitTotals> {
        let all = self.by_limit.all().into_iter();
        all.map(|(limit, counts)| LimitTotals {
            limit: limit.into(),
            refused: counts.refused.value(),
            waited: counts.waited.value(),
            shadowed: counts.shadowed.value(),
            warned: counts.warned.all().iter().map(|(_, count)| count.value()).sum(),
        })
        .collect()
    }

    /// What each provider was used for, by name.
    pub(crate) fn by_provider(&self) -> BTreeMap<String, ProviderTotals> {
        let totals = |counts: &ProviderCounts| {
            let requests = counts.lasted.snapshot().count;
            let mut totals = ProviderTotals { requests, ..ProviderTotals::default() };
            for (_, used) in counts.by_model.all() {
                totals.input_tokens += used.input_tokens.value();
                totals.output_tokens += used.output_tokens.value();
                totals.cost_usd.0 += used.nanos.value();
            }
            totals
        };
        let all = self.by_provider.all().into_iter();
        all.map(|(provider, counts)| (provider.into(), totals(&counts))).collect()
    }

    /// How many requests run now.
    pub(crate) fn concurrent(&self) -> u64 {
        self.crowd.counts().running
    }

    /// How many requests wait now.
    pub(crate) fn queued(&self) -> u64 {
        self.crowd.counts().waiting
    }

    /// How many requests of a user run now.
    pub(crate) fn concurrent_of(&self, user: &str) -> u64 {
        self.crowd.counts_of(user).running
    }

    /// How many requests of a user wait now.
    pub(crate) fn queued_of(&self, user: &str) -> u64 {
        self.crowd.counts_of(user).waiting
    }

    /// How many users have running requests, and the first `most` of them by name.
    pub(crate) fn users(&self, most: usize) -> (u64, Vec<UserCount>) {
        let (total, users) = self.crowd.users(most);
        (total, users.into_iter().map(UserCount::from).collect())
    }
}
