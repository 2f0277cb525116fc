//! A shared store in this process, which a test takes away from its nodes, or makes forget.

mod line;

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
};

use parking_lot::Mutex;
use tollgate::{
    Memory,
    store::{
        memory::{Bounds, Forget},
        redis::Ended,
    },
};
use tollgate_core::{Now, Order, ReservationId, Standing};

pub(crate) use line::{Fault, Line};

/// What is shared, and the replicas that follow it: each takes over when the one before fails.
pub(crate) struct Hub {
    servers: Vec<Server>,
    serving: AtomicUsize,
    /// What the replicas were not told.
    log: Mutex<Vec<Change>>,
    nodes: usize,
    next: AtomicU64,
    pub(crate) news: Mutex<Vec<(usize, Ended)>>,
}

/// The accounts of all nodes, and each node's part of them.
struct Server {
    all: Memory,
    parts: Vec<Memory>,
}

type Change = Box<dyn Fn(&Server) + Send + Sync>;

impl Hub {
    pub(crate) fn new(nodes: usize, failovers: usize) -> Arc<Self> {
        let servers = (0..=failovers).map(|_| Server::new(nodes)).collect();
        let (serving, log, next) = Default::default();
        Arc::new(Self { servers, serving, log, nodes, next, news: Mutex::default() })
    }

    pub(crate) fn line(self: &Arc<Self>, node: usize) -> Line {
        Line::new(Arc::clone(self), node)
    }

    fn server(&self) -> &Server {
        &self.servers[self.serving.load(SeqCst)]
    }

    /// Tells the replicas all there is.
    pub(crate) fn replicate(&self) {
        for change in self.log.lock().drain(..) {
            self.servers[self.serving.load(SeqCst) + 1..].iter().for_each(&change);
        }
    }

    /// The next replica takes over, and what it was not told is lost.
    pub(crate) fn fail_over(&self) {
        self.log.lock().clear();
        self.serving.fetch_add(1, SeqCst);
    }

    /// How many replicas are left.
    pub(crate) fn left(&self) -> usize {
        self.servers.len() - 1 - self.serving.load(SeqCst)
    }

    fn change(&self, change: impl Fn(&Server) + Send + Sync + 'static) {
        change(self.server());
        self.log.lock().push(Box::new(change));
    }

    /// What is settled and held of each account of an order: in all, and by each node.
    pub(crate) fn used(&self, order: &Order<'_>, now: Now) -> (Vec<u64>, Vec<Vec<u64>>) {
        let server = self.server();
        let used = |memory: &Memory| memory.standings_now(order, now).iter().map(used).collect();
        (used(&server.all), server.parts.iter().map(used).collect())
    }

    fn owner(&self, id: ReservationId) -> Option<usize> {
        (0..self.nodes).find(|node| self.server().parts[*node].holding(id).is_some())
    }
}

pub(crate) fn used(standing: &Standing) -> u64 {
    (standing.cap - standing.remaining + standing.above).max(standing.held)
}

impl Server {
    fn new(nodes: usize) -> Self {
        Self { all: Memory::default(), parts: (0..nodes).map(|_| Memory::default()).collect() }
    }

    fn each(&self, node: usize, ask: impl Fn(&Memory)) {
        ask(&self.all);
        ask(&self.parts[node]);
    }
}

/// Books of a node.
pub(crate) fn books() -> Memory {
    Memory::new(Bounds::default(), Forget)
}
