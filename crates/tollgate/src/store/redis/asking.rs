//! Asking for room: at the shared store, or while it is away, of this node's own books.

use smallvec::SmallVec;
use tokio::time::timeout;
use tollgate_core::{Amounts, Charge, Decision, Now, Order, ReservationId, Standing, Usage};

use super::{
    Exact, Redis,
    away::{Entry, Outbox},
    local::books,
    underway::Turn,
};
use crate::{StoreError, store::memory::End};

/// A question that nobody may wait for any more: what it took is given back, and what an earlier
/// one took is not.
struct Asked<'a> {
    outbox: &'a Outbox,
    id: Option<ReservationId>,
    keep: bool,
}

impl Asked<'_> {
    fn answered(mut self) {
        self.id = None;
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.outbox.push(match self.keep {
                true => Entry::Unasked { id },
                false => Entry::End { id, how: End::Void, usage: Usage::default() },
            });
        }
    }
}

impl<X: Exact> Redis<X> {
    pub(super) async fn ask(&self, order: &Order<'_>, now: Now) -> Result<Decision, StoreError> {
        if !self.switch.is_up() {
            let _alone = self.returning.read().await;
            if !self.switch.is_up() {
                // What was granted before holds until it ends.
                return match self.shared.admit_here(order, now) {
                    Some(admission) => {
                        books!(self.local, books => books.take_now(order, now))?;
                        Ok(Decision::Admit(admission))
                    }
                    None => self.ask_alone(order, now),
                };
            }
        }
        let _turn = if order.keep { Some(self.first_turn(order.id).await) } else { None };
        let is_known = order.keep && self.is_known(order.id);
        let id = Some(order.id).filter(|_| !is_known);
        let asked = Asked { outbox: &self.outbox, id, keep: order.keep };
        match self.in_time(self.shared.reserve(order, now)).await {
            Ok(Decision::Admit(admission)) => {
                self.switch.answered();
                // Where it can't be, it is given back.
                books!(self.local, books => books.take_now(order, now))?;
                asked.answered();
                self.written.note(&order.demand);
                self.hear(order, &admission.standings, now);
                Ok(Decision::Admit(admission))
            }
            Ok(decision) => {
                self.switch.answered();
                asked.answered();
                if let Decision::Refuse(refusal) = &decision {
                    self.hear(order, &refusal.standings, now);
                }
                Ok(decision)
            }
            Err(error @ (StoreError::Away(_) | StoreError::Undecided(_))) => {
                self.does_without(&error, now);
                let decision = self.ask_alone(order, now)?;
                // Where it was granted there too, it becomes known by its id.
                if let Decision::Admit(_) = decision {
                    asked.answered();
                }
                Ok(decision)
            }
            Err(error) => {
                self.switch.answered();
                asked.answered();
                Err(error)
            }
        }
    }

    /// Decides by the books.
    fn ask_alone(&self, order: &Order<'_>, now: Now) -> Result<Decision, StoreError> {
        let alone = self.alone(now);
        let (terms, buckets) =
            self.sharing(now, |share| (share.terms(order, now), share.buckets(order, now)));
        self.switch.failures.count(terms.mode);
        if terms.closed.is_some() {
            return Err(closed());
        }
        let _both = self.both.read();
        if !buckets.own.charges.is_empty()
            && let Some(refused) = alone.take_buckets(&buckets, now)?
        {
            return Ok(terms.answer(order, refused));
        }
        let granted = books!(self.local, books => books.reserve_if_now(order, &terms.asked, now));
        match granted {
            Ok(Decision::Admit(_)) => self.outbox.meet(order.id),
            _ => alone.end(order.id, (End::Void, &Usage::default()), now),
        }
        granted.map(|decision| terms.answer(order, decision))
    }

    pub(super) async fn ask_more(
        &self,
        id: ReservationId,
        more: &Amounts,
        now: Now,
    ) -> Result<Decision, StoreError> {
        if !self.switch.is_up() {
            let _alone = self.returning.read().await;
            if !self.switch.is_up() {
                return self.ask_more_alone(id, more, now);
            }
        }
        // Its future is large, and extensions are few.
        match self.in_time(Box::pin(self.extend_shared(id, more, now))).await {
            Ok(Decision::Admit(admission)) => {
                self.switch.answered();
                self.written.note(more);
                match books!(self.local, books => books.take_more_now(id, more, now)) {
                    // It is another node's.
                    Err(StoreError::Unknown { .. }) | Ok(()) => Ok(Decision::Admit(admission)),
                    Err(error) => Err(error),
                }
            }
            Err(error @ (StoreError::Away(_) | StoreError::Undecided(_))) => {
                self.does_without(&error, now);
                self.ask_more_alone(id, more, now)
            }
            decided => {
                self.switch.answered();
                decided
            }
        }
    }

