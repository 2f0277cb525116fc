//! Keeping books of what another store decides: taking in without asking for room, on other
//! terms while that store is away, and telling what is held and spent here.

use compact_str::CompactString;
use smallvec::SmallVec;
use tollgate_core::{
    Amounts, Attributes, Charge, Decision, Demand, Group, Now, Order, ReservationId, ScopeId,
    Spent, Time,
};

use super::{Memory, journal::Journal, reservation::Reservation};
use crate::{Receipt, StoreError};

/// What is held under an id, as another store may take it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Its id.
    pub id: ReservationId,
    /// Its accounts' keys.
    pub groups: SmallVec<[Group; 3]>,
    /// What is held of each account, in the order of their groups; what it was extended by is
    /// in them.
    pub charges: SmallVec<[Charge; 8]>,
    /// What it reserved in all.
    pub demand: Demand,
    /// When it expires unless it is renewed.
    pub expires: Time,
    /// Whether the id may be asked for again.
    pub keep: bool,
    /// Whether it has expired: its slots are free, and what it held counts as used.
    pub expired: bool,
}

impl Holding {
    /// The order that holds as much.
    pub fn order<'a>(&self, attributes: &'a Attributes) -> Order<'a> {
        Order {
            id: self.id,
            groups: self.groups.clone(),
            charges: self.charges.clone(),
            attributes,
            demand: self.demand,
            expires: self.expires,
            report: false,
            keep: self.keep,
        }
    }
}

impl<J: Journal> Memory<J> {
    /// Takes an order that another store has admitted, whether or not it has room here. What is
    /// held, or has ended, under a kept id changes nothing.
    ///
    /// # Errors
    /// When the journal can't record it, a named maximum is reached, or its id has expired.
    pub fn take_now(&self, order: &Order<'_>, now: Now) -> Result<(), StoreError> {
        let unreported = Order { report: false, ..order.clone() };
        self.grant(&unreported, None, now).map(|_| ())
    }

    /// Grants an order if what is `asked` has room: charges of the same accounts in the same
    /// order, on other terms.
    ///
    /// # Errors
    /// When the journal can't record it, a named maximum is reached, or its id has expired.
    pub fn reserve_if_now(
        &self,
        order: &Order<'_>,
        asked: &Order<'_>,
        now: Now,
    ) -> Result<Decision, StoreError> {
        self.grant(order, Some(asked), now)
    }

    /// Adds to a live reservation what another store has granted, whether or not it has room.
    ///
    /// # Errors
    /// When there is no such live reservation or the journal can't record it.
    pub fn take_more_now(
        &self,
        id: ReservationId,
        more: &Amounts,
        now: Now,
    ) -> Result<(), StoreError> {
        self.extend_on(id, more, |_, _| None, now).map(|_| ())
    }

    /// Adds to a live reservation if what is `asked` has room: of each of the charges it was
    /// made with, or nothing where it is not asked.
    ///
    /// # Errors
    /// When there is no such live reservation or the journal can't record it.
    pub fn extend_if_now(
        &self,
        id: ReservationId,
        more: &Amounts,
        asked: &[Option<Charge>],
        now: Now,
    ) -> Result<Decision, StoreError> {
        self.extend_on(id, more, |nth, _| asked.get(nth).copied().flatten(), now)
    }

    /// What is held under an id, or was until it expired; nothing if it has ended.
    pub fn holding(&self, id: ReservationId) -> Option<Holding> {
        let hash = self.hash_id(id);
        let reservations = self.reservations_of(hash).lock();
        let reservation = reservations.find(id, hash)?;
        let mut locked = self.lock_cells(reservation);
        let mut holding = Holding {
            id,
            groups: SmallVec::new(),
            charges: SmallVec::new(),
            demand: reservation.demand,
            expires: reservation.expires,
            keep: reservation.keep,
            expired: reservation.expired,
        };
        for (place, own) in reservation.parts() {
            let Some(slot) = locked.slot_mut(place) else { continue };
            let (scope, key) = (slot.scope, slot.key.clone());
            holding.groups.push(Group { scope, key, charges: own.len() as u8 });
            for charge in own {
                let of_it = reservation.added.iter().filter(|added| {
                    usize::from(added.cell) == place && added.charge.limit == charge.limit
                });
                let amount =
                    of_it.fold(charge.amount, |sum, added| sum.saturating_add(added.charge.amount));
                holding.charges.push(Charge { amount, ..*charge });
            }
        }
        Some(holding)
    }

    /// How a kept id has ended, as long as that is remembered.
    pub fn receipt(&self, id: ReservationId) -> Option<Receipt> {
        let hash = self.hash_id(id);
        self.reservations_of(hash).lock().receipt(id, hash)
    }

    /// The ids of what is held and has not expired.
    pub fn live(&self) -> Vec<ReservationId> {
        self.ids(|held| !held.expired)
    }

    /// The ids of what has expired and may be settled late.
    pub fn expired(&self) -> Vec<ReservationId> {
        self.ids(|held| held.expired)
    }

    /// The live ids whose time is over at `now`.
    pub fn due(&self, now: Now) -> Vec<ReservationId> {
        self.ids(|held| !held.expired && held.expires <= now.time)
    }

    fn ids(&self, which: impl Fn(&Reservation) -> bool) -> Vec<ReservationId> {
        let mut ids = Vec::new();
        for shard in &self.reservations {
            let shard = shard.lock();
            ids.extend(shard.iter().filter(|held| which(held)).map(|held| held.id));
        }
        ids
    }

