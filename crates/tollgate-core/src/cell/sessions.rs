//! Session slots: each held until it was idle for too long or is ended.

use std::collections::{BTreeSet, HashMap};

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::{Retry, Time};

/// The live sessions of one account, by id and by expiry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(CompactString, Time)>", into = "Vec<(CompactString, Time)>")]
pub struct Sessions {
    expires: HashMap<CompactString, Time>,
    order: BTreeSet<(Time, CompactString)>,
}

impl Sessions {
    /// How many are live.
    pub fn live(&self, now: Time) -> u64 {
        (self.order.len() - self.expired(now)) as u64
    }

    /// Whether no session is live.
    pub fn is_idle(&self, now: Time) -> bool {
        self.order.last().is_none_or(|(at, _)| *at <= now)
    }

    /// When a live session expires unless it is touched.
    pub fn expiry(&self, id: &str) -> Option<Time> {
        self.expires.get(id).copied()
    }

    /// The next instant at which a live session expires.
    pub fn next_expiry(&self, now: Time) -> Option<Time> {
        self.order.iter().nth(self.expired(now)).map(|(at, _)| *at)
    }

    /// Ends a session; whether it was there.
    pub fn end(&mut self, id: &str) -> bool {
        let Some((id, at)) = self.expires.remove_entry(id) else { return false };
        self.order.remove(&(at, id))
    }

    pub(crate) fn check(&self, id: &str, cap: u64, now: Time) -> Result<(), Retry> {
        let live = self.live(now);
        if live < cap || self.expires.get(id).is_some_and(|at| *at > now) {
            return Ok(());
        }
        if cap == 0 {
            return Err(Retry::Never);
        }
        // With more sessions than a lowered cap, as many as are over must go first.
        let over = usize::try_from(live - cap).unwrap_or(usize::MAX);
        let free = self.order.iter().nth(self.expired(now).saturating_add(over));
        Err(free.map_or(Retry::Never, |(at, _)| Retry::At(*at)))
    }

    /// Registers a session, or keeps it alive.
    pub(crate) fn touch(&mut self, id: &str, idle_ns: u64, now: Time) {
        self.forget(now);
        let at = Time::from_nanos(now.as_nanos().saturating_add(idle_ns));
        self.insert(id.into(), at);
    }

    fn insert(&mut self, id: CompactString, at: Time) {
        if let Some(before) = self.expires.insert(id.clone(), at) {
            self.order.remove(&(before, id.clone()));
        }
        self.order.insert((at, id));
    }

    fn expired(&self, now: Time) -> usize {
        self.order.iter().take_while(|(at, _)| *at <= now).count()
    }

    fn forget(&mut self, now: Time) {
        while let Some((at, _)) = self.order.first()
            && *at <= now
            && let Some((_, id)) = self.order.pop_first()
        {
            self.expires.remove(&id);
        }
    }
}

impl From<Vec<(CompactString, Time)>> for Sessions {
    fn from(list: Vec<(CompactString, Time)>) -> Self {
        let mut sessions = Self::default();
        for (id, at) in list {
            sessions.insert(id, at);
        }
        sessions
    }
}

impl From<Sessions> for Vec<(CompactString, Time)> {
    fn from(sessions: Sessions) -> Self {
        sessions.order.into_iter().map(|(at, id)| (id, at)).collect()
    }
}
