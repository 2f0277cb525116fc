//! One who waits, and what it leaves behind in the rooms when it runs.

use std::{sync::Arc, time::Duration};

use smallvec::SmallVec;
use tokio::sync::oneshot;
use tollgate_core::{Amounts, Attributes, Demand, LimitId, ReservationId, Time, Unit, queue::Bill};

use super::{Planner, hall::RoomId};
use crate::{
    Permit, Store, StoreError,
    tollgate::{Inner, Refused},
};

/// A guest's name in the hall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct GuestId(pub(super) u64);

/// One who waits.
#[derive(Debug)]
pub(super) struct Guest<S: Store + 'static> {
    pub(super) who: Arc<Attributes>,
    pub(super) demand: Demand,
    /// What it asks for when its turn comes, if that may be something else.
    pub(super) planner: Option<Arc<dyn Planner>>,
    /// The reservation that it becomes.
    pub(super) id: ReservationId,
    pub(super) keep: bool,
    /// The limit that was in its way when it was last looked at.
    pub(super) limit: LimitId,
    pub(super) entered: Time,
    pub(super) places: SmallVec<[Place; 2]>,
    pub(super) tell: oneshot::Sender<Told<S>>,
}

/// A guest's place in one room.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) room: RoomId,
    pub(super) id: u64,
    pub(super) unit: Unit,
    /// It waits for this account, and does not stand aside.
    pub(super) competes: bool,
}

/// How waiting ends, but for the time being up.
#[derive(Debug)]
pub(super) enum Told<S: Store + 'static> {
    Admit(Unclaimed<S>),
    Refuse(Box<Refused>),
    Failed(StoreError),
}

/// A permit on its way to who waited for it. Not taken, it is voided: nothing was used.
#[derive(Debug)]
pub(super) struct Unclaimed<S: Store + 'static>(Option<Box<Permit<S>>>);

/// What a permit must tell the rooms when it ends.
#[derive(Debug, Default)]
pub(crate) struct Stay {
    /// How long it waited.
    pub(crate) waited: Duration,
    /// The rooms before the accounts that it is charged to.
    pub(super) rooms: SmallVec<[RoomId; 2]>,
    /// What its tenant was charged in them, if it waited.
    pub(super) bills: Vec<(RoomId, Unit, Bill)>,
}

impl<S: Store + 'static> Unclaimed<S> {
    pub(super) fn new(permit: Permit<S>) -> Self {
        Self(Some(Box::new(permit)))
    }

    /// The permit, as soon as what it holds survives a crash.
    pub(super) async fn held(mut self, inner: &Inner<S>) -> Result<Permit<S>, StoreError> {
        match &self.0 {
            Some(permit) => inner.store.held(permit.id()).await?,
            None => return Err(taken()),
        }
        self.0.take().map(|permit| *permit).ok_or_else(taken)
    }
}

fn taken() -> StoreError {
    StoreError::Unavailable("the permit was taken before".to_owned())
}

impl<S: Store + 'static> Drop for Unclaimed<S> {
    fn drop(&mut self) {
        if let Some(permit) = self.0.take() {
            permit.end(None);
        }
    }
}

/// What fairness counts before a limit: its own unit; where that is requests or slots, the
/// tokens of the work, and requests where it has none.
pub(super) fn cost(unit: Unit, amounts: &Amounts) -> u64 {
    match unit {
        Unit::Requests => amounts.of(Unit::Tokens).max(amounts.requests),
        unit => amounts.of(unit),
    }
}
