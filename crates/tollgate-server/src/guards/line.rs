//! Who waits for a provider: served in their order, wherever the same thing is in their way.
//!
//! - **In order.** Whoever came first goes first; each level of [`Priority`] counts as having
//!   come [`AGEING`] earlier or later, so nobody waits for ever behind more urgent ones.
//! - **Nobody overtakes.** Who comes while others wait for the same goes behind them, even if
//!   there were room. The same is: the same key's quota of the same model, a place at the same
//!   model, or the time between requests to the provider. Whoever waits for something else is
//!   passed by.
//! - **One is woken at a time**: who is next, by who left. That one wakes the one after it.
//! - **Bounded**, by [`MAX_WAITING`]; and no tenant takes all of it: each has a place for as long
//!   as it has less than [`SHARE`] times what is free. One alone fills three quarters, two have
//!   three sevenths each, and whoever comes new finds a place.
//! - **Nothing is forgotten of a model** that somebody waits for.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use compact_str::CompactString;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tollgate_core::{Attribute, Attributes, Time, queue::Priority};

use super::{Account, Ask, InTheWay, Known, NotNow, model::Model};

/// Those who wait for one provider.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// How many they are: where nobody waits, nobody need take the lock.
    length: AtomicUsize,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    waiting: BTreeMap<Turn, Waiter>,
    /// Of those who came at the same time.
    nth: u64,
}

/// Where somebody stands who comes, or waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    /// When it came, as its priority counts.
    at: Time,
    nth: u64,
}

#[derive(Debug)]
struct Waiter {
    model: Arc<Model>,
    account: Account,
    tenant: CompactString,
    not_now: NotNow,
    /// Rung when it should ask again.
    bell: Arc<Notify>,
}

/// A place in the line, until it is dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    known: Arc<Known>,
    turn: Turn,
}

/// Requests that wait for one provider to have room; each may hold a body in memory.
pub(super) const MAX_WAITING: usize = 1_000;

/// How many times what is free a tenant may have.
const SHARE: usize = 3;

/// How much later each level of priority counts as having come.
const AGEING: Duration = Duration::from_secs(10);

impl Turn {
    /// Of somebody who came then and has no place in the line yet.
    pub(crate) fn of(who: &Attributes, arrived: Time) -> Self {
        let told = who.value(&Attribute::Priority).and_then(|told| told.parse().ok());
        let priority: Priority = told.unwrap_or_default();
        Self { at: arrived.after(AGEING * u32::from(priority.level())), nth: u64::MAX }
    }
}

/// Who takes a share of the line: by default those are told apart so who wait for limits. All
/// without a name are one together.
pub(crate) fn tenant(who: &Attributes) -> &str {
    who.value(&Attribute::User).unwrap_or_default()
}

impl Line {
    /// Those who wait, unless nobody does.
    ///
    /// Who joins asks once more for what is in its way, under the lock of that, and who frees it
    /// does so under the same lock before it looks here. So one of the two sees the other.
    fn places(&self) -> Option<MutexGuard<'_, Places>> {
        (self.length.load(Ordering::Relaxed) > 0).then(|| self.places.lock())
    }

    /// What those are waiting for who go before somebody, if there are any.
    pub(super) fn before(&self, turn: Turn, model: &str, account: Account) -> Option<NotNow> {
        let places = self.places()?;
        let mut before = places.waiting.range(..turn).map(|(_, waiter)| waiter);
        let first = before.find(|waiter| waiter.precedes(model, account))?;
        Some(NotNow { behind: true, ..first.not_now })
    }

    /// How many wait for a model.
    pub(super) fn of(&self, model: &str) -> usize {
        let of_it = |waiter: &&Waiter| waiter.model.name() == model;
        self.places().map_or(0, |places| places.waiting.values().filter(of_it).count())
    }

    /// How many wait.
    pub(super) fn length(&self) -> usize {
        self.length.load(Ordering::Relaxed)
    }

    fn join(&self, turn: Turn, waiter: Waiter) -> Option<Turn> {
        let mut places = self.places.lock();
        let joined = places.join(turn, waiter);
        self.length.store(places.waiting.len(), Ordering::Relaxed);
        joined
    }

    fn leave(&self, turn: Turn) {
        let mut places = self.places.lock();
        places.leave(turn);
        self.length.store(places.waiting.len(), Ordering::Relaxed);
    }

    /// A request of a model has ended.
    pub(super) fn freed(&self, model: &str) {
        if let Some(places) = self.places() {
            places.freed(model);
        }
    }

    /// A provider told what an account has left.
    pub(super) fn told(&self, model: &str, account: Account) {
        if let Some(places) = self.places() {
            places.ring(|waiter| waiter.is_of(model, account));
        }
    }

    /// Everything may be otherwise.
    pub(super) fn ring_all(&self) {
        if let Some(places) = self.places() {
            places.waiting.values().for_each(|waiter| waiter.bell.notify_one());
        }
    }
}