    /// Tells what is settled in each account of a period: its scope, its key, how much.
    pub fn each_spent(&self, mut tell: impl FnMut(ScopeId, &CompactString, Spent)) {
        for shard in &self.shards {
            // A block at a time, so that nobody waits for all of them.
            for block in 0.. {
                let mut shard = shard.lock();
                let Some(slots) = shard.block_mut(block) else { break };
                for slot in slots {
                    slot.cell.spent().for_each(|spent| tell(slot.scope, &slot.key, spent));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tollgate_core::{
        Attribute, NanoUsd, Policy, Unit, Usage,
        policy::{Limit, Measure},
    };

    use super::*;
    use crate::conformance::NOON;

    fn policy() -> Policy {
        let total = Measure::Window { length: Duration::from_secs(60), cap: 10 };
        let slots = Measure::Concurrency { cap: 1 };
        Policy::new(vec![
            Limit::new("slots", &[Attribute::User], Unit::Requests, slots),
            Limit::new("all", &[], Unit::Usd, total),
        ])
        .expect("names differ")
    }

    fn costs(nanos: u64) -> Demand {
        Amounts { cost: NanoUsd(nanos), ..Amounts::ONE_REQUEST }
    }

    fn order<'a>(policy: &Policy, id: u128, who: &'a Attributes, nanos: u64) -> Order<'a> {
        let now = Now::at(NOON);
        let expires = NOON.after(Duration::from_secs(600));
        policy.order(ReservationId(id), who, &costs(nanos), now, expires)
    }

    #[test]
    fn what_another_store_admitted_is_taken_without_room_and_once() {
        let (policy, store, now) = (policy(), Memory::default(), Now::at(NOON));
        let ann = Attributes::new().with(Attribute::User, "ann");
        for id in [1, 2] {
            let order = order(&policy, id, &ann, 8);
            store.take_now(&order, now).expect("taken");
            store.take_now(&order, now).expect("taken again");
        }
        let ask = order(&policy, 3, &ann, 1);
        let left: Vec<_> = store.standings_now(&ask, now).iter().map(|s| s.held).collect();
        assert_eq!(left, [2, 0], "two slots of one are held, and nothing is left of the window");
        store.void_now(ReservationId(2), now).expect("voided");
        store.void_now(ReservationId(1), now).expect("voided");
        assert!(matches!(store.check_now(&ask, now), Decision::Admit(_)), "all came back");
    }

    #[test]
    fn other_terms_are_asked_and_the_order_is_held() {
        let (policy, store, now) = (policy(), Memory::default(), Now::at(NOON));
        let ann = Attributes::new().with(Attribute::User, "ann");
        let first = order(&policy, 1, &ann, 4);
        let mut asked = first.clone();
        asked.charges[1].amount = 11;
        let refused = store.reserve_if_now(&first, &asked, now).expect("an answer");
        assert!(
            matches!(refused, Decision::Refuse(refusal) if refusal.limit == first.charges[1].limit)
        );
        asked.charges[1].amount = 10;
        let granted = store.reserve_if_now(&first, &asked, now).expect("an answer");
        assert!(matches!(granted, Decision::Admit(_)));
        assert_eq!(store.standings_now(&first, now)[1].remaining, 6, "four are held, not ten");

        let more = Amounts { cost: NanoUsd(2), ..Amounts::default() };
        let asked = |amount| [None, Some(Charge { amount, ..first.charges[1] })];
        let no = store.extend_if_now(first.id, &more, &asked(7), now).expect("an answer");
        assert!(matches!(no, Decision::Refuse(_)));
        let yes = store.extend_if_now(first.id, &more, &asked(6), now).expect("an answer");
        assert!(matches!(yes, Decision::Admit(_)));
        store.take_more_now(first.id, &costs(9), now).expect("there is no room and it is taken");
        let holding = store.holding(first.id).expect("it is live");
        assert_eq!(holding.charges[1].amount, 15);
        assert_eq!(holding.demand.cost, NanoUsd(15));
        assert_eq!((holding.order(&ann).groups, store.live()), (first.groups, vec![first.id]));
    }

    #[test]
    fn what_is_spent_of_periods_is_told() {
        let calendar =
            tollgate_core::Calendar::new(tollgate_core::PeriodUnit::Total, jiff::tz::TimeZone::UTC);
        let total = Measure::Period { calendar: std::sync::Arc::new(calendar), cap: 100 };
        let limit = Limit::new("budget", &[Attribute::User], Unit::Usd, total);
        let (id, now) = (limit.id, Now::at(NOON));
        let policy = Policy::new(vec![limit]).expect("one");
        let store = Memory::default();
        let bob = Attributes::new().with(Attribute::User, "bob");
        for nth in [1, 2, 3] {
            store.take_now(&order(&policy, nth, &bob, 10), now).expect("taken");
        }
        store.settle_now(ReservationId(1), &costs(7), now).expect("settled");
        store.settle_now(ReservationId(2), &Usage::default(), now).expect("settled");
        let mut told = Vec::new();
        store.each_spent(|_, key, spent| told.push((key.to_string(), spent)));
        let spent = Spent { limit: id, start: 0, end: u64::MAX, settled: 7 };
        assert_eq!(told, [("bob".to_owned(), spent)]);
        let later = Now::at(NOON.after(Duration::from_secs(601)));
        assert_eq!((store.due(now), store.due(later)), (vec![], vec![ReservationId(3)]));
    }
}
