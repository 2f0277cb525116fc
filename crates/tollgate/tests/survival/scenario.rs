//! Workers that use one store as a gateway's requests do, dealt by a seed, and write down what
//! they asked for and what was acknowledged.

use std::{sync::Arc, time::Duration};

use faults::{Disk, VFS};
use parking_lot::Mutex;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tollgate::{
    Clock, Embedded, Store as _, StoreError,
    core::{Amounts, Decision, Policy, ReservationId},
};

use crate::{
    books::{Note, Step},
    world::{USERS, World, costing, order, path, policy, redo, who},
};

/// All notes of a world, in the order in which they stand among the events of its disk.
#[derive(Default)]
pub(crate) struct Notes(Mutex<Vec<Note>>, Mutex<Vec<Redo>>);

/// A redo file as it was after so many notes.
#[derive(Debug, Clone)]
pub(crate) struct Redo {
    pub(crate) after: usize,
    pub(crate) bytes: Vec<u8>,
}

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) workers: u64,
    /// Of each worker.
    pub(crate) steps: u32,
    /// Whether the log is moved to the file now and then by somebody else.
    pub(crate) checkpoints: bool,
}

struct Worker {
    world: Arc<World>,
    notes: Arc<Notes>,
    store: Arc<Embedded>,
    clock: Clock,
    policy: Policy,
    dice: StdRng,
    next_id: u128,
    live: Vec<(u128, usize)>,
}

impl Notes {
    pub(crate) fn all(&self) -> Vec<Note> {
        self.0.lock().clone()
    }

    /// All redo files that were looked at.
    pub(crate) fn redos(&self) -> Vec<Redo> {
        self.1.lock().clone()
    }

    /// Looks at the redo file.
    fn look(&self, world: &World) {
        let Ok(bytes) = std::fs::read(redo(world.folder.path())) else { return };
        let after = self.0.lock().len();
        self.1.lock().push(Redo { after, bytes });
    }

    fn say(&self, disk: &Disk, note: Note) {
        let mut notes = self.0.lock();
        disk.note(notes.len() as u64);
        notes.push(note);
    }
}

/// Uses an open store until every worker has done its steps or the store says that it
/// cannot; what it said.
pub(crate) async fn use_store(
    (world, notes): (&Arc<World>, &Arc<Notes>),
    opened: (Embedded, Clock),
    load: Load,
    seed: u64,
) -> (Embedded, Option<StoreError>) {
    let (store, clock) = opened;
    let store = Arc::new(store);
    let workers: Vec<_> = (0..load.workers)
        .map(|nth| {
            let worker = Worker {
                world: Arc::clone(world),
                notes: Arc::clone(notes),
                store: Arc::clone(&store),
                clock: clock.clone(),
                policy: policy(),
                dice: StdRng::seed_from_u64(seed << 8 | nth),
                next_id: u128::from(seed) << 64 | u128::from(nth) << 32,
                live: Vec::new(),
            };
            let checkpoints = load.checkpoints && nth == 0;
            tokio::spawn(Box::pin(worker.work(load.steps, checkpoints)))
        })
        .collect();
    let mut said = None;
    for worker in workers {
        said = said.or(worker.await.expect("a worker that ends").err());
    }
    (Arc::into_inner(store).expect("nobody else has it"), said)
}

impl Worker {
    async fn work(mut self, steps: u32, checkpoints: bool) -> Result<(), StoreError> {
        for _ in 0..steps {
            match self.dice.random_range(0..100) {
                0..40 => self.reserve().await?,
                40..90 if !self.live.is_empty() => self.change().await?,
                90..92 => self.clock.advance(Duration::from_secs(self.dice.random_range(1..20))),
                92 => drop(self.store.expire(self.clock.now()).await?),
                93..95 if checkpoints => checkpoint(&self.world, &mut self.dice),
                // So that another worker's rows come in between.
                _ => tokio::task::yield_now().await,
            }
        }
        Ok(())
    }

    async fn reserve(&mut self) -> Result<(), StoreError> {
        self.next_id += 1;
        let (id, user) = (self.next_id, self.dice.random_range(0..USERS.len()));
        let cost = self.dice.random_range(1..1_000);
        self.ask((id, user), Step::Reserve(cost));
        let (who, demand) = (who(USERS[user]), costing(cost));
        let order = order(&self.policy, (id, &who, &demand), &self.clock);
        let decision = self.store.reserve(&order, self.clock.now()).await?;
        assert!(matches!(decision, Decision::Admit(_)), "{decision:?}");
        self.live.push((id, user));
        self.acknowledge((id, user), Step::Reserve(cost)).await
    }

    async fn change(&mut self) -> Result<(), StoreError> {
        let nth = self.dice.random_range(0..self.live.len());
        let (id, user) = self.live[nth];
        let now = self.clock.now();
        let reservation = ReservationId(id);
        let step = match self.dice.random_range(0..10) {
            0 => {
                let until = now.time.after(Duration::from_secs(900));
                // It may have expired.
                let _ = self.store.renew(reservation, until, now).await;
                return Ok(());
            }
            1 | 2 => {
                let step = Step::Extend(self.dice.random_range(1..500));
                self.ask((id, user), step);
                let Step::Extend(cost) = step else { return Ok(()) };
                let more = Amounts { requests: 0, ..costing(cost) };
                match self.store.extend(reservation, &more, now).await {
                    Ok(decision) => assert!(matches!(decision, Decision::Admit(_)), "{decision:?}"),
                    // It has expired meanwhile, and can still be settled.
                    Err(StoreError::Ended { .. }) => return Ok(()),
                    Err(error) => return Err(error),
                }
                return self.acknowledge((id, user), step).await;
            }
            3 => Step::Void,
            // Some of it more than was reserved.
            _ => Step::Settle(self.dice.random_range(0..1_500)),
        };
        self.live.swap_remove(nth);
        self.ask((id, user), step);
        match step {
            Step::Settle(used) => drop(self.store.settle(reservation, &costing(used), now).await?),
            _ => drop(self.store.void(reservation, now).await?),
        }
        self.acknowledge((id, user), step).await
    }

    fn ask(&self, (id, user): (u128, usize), step: Step) {
        self.notes.say(&self.world.disk, Note { id, user, step, is_acknowledged: false });
    }

    /// Waits until it is durable, most of the time, and says so.
    async fn acknowledge(
        &mut self,
        (id, user): (u128, usize),
        step: Step,
    ) -> Result<(), StoreError> {
        if self.dice.random_bool(0.8) {
            self.store.durable().await?;
            self.notes.say(&self.world.disk, Note { id, user, step, is_acknowledged: true });
        } else {
            self.store.kept().await?;
            self.notes.look(&self.world);
        }
        Ok(())
    }
}

/// Moves the log to the file, as any other program that uses the database may. Whether that
/// succeeds is not its concern.
fn checkpoint(world: &World, dice: &mut StdRng) {
    let flags = rusqlite::OpenFlags::default();
    let path = path(world.folder.path());
    let how = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"][dice.random_range(0..4)];
    if let Ok(other) = rusqlite::Connection::open_with_flags_and_vfs(path, flags, VFS) {
        let _ = other.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |_| Ok(()));
    }
}
