//! All servers of a link: finds them, and says whether all that is needed is there.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    error::{LinkError, Sent, Why},
    eviction::Eviction,
    find,
    guests::Guests,
    keeper::Kept,
    map::Map,
    node::{Health, Node},
    settings::{Address, LinkSettings, Topology},
    state::Board,
};

/// How often it is looked who the master is and who has which slots: while all is well, and while
/// something is not.
const LOOKS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_millis(100));

/// The servers, and what is known of them together.
pub(super) struct Fleet {
    settings: LinkSettings,
    map: ArcSwap<Map>,
    /// Held by whoever changes the map, and why nobody was found when it was looked last.
    changing: Mutex<Option<Why>>,
    board: Board,
    /// Rung when a server does otherwise than before.
    news: Arc<Notify>,
    /// Rung when the map seems to be wrong.
    astray: Notify,
    turn: AtomicUsize,
    guests: Guests,
    /// How often a server was found to have evicted something.
    evictions: watch::Sender<u64>,
}

/// The tasks that look after a fleet, ended with the link.
pub(super) struct Watchers(Vec<JoinHandle<()>>);

impl Fleet {
    pub(super) fn new(settings: &LinkSettings) -> Self {
        Self {
            settings: settings.clone(),
            map: ArcSwap::from_pointee(Map::empty()),
            changing: Mutex::new(None),
            board: Board::new(settings.clock.clone()),
            news: Arc::new(Notify::new()),
            astray: Notify::new(),
            turn: AtomicUsize::new(0),
            guests: Guests::default(),
            evictions: watch::Sender::new(0),
        }
    }

    pub(super) fn settings(&self) -> &LinkSettings {
        &self.settings
    }

    pub(super) fn board(&self) -> &Board {
        &self.board
    }

    pub(super) fn evictions(&self) -> watch::Receiver<u64> {
        self.evictions.subscribe()
    }

    pub(super) fn map(&self) -> Arc<Map> {
        self.map.load_full()
    }

    /// Which of several to begin with, each in its turn.
    pub(super) fn turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    /// Who has a slot.
    pub(super) fn owner(&self, slot: u16) -> Result<Arc<Kept>, LinkError> {
        let map = self.map.load();
        if let Some(node) = map.owner(slot) {
            return Ok(Arc::clone(node));
        }
        self.astray.notify_one();
        let known = self.changing.lock().clone();
        Err(LinkError::away(known.unwrap_or(Why::ClusterDown), Sent::No))
    }

    /// Any server that is up, for what is the same everywhere.
    pub(super) fn anyone(&self) -> Option<Arc<Kept>> {
        let map = self.map.load();
        let nodes = map.nodes();
        let first = self.turn();
        let mut turns = (0..nodes.len()).map(|step| &nodes[first.wrapping_add(step) % nodes.len()]);
        turns.find(|node| *node.health().borrow() == Health::Up).cloned()
    }

    /// The server at an address, which is a guest for a while if the map does not name it.
    pub(super) fn at(&self, address: &Address) -> Result<Arc<Kept>, LinkError> {
        if let Some(node) = self.map.load().at(address) {
            return Ok(Arc::clone(node));
        }
        self.guests.at(address, || {
            let eviction = Eviction::new(self.evictions.clone());
            let node = Node::new(&self.settings, address.clone(), eviction)?;
            Ok(Arc::new(Kept::new(node, Arc::clone(&self.news))))
        })
    }

    /// A slot has moved to an address; who has it now.
    pub(super) fn moved(&self, slot: u16, address: &Address) -> Result<Arc<Kept>, LinkError> {
        let _changing = self.changing.lock();
        let node = self.at(address)?;
        let mut map = Map::clone(&self.map.load());
        map.give(slot, slot, &node);
        self.map.store(Arc::new(map));
        self.astray.notify_one();
        Ok(node)
    }

    /// The map seems to be wrong.
    pub(super) fn go_astray(&self) {
        self.astray.notify_one();
    }

    /// Looks who there is, and keeps those who were known before.
    async fn look(&self) -> Result<(), LinkError> {
        let found = find::find(self).await;
        let mut why = self.changing.lock();
        match found {
            Ok(ranges) => {
                let mut map = Map::empty();
                for range in ranges {
                    // Twice the same new server is one.
                    let known = map.at(&range.address).cloned();
                    let node = known.map_or_else(|| self.at(&range.address), Ok)?;
                    map.give(range.first, range.last, &node);
                }
                map.assign_tags();
                self.guests.looked(|address| map.at(address).is_some());
                self.map.store(Arc::new(map));
                *why = None;
            }
            // Those who are known may serve all the same.
            Err(LinkError::Away(away)) => *why = Some(away.why),
            Err(refused) => return Err(refused),
        }
        Ok(())
    }

    /// Says whether all is there that is needed.
    fn tell(&self) {
        let map = self.map.load();
        let away = map.nodes().iter().find_map(|node| match &*node.health().borrow() {
            Health::Away(why) => Some(why.clone()),
            Health::Up | Health::New => None,
        });
        let is_known = map.nodes().iter().all(|node| *node.health().borrow() != Health::New);
        if let Some(why) = away {
            self.board.set_away(why);
        } else if !map.is_whole() {
            self.board.set_away(self.changing.lock().clone().unwrap_or(Why::ClusterDown));
        } else if is_known {
            self.board.set_up();
        }
    }

    /// Until every server that was found was looked at, or refused whom the settings name.
    async fn first_look(&self) -> Result<(), LinkError> {
        self.look().await?;
        for node in self.map().nodes() {
            let mut health = node.health();
            let known = health.wait_for(|health| *health != Health::New);
            let limit = self.settings.connect_timeout + self.settings.timeout;
            if let Ok(Ok(health)) = timeout(limit, known).await
                && let Health::Away(Why::Refused(sentence)) = &*health
            {
                return Err(LinkError::Refused(Arc::clone(sentence)));
            }
        }
        self.tell();
        Ok(())
    }
}

impl Watchers {
    /// Looks once at everything, then goes on by itself.
    pub(super) async fn start(fleet: &Arc<Fleet>) -> Result<Self, LinkError> {
        fleet.first_look().await?;
        let mut tasks = vec![tokio::spawn(tell(Arc::clone(fleet)))];
        if fleet.settings.topology != Topology::Single {
            tasks.push(tokio::spawn(look(Arc::clone(fleet))));
        }
        Ok(Self(tasks))
    }
}

impl Drop for Watchers {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

async fn tell(fleet: Arc<Fleet>) {
    loop {
        fleet.news.notified().await;
        fleet.tell();
    }
}

async fn look(fleet: Arc<Fleet>) {
    loop {
        let is_well = fleet.board.is_up();
        let _ = timeout(if is_well { LOOKS.0 } else { LOOKS.1 }, fleet.astray.notified()).await;
        if let Err(LinkError::Refused(sentence)) = fleet.look().await {
            *fleet.changing.lock() = Some(Why::Refused(sentence));
        }
        fleet.tell();
        // However many calls go astray, it is looked so often and no oftener.
        sleep(LOOKS.1).await;
    }
}
