//! What stands before each provider's models: nothing is sent that would fail or be refused,
//! and no more at once or again than the provider bears.
//!
//! A [`Guard`] is one provider's. For each of its models it has the circuit breaker, what the
//! provider announced to have left for each key, and how many requests at once it bears; for
//! all of them together, how far apart requests begin and how many may be tried again. Who
//! may send has a [`Pass`], which is told what came of it and tells the guard once, however the
//! request ends: one that is dropped gives all back and says nothing about the provider.
//!
//! The machines are the core's. Here they are found by name, bounded in number, put behind
//! locks that nobody holds for longer than a look, and kept over reloads: another policy's guard
//! of the same place takes over what is known of it, as far as its settings allow.

mod account;
mod announced;
mod apart;
mod chance;
mod forced;
mod keeper;
mod learned;
mod line;
mod model;
mod models;
mod pass;
mod shown;
mod tally;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use compact_str::CompactString;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tollgate::Clock;
use tollgate_core::{
    Demand, Time,
    adaptive::{Backoff, RetryBudget, RetrySettings},
    breaker::{BreakerSettings, Mode, Outcome, Transition},
    policy::settings::{self, Learn},
};

pub(crate) use account::{Account, Accounts};
pub(crate) use announced::announced;
use apart::Apart;
pub(crate) use chance::Chance;
pub(crate) use forced::Forced;
pub(crate) use keeper::{Opened, attend, keep, resume};
pub(crate) use learned::{LearnedQuota, learned_quotas, quotas_not_kept, resume_quotas};
use line::Line;
pub(crate) use line::{Turn, Waiting, tenant};
use model::Model;
use models::Models;
pub(crate) use pass::{End, Pass, Served};
pub(crate) use shown::{Circuit, Glance, circuit_states};
use tally::Tally;
pub(crate) use tally::{Calls, Running};

/// What stands before one provider, under one policy.
#[derive(Debug)]
pub(crate) struct Guard {
    /// As the policy names it.
    provider: CompactString,
    settings: GuardSettings,
    watch: Watch,
    known: Arc<Known>,
}

/// What the guards of a process share.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    pub(crate) clock: Clock,
    /// Told when a circuit has changed its state.
    changed: Arc<Notify>,
    /// Told when a provider has refused something for being too much.
    throttled: Arc<Notify>,
}

/// What is known of a provider, whatever the policy says of it.
#[derive(Debug)]
struct Known {
    models: Mutex<Models>,
    /// What keeps the requests of all of them apart.
    apart: Apart,
    /// How many of them may be tried again.
    retries: Mutex<RetryBudget>,
    line: Line,
    tally: Tally,
}

/// A request that asks whether it may be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) model: &'a str,
    /// Whose quota it counts in.
    pub(crate) account: Account,
    /// Whose share of the line it takes.
    pub(crate) tenant: &'a str,
    pub(crate) demand: &'a Demand,
    /// Where it stands among those that wait.
    pub(crate) turn: Turn,
}

/// What the policy says about it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GuardSettings {
    /// The breaker of each model.
    pub(crate) breaker: BreakerSettings,
    /// Who is tried again.
    pub(crate) retry: RetrySettings,
    /// What is learned.
    pub(crate) learn: Learn,
}

/// Why nothing may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotNow {
    /// The first instant at which something may be, if nothing else happens; none where that
    /// depends on others, or on an operator.
    pub(crate) until: Option<Time>,
    /// What is in the way.
    pub(crate) why: InTheWay,
    /// Whether others wait for that who go before it: it is told when its turn comes, and that is
    /// no earlier than the instant.
    pub(crate) behind: bool,
}

/// What is in the way of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InTheWay {
    /// The breaker: it would fail.
    Circuit,
    /// What the provider announced: it would be refused.
    Quota,
    /// As many as the provider bears are on their way.
    Concurrency,
    /// The one before began too short a time ago.
    Interval,
}

impl Watch {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, changed: Arc::default(), throttled: Arc::default() }
    }

    /// Returns when a circuit has changed its state since the last time.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Returns when a provider has refused something for being too much since the last time.
    pub(crate) async fn throttled(&self) {
        self.throttled.notified().await;
    }
}

impl InTheWay {
    /// In a word, for headers and logs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Circuit => "circuit",
            Self::Quota => "quota",
            Self::Concurrency => "concurrency",
            Self::Interval => "interval",
        }
    }

    /// Whether it is worth waiting for: what fails is not waited for.
    pub(crate) const fn passes_by(self) -> bool {
        !matches!(self, Self::Circuit)
    }
}

impl GuardSettings {
    /// As the policy has it of a provider.
    pub(crate) fn of(its: &settings::Provider) -> Self {
        let Some(breaker) = its.breaker() else { return Self::none() };
        let (retry, learn) = (its.retry.clone(), its.learn.clone());
        match its.dialect {
            settings::Dialect::Http => Self { breaker, ..Self::none() },
            _ => {
                Self { breaker, retry: retry.unwrap_or_default(), learn: learn.unwrap_or_default() }
            }
        }
    }

