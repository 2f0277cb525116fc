//! The two sides: slots of the library, and permits of tokio's semaphore.

use std::{num::NonZeroU32, pin::Pin, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tollgate::{Clock, Entered, HOLD, Memory, Patience, Permit, Tollgate, Verdict, Waiting};
use tollgate_core::{
    Attribute, Attributes, Demand, Policy, Unit,
    policy::{Limit, Measure, Queue},
    queue::{Overflow, Rules},
};

/// A side on which one permit is held and others wait for it.
pub(super) trait Side {
    type Turn: Turn;

    /// Takes the one permit, and gets so many places behind it.
    fn queue(&self, waiters: usize) -> Result<Line<Self::Turn>>;

    /// How many permits are free.
    fn free(&self) -> Result<u64>;
}

/// One who waits.
pub(super) trait Turn: Send + 'static {
    type Permit: Send;

    /// Its permit, when its turn has come.
    fn turn(self) -> impl Future<Output = Option<Self::Permit>> + Send;

    /// Gives a permit back of which nothing was used.
    fn end(permit: Self::Permit);
}

/// Who runs, and who waits behind it.
pub(super) struct Line<T: Turn> {
    pub(super) held: T::Permit,
    pub(super) turns: Vec<T>,
}

/// The library: its store in memory behind limits that have queues.
pub(super) struct Slots {
    pub(super) gate: Tollgate<Memory>,
    /// How many users wait.
    users: usize,
}

/// The other side.
pub(super) struct Permits(Arc<Semaphore>);

/// One who waits for the semaphore.
pub(super) struct Acquire(
    Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>,
);

impl Slots {
    /// One permit for everybody, and places for so many, all of one user.
    pub(super) fn one(places: usize) -> Result<Self> {
        Self::new(vec![slots("all-slots", &[], 1, places)], 1)
    }

    /// The same with slots of each user besides, and each place another user's.
    pub(super) fn one_and_users(places: usize) -> Result<Self> {
        Self::new(vec![user_slots(), slots("all-slots", &[], 1, places)], places)
    }

    /// Slots of each user, and of all together, both with queues.
    pub(super) fn many_and_users() -> Result<Self> {
        Self::new(vec![user_slots(), slots("all-slots", &[], 100, 500)], 1)
    }

    fn new(limits: Vec<Limit>, users: usize) -> Result<Self> {
        let policy = Policy::new(limits)?;
        Ok(Self { gate: Tollgate::new(policy, Memory::default(), Clock::system(), HOLD), users })
    }

    fn enter(&self, who: &Attributes) -> Result<Entered<Memory>> {
        let gate = &self.gate;
        let entering = gate.enter(gate.policy(), who, &Demand::ONE_REQUEST, Patience::POLICY);
        Ok(answered(entering).context("a store in memory answers at once")??)
    }
}

impl Permits {
    pub(super) fn one() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

fn user_slots() -> Limit {
    slots("user-slots", &[Attribute::User], 3, 10)
}

fn slots(name: &str, per: &[Attribute], cap: u64, places: usize) -> Limit {
    let rules = Rules {
        size: places,
        per_tenant: None,
        timeout: Duration::from_secs(120),
        overflow: Overflow::DropNewest,
        bypass: None,
        ageing: Duration::from_secs(40),
    };
    let queue = Queue {
        rules,
        tenant: Attribute::User,
        weights: vec![("premium".into(), const { NonZeroU32::new(4).unwrap() })],
        timeout_status: 408,
        claim: Duration::from_secs(60),
        for_holds: false,
    };
    let slots = Limit::new(name, per, Unit::Requests, Measure::Concurrency { cap });
    Limit { queue: Some(queue), ..slots }
}

/// Somebody with this name.
pub(super) fn who(user: &str) -> Attributes {
    Attributes::new().with(Attribute::User, user)
}

/// What a future says when it is asked once.
fn answered<F: Future>(future: F) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

impl Side for Slots {
    type Turn = Waiting<Memory>;

    fn queue(&self, waiters: usize) -> Result<Line<Self::Turn>> {
        let held = self.enter(&who("first"))?;
        let Entered::Admit(held) = held else { bail!("the permit is not free") };
        let mut turns = Vec::with_capacity(waiters);
        for nth in 0..waiters {
            let waiting = self.enter(&who(&format!("user-{}", nth % self.users)))?;
            let Entered::Wait(waiting) = waiting else { bail!("it does not wait") };
            turns.push(waiting);
        }
        Ok(Line { held, turns })
    }

    fn free(&self) -> Result<u64> {
        let waiting = self.gate.waiting();
        ensure!(self.gate.is_at_rest(), "{waiting} still wait, or a room is not forgotten");
        let mut held = Vec::new();
        while let Entered::Admit(permit) = self.enter(&who("counts"))? {
            held.push(permit);
        }
        Ok(held.len() as u64)
    }
}

impl Turn for Waiting<Memory> {
    type Permit = Permit<Memory>;

    async fn turn(self) -> Option<Self::Permit> {
        match Waiting::turn(self).await {
            Ok(Verdict::Admit(permit)) => Some(permit),
            _ => None,
        }
    }

    fn end(permit: Self::Permit) {
        permit.end(None);
    }
}

impl Side for Permits {
    type Turn = Acquire;

    fn queue(&self, waiters: usize) -> Result<Line<Self::Turn>> {
        let held = Arc::clone(&self.0).try_acquire_owned()?;
        let mut turns = Vec::with_capacity(waiters);
        for _ in 0..waiters {
            let mut acquire = Acquire(Box::pin(Arc::clone(&self.0).acquire_owned()));
            ensure!(answered(&mut acquire.0).is_none(), "it does not wait");
            turns.push(acquire);
        }
        Ok(Line { held, turns })
    }

    fn free(&self) -> Result<u64> {
        Ok(self.0.available_permits() as u64)
    }
}

impl Turn for Acquire {
    type Permit = OwnedSemaphorePermit;

    async fn turn(self) -> Option<Self::Permit> {
        self.0.await.ok()
    }

    fn end(permit: Self::Permit) {
        drop(permit);
    }
}
