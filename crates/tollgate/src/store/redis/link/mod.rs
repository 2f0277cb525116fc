//! The way to Redis. Every call ends within its timeout; whether Redis is there is known within
//! a second, whether or not anybody calls; what was lost is found again by itself.
//!
//! A call that fails was executed, was not, or may have been: the error says which. Nothing that
//! may have been executed is sent again, unless its script says that twice is as good as once.
//! What timed out may still be executed later, when a server that was stopped goes on.

mod call;
mod error;
mod eviction;
mod find;
mod fleet;
mod guests;
mod inspect;
mod keeper;
mod map;
mod memory;
mod node;
mod script;
mod sentinels;
mod settings;
mod slot;
mod state;
mod subscription;

use std::{fmt, sync::Arc};

use redis::{Cmd, Value};
use tokio::sync::watch;

pub use error::{Away, LinkError, Sent, Why};
pub use memory::Memory;
pub use script::{Arg, Script};
pub use settings::{Address, LinkSettings, TIMEOUT, Topology};
pub use state::State;
pub use subscription::{Heard, Subscription};

use fleet::{Fleet, Watchers};

/// A connection to Redis, of one server or several, that is kept. Clones share it; it ends with the last of them.
#[derive(Clone)]
pub struct Link {
    fleet: Arc<Fleet>,
    /// Looks after it until the last link is dropped.
    _watchers: Arc<Watchers>,
}

impl Link {
    /// Connects. A server that is not there is no error: the link is away then, and goes on
    /// trying, so that a process can start without it.
    ///
    /// # Errors
    /// When the settings make no sense, or the server refuses whom they name.
    pub async fn connect(settings: &LinkSettings) -> Result<Self, LinkError> {
        let fleet = Arc::new(Fleet::new(settings));
        let watchers = Watchers::start(&fleet).await?;
        Ok(Self { fleet, _watchers: Arc::new(watchers) })
    }

    /// Runs a script by its hash, and loads it where the server does not know it yet. All keys
    /// must lie under `tag`.
    ///
    /// # Errors
    /// When Redis is away or refuses; [`Away::sent`] says whether it may have been executed.
    pub async fn run<K: AsRef<[u8]>>(
        &self,
        script: &'static Script,
        tag: u16,
        keys: &[K],
        args: &[Arg<'_>],
    ) -> Result<Value, LinkError> {
        call::run(&self.fleet, script, tag, keys, args).await
    }

    /// Asks one command. What may have been executed is not asked again.
    ///
    /// # Errors
    /// When Redis is away or refuses.
    pub async fn command(&self, command: &Cmd) -> Result<Value, LinkError> {
        call::command(&self.fleet, command).await
    }

    /// Tells all who are subscribed to a channel, on whichever node.
    ///
    /// # Errors
    /// When Redis is away or refuses.
    pub async fn publish(&self, channel: &str, message: &[u8]) -> Result<(), LinkError> {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(channel).arg(message);
        self.command(&publish).await.map(drop)
    }

    /// What is published on channels from now on, over a connection of its own that is made anew
    /// when it is lost.
    pub fn subscribe(&self, channels: &[&str]) -> Subscription {
        Subscription::start(Arc::clone(&self.fleet), channels)
    }

    /// Whether Redis is there, now and whenever that changes.
    pub fn state(&self) -> watch::Receiver<State> {
        self.fleet.board().watch()
    }

    /// How often a server was found to have evicted something it was told, since it was looked
    /// at first: what this link wrote may be among that.
    pub fn evictions(&self) -> watch::Receiver<u64> {
        self.fleet.evictions()
    }

    /// How full the memory of each server is that tells so, as of a second ago at most, with its
    /// host and port.
    pub fn memory(&self) -> Vec<(String, Memory)> {
        let nodes = self.fleet.map();
        let known = nodes.nodes().iter().filter_map(|node| {
            let Address { host, port, .. } = node.address();
            Some((format!("{host}:{port}"), node.eviction().memory()?))
        });
        known.collect()
    }

    /// What somebody should see to at the servers, in sentences that are logged as well.
    pub fn warnings(&self) -> Vec<Arc<str>> {
        self.fleet.map().nodes().iter().filter_map(|node| node.eviction().warning()).collect()
    }

    /// What the link was made by.
    pub fn settings(&self) -> &LinkSettings {
        self.fleet.settings()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = State::clone(&self.fleet.board().watch().borrow());
        f.debug_struct("Link")
            .field("settings", self.settings())
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
