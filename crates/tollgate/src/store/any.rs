//! The store that a policy chooses when the process starts.

#[cfg(feature = "redis")]
use std::sync::Arc;

use smallvec::SmallVec;
use tollgate_core::{Amounts, Decision, Now, Order, Policy, ReservationId, Standing, Time, Usage};

#[cfg(feature = "redis")]
use super::redis::{Leases, Redis};
use crate::{Embedded, Memory, Receipt, Store, StoreError, store::Crossings};

/// One of the stores, chosen at run time. It adds nothing and promises what its store does.
#[derive(Debug)]
pub enum AnyStore {
    /// Accounts that live as long as the process.
    Memory(Memory),
    /// Accounts that survive it, in a ledger on the disk.
    Embedded(Embedded),
    /// Accounts that several nodes share.
    #[cfg(feature = "redis")]
    Redis(Arc<Redis<Leases>>),
}

/// Asks whichever store it is.
macro_rules! ask {
    ($any:expr, $store:ident => $question:expr) => {
        match $any {
            AnyStore::Memory($store) => $question.await,
            AnyStore::Embedded($store) => $question.await,
            #[cfg(feature = "redis")]
            AnyStore::Redis($store) => $question.await,
        }
    };
}

impl From<Memory> for AnyStore {
    fn from(memory: Memory) -> Self {
        Self::Memory(memory)
    }
}

impl From<Embedded> for AnyStore {
    fn from(embedded: Embedded) -> Self {
        Self::Embedded(embedded)
    }
}

#[cfg(feature = "redis")]
impl From<Arc<Redis<Leases>>> for AnyStore {
    fn from(node: Arc<Redis<Leases>>) -> Self {
        Self::Redis(node)
    }
}

impl AnyStore {
    /// The ledger of this process, where it keeps one.
    pub fn ledger(&self) -> Option<&Embedded> {
        match self {
            Self::Memory(_) => None,
            Self::Embedded(embedded) => Some(embedded),
            #[cfg(feature = "redis")]
            Self::Redis(node) => node.local().embedded(),
        }
    }

    /// Tells a store that keeps a ledger how a policy's limits are called.
    pub fn note_policy(&self, policy: &Policy) {
        match self {
            Self::Memory(_) => {}
            Self::Embedded(embedded) => embedded.note_policy(policy),
            #[cfg(feature = "redis")]
            Self::Redis(node) => node.note_policy(policy),
        }
    }
}

impl Store for AnyStore {
    async fn reserve(&self, order: &Order<'_>, now: Now) -> Result<Decision, StoreError> {
        ask!(self, store => store.reserve(order, now))
    }

    async fn held(&self, id: ReservationId) -> Result<(), StoreError> {
        ask!(self, store => store.held(id))
    }

    async fn check(&self, order: &Order<'_>, now: Now) -> Result<Decision, StoreError> {
        ask!(self, store => store.check(order, now))
    }

    async fn extend(
        &self,
        id: ReservationId,
        more: &Amounts,
        now: Now,
    ) -> Result<Decision, StoreError> {
        ask!(self, store => store.extend(id, more, now))
    }

    async fn settle(
        &self,
        id: ReservationId,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        ask!(self, store => store.settle(id, usage, now))
    }

    async fn settle_estimated(
        &self,
        id: ReservationId,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        ask!(self, store => store.settle_estimated(id, usage, now))
    }

    async fn void(&self, id: ReservationId, now: Now) -> Result<Receipt, StoreError> {
        ask!(self, store => store.void(id, now))
    }

    async fn renew(&self, id: ReservationId, expires: Time, now: Now) -> Result<(), StoreError> {
        ask!(self, store => store.renew(id, expires, now))
    }

    async fn expire(&self, now: Now) -> Result<usize, StoreError> {
        ask!(self, store => store.expire(now))
    }

    async fn standings(
        &self,
        order: &Order<'_>,
        now: Now,
    ) -> Result<SmallVec<[Standing; 8]>, StoreError> {
        ask!(self, store => store.standings(order, now))
    }

    async fn session(&self, order: &Order<'_>, now: Now) -> Result<Option<Time>, StoreError> {
        ask!(self, store => store.session(order, now))
    }

    async fn end_session(&self, order: &Order<'_>, now: Now) -> Result<bool, StoreError> {
        ask!(self, store => store.end_session(order, now))
    }

    fn take_crossings(&self) -> Crossings {
        match self {
            Self::Memory(memory) => memory.take_crossings(),
            Self::Embedded(embedded) => embedded.take_crossings(),
            #[cfg(feature = "redis")]
            Self::Redis(node) => node.take_crossings(),
        }
    }

    async fn durable(&self) -> Result<(), StoreError> {
        ask!(self, store => store.durable())
    }
}
