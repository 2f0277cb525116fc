//! Which requests run and wait now, for whom.

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
use serde::Serialize;

/// One request that runs or waits; dropped when it does so no more.
#[derive(Debug)]
pub(crate) struct Present {
    crowd: Arc<Crowd>,
    user: Option<CompactString>,
    how: How,
}

/// Whether a request runs or waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Running,
    Waiting,
}

/// How many requests of a user run and wait now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct UserCount {
    /// The user.
    pub(crate) user_id: String,
    /// Requests that run.
    pub(crate) concurrent: u64,
    /// Requests that wait.
    pub(crate) queued: u64,
}

/// Requests that run, and requests that wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) running: u64,
    pub(super) waiting: u64,
}

/// The requests that run and wait. A user is known for as long as one of its requests does,
/// so its size is bounded by theirs.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    running: AtomicU64,
    waiting: AtomicU64,
    hasher: RandomState,
    users: [Mutex<HashMap<CompactString, Counts>>; SHARDS],
}

const SHARDS: usize = 32;

impl Present {
    pub(super) fn new(crowd: &Arc<Crowd>, user: Option<&str>, how: How) -> Self {
        crowd.all(how).fetch_add(1, Ordering::Relaxed);
        if let Some(user) = user {
            *crowd.shard(user).lock().entry(user.into()).or_default().of(how) += 1;
        }
        Self { crowd: Arc::clone(crowd), user: user.map(Into::into), how }
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.crowd.all(self.how).fetch_sub(1, Ordering::Relaxed);
        let Some(user) = &self.user else { return };
        let mut users = self.crowd.shard(user).lock();
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

impl Crowd {
    pub(super) fn counts(&self) -> Counts {
        let count = |how| self.all(how).load(Ordering::Relaxed);
        Counts { running: count(How::Running), waiting: count(How::Waiting) }
    }

    pub(super) fn counts_of(&self, user: &str) -> Counts {
        self.shard(user).lock().get(user).copied().unwrap_or_default()
    }

    /// How many users have requests that run or wait, and the first `most` of them by name.
    pub(super) fn users(&self, most: usize) -> (u64, Vec<UserCount>) {
        let mut users = Vec::new();
        for shard in &self.users {
            let shard = shard.lock();
            users.extend(shard.iter().map(|(user, counts)| (user.clone(), *counts)));
        }
        let total = users.len() as u64;
        users.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        users.truncate(most);
        let shown = users.into_iter().map(|(user, counts)| UserCount {
            user_id: user.into(),
            concurrent: counts.running,
            queued: counts.waiting,
        });
        (total, shown.collect())
    }

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