    /// Nothing is in anybody's way.
    pub(crate) fn none() -> Self {
        Self {
            breaker: BreakerSettings { mode: Mode::Closed, ..BreakerSettings::default() },
            retry: RetrySettings { attempts: 1, ..RetrySettings::default() },
            learn: Learn { announced: false, ..Learn::default() },
        }
    }
}

impl Guard {
    /// The guard of a provider that nothing is known of yet.
    pub(crate) fn new(provider: &str, settings: GuardSettings, watch: Watch) -> Self {
        let retries = RetryBudget::new(&settings.retry, watch.clock.now().time);
        let known = Known {
            models: Mutex::new(Models::new(settings.clone())),
            apart: Apart::new(settings.learn.interval.clone()),
            retries: Mutex::new(retries),
            line: Line::default(),
            tally: Tally::default(),
        };
        Self { provider: provider.into(), settings, watch, known: Arc::new(known) }
    }

    /// The guard of the same place under another policy. It knows what this one knows; what it
    /// says itself holds once it is [put in force](Self::enforce).
    pub(crate) fn under(&self, settings: GuardSettings) -> Self {
        Self {
            provider: self.provider.clone(),
            settings,
            watch: self.watch.clone(),
            known: Arc::clone(&self.known),
        }
    }

    /// Its settings hold from now on, for what is known already too.
    pub(crate) fn enforce(&self, now: Time) {
        let changed = self.known.models.lock().enforce(&self.settings, now);
        self.known.apart.enforce(self.settings.learn.interval.clone());
        self.known.retries.lock().reconfigure(&self.settings.retry, now);
        self.changed(&changed);
    }

    /// What the policy says about it.
    pub(crate) const fn settings(&self) -> &GuardSettings {
        &self.settings
    }

    /// Whether a request may be sent now.
    ///
    /// # Errors
    /// With what is in the way.
    pub(crate) fn admit(self: &Arc<Self>, ask: Ask<'_>, now: Time) -> Result<Pass, NotNow> {
        let model = self.known.models.lock().of(ask.model, now);
        let before = || self.known.line.before(ask.turn, model.name(), ask.account);
        let begin = || self.known.apart.begin(now);
        let (taken, changes) = model.admit(ask.account, ask.demand, (before, begin), now);
        self.tell(&model, &changes);
        Ok(Pass::new(Arc::clone(self), model, taken?, now))
    }

    /// A place among those that wait, if there is one; `bell` rings when it should ask again,
    /// beside the instant that it was told.
    pub(crate) fn wait(
        &self,
        ask: Ask<'_>,
        not_now: NotNow,
        bell: &Arc<Notify>,
    ) -> Option<Waiting> {
        let model = self.known.models.lock().of(ask.model, self.watch.clock.now().time);
        Waiting::join(&self.known, ask, model, not_now, bell)
    }

    /// A request begins that was not tried here before.
    pub(crate) fn note_request(&self, now: Time) {
        self.known.retries.lock().request(now);
    }

    /// Whether one that failed may be tried again here.
    #[must_use]
    pub(crate) fn may_retry(&self, now: Time) -> bool {
        self.known.retries.lock().retry(now)
    }

    /// How long to wait before that, where `retries` went before; `random` spreads them.
    pub(crate) fn backoff(
        &self,
        retries: u32,
        random: u64,
        retry_after: Option<Duration>,
    ) -> Duration {
        Backoff::new(&self.settings.retry).wait(retries, random, retry_after)
    }

    /// A request was admitted and goes there, until what is returned is dropped.
    pub(crate) fn runs(&self) -> Running {
        Running::new(&self.known)
    }

    /// Work that was not sent by this process went well or failed there.
    pub(crate) fn note_elsewhere(&self, is_well: bool) {
        let failure = Outcome::Failure { retry_after: None };
        self.known.tally.note(if is_well { Outcome::Success } else { failure });
    }

    /// What operators have forced holds from now on.
    pub(crate) fn force(&self, forced: Forced, now: Time) {
        let changed = self.known.models.lock().force(forced, now);
        self.changed(&changed);
    }

    fn changed(&self, models: &[Arc<Model>]) {
        models.iter().for_each(|model| self.tell(model, &model.changes()));
        self.known.line.ring_all();
    }

    /// Tells what has changed of a model's circuit. Nobody with a lock does: whoever writes a log
    /// may wait.
    fn tell(&self, model: &Model, changes: &[Transition]) {
        for change in changes {
            model.log(&self.provider, change);
        }
        if !changes.is_empty() {
            self.watch.changed.notify_one();
        }
    }
}
