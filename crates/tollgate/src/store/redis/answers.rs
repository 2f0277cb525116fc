//! A node as a store.

use smallvec::SmallVec;
use tollgate_core::{Amounts, Decision, Now, Order, ReservationId, Standing, Time, Usage};

use super::{Exact, Redis, local::books};
use crate::{
    Receipt, Store, StoreError,
    store::{Crossings, memory::End},
};

impl<X: Exact> Store for Redis<X> {
    async fn reserve(&self, order: &Order<'_>, now: Now) -> Result<Decision, StoreError> {
        self.ask(order, now).await
    }

    async fn held(&self, id: ReservationId) -> Result<(), StoreError> {
        self.is_safe(id).await
    }

    async fn check(&self, order: &Order<'_>, now: Now) -> Result<Decision, StoreError> {
        self.ask_nothing(order, now).await
    }

    async fn extend(
        &self,
        id: ReservationId,
        more: &Amounts,
        now: Now,
    ) -> Result<Decision, StoreError> {
        self.ask_more(id, more, now).await
    }

    async fn settle(
        &self,
        id: ReservationId,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        self.end(id, (End::Settle, usage), now).await
    }

    async fn settle_estimated(
        &self,
        id: ReservationId,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        self.end(id, (End::Estimate, usage), now).await
    }

    async fn void(&self, id: ReservationId, now: Now) -> Result<Receipt, StoreError> {
        self.end(id, (End::Void, &Usage::default()), now).await
    }

    async fn renew(&self, id: ReservationId, expires: Time, now: Now) -> Result<(), StoreError> {
        self.live_on(id, expires, now).await
    }

    async fn expire(&self, now: Now) -> Result<usize, StoreError> {
        self.pass_time(now).await
    }

    async fn standings(
        &self,
        order: &Order<'_>,
        now: Now,
    ) -> Result<SmallVec<[Standing; 8]>, StoreError> {
        self.stand(order, now).await
    }

    async fn session(&self, order: &Order<'_>, now: Now) -> Result<Option<Time>, StoreError> {
        if self.switch.is_up() {
            match self.shared.session(order, now).await {
                Err(error @ (StoreError::Away(_) | StoreError::Undecided(_))) => {
                    self.does_without(&error, now);
                }
                told => return told,
            }
        }
        Ok(books!(self.local, books => books.session_now(order, now)))
    }

    /// A session that is ended while the shared store is away ends there when it is idle.
    async fn end_session(&self, order: &Order<'_>, now: Now) -> Result<bool, StoreError> {
        let own = books!(self.local, books => books.end_session_now(order, now));
        if self.switch.is_up() {
            match self.shared.end_session(order, now).await {
                Err(error @ (StoreError::Away(_) | StoreError::Undecided(_))) => {
                    self.does_without(&error, now);
                }
                ended => return ended,
            }
        }
        Ok(own)
    }

    /// Those of what all nodes settled: the books' own thresholds are of this node's part, and
    /// are told to nobody.
    fn take_crossings(&self) -> Crossings {
        books!(self.local, books => drop(crate::Store::take_crossings(books)));
        self.shared.take_crossings()
    }

    async fn durable(&self) -> Result<(), StoreError> {
        self.local.durable().await
    }
}
