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
}

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
