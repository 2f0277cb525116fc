//! The users: each asks, waits, thinks and asks again.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use super::think::{Dice, Think};

/// So many users.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crowd {
    pub(crate) users: u32,
    pub(crate) begin: Begin,
    pub(crate) until: Until,
    pub(crate) think: Think,
    /// What decides how long they think.
    pub(crate) seed: u64,
}

/// When the users begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// All at once.
    Together,
    /// Each somewhere in its first time to think, as people who were at it before.
    Apart,
}

/// When a user has asked enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// After so many requests.
    Requests(u64),
    /// When so much time has passed; a request that was begun is waited for.
    Passed(Duration),
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Played {
    /// Requests that were begun.
    pub(crate) begun: u64,
    /// Whether it was stopped before its time.
    pub(crate) interrupted: bool,
}

/// What the users share.
struct Shared<S, O> {
    crowd: Crowd,
    send: S,
    begun: AtomicU64,
    /// Becomes true when nothing new is to begin.
    over: watch::Receiver<bool>,
    outcomes: mpsc::Sender<O>,
}

impl Crowd {
    /// Lets every user ask by `send`, which is told the user's number from 1 on, and tells
    /// every outcome to `outcomes`. When `stop` ends, what is running is dropped.
    pub(crate) async fn play<S, F, O>(
        self,
        send: S,
        outcomes: mpsc::Sender<O>,
        stop: impl Future<Output = ()>,
    ) -> Played
    where
        S: Fn(u32) -> F + Send + Sync + 'static,
        F: Future<Output = O> + Send + 'static,
        O: Send + 'static,
    {
        let (end, over) = watch::channel(false);
        let shared =
            Arc::new(Shared { crowd: self, send, begun: AtomicU64::new(0), over, outcomes });
        let mut users = JoinSet::new();
        let all = async {
            for user in 1..=self.users {
                users.spawn(Arc::clone(&shared).user(user));
            }
            let done = async { while users.join_next().await.is_some() {} };
            let Until::Passed(time) = self.until else { return done.await };
            let mut done = pin!(done);
            tokio::select! {
                () = &mut done => return,
                () = tokio::time::sleep(time) => { let _ = end.send(true); }
            }
            done.await;
        };
        // It is listened for a stop before the first request leaves.
        let interrupted = tokio::select! {
            biased;
            () = stop => true,
            () = all => false,
        };
        users.shutdown().await;
        Played { begun: shared.begun.load(Ordering::Relaxed), interrupted }
    }
}

impl<S, F, O> Shared<S, O>
where
    S: Fn(u32) -> F,
    F: Future<Output = O>,
{
    async fn user(self: Arc<Self>, user: u32) {
        let mut dice = Dice::new(self.crowd.seed, user);
        let mut over = self.over.clone();
        let mut asked = 0;
        if self.crowd.begin == Begin::Apart {
            let first = self.crowd.think.part(&mut dice);
            tokio::select! {
                () = tokio::time::sleep(first) => {}
                _ = over.wait_for(|over| *over) => return,
            }
        }
        while !*over.borrow() && self.crowd.until.allows(asked) {
            self.begun.fetch_add(1, Ordering::Relaxed);
            let outcome = (self.send)(user).await;
            asked += 1;
            // Whoever stopped listening does not want the outcome.
            if self.outcomes.send(outcome).await.is_err() {
                return;
            }
            let think = self.crowd.think.next(&mut dice);
            if !think.is_zero() && self.crowd.until.allows(asked) {
                tokio::select! {
                    () = tokio::time::sleep(think) => {}
                    _ = over.wait_for(|over| *over) => return,
                }
            }
        }
    }
}

impl Until {
    /// Whether a user who has asked so often asks again, as far as numbers go.
    const fn allows(self, asked: u64) -> bool {
        match self {
            Self::Requests(most) => asked < most,
            Self::Passed(_) => true,
        }
    }
}
