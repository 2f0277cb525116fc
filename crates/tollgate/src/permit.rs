//! The handle of a reservation: it ends exactly once, also when it is dropped.

use std::{sync::Arc, time::Duration};

use tollgate_core::{
    Admission, Amounts, Attributes, Decision, Demand, Now, Order, Policy, Refusal, ReservationId,
    Usage,
};

use crate::{
    Cause, Receipt, Refused, Store, StoreError,
    tollgate::{Ending, Inner},
    waiting::Stay,
};

/// Leave to run, until it is settled, voided or dropped.
///
/// Dropped without a word, as by a panic or a cancelled future, it settles as if all that
/// was reserved had been used: money that may have been spent is never forgotten. Say
/// [`void`](Permit::void) where nothing was used.
#[derive(Debug)]
pub struct Permit<S: Store + 'static> {
    inner: Arc<Inner<S>>,
    id: ReservationId,
    policy: Arc<Policy>,
    admission: Admission,
    demand: Demand,
    stay: Stay,
    ended: bool,
}

impl<S: Store + 'static> Permit<S> {
    pub(crate) const fn new(
        inner: Arc<Inner<S>>,
        id: ReservationId,
        policy: Arc<Policy>,
        admission: Admission,
        demand: Demand,
        stay: Stay,
    ) -> Self {
        Self { inner, id, policy, admission, demand, stay, ended: false }
    }

    /// The reservation's id.
    pub const fn id(&self) -> ReservationId {
        self.id
    }

    /// What the store said when it admitted the request.
    pub const fn admission(&self) -> &Admission {
        &self.admission
    }

    /// The policy that it was admitted under.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// How long it waited for its turn.
    pub const fn waited(&self) -> Duration {
        self.stay.waited
    }

    /// What it reserved in all.
    pub const fn demand(&self) -> &Demand {
        &self.demand
    }

    /// Asks for more without holding on to the permit, as where a body is polled. What is
    /// granted must be told to [`extended`](Permit::extended).
    pub fn asking(
        &self,
        more: Amounts,
    ) -> impl Future<Output = Result<Decision, StoreError>> + Send + use<S> {
        let (inner, id) = (Arc::clone(&self.inner), self.id);
        async move {
            let decision = inner.store.extend(id, &more, inner.clock.now()).await?;
            if let Decision::Admit(_) = decision {
                inner.store.held(id).await?;
            }
            Ok(decision)
        }
    }

    /// What asking for more was refused with, under the policy that it was admitted under.
    pub fn refused(&self, refusal: Refusal) -> Refused {
        refused(refusal, Arc::clone(&self.policy), &self.demand, self.inner.clock.now())
    }

    /// Why it could not have more if it were of this caller under this policy; nothing where it
    /// could. Takes nothing: limits that were changed since it was admitted are asked this way.
    pub fn checking(
        &self,
        policy: Arc<Policy>,
        who: Attributes,
        more: Amounts,
    ) -> impl Future<Output = Result<Option<Refused>, StoreError>> + Send + use<S> {
        let (inner, demand) = (Arc::clone(&self.inner), self.demand);
        async move {
            let now = inner.clock.now();
            let of = Arc::clone(&policy);
            let order = of.order(ReservationId(0), &who, &more, now, now.time).of_amounts();
            match inner.store.check(&Order { report: true, ..order }, now).await? {
                Decision::Refuse(refusal) => Ok(Some(refused(refusal, policy, &demand, now))),
                // Nobody waits with a permit.
                Decision::Admit(_) | Decision::Wait(_) => Ok(None),
            }
        }
    }

    /// Takes note of what was granted beside what it had.
    pub const fn extended(&mut self, more: &Amounts) {
        self.demand = self.demand.plus(more);
    }

    /// Asks for more, all or nothing.
    ///
    /// # Errors
    /// When the store cannot answer, or the permit's reservation has expired.
    pub async fn extend(&mut self, more: &Amounts) -> Result<Decision, StoreError> {
        let decision = self.asking(*more).await?;
        if let Decision::Admit(_) = decision {
            self.extended(more);
        }
        Ok(decision)
    }

    /// Keeps the reservation from expiring for another while.
    ///
    /// # Errors
    /// When the store cannot answer, or the permit's reservation has expired.
    pub async fn renew(&self, hold: Duration) -> Result<(), StoreError> {
        let now = self.inner.clock.now();
        self.inner.store.renew(self.id, now.time.after(hold), now).await
    }

    /// Ends it with what was really used.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn settle(mut self, usage: &Usage) -> Result<Receipt, StoreError> {
        self.ended = true;
        let now = self.inner.clock.now();
        let receipt = self.inner.store.settle(self.id, usage, now).await;
        Inner::released(&self.inner, &mut self.stay, usage);
        receipt
    }

    /// Ends it with nothing used.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn void(mut self) -> Result<Receipt, StoreError> {
        self.ended = true;
        let now = self.inner.clock.now();
        let receipt = self.inner.store.void(self.id, now).await;
        Inner::released(&self.inner, &mut self.stay, &Usage::default());
        receipt
    }

    /// Lets it live on under its id alone, without this handle: it ends by its id, at the
    /// store, or expires. Then say [`freed`](crate::Tollgate::freed).
    pub fn into_id(mut self) -> (ReservationId, Admission) {
        self.ended = true;
        let mut stay = std::mem::take(&mut self.stay);
        // What fairness charged stays as it was estimated.
        Inner::released(&self.inner, &mut stay, &self.demand);
        (self.id, std::mem::take(&mut self.admission))
    }

    /// Ends it from where nobody can wait, as when a connection drops: with `usage`, or
    /// voided if there is none. A store in this process is done when this returns.
    pub fn end(self, usage: Option<Usage>) {
        self.conclude(usage.map_or(Ending::Void, Ending::Settle));
    }

    /// Like [`end`](Permit::end), where nobody told what was used: `usage` is what it
    /// probably was, and a ledger says so.
    pub fn end_estimated(self, usage: Usage) {
        self.conclude(Ending::Estimate(usage));
    }

    fn conclude(mut self, how: Ending) {
        self.ended = true;
        Inner::end(&self.inner, self.id, how, std::mem::take(&mut self.stay));
    }
}

/// A refusal of more than what is held.
fn refused(refusal: Refusal, policy: Arc<Policy>, held: &Demand, now: Now) -> Refused {
    let standing = refusal.standings.iter().find(|standing| standing.limit == refusal.limit);
    let own = policy.limit(refusal.limit).map_or(0, |limit| held.of(limit.unit));
    // Its own share is held too, and the rest is what others may give back.
    let is_held = standing.is_some_and(|standing| standing.held > own);
    let cause = if is_held { Cause::Reserved } else { Cause::Limit };
    Refused { refusal, policy, now, cause }
}

impl<S: Store + 'static> Drop for Permit<S> {
    fn drop(&mut self) {
        if !self.ended {
            let how = Ending::Estimate(self.demand);
            Inner::end(&self.inner, self.id, how, std::mem::take(&mut self.stay));
        }
    }
}
