//! Leases as what the coordinator asks of its shared store.

use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::watch;
use tollgate_core::{Admission, LimitId, Now, Order, Policy, ReservationId};

use super::{Leases, Lessor, Shared, State};
use crate::{
    Receipt, StoreError,
    store::redis::{Counter, Ended, Exact, Link},
};

impl<S: Exact + Lessor + 'static> Exact for Leases<S> {
    /// From then on the shared store holds all of it, and nothing of it is taken of leases.
    async fn introduce(&self, order: &Order<'_>, now: Now) -> Result<(), StoreError> {
        self.store().introduce(order, now).await?;
        if let Some(kept) = self.inner.reservations.lock().remove(order.id) {
            let now = self.inner.clock.now().time;
            self.inner.book.lock().give_back(&kept.parcels, now);
        }
        Ok(())
    }

    async fn unask(&self, id: ReservationId, now: Now) -> Result<(), StoreError> {
        self.store().unask(id, now).await?;
        if let Some(kept) = self.inner.reservations.lock().remove(id) {
            let now = self.inner.clock.now().time;
            self.inner.book.lock().give_back(&kept.parcels, now);
        }
        Ok(())
    }

    async fn ending(&self, id: ReservationId) -> Result<Option<Receipt>, StoreError> {
        self.store().ending(id).await
    }

    async fn raise(&self, counters: &[Counter], now: Now) -> Result<(), StoreError> {
        self.store().raise(counters, now).await
    }

    async fn announce(&self, ended: Ended) {
        self.store().announce(ended).await;
    }

    fn line(&self) -> Option<&Link> {
        self.store().line()
    }

    async fn reach(&self) -> Result<(), StoreError> {
        self.store().reach().await
    }

    fn admit_here(&self, order: &Order<'_>, now: Now) -> Option<Admission> {
        self.inner.admit_here(order, now)
    }

    fn note_policy(&self, policy: &Policy) {
        let limits = policy.limits().iter().chain(policy.granted_limits());
        self.set_modes(limits.map(|limit| (limit.id, limit.sync)).collect());
    }

    fn note_nodes(&self, live: u32) {
        self.inner.nodes.store(live.max(1), Relaxed);
    }

    fn follow(&self, state: watch::Receiver<State>) {
        // Who has said so before is believed.
        let _ = self.inner.state.set(state);
    }

    fn note_freed(&self, limits: &[LimitId]) {
        self.inner.book.lock().freed(limits);
    }

    /// What is admitted by leases that are lost is held by nobody but the node's own books.
    fn note_loss(&self) {
        self.inner.book.lock().lose_all();
        self.inner.reservations.lock().forget_all();
    }

    async fn hand_back(&self) {
        self.stop().await;
    }
}

impl AsRef<Shared> for Leases<Shared> {
    fn as_ref(&self) -> &Shared {
        self.store()
    }
}
