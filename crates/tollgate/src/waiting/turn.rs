//! A turn that is waited for.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::sync::oneshot;
use tollgate_core::{Attributes, Demand, LimitId, Now, Policy, Retry, Time};

use super::{
    guest::{GuestId, Told},
    serving::{self, bare},
};
use crate::{
    Permit, Store, StoreError, Verdict, new_id,
    tollgate::{Cause, Inner, Refused},
};

/// What came of asking for a slot or a place in the queue.
#[derive(Debug)]
pub enum Entered<S: Store + 'static> {
    /// It runs.
    Admit(Permit<S>),
    /// It has a place, and its turn will come.
    Wait(Waiting<S>),
    /// There is no slot and no place.
    Refuse(Refused),
}

/// Plans what a request asks for, anew whenever its turn comes: what was learned while it
/// waited may make that less, or more.
pub trait Planner: fmt::Debug + Send + Sync {
    /// What it asks for now. It is called while nothing is locked, and must not wait.
    fn plan(&self) -> Demand;
}

/// How long somebody is ready to wait, beside what the policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Patience {
    /// The longest; nobody waits with zero.
    pub most: Option<Duration>,
}

/// A place in the queue. Dropped, it is given up, and nothing was charged.
#[must_use = "a place that is dropped is given up"]
pub struct Waiting<S: Store + 'static> {
    inner: Arc<Inner<S>>,
    guest: GuestId,
    /// What was in its way when it came.
    limit: LimitId,
    who: Arc<Attributes>,
    demand: Demand,
    entered: Now,
    deadline: Time,
    told: oneshot::Receiver<Told<S>>,
    /// Whether it was told, so that there is no place to give up.
    is_over: bool,
    /// What it was told, while the store makes sure of it.
    coming: Option<Coming<S>>,
}

type Coming<S> = Pin<Box<dyn Future<Output = Result<Verdict<S>, StoreError>> + Send>>;

impl Patience {
    /// As long as the policy lets it.
    pub const POLICY: Self = Self { most: None };

    /// Not at all.
    pub const NONE: Self = Self { most: Some(Duration::ZERO) };

    /// So long at most.
    pub const fn of(most: Duration) -> Self {
        Self { most: Some(most) }
    }

    /// The earlier of both.
    #[must_use]
    pub fn and(self, other: Option<Duration>) -> Self {
        let most = match (self.most, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Self { most }
    }
}

impl<S: Store + 'static> Waiting<S> {
    pub(super) fn new(
        inner: Arc<Inner<S>>,
        (guest, limit): (GuestId, LimitId),
        (who, demand): (Arc<Attributes>, Demand),
        (entered, deadline): (Now, Time),
        told: oneshot::Receiver<Told<S>>,
    ) -> Self {
        let (is_over, coming) = (false, None);
        Self { inner, guest, limit, who, demand, entered, deadline, told, is_over, coming }
    }

    /// The limit that was in its way when it came: of several, the one that is so the longest.
    pub const fn limit(&self) -> LimitId {
        self.limit
    }

    /// Its turn, or why it does not come. Nothing is charged before.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn turn(mut self) -> Result<Verdict<S>, StoreError> {
        let left = self.deadline.since(self.inner.clock.now().time);
        let told = tokio::select! {
            biased;
            told = &mut self.told => told.ok(),
            () = tokio::time::sleep(left) => None,
        };
        match told {
            Some(told) => self.answer(told).await,
            None => self.time_is_up().await,
        }
    }

    /// Its turn if it has come already, and what it holds survives a crash.
    ///
    /// # Errors
    /// When the store could not answer, or it was answered before.
    pub fn try_turn(&mut self) -> Option<Result<Verdict<S>, StoreError>> {
        if self.coming.is_none() {
            let told = self.told.try_recv().ok()?;
            self.is_over = true;
            let inner = Arc::clone(&self.inner);
            self.coming = Some(Box::pin(answer(inner, told)));
        }
        let coming = self.coming.as_mut()?;
        match coming.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(verdict) => {
                self.coming = None;
                Some(verdict)
            }
            Poll::Pending => None,
        }
    }

    /// Its place, 1 for the next: the largest of the places where it waits.
    pub fn place(&self) -> Option<usize> {
        let now = self.inner.clock.now().time;
        self.inner.hall.places(self.guest, |room, id| room.place(id, now)).into_iter().max()
    }

    /// How long it is expected to wait from now on, where that is known.
    pub fn estimate(&self) -> Option<Duration> {
        let now = self.inner.clock.now().time;
        self.inner.hall.places(self.guest, |room, id| room.estimate(id, now)).into_iter().max()
    }

    /// When it gives up.
    pub const fn deadline(&self) -> Time {
        self.deadline
    }

    async fn answer(&mut self, told: Told<S>) -> Result<Verdict<S>, StoreError> {
        self.is_over = true;
        answer(Arc::clone(&self.inner), told).await
    }

    async fn time_is_up(mut self) -> Result<Verdict<S>, StoreError> {
        let Some(gone) = self.inner.hall.leave(self.guest) else {
            // It was told at the very last moment.
            return match self.told.try_recv() {
                Ok(told) => self.answer(told).await,
                Err(_) => Err(StoreError::Unavailable("the gate has gone".to_owned())),
            };
        };
        self.is_over = true;
        serving::serve(&self.inner);
        let policy = self.inner.policy();
        let now = self.inner.clock.now();
        let order = policy.order(new_id(now.wall), &self.who, &self.demand, now, now.time);
        let standings = self.inner.store.standings(&order, now).await?;
        drop(order);
        let mut refused = self.refused(gone.limit, policy, now);
        refused.refusal.standings = standings;
        Ok(Verdict::Refuse(refused))
    }

    fn refused(&self, limit: LimitId, policy: Arc<Policy>, now: Now) -> Refused {
        let waited = now.time.since(self.entered.time);
        let refusal = bare(limit, Retry::NotBefore(now.time));
        Refused { refusal, policy, now, cause: Cause::TimedOut { waited } }
    }
}

async fn answer<S: Store + 'static>(
    inner: Arc<Inner<S>>,
    told: Told<S>,
) -> Result<Verdict<S>, StoreError> {
    match told {
        Told::Admit(unclaimed) => unclaimed.held(&inner).await.map(Verdict::Admit),
        Told::Refuse(refused) => Ok(Verdict::Refuse(*refused)),
        Told::Failed(error) => Err(error),
    }
}

impl<S: Store + 'static> Drop for Waiting<S> {
    fn drop(&mut self) {
        if !self.is_over && self.inner.hall.leave(self.guest).is_some() {
            serving::serve(&self.inner);
        }
    }
}

impl<S: Store + 'static> fmt::Debug for Waiting<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
