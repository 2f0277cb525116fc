//! A node's line to the hub, which a test cuts, or on which it holds up what is under way.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering::SeqCst},
};
use std::time::Duration;

use parking_lot::Mutex;
use smallvec::{SmallVec, smallvec};
use tokio::sync::watch;
use tollgate::{
    Crossings, Memory, Receipt, Store, StoreError,
    store::{
        memory::{End, Holding},
        redis::{Counter, Ended, Exact},
    },
};
use tollgate_core::{
    Amounts, Attributes, Charge, Decision, Group, Kind, Now, Order, ReservationId, Rule, Standing,
    Time, Unit, Usage, Warn,
};

use super::{Hub, Server};

/// A node's line to it.
pub(crate) struct Line {
    hub: Arc<Hub>,
    node: usize,
    fault: AtomicU8,
    /// Whether calls are done, and their answers are held up.
    holds_answers: watch::Sender<bool>,
    /// Whether calls are held up before they are done.
    holds_calls: watch::Sender<bool>,
    patience: Mutex<Option<Duration>>,
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

impl Line {
    pub(super) fn new(hub: Arc<Hub>, node: usize) -> Self {
        let patience = Mutex::default();
        let [holds_answers, holds_calls] = [(); 2].map(|()| watch::Sender::new(false));
        Self {
            hub,
            node,
            fault: AtomicU8::new(Fault::None as u8),
            holds_answers,
            holds_calls,
            patience,
        }
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.fault.store(fault as u8, SeqCst);
    }

    pub(crate) fn hold_answers(&self, hold: bool) {
        self.holds_answers.send_replace(hold);
    }

    pub(crate) fn wait_at_most(&self, patience: Duration) {
        *self.patience.lock() = Some(patience);
    }

    pub(crate) fn hold_calls(&self, hold: bool) {
        self.holds_calls.send_replace(hold);
    }

    /// A call, as long as it is under way.
    async fn called<T>(
        &self,
        answer: impl FnOnce(&Server) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _ = self.holds_calls.subscribe().wait_for(|holds| !holds).await;
        let answer = self.asked(answer);
        let _ = self.holds_answers.subscribe().wait_for(|holds| !holds).await;
        answer
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

    async fn end(
        &self,
        id: ReservationId,
        how: End,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        self.called(|server| {
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
        .await
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
        self.called(|server| {
            let is_known =
                server.all.holding(order.id).is_some() || server.all.receipt(order.id).is_some();
            let decision = server.all.reserve_now(order, now)?;
            if !is_known && matches!(decision, Decision::Admit(_)) {
                server.parts[self.node].take_now(order, now)?;
                self.take(holding(order), now);
            }
            Ok(decision)
        })
        .await
    }

    async fn held(&self, _: ReservationId) -> Result<(), StoreError> {
        Ok(())
    }

    async fn check(&self, order: &Order<'_>, now: Now) -> Result<Decision, StoreError> {
        self.called(|server| Ok(server.all.check_now(order, now))).await
    }

    async fn extend(
        &self,
        id: ReservationId,
        more: &Amounts,
        now: Now,
    ) -> Result<Decision, StoreError> {
        self.called(|server| {
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
        .await
    }

    async fn settle(
        &self,
        id: ReservationId,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        self.end(id, End::Settle, usage, now).await
    }

    async fn settle_estimated(
        &self,
        id: ReservationId,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, StoreError> {
        self.end(id, End::Estimate, usage, now).await
    }

    async fn void(&self, id: ReservationId, now: Now) -> Result<Receipt, StoreError> {
        self.end(id, End::Void, &Usage::default(), now).await
    }

    async fn renew(&self, id: ReservationId, expires: Time, _: Now) -> Result<(), StoreError> {
        self.called(|server| {
            let owner = self.hub.owner(id);
            server.all.renew_now(id, expires)?;
            let Some(owner) = owner else { return Ok(()) };
            self.hub.change(move |server| {
                server.each(owner, |memory| drop(memory.renew_now(id, expires)));
            });
            Ok(())
        })
        .await
    }

    async fn expire(&self, now: Now) -> Result<usize, StoreError> {
        self.called(|server| {
            let expired = server.all.expire_now(now);
            self.hub.change(move |server| {
                server.all.expire_now(now);
                server.parts.iter().for_each(|part| {
                    part.expire_now(now);
                });
            });
            Ok(expired)
        })
        .await
    }

    async fn standings(
        &self,
        order: &Order<'_>,
        now: Now,
    ) -> Result<SmallVec<[Standing; 8]>, StoreError> {
        self.called(|server| Ok(server.all.standings_now(order, now))).await
    }

    async fn session(&self, order: &Order<'_>, now: Now) -> Result<Option<Time>, StoreError> {
        self.called(|server| Ok(server.all.session_now(order, now))).await
    }

    async fn end_session(&self, order: &Order<'_>, now: Now) -> Result<bool, StoreError> {
        self.called(|server| Ok(server.all.end_session_now(order, now))).await
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
        self.called(|_| {
            self.take(holding(order), now);
            Ok(())
        })
        .await
    }

    async fn unask(&self, id: ReservationId, now: Now) -> Result<(), StoreError> {
        if self.hub.owner(id) == Some(self.node) {
            self.end(id, End::Void, &Usage::default(), now).await?;
        }
        self.called(|_| Ok(())).await
    }

    fn patience(&self) -> Option<Duration> {
        *self.patience.lock()
    }

    async fn ending(&self, id: ReservationId) -> Result<Option<Receipt>, StoreError> {
        self.called(|server| Ok(server.all.receipt(id))).await
    }

    async fn raise(&self, counters: &[Counter], now: Now) -> Result<(), StoreError> {
        self.called(|server| {
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
        .await
    }

    async fn announce(&self, ended: Ended) {
        self.hub.news.lock().push((self.node, ended));
    }

    async fn reach(&self) -> Result<(), StoreError> {
        self.called(|_| Ok(())).await
    }
}
