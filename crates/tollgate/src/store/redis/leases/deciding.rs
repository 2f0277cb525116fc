//! One decision: what is leased here first, then the rest in the shared store.

use std::sync::atomic::Ordering::Relaxed;

use smallvec::SmallVec;
use tollgate_core::{
    Admission, Amounts, Charge, Decision, Group, LimitId, Now, Order, Refusal, ReservationId,
    Retry, Standing,
};

use super::{
    Inner, Lessor, Round,
    book::{Found, Parcels},
    kept::Kept,
};
use crate::StoreError;

/// Rounds that one order waits for at most, before the shared store decides about it.
const TRIES: u32 = 3;

impl<S: Lessor + 'static> Inner<S> {
    pub(super) async fn decide(&self, order: &Order<'_>, now: Now) -> Result<Decision, StoreError> {
        if order.keep || self.is_full() {
            return self.exactly(order, now).await;
        }
        let mut present = self.present(now);
        for _ in 0..TRIES {
            match self.take(order, (present, true)) {
                Found::Nothing => return self.exactly(order, now).await,
                Found::Taken(parcels) => return self.rest(order, parcels, present).await,
                Found::Refused(refusal) => return Ok(Decision::Refuse(refusal)),
                Found::Resting => break,
                Found::Short(round) => {
                    if self.round_ends(round).await.has_failed {
                        break;
                    }
                    present = self.present(now);
                }
            }
        }
        let decision = self.exactly(order, present).await?;
        if let Decision::Refuse(refusal) = &decision {
            self.book.lock().refused(order, refusal);
        }
        Ok(decision)
    }

    /// Asks the shared store, beside which a box costs nothing: decisions without it are small so.
    async fn exactly(&self, order: &Order<'_>, now: Now) -> Result<Decision, StoreError> {
        Box::pin(self.store.reserve(order, now)).await
    }

    /// Admits an order that asks for nothing but what is leased, without a call.
    pub(super) fn admit_here(&self, order: &Order<'_>, now: Now) -> Option<Admission> {
        if order.keep || self.is_full() {
            return None;
        }
        let present = self.present(now);
        let Found::Taken(parcels) = self.take(order, (present, false)) else { return None };
        let taken = Taken { inner: self, parcels };
        (taken.parcels.len() == order.charges.len())
            .then(|| self.admit(order, taken, Admission::default(), present))
    }

    fn take(&self, order: &Order<'_>, (now, waits): (Now, bool)) -> Found {
        self.book.lock().take(order, |key| self.store.place(key), (now.time, waits))
    }

    fn is_full(&self) -> bool {
        self.reservations.lock().len() >= self.max_reservations
    }

    /// The present, which may be later than whoever asks knows: a process that was stopped must
    /// not take of a lease that has ended meanwhile.
    fn present(&self, asked: Now) -> Now {
        let now = self.clock.now();
        if now.time > asked.time { now } else { asked }
    }

    /// Decides about what is not leased.
    async fn rest(
        &self,
        order: &Order<'_>,
        parcels: Parcels,
        now: Now,
    ) -> Result<Decision, StoreError> {
        let taken = Taken { inner: self, parcels };
        let rest = without(order, &taken.parcels);
        if rest.charges.is_empty() {
            return Ok(Decision::Admit(self.admit(order, taken, Admission::default(), now)));
        }
        match self.exactly(&rest, now).await? {
            Decision::Admit(admission) => {
                Ok(Decision::Admit(self.admit(order, taken, admission, now)))
            }
            other => Ok(other),
        }
    }

    /// Keeps what was taken for an order whose rest the shared store has admitted.
    fn admit(
        &self,
        order: &Order<'_>,
        taken: Taken<'_, S>,
        mut admission: Admission,
        now: Now,
    ) -> Admission {
        let parcels = taken.parcels();
        let has_rest = parcels.len() < order.charges.len();
        if !has_rest {
            self.admitted.fetch_add(1, Relaxed);
        }
        if order.report {
            let book = self.book.lock();
            let mut others = admission.standings.iter().copied();
            let standing = |(nth, charge): (usize, &Charge)| {
                let here = parcels.iter().find(|parcel| parcel.nth == nth);
                let known =
                    here.map_or_else(|| others.next(), |parcel| book.standing(parcel, now.time));
                known.unwrap_or_else(|| Standing::unused(charge, now.time))
            };
            admission.standings = order.charges.iter().enumerate().map(standing).collect();
        }
        self.reservations.lock().insert(order.id, Kept::new(parcels, has_rest, order));
        admission
    }

    pub(super) async fn extend(
        &self,
        id: ReservationId,
        more: &Amounts,
        now: Now,
    ) -> Result<Decision, StoreError> {
        let live = self.reservations.lock().live(id, now.time)?.map(|kept| {
            let parcels = kept.parcels.clone();
            (parcels, kept.has_rest)
        });
        let Some((before, has_rest)) = live else {
            return self.store.extend(id, more, now).await;
        };
        let taken = match self.take_more(&before, more, self.present(now)).await {
            Ok(parcels) => Taken { inner: self, parcels },
            Err(refusal) => return Ok(Decision::Refuse(refusal)),
        };
        let mut decision = Decision::Admit(Admission::default());
        if has_rest {
            decision = self.store.extend(id, more, now).await?;
        }
        let mut reservations = self.reservations.lock();
        if let Ok(Some(kept)) = reservations.live(id, now.time)
            && matches!(decision, Decision::Admit(_))
        {
            kept.parcels.extend(taken.parcels());
            kept.add(more);
        }
        Ok(decision)
    }

    /// Takes more of each account that `before` has taken of, or of none.
    async fn take_more(
        &self,
        before: &Parcels,
        more: &Amounts,
        mut now: Now,
    ) -> Result<Parcels, Refusal> {
        for _ in 0..TRIES {
            let round = {
                let mut book = self.book.lock();
                let mut added = Parcels::new();
                let mut is_short = false;
                for (nth, parcel) in before.iter().enumerate() {
                    let amount = more.of(parcel.charge.unit);
                    let is_first = !before[..nth].iter().any(|other| other.name == parcel.name);
                    if amount == 0 || !is_first {
                        continue;
                    }
                    match book.take_more(parcel, amount, now.time) {
                        Some(taken) => added.push(taken),
                        None => is_short = true,
                    }
                }
                if !is_short {
                    return Ok(added);
                }
                book.give_back(&added, now.time);
                book.rounds + 1
            };
            if self.round_ends(round).await.has_failed {
                break;
            }
            now = self.present(now);
        }
        let limit = before.first().map_or(LimitId(0), |parcel| parcel.charge.limit);
        let retry = Retry::NotBefore(now.time.after(self.terms.every));
        Err(Refusal { limit, retry, standings: SmallVec::new(), shadowed: SmallVec::new() })
    }

    pub(super) async fn round_ends(&self, round: u64) -> Round {
        let mut done = self.done.subscribe();
        self.kick.notify_one();
        // The sender is this one's own, so it is there.
        done.wait_for(|done| done.nth >= round).await.map(|round| *round).unwrap_or_default()
    }
}

/// What was taken of leases, and goes back unless it is kept.
struct Taken<'a, S> {
    inner: &'a Inner<S>,
    parcels: Parcels,
}

impl<S> Taken<'_, S> {
    fn parcels(mut self) -> Parcels {
        std::mem::take(&mut self.parcels)
    }
}

impl<S> Drop for Taken<'_, S> {
    fn drop(&mut self) {
        if !self.parcels.is_empty() {
            let now = self.inner.clock.now().time;
            self.inner.book.lock().give_back(&self.parcels, now);
        }
    }
}

/// An order without the charges that were taken already.
fn without<'a>(order: &Order<'a>, parcels: &Parcels) -> Order<'a> {
    let (mut groups, mut charges) = (SmallVec::new(), SmallVec::new());
    let mut nth = 0;
    for (group, own) in order.parts() {
        let before = charges.len();
        for charge in own {
            if !parcels.iter().any(|parcel| parcel.nth == nth) {
                charges.push(*charge);
            }
            nth += 1;
        }
        let count = charges.len() - before;
        if count > 0 {
            groups.push(Group { charges: count as u8, ..group.clone() });
        }
    }
    Order { groups, charges, ..order.clone() }
}
