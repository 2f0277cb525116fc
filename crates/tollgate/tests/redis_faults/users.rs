//! Who asks the gateways all the while.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::{sync::watch, time::timeout};
use tollgate::{Store as _, StoreError, store::redis::Redis};
use tollgate_core::{Amounts, Decision, NanoUsd, ReservationId};

use crate::gateways::{Gateways, SLOTS, USERS, order, user};

/// How many ask at each gateway for each user.
const ASKERS: usize = 3;

/// What was granted and settled.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) settled: [AtomicU64; USERS.len()],
    running: [AtomicI64; USERS.len()],
    /// The most that ran at once.
    pub(crate) most: [AtomicI64; USERS.len()],
    pub(crate) admitted: AtomicU64,
    pub(crate) refused: AtomicU64,
    next: AtomicU64,
    is_over: watch::Sender<bool>,
}

/// Asks until it is told to stop.
pub(crate) struct Asking(Vec<tokio::task::JoinHandle<()>>, Arc<Tally>);

impl Asking {
    pub(crate) fn begin(gateways: &Gateways, tally: &Arc<Tally>, seed: u64) -> Self {
        tally.is_over.send_replace(false);
        let mut tasks = Vec::new();
        for (rank, node) in gateways.nodes.iter().enumerate() {
            for asker in 0..ASKERS * USERS.len() {
                let dice = seed * 1000 + (rank * 100 + asker) as u64;
                let asker = Asker {
                    node: Arc::clone(node),
                    policy: Arc::clone(&gateways.policy),
                    clock: gateways.clock.clone(),
                    nth: asker % USERS.len(),
                    dice: ChaCha8Rng::seed_from_u64(dice),
                    tally: Arc::clone(tally),
                };
                tasks.push(tokio::spawn(asker.ask()));
            }
        }
        Self(tasks, Arc::clone(tally))
    }

    /// Stops, when all that was granted has ended.
    pub(crate) async fn end(self) {
        self.1.is_over.send_replace(true);
        for task in self.0 {
            task.await.unwrap();
        }
    }
}

struct Asker {
    node: Arc<Redis>,
    policy: Arc<tollgate_core::Policy>,
    clock: tollgate::Clock,
    nth: usize,
    dice: ChaCha8Rng,
    tally: Arc<Tally>,
}

impl Asker {
    async fn ask(mut self) {
        let who = user(self.nth);
        while !*self.tally.is_over.borrow() {
            let id = u128::from(self.tally.next.fetch_add(1, SeqCst)) + 1;
            let cost = if self.nth == 0 { self.dice.random_range(1..=4) } else { 0 };
            let asked = order(&self.policy, &who, cost, id, &self.clock);
            match self.node.reserve(&asked, self.clock.now()).await {
                Ok(Decision::Admit(_)) => self.run(ReservationId(id), cost).await,
                Ok(_) | Err(StoreError::Away(_)) => {
                    self.tally.refused.fetch_add(1, SeqCst);
                    self.pause(5).await;
                }
                Err(error) => panic!("no decision: {error}"),
            }
        }
    }

    /// Runs for a moment, and tells what it used.
    async fn run(&mut self, id: ReservationId, cost: u64) {
        let (tally, nth) = (Arc::clone(&self.tally), self.nth);
        tally.admitted.fetch_add(1, SeqCst);
        let running = tally.running[nth].fetch_add(1, SeqCst) + 1;
        tally.most[nth].fetch_max(running, SeqCst);
        self.pause(20).await;
        tally.running[nth].fetch_sub(1, SeqCst);
        let used = self.dice.random_range(0..=cost);
        let usage = Amounts { cost: NanoUsd(used), ..Amounts::ONE_REQUEST };
        self.node.settle(id, &usage, self.clock.now()).await.unwrap();
        tally.settled[nth].fetch_add(used, SeqCst);
    }

    /// Goes on after a moment, or at once when it is over.
    async fn pause(&mut self, most: u64) {
        let pause = Duration::from_millis(self.dice.random_range(1..=most));
        let mut is_over = self.tally.is_over.subscribe();
        let _ = timeout(pause, is_over.wait_for(|is_over| *is_over)).await;
    }
}

impl Tally {
    /// How often somebody had an answer.
    pub(crate) fn asked(&self) -> u64 {
        self.admitted.load(SeqCst) + self.refused.load(SeqCst)
    }

    /// The most slots of a user beyond the limit since it was last asked.
    pub(crate) fn take_beyond_slots(&self, nth: usize) -> u64 {
        let most = self.most[nth].swap(0, SeqCst);
        u64::try_from(most).unwrap_or(0).saturating_sub(SLOTS)
    }
}
