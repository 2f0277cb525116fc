//! Leases before a shared store: hot accounts are decided here, at the speed of memory.
//!
//! An order takes of what this node has leased; only what is not leased goes to the shared store,
//! and where nothing is left there is no round trip. Grants are asked for, renewed and returned
//! aside, many in one call. A node that dies gives back by expiry, and so promises nothing to
//! anybody (`tollgate_core::lease` says what is kept and why).
//!
//! A lease is never why somebody is refused: where it has too little, the shared store decides
//! about the whole order, exactly, and says when to come back. Only who comes within a moment of
//! such a refusal is told the same without a call. Who is granted less than others of the same
//! account is decided exactly too.
//!
//! Windows and buckets are leased, but small ones; periods, slots, sessions, shadow limits and
//! orders whose ids may be asked for again are decided exactly. What only leases have admitted
//! is known to this process alone.
//!
//! While this node decides by itself, nothing is asked for, told or given back, and leases go on
//! until they end. When the shared store has lost what it knew, they are lost with it.

mod account;
mod book;
mod deciding;
mod exact;
mod kept;
mod lessor;
mod rounds;

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
};
use tollgate_core::{
    Amounts, Decision, LimitId, Now, Order, ReservationId, Standing, Time, Usage, lease::Terms,
    policy::settings::SyncMode,
};

pub use lessor::{LeaseAsk, Leased, Lessor};

use self::{book::Book, kept::Reservations};
use super::{Shared, State};
use crate::{
    Clock, Receipt, Store, StoreError,
    store::{Crossings, memory::End},
};

/// A shared store with leases before it.
#[derive(Debug)]
pub struct Leases<S = Shared> {
    inner: Arc<Inner<S>>,
    looks: AbortHandle,
}

/// How leases are made.
#[derive(Debug, Clone)]
pub struct LeasesSettings {
    /// The time by which they are fenced.
    pub clock: Clock,
    /// What they are like.
    pub terms: Terms,
    /// What is admitted here alone at most, at once; the rest is decided exactly.
    pub max_reservations: usize,
}

impl LeasesSettings {
    /// The usual ones, by a clock.
    pub fn of(clock: &Clock) -> Self {
        Self { clock: clock.clone(), terms: Terms::default(), max_reservations: 262_144 }
    }
}

/// What leases have done since they were made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeaseCounts {
    /// Orders that they alone admitted, without a call.
    pub admitted: u64,
    /// Calls by which they were asked for, renewed and given back.
    pub calls: u64,
}

#[derive(Debug)]
struct Inner<S> {
    store: S,
    clock: Clock,
    terms: Terms,
    /// How many live.
    nodes: AtomicU32,
    /// Whether the shared store decides, where somebody says so.
    state: OnceLock<watch::Receiver<State>>,
    max_reservations: usize,
    book: Mutex<Book>,
    reservations: Mutex<Reservations>,
    admitted: AtomicU64,
    calls: AtomicU64,
    /// Wakes who makes the calls.
    kick: Arc<Notify>,
    /// The round of calls that ended last.
    done: watch::Sender<Round>,
    /// When it was looked for expired reservations last.
    expired: Mutex<Time>,
}

/// A round of calls that has ended.
#[derive(Debug, Clone, Copy, Default)]
struct Round {
    nth: u64,
    /// Whether it is of no use to wait for another one now.
    has_failed: bool,
}

/// Rounds in which all is given back: one may be on its way, one asks for what it has given.
const STOPPING: usize = 4;

