//! The store that decides exactly in Redis, for all nodes at once.
//!
//! One script call decides what lies under one tag: everything on a single or replicated server.
//! In a cluster an order is held tag by tag from narrow to broad, and what was held is given back
//! where a broader one refuses. Scripts only know whether there is room and change states; when
//! to come back and where accounts stand is reckoned here, by the core's own arithmetic, from the
//! states that they answer with.
//!
//! What it holds survives this process, and ends by itself when it expires, whoever notices.
//! What Redis loses is lost: money is put right by [`raise`](super::Exact::raise). When Redis
//! cannot be reached, every call answers with an error within the link's timeout.

mod ahead;
mod bytes;
mod damage;
mod expire;
mod extend;
mod finish;
mod freed;
mod hold;
mod introduce;
mod keys;
mod layout;
mod lease;
mod live;
mod look;
mod micros;
mod parcels;
mod part;
mod plan;
mod record;
mod reply;
mod republish;
mod scripts;
#[cfg(test)]
mod senseless;

use std::sync::Arc;

use smallvec::SmallVec;
use tollgate_core::{Amounts, Decision, Now, Order, ReservationId, Standing, Time, Usage};

use self::{ahead::Ahead, freed::Freed, keys::Keys, live::Live, micros::Shown};
pub use self::{freed::freed_heard, introduce::ended_heard};
use super::{
    LinkError,
    link::{Link, Topology},
};
use crate::{
    Receipt, Store, StoreError,
    store::{Crossings, crossings::Noted, memory::End},
};

/// Decides in Redis, over a [`Link`].
#[derive(Debug)]
pub struct Shared {
    link: Link,
    keys: Keys,
    /// The process that makes reservations.
    owner: u64,
    /// The node that makes them, by its counters' name in scripts.
    node: f64,
    time: TimeSource,
    ahead: Ahead,
    live: Live,
    max_reservations: usize,
    crossings: Noted,
    freed: Arc<Freed>,
    /// By tag: held by who expires what is due there.
    expiring: Vec<tokio::sync::Mutex<()>>,
}

/// How a [`Shared`] is made.
#[derive(Debug, Clone)]
pub struct SharedSettings {
    /// What every key begins with.
    pub prefix: String,
    /// The stable name of this node: what it settles is counted under it.
    pub node: String,
    /// What tells this process from all others, before and after it.
    pub owner: u64,
    /// Whose clock decides.
    pub time: TimeSource,
    /// Reservations of this node that are live or have expired unsettled.
    pub max_reservations: usize,
}

