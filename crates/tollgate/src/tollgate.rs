//! Policy, store and clock joined: what applications and the gateway ask.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use arc_swap::ArcSwap;
use tollgate_core::{
    Attributes, Decision, Demand, Now, Policy, Refusal, ReservationId, Time, Usage, policy::Limit,
};

use crate::{Clock, Permit, Store, StoreError};

/// Decides requests under a policy that may be replaced while it runs. Cheap to clone.
#[derive(Debug)]
pub struct Tollgate<S: Store + 'static>(Arc<Inner<S>>);

#[derive(Debug)]
pub(crate) struct Inner<S> {
    pub(crate) store: S,
    pub(crate) clock: Clock,
    policy: ArcSwap<Policy>,
    hold: Duration,
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
}

/// How long a reservation is held unless it is renewed.
pub const HOLD: Duration = Duration::from_secs(600);

impl<S: Store + 'static> Tollgate<S> {
    /// A gate that holds unsettled reservations for `hold`, [`HOLD`] by default.
    pub fn new(policy: Policy, store: S, clock: Clock, hold: Duration) -> Self {
        let policy = ArcSwap::from_pointee(policy);
        Self(Arc::new(Inner { store, clock, policy, hold }))
    }

    /// Asks whether a request may run, and takes what it demands if so.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn admit(&self, who: &Attributes, demand: &Demand) -> Result<Verdict<S>, StoreError> {
        self.admit_under(self.policy(), who, demand).await
    }

    /// Asks under a policy of the caller's choice, as one that keeps more with its policy
    /// than limits and must not mix two of them.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn admit_under(
        &self,
        policy: Arc<Policy>,
        who: &Attributes,
        demand: &Demand,
    ) -> Result<Verdict<S>, StoreError> {
        let now = self.0.clock.now();
        let mut order =
            policy.order(new_id(now.wall), who, demand, now, now.time.after(self.0.hold));
        order.report = true;
        let decision = self.0.store.reserve(&order, now).await?;
        let (id, demand) = (order.id, order.demand);
        drop(order);
        Ok(match decision {
            Decision::Admit(admission) => {
                Verdict::Admit(Permit::new(Arc::clone(&self.0), id, policy, admission, demand))
            }
            Decision::Wait(waiting) => {
                let retry = tollgate_core::Retry::NotBefore(waiting.until.unwrap_or(now.time));
                let refusal = Refusal {
                    limit: waiting.limit,
                    retry,
                    standings: smallvec::SmallVec::new(),
                    shadowed: smallvec::SmallVec::new(),
                };
                Verdict::Refuse(Refused { refusal, policy, now })
            }
            Decision::Refuse(refusal) => Verdict::Refuse(Refused { refusal, policy, now }),
        })
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<Policy> {
        self.0.policy.load_full()
    }

    /// Puts another policy in force. Accounts of limits that keep their name and `per` go
    /// on; a decision is made under one policy or the other, never under both.
    pub fn replace_policy(&self, policy: Policy) {
        self.0.policy.store(Arc::new(policy));
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
    /// Settles or voids from where nobody can wait. A store that answers at once is done
    /// when this returns; another is waited for in the background.
    pub(crate) fn end(inner: &Arc<Self>, id: ReservationId, usage: Option<Usage>) {
        let shared = Arc::clone(inner);
        let mut ending = Box::pin(async move {
            let now = shared.clock.now();
            let ended = match &usage {
                Some(usage) => shared.store.settle(id, usage, now).await,
                None => shared.store.void(id, now).await,
            };
            if let Err(error) = ended {
                tracing::error!(%error, id = format_args!("{:032x}", id.0), "reservation not ended");
            }
        });
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Pending = pin!(ending.as_mut()).poll(&mut context)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(ending);
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
