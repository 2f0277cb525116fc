//! A shared store in this process, which a test takes away from its nodes, or makes forget.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::SeqCst},
};

use parking_lot::Mutex;
use smallvec::{SmallVec, smallvec};
use tollgate::{
    Crossings, Memory, Receipt, Store, StoreError,
    store::{
        memory::{Bounds, End, Forget, Holding},
        redis::{Counter, Ended, Exact},
    },
};
use tollgate_core::{
    Amounts, Attributes, Charge, Decision, Group, Kind, Now, Order, ReservationId, Rule, Standing,
    Time, Unit, Usage, Warn,
};

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

/// A node's line to it.
pub(crate) struct Line {
    hub: Arc<Hub>,
    node: usize,
    fault: AtomicU8,
    /// Whether orders are granted and their answers never come.
    holds: AtomicBool,
}

/// What happens to calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fault {
    None,
    /// They are not done.
    Cut,
    /// They are done, and nobody hears of it.
    Mute,
}

impl Hub {
    pub(crate) fn new(nodes: usize, failovers: usize) -> Arc<Self> {
        let servers = (0..=failovers).map(|_| Server::new(nodes)).collect();
        let (serving, log, next) = Default::default();
        Arc::new(Self { servers, serving, log, nodes, next, news: Mutex::default() })
    }

