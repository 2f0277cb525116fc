//! Policy, store and clock joined: what applications and the gateway ask.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tollgate_core::{
    Attributes, Decision, Demand, Now, Order, Policy, Refusal, ReservationId, Retry, Time, Usage,
    policy::Limit, queue::Bound,
};

use crate::{
    Clock, Permit, Store, StoreError,
    waiting::{Entered, Hall, Patience, Planner, QueueDepth, Stay, bare, serve, told},
};

/// Decides requests under a policy that may be replaced while it runs. Cheap to clone.
#[derive(Debug)]
pub struct Tollgate<S: Store + 'static>(Arc<Inner<S>>);

#[derive(Debug)]
pub(crate) struct Inner<S: Store + 'static> {
    pub(crate) store: S,
    pub(crate) clock: Clock,
    pub(crate) hall: Hall<S>,
    policy: ArcSwap<Policy>,
    pub(crate) hold: Duration,
    /// How many ends are on their way.
    ending: watch::Sender<usize>,
}

/// The answer to a request.
#[derive(Debug)]
pub enum Verdict<S: Store + 'static> {
    /// It may run, as long as it keeps the permit.
    Admit(Permit<S>),
    /// It may not.
    Refuse(Refused),
}

/// A refusal, with the policy that it comes from.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Which limit, and until when.
    pub refusal: Refusal,
    /// The policy it was decided under.
    pub policy: Arc<Policy>,
    /// When it was decided.
    pub now: Now,
    /// How it came to be refused.
    pub cause: Cause,
}

/// How a request came to be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The limit is reached, and nobody waits for it.
    Limit,
    /// The budget is not spent, but others have reserved what is left of it, and may give
    /// some back.
    Reserved,
    /// There is no place in the queue before it.
    QueueFull {
        /// Whether its tenant has all the places it may have, or there is none at all.
        bound: Bound,
        /// How many places that are.
        size: usize,
    },
    /// Its place was taken by one that came later, as the policy has it.
    Displaced {
        /// How many places there are.
        size: usize,
    },
    /// It would have waited for longer than it may.
    TooLate {
        /// How long it would have waited.
        estimate: Duration,
    },
    /// Its turn did not come in time.
    TimedOut {
        /// How long it waited.
        waited: Duration,
    },
}

/// How a permit ends where nobody waits for the store.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ending {
    /// With what was used.
    Settle(Usage),
    /// With what probably was used, since nobody told.
    Estimate(Usage),
    /// With nothing used.
    Void,
}

/// How long a reservation is held unless it is renewed.
pub const HOLD: Duration = Duration::from_secs(600);

