//! What stands before one model: its breaker, its quotas, how many requests at once.

use std::time::Duration;

use compact_str::CompactString;
use parking_lot::Mutex;
use tollgate_core::{
    Demand, Time, Unit,
    adaptive::{Concurrency, Pace},
    breaker::{
        Admission, Breaker, BreakerSettings, Counts, Outcome, Saved, State, Ticket, Transition,
    },
    policy::settings::Learn,
    quota::{Announced, SavedQuota, Sent},
};

use super::{Account, Forced, GuardSettings, InTheWay, NotNow, account::Quotas};

/// One model of a provider.
#[derive(Debug)]
pub(super) struct Model {
    name: CompactString,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    learn: Learn,
    breaker: Breaker,
    /// How long the breaker is open where nobody says otherwise.
    recovery: Duration,
    concurrency: Option<Concurrency>,
    quotas: Quotas,
    in_flight: u32,
    used_at: Time,
}

/// What a request has taken of a model's.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) account: Account,
    /// Until its result is told.
    pub(super) ticket: Option<Ticket>,
    /// Until its answer's head.
    pub(super) sent: Option<Sent>,
    /// How many were on their way with it.
    pub(super) in_flight: u32,
}

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) took: Duration,
    pub(super) bore: Bore,
}

/// How its provider bore a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bore {
    /// It answered it whole and well, so quickly.
    Well([Option<Pace>; 2]),
    /// It had too much to do.
    TooMuch,
    /// Nobody knows.
    Unknown,
}

/// How a model is, to be shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Standing {
    pub(super) state: State,
    pub(super) counts: Counts,
    pub(super) in_flight: u32,
    pub(super) concurrency: Option<u32>,
    /// What the policy's own key has left, as far as it is known.
    pub(super) requests_left: Option<u64>,
    pub(super) tokens_left: Option<u64>,
    /// The least share of anything that it has left.
    pub(super) left: Option<f64>,
}

impl Model {
    pub(super) fn new(name: &str, settings: &GuardSettings, forced: &Forced, now: Time) -> Self {
        let breaker = forced.settings(name, &settings.breaker);
        let inner = Inner {
            learn: settings.learn.clone(),
            recovery: breaker.recovery,
            breaker: Breaker::new(breaker, now),
            concurrency: settings.learn.concurrency.clone().map(Concurrency::new),
            quotas: Quotas::default(),
            in_flight: 0,
            used_at: now,
        };
        Self { name: name.into(), inner: Mutex::new(inner) }
    }

    pub(super) const fn name(&self) -> &CompactString {
        &self.name
    }

    /// Takes all that a request needs, or nothing: unless others are `before` it, or it may not
    /// `begin` yet. Beside it, what has changed of its breaker.
    pub(super) fn admit(
        &self,
        account: Account,
        demand: &Demand,
        (before, begin): (impl FnOnce() -> Option<NotNow>, impl FnOnce() -> Result<(), Time>),
        now: Time,
    ) -> (Result<Taken, NotNow>, Vec<Transition>) {
        let mut inner = self.inner.lock();
        inner.used_at = inner.used_at.max(now);
        let taken = inner.pass(now).and_then(|ticket| {
            let taken = before().map_or_else(|| inner.take(account, demand, begin, now), Err);
            match taken {
                Ok(sent) => {
                    inner.in_flight += 1;
                    let in_flight = inner.in_flight;
                    Ok(Taken { account, ticket: Some(ticket), sent, in_flight })
                }
                Err(not_now) => {
                    inner.breaker.record(ticket, Outcome::Ignored, Duration::ZERO, now);
                    Err(not_now)
                }
            }
        });
        (taken, inner.changes())
    }

    /// The head of the answer told this.
    pub(super) fn answered(&self, account: Account, sent: Sent, told: &Announced, now: Time) {
        self.inner.lock().answered(account, sent, told, now);
    }

    /// It was not sent after all.
    pub(super) fn unsent(&self, account: Account, sent: Sent) {
        if let Some(quota) = self.inner.lock().quotas.told(account) {
            quota.unsent(sent);
        }
    }

    /// The result of a call.
    pub(super) fn record(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        took: Duration,
        now: Time,
    ) -> Vec<Transition> {
        let mut inner = self.inner.lock();
        inner.breaker.record(ticket, outcome, took, now);
        inner.changes()
    }

    /// A request is on its way no more. What was not told of it before is told now.
    pub(super) fn ended(&self, taken: &mut Taken, ended: Ended, now: Time) -> Vec<Transition> {
        let mut inner = self.inner.lock();
        inner.bore(ended.bore, taken.in_flight, now);
        if let Some(ticket) = taken.ticket.take() {
            inner.breaker.record(ticket, ended.outcome, ended.took, now);
        }
        if let Some(sent) = taken.sent.take() {
            // Whether it was counted is not known, so it is taken to be.
            inner.answered(taken.account, sent, &Announced::default(), now);
        }
        inner.in_flight = inner.in_flight.saturating_sub(1);
        inner.changes()
    }

    /// Another process left its breaker like this.
    pub(super) fn resume(&self, settings: BreakerSettings, saved: Saved, now: Time) {
        self.inner.lock().breaker = Breaker::resume(settings, saved, now);
    }

    /// What was learned of its quotas since the last time.
    pub(super) fn changed_quotas(&self, now: Time) -> Vec<(Account, Option<SavedQuota>)> {
        self.inner.lock().quotas.changed(now)
    }

