//! Who runs and who waits now, counted by user.

use std::{
    collections::HashMap,
    hash::BuildHasher as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use compact_str::CompactString;
use foldhash::fast::RandomState;
use parking_lot::Mutex;

/// Requests that run and requests that wait. A user is known for as long as one of its
/// requests does either, so its size is bounded by theirs. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Crowd(Arc<Shared>);

/// One request that runs or waits, counted until it is dropped.
#[derive(Debug)]
#[must_use = "what is dropped is counted no more"]
pub struct Present {
    crowd: Crowd,
    user: Option<CompactString>,
    how: How,
}

/// How many requests run, and how many wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that run.
    pub running: u64,
    /// Requests that wait.
    pub waiting: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Running,
    Waiting,
}

#[derive(Debug, Default)]
struct Shared {
    running: AtomicU64,
    waiting: AtomicU64,
    hasher: RandomState,
    users: [Mutex<HashMap<CompactString, Counts>>; SHARDS],
}

const SHARDS: usize = 32;

impl Crowd {
    /// A request of this user runs from now on; of nobody in particular without one.
    pub fn runs(&self, user: Option<&str>) -> Present {
        self.present(user, How::Running)
    }

    /// A request of this user waits from now on.
    pub fn waits(&self, user: Option<&str>) -> Present {
        self.present(user, How::Waiting)
    }

    /// All of them.
    pub fn counts(&self) -> Counts {
        let count = |how| self.0.all(how).load(Ordering::Relaxed);
        Counts { running: count(How::Running), waiting: count(How::Waiting) }
    }

    /// Those of one user.
    pub fn counts_of(&self, user: &str) -> Counts {
        self.0.shard(user).lock().get(user).copied().unwrap_or_default()
    }

    /// How many users there are, and the first `most` of them by name. Locked is a part of
    /// them at a time, so nobody is held up.
    pub fn users(&self, most: usize) -> (u64, Vec<(CompactString, Counts)>) {
        let mut users = Vec::new();
        for shard in &self.0.users {
            let shard = shard.lock();
            users.extend(shard.iter().map(|(user, counts)| (user.clone(), *counts)));
        }
        let total = users.len() as u64;
        users.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        users.truncate(most);
        (total, users)
    }

    fn present(&self, user: Option<&str>, how: How) -> Present {
        self.0.all(how).fetch_add(1, Ordering::Relaxed);
        if let Some(user) = user {
            *self.0.shard(user).lock().entry(user.into()).or_default().of(how) += 1;
        }
        Present { crowd: self.clone(), user: user.map(Into::into), how }
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let shared = &self.crowd.0;
        shared.all(self.how).fetch_sub(1, Ordering::Relaxed);
        let Some(user) = &self.user else { return };
        let mut users = shared.shard(user).lock();
        if let Some(counts) = users.get_mut(user) {
            *counts.of(self.how) -= 1;
            if *counts == Counts::default() {
                users.remove(user);
            }
        }
    }
}

impl Counts {
    const fn of(&mut self, how: How) -> &mut u64 {
        match how {
            How::Running => &mut self.running,
            How::Waiting => &mut self.waiting,
        }
    }
}

impl Shared {
    const fn all(&self, how: How) -> &AtomicU64 {
        match how {
            How::Running => &self.running,
            How::Waiting => &self.waiting,
        }
    }

    fn shard(&self, user: &str) -> &Mutex<HashMap<CompactString, Counts>> {
        &self.users[self.hasher.hash_one(user) as usize % SHARDS]
    }
}