    pub(crate) fn line(self: &Arc<Self>, node: usize) -> Line {
        Line {
            hub: Arc::clone(self),
            node,
            fault: AtomicU8::new(Fault::None as u8),
            holds: AtomicBool::new(false),
        }
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

impl Line {
    pub(crate) fn set(&self, fault: Fault) {
        self.fault.store(fault as u8, SeqCst);
    }

    pub(crate) fn hold_answers(&self, hold: bool) {
        self.holds.store(hold, SeqCst);
    }

    fn asked<T>(
        &self,
        answer: impl FnOnce(&Server) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let away = || Err(StoreError::Away("the line is cut".to_owned()));
        match self.fault.load(SeqCst) {
            fault if fault == Fault::Cut as u8 => away(),
            fault if fault == Fault::Mute as u8 => {
                let _ = answer(self.hub.server());
                away()
            }
            _ => answer(self.hub.server()),
        }
    }

    fn take(&self, held: Holding, now: Now) {
        let node = self.node;
        self.hub.change(move |server| {
            let nobody = Attributes::new();
            server.each(node, |memory| {
                let _ = match memory.holding(held.id) {
                    None => memory.take_now(&held.order(&nobody), now),
                    Some(known) => {
                        memory.take_more_now(held.id, &held.demand.beyond(&known.demand), now)
                    }
                };
            });
        });
    }

    fn end(
        &self,
        id: ReservationId,
        how: End,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        self.asked(|server| {
            let end = move |memory: &Memory, usage: &Usage| match how {
                End::Void => memory.void_now(id, now),
                End::Estimate => memory.settle_estimated_now(id, usage, now),
                End::Settle | End::Expire => memory.settle_now(id, usage, now),
            };
            let Some(owner) = self.hub.owner(id) else { return end(&server.all, usage) };
            let usage = *usage;
            self.hub.change(move |server| {
                server.each(owner, |memory| drop(end(memory, &usage)));
            });
            let receipt = server.all.receipt(id);
            Ok(receipt.unwrap_or(Receipt { usage, overrun: Amounts::default() }))
        })
    }
}

/// What an order holds, as its own data.
fn holding(order: &Order<'_>) -> Holding {
    Holding {
        id: order.id,
        groups: order.groups.clone(),
        charges: order.charges.clone(),
        demand: order.demand,
        expires: order.expires,
        keep: order.keep,
        expired: false,
    }
}

impl Store for Line {
    async fn reserve(&self, order: &Order<'_>, now: Now) -> Result<Decision, StoreError> {
        let decision = self.asked(|server| {
            let is_known =
                server.all.holding(order.id).is_some() || server.all.receipt(order.id).is_some();
            let decision = server.all.reserve_now(order, now)?;
            if !is_known && matches!(decision, Decision::Admit(_)) {
                server.parts[self.node].take_now(order, now)?;
                self.take(holding(order), now);
            }
            Ok(decision)
        });
        if self.holds.load(SeqCst) {
            std::future::pending::<()>().await;
        }
        decision
    }

    async fn held(&self, _: ReservationId) -> Result<(), StoreError> {
        Ok(())
    }

    async fn check(&self, order: &Order<'_>, now: Now) -> Result<Decision, StoreError> {
        self.asked(|server| Ok(server.all.check_now(order, now)))
    }

    async fn extend(
        &self,
        id: ReservationId,
        more: &Amounts,
        now: Now,
    ) -> Result<Decision, StoreError> {
        self.asked(|server| {
            let owner = self.hub.owner(id);
            let decision = server.all.extend_now(id, more, now)?;
            if let (Decision::Admit(_), Some(owner)) = (&decision, owner) {
                server.parts[owner].take_more_now(id, more, now)?;
                let more = *more;
                self.hub.log.lock().push(Box::new(move |server| {
                    server.each(owner, |memory| drop(memory.take_more_now(id, &more, now)));
                }));
            }
            Ok(decision)
        })
    }

    async fn settle(
        &self,
        id: ReservationId,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        self.end(id, End::Settle, usage, now)
    }

    async fn settle_estimated(
        &self,
        id: ReservationId,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        self.end(id, End::Estimate, usage, now)
    }

    async fn void(&self, id: ReservationId, now: Now) -> Result<Receipt, StoreError> {
        self.end(id, End::Void, &Usage::default(), now)
    }

    async fn renew(&self, id: ReservationId, expires: Time, _: Now) -> Result<(), StoreError> {
        self.asked(|server| {
            let owner = self.hub.owner(id);
            server.all.renew_now(id, expires)?;
            let Some(owner) = owner else { return Ok(()) };
            self.hub.change(move |server| {
                server.each(owner, |memory| drop(memory.renew_now(id, expires)));
            });
            Ok(())
        })
    }

    async fn expire(&self, now: Now) -> Result<usize, StoreError> {
        self.asked(|server| {
            let expired = server.all.expire_now(now);
            self.hub.change(move |server| {
                server.all.expire_now(now);
                server.parts.iter().for_each(|part| {
                    part.expire_now(now);
                });
            });
            Ok(expired)
        })
    }

    async fn standings(
        &self,
        order: &Order<'_>,
        now: Now,
    ) -> Result<SmallVec<[Standing; 8]>, StoreError> {
        self.asked(|server| Ok(server.all.standings_now(order, now)))
    }

    async fn session(&self, order: &Order<'_>, now: Now) -> Result<Option<Time>, StoreError> {
        self.asked(|server| Ok(server.all.session_now(order, now)))
    }

    async fn end_session(&self, order: &Order<'_>, now: Now) -> Result<bool, StoreError> {
        self.asked(|server| Ok(server.all.end_session_now(order, now)))
    }

    fn take_crossings(&self) -> Crossings {
        Store::take_crossings(&self.hub.server().all)
    }

    async fn durable(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Exact for Line {
    async fn introduce(&self, order: &Order<'_>, now: Now) -> Result<(), StoreError> {
        self.asked(|_| {
            self.take(holding(order), now);
            Ok(())
        })
    }

    async fn ending(&self, id: ReservationId) -> Result<Option<Receipt>, StoreError> {
        self.asked(|server| Ok(server.all.receipt(id)))
    }

    async fn raise(&self, counters: &[Counter], now: Now) -> Result<(), StoreError> {
        self.asked(|server| {
            for Counter { scope, key, spent } in counters {
                let mut known = 0;
                server.parts[self.node].each_spent(|at, whose, it| {
                    if (at, whose, it.limit, it.start) == (*scope, key, spent.limit, spent.start) {
                        known = it.settled;
                    }
                });
                let more = spent.settled.saturating_sub(known);
                if more == 0 {
                    continue;
                }
                let kind = Kind::Period { start: spent.start, end: spent.end };
                let charge = Charge {
                    limit: spent.limit,
                    rule: Rule { kind, cap: u64::MAX },
                    unit: Unit::Requests,
                    amount: more,
                    shadow: false,
                    warn: Warn::NEVER,
                };
                let id = ReservationId(u128::MAX - u128::from(self.hub.next.fetch_add(1, SeqCst)));
                let held = Holding {
                    id,
                    groups: smallvec![Group { scope: *scope, key: key.clone(), charges: 1 }],
                    charges: smallvec![charge],
                    demand: Amounts::default(),
                    expires: Time::MAX,
                    keep: false,
                    expired: false,
                };
                self.take(held, now);
                let node = self.node;
                self.hub.change(move |server| {
                    server.each(node, |memory| drop(memory.settle_now(id, &Usage::default(), now)));
                });
            }
            Ok(())
        })
    }

    async fn announce(&self, ended: Ended) {
        self.hub.news.lock().push((self.node, ended));
    }

    async fn reach(&self) -> Result<(), StoreError> {
        self.asked(|_| Ok(()))
    }
}

/// Books of a node.
pub(crate) fn books() -> Memory {
    Memory::new(Bounds::default(), Forget)
}