impl<S: Store + 'static> Tollgate<S> {
    /// A gate that holds unsettled reservations for `hold`, [`HOLD`] by default.
    pub fn new(policy: Policy, store: S, clock: Clock, hold: Duration) -> Self {
        let policy = ArcSwap::from_pointee(policy);
        let (hall, ending) = (Hall::default(), watch::Sender::new(0));
        Self(Arc::new(Inner { store, clock, hall, policy, hold, ending }))
    }

    /// Asks whether a request may run now, and takes what it demands if so. It never waits.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn admit(&self, who: &Attributes, demand: &Demand) -> Result<Verdict<S>, StoreError> {
        match self.enter(self.policy(), who, demand, Patience::NONE).await? {
            Entered::Admit(permit) => Ok(Verdict::Admit(permit)),
            Entered::Refuse(refused) => Ok(Verdict::Refuse(refused)),
            Entered::Wait(waiting) => waiting.turn().await,
        }
    }

    /// Why a request would be refused now; nothing where it would run. Takes nothing.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn check(
        &self,
        who: &Attributes,
        demand: &Demand,
    ) -> Result<Option<Refused>, StoreError> {
        let (policy, now) = (self.policy(), self.0.clock.now());
        let of = Arc::clone(&policy);
        let mut order = of.order(ReservationId(0), who, demand, now, now.time);
        order.report = true;
        Ok(match self.0.store.check(&order, now).await? {
            Decision::Admit(_) => None,
            Decision::Refuse(refusal) => {
                let (refusal, cause) = told(&policy, &order, refusal);
                Some(Refused { refusal, policy, now, cause })
            }
            Decision::Wait(waiting) => {
                let retry = Retry::NotBefore(waiting.until.unwrap_or(now.time));
                let refusal = bare(waiting.limit, retry);
                Some(Refused { refusal, policy, now, cause: Cause::Limit })
            }
        })
    }

    /// Takes what a request demands, or a place in the queue, at once. It fails only where
    /// both are full, or a limit stands in the way that nobody waits for.
    ///
    /// The policy is of the caller's choice, as of one that keeps more with its policy than
    /// limits and must not mix two of them. Who waits starts under the policy of that time.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn enter(
        &self,
        policy: Arc<Policy>,
        who: &Attributes,
        demand: &Demand,
        patience: Patience,
    ) -> Result<Entered<S>, StoreError> {
        self.enter_with(policy, (who, demand), None, patience).await
    }

    /// The same; who waits asks for what its planner says when its turn comes.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn enter_planned(
        &self,
        policy: Arc<Policy>,
        who: &Attributes,
        demand: &Demand,
        planner: Arc<dyn Planner>,
        patience: Patience,
    ) -> Result<Entered<S>, StoreError> {
        self.enter_with(policy, (who, demand), Some(planner), patience).await
    }

    async fn enter_with(
        &self,
        policy: Arc<Policy>,
        (who, demand): (&Attributes, &Demand),
        planner: Option<Arc<dyn Planner>>,
        patience: Patience,
    ) -> Result<Entered<S>, StoreError> {
        let now = self.0.clock.now();
        let of = Arc::clone(&policy);
        let mut order = of.order(new_id(now.wall), who, demand, now, now.time.after(self.0.hold));
        order.report = true;
        self.0.enter(policy, (order, planner), patience, now).await
    }

    /// Takes what an order asks, or a place in the queue, at once: for those who choose the
    /// id, or keep it.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn enter_order(
        &self,
        policy: Arc<Policy>,
        order: Order<'_>,
        patience: Patience,
        now: Now,
    ) -> Result<Entered<S>, StoreError> {
        self.0.enter(policy, (order, None), patience, now).await
    }

    /// Waits for its turn, where a limit has a queue. Where its accounts stand is not told.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn acquire(
        &self,
        who: &Attributes,
        demand: &Demand,
        patience: Patience,
    ) -> Result<Verdict<S>, StoreError> {
        let (policy, now) = (self.policy(), self.0.clock.now());
        let of = Arc::clone(&policy);
        let order = of.order(new_id(now.wall), who, demand, now, now.time.after(self.0.hold));
        match self.0.enter(policy, (order, None), patience, now).await? {
            Entered::Admit(permit) => Ok(Verdict::Admit(permit)),
            Entered::Refuse(refused) => Ok(Verdict::Refuse(refused)),
            Entered::Wait(waiting) => waiting.turn().await,
        }
    }

    /// Somebody settled, voided or ended something of this caller's past its permit: who
    /// waits for it is looked at.
    pub fn freed(&self, who: &Attributes) {
        if self.0.hall.waiting() > 0 {
            let now = self.0.clock.now();
            let policy = self.policy();
            let order = policy.order(ReservationId(0), who, &Demand::default(), now, now.time);
            self.0.hall.look_at(&policy, &order);
            serve(&self.0);
        }
    }

    /// Something was let go of which nobody knows whose it was: everybody is looked at.
    pub fn freed_something(&self) {
        if self.0.hall.release_all() {
            serve(&self.0);
        }
    }

    /// Frees what expired, and looks at who waits for it. How many reservations expired.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn expire(&self) -> Result<usize, StoreError> {
        let expired = self.0.store.expire(self.0.clock.now()).await?;
        if expired > 0 {
            self.freed_something();
        }
        Ok(expired)
    }

    /// Returns when everything has ended whose end was on its way when this was called, or
    /// later: a store that others share is told of ends behind the back of whoever ends them.
    pub async fn ended(&self) {
        let mut ending = self.0.ending.subscribe();
        // The sender is in here, so it is not gone.
        let _ = ending.wait_for(|ending| *ending == 0).await;
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.0.hall.waiting()
    }

    /// How many wait before each limit that somebody waits for, in no order.
    pub fn queues(&self) -> Vec<QueueDepth> {
        self.0.hall.queues()
    }

    /// Whether nobody waits, and nothing that waited runs any more.
    pub fn is_at_rest(&self) -> bool {
        self.0.hall.is_empty()
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<Policy> {
        self.0.policy.load_full()
    }

    /// Puts another policy in force. Accounts of limits that keep their name and `per` go
    /// on; a decision is made under one policy or the other, never under both.
    pub fn replace_policy(&self, policy: Policy) {
        let policy = Arc::new(policy);
        self.0.policy.store(Arc::clone(&policy));
        self.0.hall.revise(&policy);
        if self.0.hall.release_all() {
            serve(&self.0);
        }
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.0.store
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// How long an unsettled reservation is held.
    pub fn hold(&self) -> Duration {
        self.0.hold
    }
}

impl<S: Store + 'static> Clone for Tollgate<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Store + 'static> Inner<S> {
    pub(crate) fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// What a permit held has been let go.
    pub(crate) fn released(inner: &Arc<Self>, stay: &mut Stay, usage: &Usage) {
        if inner.hall.release(stay, usage) {
            serve(inner);
        }
    }

    /// Settles or voids from where nobody can wait. A store that answers at once is done
    /// when this returns; another is waited for in the background.
    pub(crate) fn end(inner: &Arc<Self>, id: ReservationId, how: Ending, mut stay: Stay) {
        let shared = Arc::clone(inner);
        let mut ending = Box::pin(async move {
            let now = shared.clock.now();
            let ended = match &how {
                Ending::Settle(usage) => shared.store.settle(id, usage, now).await,
                Ending::Estimate(usage) => shared.store.settle_estimated(id, usage, now).await,
                Ending::Void => shared.store.void(id, now).await,
            };
            if let Err(error) = ended {
                tracing::error!(%error, id = format_args!("{:032x}", id.0), "reservation not ended");
            }
            Self::released(&shared, &mut stay, &how.usage());
        });
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Pending = pin!(ending.as_mut()).poll(&mut context)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            inner.ending.send_modify(|ending| *ending += 1);
            let ended = EndOnDrop(Arc::clone(inner));
            runtime.spawn(async move {
                ending.await;
                drop(ended);
            });
        }
    }
}

/// Counts an end that is on its way until it is done, or its runtime is.
struct EndOnDrop<S: Store + 'static>(Arc<Inner<S>>);

impl<S: Store + 'static> Drop for EndOnDrop<S> {
    fn drop(&mut self) {
        self.0.ending.send_modify(|ending| *ending -= 1);
    }
}

impl Ending {
    fn usage(self) -> Usage {
        match self {
            Self::Settle(usage) | Self::Estimate(usage) => usage,
            Self::Void => Usage::default(),
        }
    }
}

impl Refused {
    /// The limit that stands in the way the longest.
    pub fn limit(&self) -> Option<&Limit> {
        self.policy.limit(self.refusal.limit)
    }
}

/// A new id, in the order of time so that ledgers index it well, and not to be guessed.
pub fn new_id(wall: Time) -> ReservationId {
    let mut random = [0; 10];
    random.copy_from_slice(&rand::random::<u128>().to_le_bytes()[..10]);
    let millis = wall.as_nanos() / 1_000_000;
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    ReservationId(id.as_u128())
}
