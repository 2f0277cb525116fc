//! Which nodes there are: each says four times a second that it lives, and hears who else does.
//!
//! A node that was silent for two seconds by the server's clock is dead; one that leaves in order is
//! gone at once. Each beat is a number that grows, and what stood there before is read with it: where
//! that is missing or smaller than what was acknowledged, the server has lost writes, and whoever
//! keeps books of them is told.

mod beating;
mod entry;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::JoinHandle};

use super::{
    Link, LinkError,
    link::{Arg, Script},
};
use crate::Clock;
use beating::Heart;

/// What one node tells of itself. What another version tells beside it is passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Where it is reached.
    pub address: String,
    /// Which version it is of.
    pub version: String,
    /// Which policy it serves, by a hash of it.
    pub policy: String,
    /// From which secret it makes its keys, by a hash of it.
    pub secret: String,
    /// Since when it lives, in milliseconds of its wall clock.
    pub since: u64,
}

/// One node, as the others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name, the same after a restart.
    pub name: String,
    /// Its process, as long as that lives.
    pub process: u64,
    /// How long ago it said that it lives.
    pub silent: Duration,
    /// Whether that is short enough.
    pub is_live: bool,
    /// What it tells of itself.
    pub facts: Facts,
}

/// All nodes, as of the last beat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// In the order of their names, the dead of the last hour too.
    pub nodes: Vec<Node>,
    /// How long the last beat was on its way, once there was one.
    pub round_trip: Option<Duration>,
    /// How far the wall clock of this node was ahead of the server's at the last beat, in
    /// microseconds, give or take half of its way there and back.
    pub ahead_micros: i64,
    /// How many beats were answered.
    pub beats: u64,
    /// Whether another process has this node's name.
    pub is_doubled: bool,
}

/// How often and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From one beat to the next.
    pub every: Duration,
    /// How long a node may be silent.
    pub dead: Duration,
    /// How long a dead one is still shown.
    pub forgotten: Duration,
}

/// This node among all.
#[derive(Debug)]
pub struct Nodes {
    link: Link,
    name: String,
    process: u64,
    facts: Arc<watch::Sender<Facts>>,
    members: watch::Receiver<Arc<Members>>,
    losses: watch::Receiver<u64>,
    beating: JoinHandle<()>,
}

static BEAT: Script = Script::new("beat", include_str!("beat.lua"));
static LEAVE: Script = Script::new("leave", include_str!("leave.lua")).repeatable();

/// The tag of what is not of any account.
const TAG: u16 = 0;

impl Default for Pace {
    fn default() -> Self {
        Self {
            every: Duration::from_millis(250),
            dead: Duration::from_secs(2),
            forgotten: Duration::from_secs(3_600),
        }
    }
}

impl Members {
    /// How many live, this node among them; one while nothing is known.
    pub fn live(&self) -> usize {
        self.nodes.iter().filter(|node| node.is_live).count().max(1)
    }
}

impl Nodes {
    /// Joins under a stable name, and beats until it is dropped. `process` is this node's for as
    /// long as its process lives.
    pub fn join(link: Link, name: &str, process: u64, facts: Facts, clock: Clock) -> Self {
        Self::at_pace(link, name, process, facts, clock, Pace::default())
    }

    /// The same at another pace.
    pub fn at_pace(
        link: Link,
        name: &str,
        process: u64,
        facts: Facts,
        clock: Clock,
        pace: Pace,
    ) -> Self {
        let facts = Arc::new(watch::Sender::new(facts));
        let (members, seen) = watch::channel(Arc::default());
        let (losses, lost) = watch::channel(0);
        let heart = Heart::new(link.clone(), name.to_owned(), process, clock, pace);
        let beating = tokio::spawn(heart.beat(facts.subscribe(), members, losses));
        let (name, members, losses) = (name.to_owned(), seen, lost);
        Self { link, name, process, facts, members, losses, beating }
    }

    /// This node's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// This node's process.
    pub const fn process(&self) -> u64 {
        self.process
    }

    /// All nodes, now and after each beat.
    pub fn members(&self) -> watch::Receiver<Arc<Members>> {
        self.members.clone()
    }

    /// How often it was found that the server had lost what this node wrote.
    pub fn losses(&self) -> watch::Receiver<u64> {
        self.losses.clone()
    }

    /// How many nodes live, as far as is known.
    pub fn live(&self) -> usize {
        self.members.borrow().live()
    }

    /// Tells something else of this node, at once if that is new.
    pub fn tell_if_new(&self, change: impl FnOnce(&mut Facts) -> bool) {
        self.facts.send_if_modified(change);
    }

    /// Leaves in order.
    ///
    /// # Errors
    /// When Redis is away: the others see it after a while.
    pub async fn leave(&self) -> Result<(), LinkError> {
        self.beating.abort();
        let key = key(&self.link);
        let process = entry::process_text(self.process);
        let args = [Arg::from(self.name.as_str()), Arg::from(process.as_str())];
        self.link.run(&LEAVE, TAG, &[key], &args).await.map(drop)
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.beating.abort();
    }
}

/// Where the nodes are.
fn key(link: &Link) -> String {
    format!("{}:{{{TAG}}}:n", link.settings().prefix)
}
