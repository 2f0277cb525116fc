//! Concurrency per user and in all, with bounded queues, for the handlers of a service: the
//! whole of a limit in one value, without a policy to write.
//!
//! ```
//! # async fn handler() -> Result<(), tollgate::Overload> {
//! let limiter = tollgate::Limiter::new(tollgate::Limits::default());
//! let _slot = limiter.acquire("alice").await?;
//! // The slot is held until it is dropped: at the end of the scope, by an error, a panic,
//! // or a future that nobody wants any more.
//! # Ok(())
//! # }
//! ```

mod limits;
mod overload;
mod slot;

use std::sync::Arc;

use arc_swap::ArcSwap;
use compact_str::CompactString;
use serde::Serialize;
use tollgate_core::{Attribute, Attributes, Demand};

pub use limits::{Limits, ParseLimitsError};
pub use overload::Overload;
pub use slot::{Queued, Seat, Slot};

use crate::{Clock, Crowd, Entered, HOLD, Memory, Patience, Store as _, Tollgate, Verdict, new_id};

/// Lets so many run at once, and so many wait. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Limiter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: Limits,
    clock: Clock,
    /// Made anew by a reset; who holds a slot of the old one gives it back there.
    state: ArcSwap<State>,
}

#[derive(Debug)]
struct State {
    gate: Tollgate<Memory>,
    crowd: Crowd,
}

/// What runs and waits now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stats {
    /// Requests that run.
    pub global_concurrent: u64,
    /// Requests that wait.
    pub global_queue_size: u64,
    /// Users with requests that run or wait.
    pub total_users: u64,
    /// The users, by name.
    pub users: Vec<UserStats>,
    /// The limits in force.
    pub config: Limits,
}

/// What of one user runs and waits now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserStats {
    /// The user.
    pub user_id: CompactString,
    /// Requests that run.
    pub concurrent: u64,
    /// Requests that wait.
    pub queued: u64,
}

impl Limiter {
    /// A limiter by the machine's clock.
    pub fn new(limits: Limits) -> Self {
        Self::with_clock(limits, Clock::system())
    }

    /// A limiter by a clock of the caller's choice, as in tests.
    pub fn with_clock(limits: Limits, clock: Clock) -> Self {
        let state = ArcSwap::from_pointee(State::new(&limits, &clock));
        Self(Arc::new(Inner { limits, clock, state }))
    }

    /// Waits for a slot, within the queue's timeout.
    ///
    /// # Errors
    /// When there is no place in the queue, or its turn did not come in time.
    pub async fn acquire(&self, user: &str) -> Result<Slot, Overload> {
        match self.enter(user).await? {
            Seat::Running(slot) => Ok(slot),
            Seat::Queued(queued) => queued.turn().await,
        }
    }

    /// A slot at once, or none.
    ///
    /// # Errors
    /// When none is free, or others wait for one.
    pub async fn try_acquire(&self, user: &str) -> Result<Slot, Overload> {
        match self.ask(user, Patience::NONE).await? {
            Seat::Running(slot) => Ok(slot),
            // Who has no patience is given no place.
            Seat::Queued(queued) => queued.turn().await,
        }
    }

    /// A slot or a place in the queue, at once.
    ///
    /// # Errors
    /// When both are full.
    pub async fn enter(&self, user: &str) -> Result<Seat, Overload> {
        self.ask(user, Patience::POLICY).await
    }

    /// Whether a slot is free; takes nothing.
    ///
    /// # Errors
    /// When none is.
    pub async fn check(&self, user: &str) -> Result<(), Overload> {
        if !self.0.limits.enabled {
            return Ok(());
        }
        let state = self.0.state.load_full();
        let verdict = state.gate.check(&who(user), &Demand::ONE_REQUEST).await;
        match verdict.map_err(|error| Overload::failed(&error))? {
            None => Ok(()),
            Some(refused) => Err(Overload::new(&refused)),
        }
    }

    /// A slot for each of these users, each with its own outcome, all at the same time.
    pub async fn acquire_all<'a>(
        &self,
        users: impl IntoIterator<Item = &'a str>,
    ) -> Vec<Result<Slot, Overload>> {
        let tasks: Vec<_> = users
            .into_iter()
            .map(|user| {
                let (limiter, user) = (self.clone(), user.to_owned());
                tokio::spawn(async move { limiter.acquire(&user).await })
            })
            .collect();
        let mut outcomes = Vec::with_capacity(tasks.len());
        for task in tasks {
            outcomes.push(task.await.unwrap_or_else(|_| Err(Overload::stopped())));
        }
        outcomes
    }

    /// What runs and waits now.
    pub fn stats(&self) -> Stats {
        let state = self.0.state.load_full();
        let counts = state.crowd.counts();
        let (total_users, users) = state.crowd.users(usize::MAX);
        let users = users.into_iter().map(|(user_id, counts)| UserStats {
            user_id,
            concurrent: counts.running,
            queued: counts.waiting,
        });
        Stats {
            global_concurrent: counts.running,
            global_queue_size: counts.waiting,
            total_users,
            users: users.collect(),
            config: self.0.limits.clone(),
        }
    }

    /// Forgets users of whom nothing runs or waits. They go by themselves too, a while after.
    pub async fn forget_idle(&self) {
        let state = self.0.state.load_full();
        // A part of the users is looked through at a time.
        for _ in 0..SWEEPS {
            let _ = state.gate.store().expire(self.0.clock.now()).await;
        }
    }

    /// Users that are remembered, idle ones included.
    pub fn remembered(&self) -> usize {
        self.0.state.load().gate.store().keys()
    }

    /// Begins anew, as between tests: nothing runs and nobody waits. What was given before
    /// counts no more.
    pub fn reset(&self) {
        self.0.state.store(Arc::new(State::new(&self.0.limits, &self.0.clock)));
    }

    async fn ask(&self, user: &str, patience: Patience) -> Result<Seat, Overload> {
        let state = self.0.state.load_full();
        if !self.0.limits.enabled {
            return Ok(Seat::Running(Slot::free(state.crowd.runs(Some(user)))));
        }
        let (who, policy, now) = (who(user), state.gate.policy(), self.0.clock.now());
        let of = Arc::clone(&policy);
        let expires = now.time.after(HOLD);
        let order = of.order(new_id(now.wall), &who, &Demand::ONE_REQUEST, now, expires);
        let entering = state.gate.enter_order(policy, order, patience, now);
        match entering.await.map_err(|error| Overload::failed(&error))? {
            Entered::Admit(permit) => {
                Ok(Seat::Running(Slot::new(permit, state.crowd.runs(Some(user)))))
            }
            Entered::Wait(waiting) => {
                Ok(Seat::Queued(Queued::new(waiting, state.crowd.clone(), user)))
            }
            Entered::Refuse(refused) => Err(Overload::new(&refused)),
        }
    }
}

impl State {
    fn new(limits: &Limits, clock: &Clock) -> Self {
        let gate = Tollgate::new(limits.policy(), Memory::default(), clock.clone(), HOLD);
        Self { gate, crowd: Crowd::default() }
    }
}

/// Enough sweeps for all parts of a store.
const SWEEPS: usize = 16;

fn who(user: &str) -> Attributes {
    Attributes::new().with(Attribute::User, user)
}
