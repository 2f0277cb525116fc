//! One decision: what is leased here first, then the rest in the shared store.

use smallvec::SmallVec;
use tollgate_core::{
    Admission, Amounts, Charge, Decision, Group, LimitId, Now, Order, Refusal, ReservationId,
    Retry, Standing,
};

use super::{
    Inner, Lessor,
    book::{Found, Parcels},
    kept::Kept,
};
use crate::StoreError;

/// Rounds that one order waits for at most, before the shared store decides about it.
const TRIES: u32 = 3;

impl<S: Lessor + 'static> Inner<S> {
    pub(super) async fn decide(&self, order: &Order<'_>, now: Now) -> Result<Decision, StoreError> {
        if order.keep || self.reservations.lock().len() >= self.max_reservations {
            return self.store.reserve(order, now).await;
        }
        let mut present = now;
        for _ in 0..TRIES {
            let found = self.book.lock().take(order, |key| self.store.place(key), present.time);
            match found {
                Found::Nothing => return self.store.reserve(order, now).await,
                Found::Taken(parcels) => return self.rest(order, parcels, present).await,
                Found::Refused(refusal) => return Ok(Decision::Refuse(refusal)),
                Found::Resting => break,
                Found::Short(round) => {
                    self.round_ends(round).await;
                    present = self.clock.now();
                }
            }
        }
        let decision = self.store.reserve(order, present).await?;
        if let Decision::Refuse(refusal) = &decision {
            self.book.lock().refused(order, refusal);
        }
        Ok(decision)
    }

    /// Decides about what is not leased.
    async fn rest(
        &self,
        order: &Order<'_>,
        parcels: Parcels,
        now: Now,
    ) -> Result<Decision, StoreError> {
        let rest = without(order, &parcels);
        let has_rest = !rest.charges.is_empty();
        let mut admission = Admission::default();
        if has_rest {
            match self.store.reserve(&rest, now).await {
                Ok(Decision::Admit(admitted)) => admission = admitted,
                other => {
                    self.book.lock().give_back(&parcels, self.clock.now().time);
                    return other;
                }
            }
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
        Ok(Decision::Admit(admission))
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
        let added = match self.take_more(&before, more, now).await {
            Ok(added) => added,
            Err(refusal) => return Ok(Decision::Refuse(refusal)),
        };
        let mut decision = Decision::Admit(Admission::default());
        if has_rest {
            decision = match self.store.extend(id, more, now).await {
                Ok(decision) => decision,
                Err(error) => {
                    self.book.lock().give_back(&added, now.time);
                    return Err(error);
                }
            };
        }
        let mut reservations = self.reservations.lock();
        match reservations.live(id, now.time) {
            Ok(Some(kept)) if matches!(decision, Decision::Admit(_)) => {
                kept.parcels.extend(added);
                kept.add(more);
            }
            _ => self.book.lock().give_back(&added, now.time),
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
            self.round_ends(round).await;
            now = self.clock.now();
        }
        let limit = before.first().map_or(LimitId(0), |parcel| parcel.charge.limit);
        let retry = Retry::NotBefore(now.time.after(self.terms.every));
        Err(Refusal { limit, retry, standings: SmallVec::new(), shadowed: SmallVec::new() })
    }

    async fn round_ends(&self, round: u64) {
        let mut done = self.done.subscribe();
        self.kick.notify_one();
        // The sender is this one's own, so it is there.
        let _ = done.wait_for(|done| *done >= round).await;
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