/// Whose clock decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeSource {
    /// The server's, the same for all nodes.
    Server,
    /// Each caller's own, for tests in virtual time.
    Caller,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SharedError {
    /// The store says no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Redis did not answer as asked.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// The largest cap that is counted exactly.
pub const MAX_CAP: u64 = micros::NEVER - 1;

/// Decisions are tried so often where the layout of accounts changes meanwhile, or others come
/// between the tags of a cluster.
const TRIES: usize = 16;

impl Default for SharedSettings {
    fn default() -> Self {
        Self {
            prefix: "tg".to_owned(),
            node: "node".to_owned(),
            owner: 0,
            time: TimeSource::Server,
            max_reservations: 262_144,
        }
    }
}

impl Shared {
    /// A store over a link.
    pub fn new(link: Link, settings: &SharedSettings) -> Self {
        let is_cluster = link.settings().topology == Topology::Cluster;
        let keys = Keys::new(&settings.prefix, is_cluster);
        Self {
            freed: Arc::new(Freed::new(keys.freed())),
            ahead: Ahead::new(keys.tags()),
            live: Live::new(settings.max_reservations),
            owner: settings.owner,
            node: keys::stable(settings.node.as_bytes()) as f64,
            time: settings.time,
            max_reservations: settings.max_reservations,
            crossings: Noted::default(),
            expiring: (0..keys.tags()).map(|_| tokio::sync::Mutex::default()).collect(),
            link,
            keys,
        }
    }

    /// The way to Redis.
    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// The channel on which nodes tell what was given back: the ids of limits, eight bytes each,
    /// the lowest first.
    pub fn freed_channel(&self) -> &str {
        self.freed.channel()
    }

    /// Reservations that this node knows.
    pub fn reservations(&self) -> usize {
        self.live.len()
    }

    /// The present as scripts are told it.
    fn told(&self, now: Now) -> f64 {
        match self.time {
            TimeSource::Server => -1.0,
            TimeSource::Caller => micros::floor(now.time) as f64,
        }
    }

    /// Until when a server may do what is asked at `now`: later nobody waits for its answer any
    /// more, and what it held may have been given back before it held it.
    fn deadline(&self, tag: u8, now: Now) -> u64 {
        let clock = self.ahead.clock(tag, now.time);
        clock.map_or(micros::NEVER, |clock| self.deadline_after(clock))
    }

    /// The same, where the server's clock shows this.
    fn deadline_after(&self, clock: u64) -> u64 {
        let timeout = self.link.settings().timeout.as_micros();
        clock.saturating_add(u64::try_from(timeout).unwrap_or(micros::NEVER))
    }

    /// How a server's instants are shown to who asked at `asked`.
    fn shown(&self, tag: u8, clock: u64, asked: Now) -> Shown {
        match self.time {
            TimeSource::Server => self.ahead.note(tag, clock, asked.time),
            TimeSource::Caller => Shown { ahead_ns: 0 },
        }
    }
}

impl AsRef<Self> for Shared {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl From<SharedError> for StoreError {
    fn from(error: SharedError) -> Self {
        match error {
            SharedError::Store(error) => error,
            SharedError::Link(LinkError::Failed(why)) => Self::Undecided(why.to_string()),
            SharedError::Link(error) => Self::Away(error.to_string()),
        }
    }
}

impl Store for Shared {
    async fn reserve(&self, order: &Order<'_>, now: Now) -> Result<Decision, StoreError> {
        Ok(self.try_reserve(order, now).await?)
    }

    async fn held(&self, _: ReservationId) -> Result<(), StoreError> {
        Ok(())
    }

    async fn check(&self, order: &Order<'_>, now: Now) -> Result<Decision, StoreError> {
        Ok(self.try_check(order, now).await?)
    }

    async fn extend(
        &self,
        id: ReservationId,
        more: &Amounts,
        now: Now,
    ) -> Result<Decision, StoreError> {
        Ok(self.try_extend(id, more, now).await?)
    }

    async fn settle(
        &self,
        id: ReservationId,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        Ok(self.try_end(id, End::Settle, usage, now).await?)
    }

    async fn settle_estimated(
        &self,
        id: ReservationId,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        Ok(self.try_end(id, End::Estimate, usage, now).await?)
    }

    async fn void(&self, id: ReservationId, now: Now) -> Result<Receipt, StoreError> {
        Ok(self.try_end(id, End::Void, &Usage::default(), now).await?)
    }

    async fn renew(&self, id: ReservationId, expires: Time, now: Now) -> Result<(), StoreError> {
        Ok(self.try_renew(id, expires, now).await?)
    }

    async fn expire(&self, now: Now) -> Result<usize, StoreError> {
        Ok(self.try_expire(now).await?)
    }

    async fn standings(
        &self,
        order: &Order<'_>,
        now: Now,
    ) -> Result<SmallVec<[Standing; 8]>, StoreError> {
        Ok(self.try_standings(order, now).await?)
    }

    async fn session(&self, order: &Order<'_>, now: Now) -> Result<Option<Time>, StoreError> {
        Ok(self.try_session(order, now).await?)
    }

    async fn end_session(&self, order: &Order<'_>, _: Now) -> Result<bool, StoreError> {
        Ok(self.try_end_session(order).await?)
    }

    fn take_crossings(&self) -> Crossings {
        self.crossings.take()
    }

    async fn durable(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
