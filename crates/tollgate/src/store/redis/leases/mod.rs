//! Leases before a shared store: hot accounts are decided here, at the speed of memory.
//!
//! An order takes of what this node has leased; only what is not leased goes to the shared store,
//! and where nothing is left there is no round trip. Grants are asked for, renewed and returned
//! aside, many in one call. A node that dies gives back by expiry, and so promises nothing to
//! anybody (`tollgate_core::lease` says what is kept and why).
//!
//! A lease is never why somebody is refused: where it has too little, the shared store decides
//! about the whole order, exactly, and says when to come back. Only who comes within a moment of
//! such a refusal is told the same without a call.
//!
//! Windows and buckets are leased, but small ones; periods, slots, sessions, shadow limits and
//! orders whose ids may be asked for again are decided exactly. What only leases have admitted
//! is known to this process alone.

mod book;
mod deciding;
mod kept;
mod lessor;
mod rounds;

use std::{collections::HashMap, sync::Arc};

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
use crate::{
    Clock, Receipt, Store, StoreError,
    store::{Crossings, memory::End},
};

/// A shared store with leases before it.
#[derive(Debug)]
pub struct Leases<S> {
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
    /// How many nodes live.
    pub nodes: watch::Receiver<u32>,
    /// What is admitted here alone at most, at once; the rest is decided exactly.
    pub max_reservations: usize,
}

#[derive(Debug)]
struct Inner<S> {
    store: S,
    clock: Clock,
    terms: Terms,
    nodes: watch::Receiver<u32>,
    max_reservations: usize,
    book: Mutex<Book>,
    reservations: Mutex<Reservations>,
    /// Wakes who makes the calls.
    kick: Arc<Notify>,
    /// The round of calls that ended last.
    done: watch::Sender<u64>,
    /// When it was looked for expired reservations last.
    expired: Mutex<Time>,
}

impl<S: Lessor + 'static> Leases<S> {
    /// Leases before `store`, whose calls are made by a task of the present runtime.
    pub fn new(store: S, settings: &LeasesSettings) -> Self {
        let LeasesSettings { clock, terms, nodes, max_reservations } = settings;
        let inner = Arc::new(Inner {
            store,
            clock: clock.clone(),
            terms: *terms,
            nodes: nodes.clone(),
            max_reservations: *max_reservations,
            book: Mutex::new(Book::new(*terms)),
            reservations: Mutex::default(),
            kick: Arc::default(),
            done: watch::channel(0).0,
            expired: Mutex::default(),
        });
        let looks = tokio::spawn(rounds::look(Arc::downgrade(&inner))).abort_handle();
        Self { inner, looks }
    }

    /// How limits are decided from now on; those that are not named by how hot they are.
    pub fn set_modes(&self, modes: HashMap<LimitId, SyncMode>) {
        self.inner.book.lock().set_modes(modes);
    }

    /// Something was given back of these limits, on whichever node.
    pub fn freed(&self, limits: &[LimitId]) {
        self.inner.book.lock().freed(limits);
    }

    /// Gives back all that is leased and not in use, before the process ends.
    pub async fn stop(&self) {
        self.looks.abort();
        self.inner.round(true).await;
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