    /// What was learned of a quota was not kept.
    pub(super) fn quota_not_kept(&self, account: Account) {
        // Whoever is told is marked.
        let _ = self.inner.lock().quotas.told(account);
    }

    /// Another process left a quota like this so long ago.
    pub(super) fn resume_quota(&self, quota: (Account, &SavedQuota), away: Duration, now: Time) {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        if inner.learn.announced {
            inner.quotas.resume(quota, &inner.learn.quota, away, now);
        }
    }

    /// Other settings: what is known stays as far as they allow it.
    pub(super) fn reconfigure(&self, settings: &GuardSettings, forced: &Forced, now: Time) {
        let breaker = forced.settings(&self.name, &settings.breaker);
        self.inner.lock().reconfigure(breaker, &settings.learn, now);
    }

    /// Since when it is of no use to anybody, if it is not.
    pub(super) fn idle_since(&self, now: Time) -> Option<Time> {
        let mut inner = self.inner.lock();
        let is_well = matches!(inner.breaker.state(now), State::Closed | State::ForcedClosed);
        (inner.in_flight == 0 && is_well).then_some(inner.used_at)
    }

    pub(super) fn standing(&self, now: Time) -> Standing {
        let mut inner = self.inner.lock();
        let state = inner.breaker.state(now);
        let counts = inner.breaker.counts(now);
        let mut left = |unit| inner.quotas.known(Account::COMMON)?.room(unit, now);
        let (requests_left, tokens_left) = (left(Unit::Requests), left(Unit::Tokens));
        Standing {
            state,
            counts,
            in_flight: inner.in_flight,
            concurrency: inner.concurrency.as_ref().map(Concurrency::limit),
            requests_left,
            tokens_left,
            left: inner.quotas.known(Account::COMMON).and_then(|quota| quota.share_left(now)),
        }
    }

    /// What has changed of its breaker's state, and was not asked for yet.
    pub(super) fn changes(&self) -> Vec<Transition> {
        self.inner.lock().changes()
    }

    pub(super) fn log(&self, provider: &str, change: &Transition) {
        tracing::warn!(
            provider,
            model = %self.name,
            from = change.from.name(),
            to = change.to.name(),
            why = change.why.name(),
            number = change.number,
            "Circuit breaker of {provider}/{}: {change}", self.name,
        );
    }
}

impl Inner {
    fn reconfigure(&mut self, breaker: BreakerSettings, learn: &Learn, now: Time) {
        self.recovery = breaker.recovery;
        self.breaker.reconfigure(breaker, now);
        self.concurrency = match (self.concurrency.take(), learn.concurrency.clone()) {
            (Some(mut concurrency), Some(other)) => {
                concurrency.reconfigure(other);
                Some(concurrency)
            }
            (_, other) => other.map(Concurrency::new),
        };
        if learn.announced {
            self.quotas.reconfigure(&learn.quota);
        } else {
            // Nobody would keep them true.
            self.quotas = Quotas::default();
        }
        self.learn = learn.clone();
    }

    fn changes(&mut self) -> Vec<Transition> {
        self.breaker.transitions().collect()
    }

    fn answered(&mut self, account: Account, sent: Sent, told: &Announced, now: Time) {
        if let Some(quota) = self.quotas.told(account) {
            quota.answered(sent, told, now);
        }
    }

    fn bore(&mut self, bore: Bore, in_flight: u32, now: Time) {
        let Some(concurrency) = &mut self.concurrency else { return };
        match bore {
            Bore::Well(paces) => {
                for pace in paces.into_iter().flatten() {
                    concurrency.succeeded(pace, in_flight, now);
                }
            }
            Bore::TooMuch => concurrency.overloaded(now),
            Bore::Unknown => {}
        }
    }

    /// Whether the breaker lets it pass.
    fn pass(&mut self, now: Time) -> Result<Ticket, NotNow> {
        let until = match self.breaker.admit(now) {
            Admission::Pass(ticket)
            | Admission::Probe(ticket)
            | Admission::Observe { ticket, .. } => return Ok(ticket),
            Admission::Refuse { until: Time::MAX, .. } => None,
            // What the probes tell is known much sooner than their leases end.
            Admission::Refuse { until, probing: true } => Some(until.min(now.after(self.recovery))),
            Admission::Refuse { until, .. } => Some(until),
        };
        Err(NotNow { until, why: InTheWay::Circuit, behind: false })
    }

    fn take(
        &mut self,
        account: Account,
        demand: &Demand,
        begin: impl FnOnce() -> Result<(), Time>,
        now: Time,
    ) -> Result<Option<Sent>, NotNow> {
        let until = |why| move |until| NotNow { until: Some(until), why, behind: false };
        if self.concurrency.as_ref().is_some_and(|all| self.in_flight >= all.limit()) {
            return Err(NotNow { until: None, why: InTheWay::Concurrency, behind: false });
        }
        if !self.learn.announced {
            return begin().map(|()| None).map_err(until(InTheWay::Interval));
        }
        let quota = self.quotas.of(account, &self.learn.quota, now);
        quota.check(demand, now).map_err(until(InTheWay::Quota))?;
        begin().map_err(until(InTheWay::Interval))?;
        quota.send(demand, now).map(Some).map_err(until(InTheWay::Quota))
    }
}