impl<S: Lessor + 'static> Leases<S> {
    /// Leases before `store`, whose calls are made by a task of the present runtime.
    pub fn new(store: S, settings: &LeasesSettings) -> Self {
        let LeasesSettings { clock, terms, max_reservations } = settings;
        let inner = Arc::new(Inner {
            store,
            clock: clock.clone(),
            terms: *terms,
            nodes: AtomicU32::new(1),
            state: OnceLock::new(),
            max_reservations: *max_reservations,
            book: Mutex::new(Book::new(*terms)),
            reservations: Mutex::default(),
            admitted: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            kick: Arc::default(),
            done: watch::channel(Round::default()).0,
            expired: Mutex::default(),
        });
        let looks = tokio::spawn(rounds::look(Arc::downgrade(&inner))).abort_handle();
        Self { inner, looks }
    }

    /// How limits are decided from now on; those that are not named by how hot they are.
    pub fn set_modes(&self, modes: HashMap<LimitId, SyncMode>) {
        self.inner.book.lock().set_modes(modes);
    }

    /// Gives back all that is leased and not in use, before the process ends. From now on every
    /// decision is exact.
    pub async fn stop(&self) {
        for _ in 0..STOPPING {
            let (is_over, round) = {
                let mut book = self.inner.book.lock();
                book.stop();
                (book.is_empty(), book.rounds + 1)
            };
            if is_over || self.inner.round_ends(round).await.has_failed {
                return;
            }
        }
    }

    /// What they have done.
    pub fn counts(&self) -> LeaseCounts {
        let Inner { admitted, calls, .. } = &*self.inner;
        LeaseCounts { admitted: admitted.load(Relaxed), calls: calls.load(Relaxed) }
    }

    /// The store that is shared.
    pub fn store(&self) -> &S {
        &self.inner.store
    }

    async fn end(
        &self,
        id: ReservationId,
        how: End,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        let store = &self.inner.store;
        let kept = self.inner.reservations.lock().remove(id);
        if let Some(kept) = &kept {
            kept.end(how, usage, &mut self.inner.book.lock(), now.time);
            if !kept.has_rest {
                return Ok(kept.receipt(how, usage));
            }
        }
        match how {
            End::Settle => store.settle(id, usage, now).await,
            End::Void => store.void(id, now).await,
            End::Estimate | End::Expire => store.settle_estimated(id, usage, now).await,
        }
    }

    /// Whether all of a reservation is decided here.
    fn is_here_alone(&self, id: ReservationId) -> bool {
        self.inner.reservations.lock().has_rest(id) == Some(false)
    }
}

impl<S> Drop for Leases<S> {
    fn drop(&mut self) {
        self.looks.abort();
    }
}

impl<S: Lessor + 'static> Store for Leases<S> {
    async fn reserve(&self, order: &Order<'_>, now: Now) -> Result<Decision, StoreError> {
        self.inner.decide(order, now).await
    }

    async fn held(&self, id: ReservationId) -> Result<(), StoreError> {
        if self.is_here_alone(id) {
            return Ok(());
        }
        self.inner.store.held(id).await
    }

    async fn check(&self, order: &Order<'_>, now: Now) -> Result<Decision, StoreError> {
        self.inner.store.check(order, now).await
    }

    async fn extend(
        &self,
        id: ReservationId,
        more: &Amounts,
        now: Now,
    ) -> Result<Decision, StoreError> {
        self.inner.extend(id, more, now).await
    }

    async fn settle(
        &self,
        id: ReservationId,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        self.end(id, End::Settle, usage, now).await
    }

    async fn settle_estimated(
        &self,
        id: ReservationId,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        self.end(id, End::Estimate, usage, now).await
    }

    async fn void(&self, id: ReservationId, now: Now) -> Result<Receipt, StoreError> {
        self.end(id, End::Void, &Usage::default(), now).await
    }

    async fn renew(&self, id: ReservationId, expires: Time, now: Now) -> Result<(), StoreError> {
        let renewed = self.inner.reservations.lock().renew(id, expires, now.time)?;
        if renewed == Some(false) {
            return Ok(());
        }
        self.inner.store.renew(id, expires, now).await
    }

    async fn expire(&self, now: Now) -> Result<usize, StoreError> {
        let here = {
            let mut reservations = self.inner.reservations.lock();
            reservations.forget(now.time);
            let before = std::mem::replace(&mut *self.inner.expired.lock(), now.time);
            reservations.expired(before, now.time)
        };
        Ok(here + self.inner.store.expire(now).await?)
    }

    async fn standings(
        &self,
        order: &Order<'_>,
        now: Now,
    ) -> Result<SmallVec<[Standing; 8]>, StoreError> {
        self.inner.store.standings(order, now).await
    }

    async fn session(&self, order: &Order<'_>, now: Now) -> Result<Option<Time>, StoreError> {
        self.inner.store.session(order, now).await
    }

    async fn end_session(&self, order: &Order<'_>, now: Now) -> Result<bool, StoreError> {
        self.inner.store.end_session(order, now).await
    }

    fn take_crossings(&self) -> Crossings {
        self.inner.store.take_crossings()
    }

    async fn durable(&self) -> Result<(), StoreError> {
        self.inner.store.durable().await
    }
}