    /// Extends what the shared store knows; what it does not know and the books do, it gets to
    /// know first.
    async fn extend_shared(
        &self,
        id: ReservationId,
        more: &Amounts,
        now: Now,
    ) -> Result<Decision, StoreError> {
        if !self.outbox.is_stranger(id) {
            match self.shared.extend(id, more, now).await {
                Err(StoreError::Unknown { .. }) if self.is_held(id) => {}
                decided => return decided,
            }
        }
        // Where it has ended meanwhile, it stays unknown.
        self.introduce_living(id, now).await?;
        self.shared.extend(id, more, now).await
    }

    fn ask_more_alone(
        &self,
        id: ReservationId,
        more: &Amounts,
        now: Now,
    ) -> Result<Decision, StoreError> {
        let Some(held) = books!(self.local, books => books.holding(id)) else {
            return Err(unknown_here());
        };
        let nobody = tollgate_core::Attributes::new();
        let mut order = Order { demand: *more, ..held.order(&nobody) };
        for charge in &mut order.charges {
            charge.amount = if charge.rule.kind.is_slot() { 0 } else { more.of(charge.unit) };
        }
        let alone = self.alone(now);
        let (terms, buckets) =
            self.sharing(now, |share| (share.terms(&order, now), share.buckets(&order, now)));
        self.switch.failures.count(terms.mode);
        if terms.closed.is_some() {
            return Err(closed());
        }
        let _both = self.both.read();
        if !buckets.own.charges.is_empty()
            && let Some(refused) = alone.take_buckets(&buckets, now)?
        {
            return Ok(terms.answer(&order, refused));
        }
        let asked: Vec<Option<Charge>> = terms.asked.charges.iter().copied().map(Some).collect();
        let decision = books!(self.local, books => books.extend_if_now(id, more, &asked, now))?;
        if let Decision::Admit(_) = decision {
            self.outbox.meet(id);
        }
        Ok(terms.answer(&order, decision))
    }

    pub(super) async fn ask_nothing(
        &self,
        order: &Order<'_>,
        now: Now,
    ) -> Result<Decision, StoreError> {
        if self.switch.is_up() {
            match self.shared.check(order, now).await {
                Err(error @ (StoreError::Away(_) | StoreError::Undecided(_))) => {
                    self.does_without(&error, now);
                }
                decided => return decided,
            }
        }
        let terms = self.sharing(now, |share| share.terms(order, now));
        if terms.closed.is_some() {
            return Err(closed());
        }
        let decision = books!(self.local, books => books.check_now(&terms.asked, now));
        Ok(terms.answer(order, decision))
    }

    pub(super) async fn stand(
        &self,
        order: &Order<'_>,
        now: Now,
    ) -> Result<SmallVec<[Standing; 8]>, StoreError> {
        if self.switch.is_up() {
            match self.shared.standings(order, now).await {
                Err(error @ (StoreError::Away(_) | StoreError::Undecided(_))) => {
                    self.does_without(&error, now);
                }
                told => return told,
            }
        }
        let mut standings = books!(self.local, books => books.standings_now(order, now));
        self.sharing(now, |share| share.terms(order, now)).narrow(&mut standings);
        Ok(standings)
    }

    /// Waits until nobody else asks for an id or ends it, and takes back that an earlier question
    /// is to be undone: it is asked again.
    async fn first_turn(&self, id: ReservationId) -> Turn<'_> {
        let turn = self.underway.turn(id).await;
        if self.outbox.is_doubted(id) {
            // What is not in the outbox is being told.
            let _telling = self.telling.lock().await;
            self.outbox.trust(id);
        }
        turn
    }

    /// One decision, however many calls that takes, within the time of one.
    async fn in_time<T>(
        &self,
        decided: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let Some(patience) = self.shared.patience() else { return decided.await };
        let late = || StoreError::Away("it did not decide in time".to_owned());
        timeout(patience, decided).await.unwrap_or_else(|_| Err(late()))
    }

    /// Whether an earlier question under an id was answered with yes here.
    fn is_known(&self, id: ReservationId) -> bool {
        books!(self.local, books => books.holding(id).is_some() || books.receipt(id).is_some())
    }

    /// Whether the books hold something live under an id.
    pub(super) fn is_held(&self, id: ReservationId) -> bool {
        books!(self.local, books => books.holding(id)).is_some_and(|held| !held.expired)
    }
}

/// The books do not know an id, and nobody else can be asked.
pub(super) fn unknown_here() -> StoreError {
    StoreError::Away("another node may have made the reservation".to_owned())
}

fn closed() -> StoreError {
    StoreError::Away("a limit lets nothing pass without it".to_owned())
}
