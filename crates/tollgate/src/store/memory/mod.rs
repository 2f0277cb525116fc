//! The store in memory: sharded by key, atomic by holding every lock an order needs.
//!
//! Locks are taken in one order everywhere, the shard of the id first and then the shards
//! of the cells by number, the global one last; so there is no deadlock, and two users
//! meet only for the moment that a global limit takes.

mod journal;
mod locked;
mod reservation;
mod reserve;
mod restore;
mod sessions;
mod settle;
mod shard;
mod take;

use std::{
    hash::BuildHasher,
    sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

use crossbeam_utils::CachePadded;
use parking_lot::Mutex;
use smallvec::SmallVec;
use tollgate_core::{Amounts, Decision, Now, Order, ReservationId, ScopeId, Standing, Time, Usage};

pub use journal::{End, Forget, Holds, Journal, Record};
use reservation::Reservations;
pub(crate) use restore::{Parcel, Progress, Remembered, RestoredCell, RestoredReservation};
pub(crate) use settle::LATE;
use shard::Shard;
pub use take::Holding;

use crate::{
    Receipt, Store, StoreError,
    store::{Crossings, crossings::Noted},
};

/// Keeps accounts in memory and tells a [`Journal`] what happens.
#[derive(Debug)]
pub struct Memory<J = Forget> {
    /// The last one is for the global scope, so that it is locked last.
    shards: Box<[CachePadded<Mutex<Shard>>]>,
    reservations: Box<[CachePadded<Mutex<Reservations>>]>,
    hasher: foldhash::quality::RandomState,
    bounds: Bounds,
    cells: AtomicUsize,
    next_number: AtomicU32,
    /// No reservation expires before this; it may be earlier than any does.
    next_expiry: AtomicU64,
    /// Where forgetting idle cells goes on.
    sweep: AtomicUsize,
    crossings: Noted,
    journal: J,
}

/// The named maxima of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Keys with accounts, over all scopes.
    pub max_keys: usize,
    /// Reservations that are live or have expired unsettled.
    pub max_reservations: usize,
}

/// Shards of cells, beside the global one, and of ids.
const SHARDS: usize = 64;

/// Shards looked through for idle cells at each expiry.
const SWEPT: usize = 8;

impl Default for Bounds {
    fn default() -> Self {
        Self { max_keys: 1_000_000, max_reservations: 262_144 }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(Bounds::default(), Forget)
    }
}

impl<J: Journal> Memory<J> {
    /// An empty store.
    pub fn new(bounds: Bounds, journal: J) -> Self {
        Self {
            shards: (0..=SHARDS).map(|_| CachePadded::default()).collect(),
            reservations: (0..SHARDS).map(|_| CachePadded::default()).collect(),
            hasher: foldhash::quality::RandomState::default(),
            bounds,
            cells: AtomicUsize::new(0),
            next_number: AtomicU32::new(1),
            next_expiry: AtomicU64::new(u64::MAX),
            sweep: AtomicUsize::new(0),
            crossings: Noted::default(),
            journal,
        }
    }

    /// What it tells of its changes.
    pub const fn journal(&self) -> &J {
        &self.journal
    }

    /// Keys with accounts.
    pub fn keys(&self) -> usize {
        self.cells.load(Ordering::Relaxed)
    }

    /// Reservations that are live or have expired unsettled.
    pub fn reservations(&self) -> usize {
        self.reservations.iter().map(|shard| shard.lock().len()).sum()
    }

    fn hash_key(&self, scope: ScopeId, key: &str) -> u64 {
        self.hasher.hash_one((scope.0, key))
    }

    fn hash_id(&self, id: ReservationId) -> u64 {
        self.hasher.hash_one(id.0)
    }

    const fn shard_of(scope: ScopeId, hash: u64) -> u16 {
        if scope.0 == ScopeId::GLOBAL.0 {
            SHARDS as u16
        } else {
            (hash >> 32) as u16 % SHARDS as u16
        }
    }

    fn reservations_of(&self, hash: u64) -> &Mutex<Reservations> {
        &self.reservations[(hash >> 32) as usize % SHARDS]
    }
}

impl<J: Journal> Store for Memory<J> {
    async fn reserve(&self, order: &Order<'_>, now: Now) -> Result<Decision, StoreError> {
        self.reserve_now(order, now)
    }

    async fn held(&self, _: ReservationId) -> Result<(), StoreError> {
        Ok(())
    }

    async fn check(&self, order: &Order<'_>, now: Now) -> Result<Decision, StoreError> {
        Ok(self.check_now(order, now))
    }

    async fn extend(
        &self,
        id: ReservationId,
        more: &Amounts,
        now: Now,
    ) -> Result<Decision, StoreError> {
        self.extend_now(id, more, now)
    }

    async fn settle(
        &self,
        id: ReservationId,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        self.settle_now(id, usage, now)
    }

    async fn settle_estimated(
        &self,
        id: ReservationId,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        self.settle_estimated_now(id, usage, now)
    }

    async fn void(&self, id: ReservationId, now: Now) -> Result<Receipt, StoreError> {
        self.void_now(id, now)
    }

    async fn renew(&self, id: ReservationId, expires: Time, _: Now) -> Result<(), StoreError> {
        self.renew_now(id, expires)
    }

    async fn expire(&self, now: Now) -> Result<usize, StoreError> {
        Ok(self.expire_now(now))
    }

    async fn standings(
        &self,
        order: &Order<'_>,
        now: Now,
    ) -> Result<SmallVec<[Standing; 8]>, StoreError> {
        Ok(self.standings_now(order, now))
    }

    async fn session(&self, order: &Order<'_>, now: Now) -> Result<Option<Time>, StoreError> {
        Ok(self.session_now(order, now))
    }

    async fn end_session(&self, order: &Order<'_>, now: Now) -> Result<bool, StoreError> {
        Ok(self.end_session_now(order, now))
    }

    fn take_crossings(&self) -> Crossings {
        self.crossings.take()
    }

    async fn durable(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
