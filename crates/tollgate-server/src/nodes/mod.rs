//! Several nodes behind one Redis: who they are, and what each tells the others.
//!
//! The promise: what operators change at one node (keys, tiers, overrides, forced circuits, an
//! emergency) holds at every other within a second, or, where one of them cannot reach Redis, once
//! it can. A node that cannot goes on with what it knows.

mod ages;
mod differences;
mod exchange;
mod overspend;
mod place;
mod remembered;
mod shown;
mod trouble;

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::watch, task::JoinHandle};
use tollgate::{
    AnyStore, Clock,
    store::redis::{
        self, LeaseCounts, Leases, LeasesSettings, Link, LinkError, Local, Redis, Shared,
        SharedSettings,
        items::Items,
        link::{Memory, State},
        nodes::{Facts, Members, Nodes},
    },
};
use tollgate_core::{
    Policy, Time,
    policy::settings::{OnStoreFailure, Store},
};

use crate::app::{App, VERSION};
use exchange::Exchange;
use remembered::Remembered;
use trouble::Trouble;

pub(crate) use differences::{Difference, SUBJECTS};
pub(crate) use overspend::OverspendShown;
pub(crate) use shown::{NodeShown, RedisShown};

/// This node and what it has in common with the others.
#[derive(Debug)]
pub(crate) struct Group {
    link: Link,
    nodes: Nodes,
    items: Items,
    on_store_failure: OnStoreFailure,
    deciding: OnceLock<Deciding>,
    trouble: Trouble,
    /// How many there were, for the next process.
    remembered: Mutex<Remembered>,
}

/// Who decides, and what sees to that.
#[derive(Debug)]
struct Deciding {
    node: Weak<Redis<Leases>>,
    state: watch::Receiver<redis::State>,
    /// They end with the store, and are taken by who watches over them.
    keepers: Mutex<Option<[JoinHandle<()>; 2]>>,
}

/// How long a process that stops tries to tell how its reservations ended.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long a process that starts waits until Redis has told it what the others used, or is found
/// to be away. Until then it shares nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// What nodes tell each other of their rosters lies under this name.
const ROSTER: &str = "roster";

impl Group {
    /// Joins the other nodes of a store. That Redis cannot be reached is no error: the node serves
    /// by what its policy says of that.
    ///
    /// # Errors
    /// When the settings make no sense, or Redis lets nobody in by them.
    pub(crate) async fn join(
        store: &Store,
        listen: SocketAddr,
        clock: &Clock,
    ) -> Result<Self, LinkError> {
        let link = Link::connect(&place::settings(store, clock)?).await?;
        let now = clock.now();
        let facts = Facts {
            address: listen.to_string(),
            version: VERSION.to_owned(),
            since: now.wall.as_nanos() / 1_000_000,
            ..Facts::default()
        };
        let name = place::name(store, listen);
        let nodes = Nodes::join(link.clone(), &name, rand::random(), facts, clock.clone());
        let items = Items::new(link.clone(), ROSTER);
        let (on_store_failure, deciding) = (store.on_store_failure, OnceLock::new());
        let trouble = Trouble::default();
        let remembered = Mutex::new(Remembered::beside(store.ledger()));
        Ok(Self { link, nodes, items, on_store_failure, deciding, trouble, remembered })
    }

    /// The store that all nodes share, with leases before it and this node's own books.
    pub(crate) fn store(&self, local: Local, policy: &Policy, clock: &Clock) -> Arc<Redis<Leases>> {
        let settings = SharedSettings {
            prefix: self.prefix().to_owned(),
            node: local.counted_as(self.name(), self.nodes.process()),
            owner: self.nodes.process(),
            ..SharedSettings::default()
        };
        let shared = Shared::new(self.link.clone(), &settings);
        let leases = Leases::new(shared, &LeasesSettings::of(clock));
        let node = Arc::new(Redis::new(leases, local, self.on_store_failure, policy));
        if let Some(live) = self.remembered.lock().read() {
            node.remember_members(live);
        }
        let keepers = [node.keep(clock.clone()), node.follow(&self.nodes, clock.clone())];
        let keepers = Mutex::new(Some(keepers));
        let (weak, state) = (Arc::downgrade(&node), node.state());
        self.deciding.get_or_init(|| Deciding { node: weak, state, keepers });
        node
    }

    /// Waits until Redis was found to be there or away, or for as long as a start may wait.
    pub(crate) async fn meet(&self) {
        let node = self.deciding.get().and_then(|its| its.node.upgrade());
        if let Some(node) = node
            && tokio::time::timeout(PATIENCE, node.found()).await.is_err()
        {
            tracing::warn!(
                "Redis was not told yet what this node knows: nothing is shared until then"
            );
        }
    }

    /// This node's name, the same after a restart.
    pub(crate) fn name(&self) -> &str {
        self.nodes.name()
    }

    /// What all keys in Redis begin with.
    fn prefix(&self) -> &str {
        &self.link.settings().prefix
    }

    /// In what the nodes do not agree.
    pub(crate) fn differences(&self) -> Vec<Difference> {
        differences::of(&self.members(), self.trouble.shown())
    }

    /// The server whose memory is fullest, and how full it is.
    pub(crate) fn fullest(&self) -> Option<(String, Memory)> {
        let all = self.link.memory().into_iter();
        all.max_by(|(_, a), (_, b)| a.share().total_cmp(&b.share()))
    }

