//! Which requests run now, for whom.

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

/// One running request; dropped when it has ended.
#[derive(Debug)]
pub(crate) struct Running {
    set: Arc<RunningSet>,
    user: Option<CompactString>,
}

/// How many requests of a user run now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct UserCount {
    /// The user.
    pub(crate) user_id: String,
    /// Requests that run.
    pub(crate) concurrent: u64,
    /// Requests that wait.
    pub(crate) queued: u64,
}

/// The running requests. A user is known for as long as one of its requests runs, so its
/// size is bounded by theirs.
#[derive(Debug, Default)]
pub(super) struct RunningSet {
    count: AtomicU64,
    hasher: RandomState,
    users: [Mutex<HashMap<CompactString, u64>>; SHARDS],
}

const SHARDS: usize = 32;

impl Running {
    pub(super) fn new(set: &Arc<RunningSet>, user: Option<&str>) -> Self {
        set.count.fetch_add(1, Ordering::Relaxed);
        if let Some(user) = user {
            *set.shard(user).lock().entry(user.into()).or_default() += 1;
        }
        Self { set: Arc::clone(set), user: user.map(Into::into) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.set.count.fetch_sub(1, Ordering::Relaxed);
        let Some(user) = &self.user else { return };
        let mut users = self.set.shard(user).lock();
        if let Some(count) = users.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                users.remove(user);
            }
        }
    }
}

impl RunningSet {
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn count_of(&self, user: &str) -> u64 {
        self.shard(user).lock().get(user).copied().unwrap_or_default()
    }

    /// How many users have running requests, and the first `most` of them by name.
    pub(super) fn users(&self, most: usize) -> (u64, Vec<UserCount>) {
        let mut users = Vec::new();
        for shard in &self.users {
            let shard = shard.lock();
            users.extend(shard.iter().map(|(user, count)| (user.clone(), *count)));
        }
        let total = users.len() as u64;
        users.sort_unstable();
        users.truncate(most);
        let shown = users.into_iter().map(|(user, concurrent)| UserCount {
            user_id: user.into(),
            concurrent,
            queued: 0,
        });
        (total, shown.collect())
    }

    fn shard(&self, user: &str) -> &Mutex<HashMap<CompactString, u64>> {
        &self.users[self.hasher.hash_one(user) as usize % SHARDS]
    }
}