impl Places {
    fn join(&mut self, turn: Turn, waiter: Waiter) -> Option<Turn> {
        if !self.has_place(&waiter.tenant) {
            return None;
        }
        let turn = Turn { nth: self.nth, ..turn };
        self.nth += 1;
        self.waiting.insert(turn, waiter);
        Some(turn)
    }

    fn has_place(&self, tenant: &str) -> bool {
        let taken = self.waiting.values().filter(|waiter| waiter.tenant == tenant).count();
        taken < SHARE * MAX_WAITING.saturating_sub(self.waiting.len())
    }

    /// What is in somebody's way now. Where that is something else, others may go on.
    fn found(&mut self, turn: Turn, not_now: NotNow) {
        let Some(waiter) = self.waiting.get_mut(&turn) else { return };
        let before = std::mem::replace(&mut waiter.not_now, not_now);
        if before.why != not_now.why {
            let (model, account) = (Arc::clone(&waiter.model), waiter.account);
            self.moved(model.name(), account, before.why);
        }
    }

    fn leave(&mut self, turn: Turn) {
        if let Some(waiter) = self.waiting.remove(&turn) {
            self.moved(waiter.model.name(), waiter.account, waiter.not_now.why);
        }
    }

    /// Somebody does not stand before others any more, who waited for this.
    ///
    /// Who is rung first may be the one itself, if it is the first of its model and key, and that
    /// must be so: what it waits for from now on may have been freed between its question and
    /// here, when it was not yet known to wait for that, so nobody rang. It asks once more.
    fn moved(&self, model: &str, account: Account, why: InTheWay) {
        self.ring(|waiter| waiter.is_of(model, account));
        match why {
            InTheWay::Concurrency => self.freed(model),
            InTheWay::Interval => self.ring(|waiter| waiter.not_now.why == why),
            InTheWay::Quota | InTheWay::Circuit => {}
        }
    }

    fn freed(&self, model: &str) {
        self.ring(|waiter| {
            waiter.not_now.why == InTheWay::Concurrency && waiter.model.name() == model
        });
    }

    fn ring(&self, is_meant: impl Fn(&Waiter) -> bool) {
        if let Some(first) = self.waiting.values().find(|waiter| is_meant(waiter)) {
            first.bell.notify_one();
        }
    }
}

impl Waiter {
    fn is_of(&self, model: &str, account: Account) -> bool {
        self.account == account && self.model.name() == model
    }

    /// Whether what it waits for is what somebody else would take, who comes after it.
    fn precedes(&self, model: &str, account: Account) -> bool {
        self.is_of(model, account)
            || match self.not_now.why {
                InTheWay::Concurrency => self.model.name() == model,
                InTheWay::Interval => true,
                InTheWay::Quota | InTheWay::Circuit => false,
            }
    }
}

impl Waiting {
    /// A place in the line, if there is one.
    pub(super) fn join(
        known: &Arc<Known>,
        ask: Ask<'_>,
        model: Arc<Model>,
        not_now: NotNow,
        bell: &Arc<Notify>,
    ) -> Option<Self> {
        let (account, tenant) = (ask.account, ask.tenant.into());
        let waiter = Waiter { model, account, tenant, not_now, bell: Arc::clone(bell) };
        let turn = known.line.join(ask.turn, waiter)?;
        Some(Self { known: Arc::clone(known), turn })
    }

    /// Where it is.
    pub(crate) const fn turn(&self) -> Turn {
        self.turn
    }

    /// What is in its way now.
    pub(crate) fn found(&self, not_now: NotNow) {
        self.known.line.places.lock().found(self.turn, not_now);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.known.line.leave(self.turn);
    }
}
