//! Counters over the times that alerts look back, which the policy says.

use std::{collections::BTreeMap, time::Duration};

use compact_str::CompactString;
use tollgate_core::{
    Time,
    alert::{Grows, Recent},
};

use crate::{guards::Calls, metrics::Decisions};

/// What was counted of late.
#[derive(Debug, Default)]
pub(super) struct Counted {
    refused: Over<Decisions>,
    store: Over<Decisions>,
    calls: BTreeMap<CompactString, Over<Calls>>,
    evictions: Over<u64>,
    /// Since when nothing is stored.
    unstored: Option<Time>,
}

/// For how long nothing is stored before that is told: one slow commit wakes nobody.
const UNSTORED: Duration = Duration::from_secs(10);

/// A counter over a time that may change.
#[derive(Debug)]
struct Over<T>(Option<Recent<T>>);

impl<T> Default for Over<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl Counted {
    /// What was decided over this time.
    pub(super) fn decided(&mut self, over: Duration, total: Decisions, now: Time) -> Decisions {
        self.refused.grown(over, total, now)
    }

    /// What the store could not decide over this time.
    pub(super) fn failed(&mut self, over: Duration, total: Decisions, now: Time) -> u64 {
        self.store.grown(over, total, now).store_failures
    }

    /// How often Redis was found over this time to have evicted something.
    pub(super) fn evicted(&mut self, over: Duration, total: u64, now: Time) -> u64 {
        self.evictions.grown(over, total, now)
    }

    /// Whether nothing has been stored for so long that it is no single slow commit.
    pub(super) fn is_unstored(&mut self, is_stored: bool, now: Time) -> bool {
        let since = *self.unstored.get_or_insert(now);
        if is_stored {
            self.unstored = None;
        }
        !is_stored && now.since(since) >= UNSTORED
    }

    /// How the calls of a provider ended over this time.
    pub(super) fn calls(&mut self, of: &str, over: Duration, total: Calls, now: Time) -> Calls {
        self.calls.entry(of.into()).or_default().grown(over, total, now)
    }

    /// Forgets the providers that are not there any more.
    pub(super) fn keep(&mut self, is_there: impl Fn(&str) -> bool) {
        self.calls.retain(|name, _| is_there(name));
    }
}

impl<T: Grows> Over<T> {
    fn grown(&mut self, over: Duration, total: T, now: Time) -> T {
        let recent = match &mut self.0 {
            Some(recent) if recent.span() == over => recent,
            other => other.insert(Recent::from(over, total, now)),
        };
        recent.note(total, now);
        recent.grown()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_commit_is_not_told_and_a_store_that_stays_away_is() {
        let mut counted = Counted::default();
        for (second, is_stored, is_told) in [
            (0, false, false),
            (9, false, false),
            (10, false, true),
            (11, true, false),
            (12, false, false),
            (21, false, false),
            (22, false, true),
        ] {
            let now = Time::from_millis(second * 1_000);
            assert_eq!(counted.is_unstored(is_stored, now), is_told, "{second}");
        }
    }
}