    /// How often Redis was found to have evicted something.
    pub(crate) fn evictions(&self) -> u64 {
        *self.link.evictions().borrow()
    }

    /// All nodes, as of the last beat.
    pub(crate) fn members(&self) -> Arc<Members> {
        Arc::clone(&self.nodes.members().borrow())
    }

    /// Since when this node decides by itself, and why; nothing while all decide together. Redis
    /// may be there all the same, and not know yet what it is to be told.
    pub(crate) fn away(&self) -> Option<(Time, String)> {
        if let State::Away { since, why } = &*self.link.state().borrow() {
            return Some((*since, why.to_string()));
        }
        match &*self.deciding.get()?.state.borrow() {
            redis::State::Up => None,
            redis::State::Away { since, why } => Some((*since, why.clone())),
        }
    }

    /// Whether Redis is there.
    fn is_linked(&self) -> bool {
        *self.link.state().borrow() == State::Up
    }

    /// Whether nothing can be decided now.
    pub(crate) fn is_closed(&self) -> bool {
        match self.on_store_failure {
            OnStoreFailure::Open => false,
            OnStoreFailure::Closed => self.away().is_some(),
            OnStoreFailure::Share => {
                let node = self.deciding.get().and_then(|its| its.node.upgrade());
                node.is_some_and(|node| !node.can_share())
            }
        }
    }

    /// Leaves the others in order.
    pub(crate) async fn leave(&self) {
        if let Err(error) = self.nodes.leave().await {
            tracing::warn!(%error, "the other nodes see by themselves that this one has left");
        }
    }
}

/// Decisions that this node made without the others, by what made them. What was refused so is
/// counted where it is refused.
pub(crate) fn decided_alone(app: &App) -> [(&'static str, u64); 2] {
    let AnyStore::Redis(node) = app.gate.store() else { return Default::default() };
    let alone = node.failures();
    [("share", alone.share), ("open", alone.open)]
}

/// What ended here is told before the process ends, and what is leased and not in use given back, if
/// that can be in time: what it can't, the next process tells.
pub(crate) async fn tell_the_last(app: &App) {
    let AnyStore::Redis(node) = app.gate.store() else { return };
    let told = async {
        app.gate.ended().await;
        let is_told = node.recover(app.gate.clock().now()).await;
        node.hand_back().await;
        is_told
    };
    let is_told = tokio::time::timeout(FAREWELL, told).await.unwrap_or(false);
    if !is_told {
        let (ends, _) = node.untold();
        tracing::error!(ends, "Redis was not told how everything ended here");
    }
}

/// What this node's leases have done.
pub(crate) fn leases(app: &App) -> Option<LeaseCounts> {
    let AnyStore::Redis(node) = app.gate.store() else { return None };
    Some(node.shared().counts())
}

/// Sees to it that this node knows what the others change, and they what is changed here.
pub(crate) async fn attend(app: Arc<App>) {
    let Some(group) = &app.group else { return };
    let (mut members, mut losses) = (group.nodes.members(), group.nodes.losses());
    let (mut news, mut changes) = (group.items.news(), app.roster.changes());
    let signer = app.roster.signer();
    if !signer.signs() {
        tracing::warn!(
            "what nodes tell each other is not signed: give all of them the same TOLLGATE_SECRET, or whoever may write to Redis makes keys"
        );
    }
    let mut exchange = Exchange::new(signer);
    loop {
        tokio::select! {
            told = members.changed() => {
                // The heartbeat has ended.
                if told.is_err() {
                    return;
                }
                tell_of_itself(&app, group);
                group.remembered.lock().note(group.members().live() as u64);
                if let Some(round_trip) = group.members().round_trip {
                    app.metrics.note_round_trip(round_trip);
                }
            }
            Ok(()) = losses.changed() => exchange.lost(),
            Some(_) = news.next() => {}
            Ok(()) = changes.changed() => {}
        }
        exchange.round(&app, group).await;
    }
}

/// Wakes who waits here when something was let go elsewhere.
pub(crate) async fn listen(app: Arc<App>) {
    let Some(group) = &app.group else { return };
    let AnyStore::Redis(node) = app.gate.store() else { return };
    let mut freed = group.link.subscribe(&[node.shared().store().freed_channel()]);
    while freed.next().await.is_some() {
        app.gate.freed_something();
    }
}

/// Waits for the end of what keeps this node's store, which should outlive whoever waits.
pub(crate) async fn watch_over(app: Arc<App>) {
    let deciding = app.group.as_ref().and_then(|group| group.deciding.get());
    let Some([keep, follow]) = deciding.and_then(|its| its.keepers.lock().take()) else { return };
    // What a panic says is in the log already.
    let _ended = tokio::select! { ended = keep => ended, ended = follow => ended };
}

/// The others are told which policy is served here, and by which secret keys are made.
fn tell_of_itself(app: &App, group: &Group) {
    let policy = app.live().fingerprint();
    let secret = app.roster.secret();
    group.nodes.tell_if_new(|facts| {
        let told = Facts { policy, secret, ..facts.clone() };
        let is_new = *facts != told;
        *facts = told;
        is_new
    });
}
