//! The room: arrivals, starts and departures.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Arrival, Bill, Bound, Departed, Entry, MAX_BLOCKED, MAX_BLOCKED_PER_TENANT, Overflow, Priority,
    Rules, Started, Work,
    blocked::Blocked,
    fair::{Slot, Tenant, Tenants},
    pace::Pace,
    places::Places,
};
use crate::Time;

/// The queue before one account.
///
/// To enter, start, leave and expire costs the logarithm of the number of waiters. `T` is
/// what the layer above keeps beside each waiter. Time never runs backwards in it: a `now`
/// before the latest one counts as the latest.
#[derive(Debug)]
pub struct Room<T> {
    pub(super) rules: Rules,
    /// The latest time that an arrival or a start told.
    pub(super) now: Time,
    next_id: u64,
    pub(super) waiters: BTreeMap<u64, Waiter<T>>,
    deadlines: BTreeSet<(Time, u64)>,
    pub(super) places: Places,
    pub(super) blocked: Blocked,
    pub(super) tenants: Tenants,
    pub(super) pace: Pace,
}

#[derive(Debug)]
pub(super) struct Waiter<T> {
    pub(super) payload: T,
    pub(super) cost: u64,
    pub(super) entered: Time,
    pub(super) deadline: Time,
    tenant: Slot,
    priority: Priority,
    /// It stands in the second line.
    pub(super) blocked: bool,
    /// Something else stands in its way.
    pub(super) aside: bool,
}

/// What becomes of an arrival.
enum Way {
    Place,
    Displace(u64),
    Block,
    Full(Bound, usize),
}

impl<T> Room<T> {
    /// A room in which nobody waits.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            now: Time::ZERO,
            next_id: 0,
            waiters: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            places: Places::default(),
            blocked: Blocked::default(),
            tenants: Tenants::default(),
            pace: Pace::default(),
        }
    }

    /// The rules in force.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Puts new rules in force. Nobody is sent away and no deadline changes: a room that has
    /// become too small takes nobody in until there is space.
    pub fn revise(&mut self, rules: Rules) {
        self.rules = rules;
        for slot in self.blocked.tenants() {
            self.blocked.refresh(slot, self.fits(slot));
        }
        self.let_in();
    }

    /// How many have a place.
    pub fn waiting(&self) -> usize {
        self.places.len()
    }

    /// How many of them compete for their turn, and do not stand aside.
    pub fn competing(&self) -> usize {
        self.places.competing()
    }

    /// How many stand in the second line; see [`Overflow::Block`].
    pub fn blocked(&self) -> usize {
        self.blocked.len()
    }

    /// How many waiters a tenant has, with and without a place.
    pub fn waiting_of(&self, tenant: &str) -> usize {
        self.tenants.find(tenant).map_or(0, |(_, t)| t.places() + t.blocked as usize)
    }

    /// How many tenants are remembered: those that wait or run, and at most
    /// [`MAX_RESTING`](super::MAX_RESTING) others.
    pub fn tenants(&self) -> usize {
        self.tenants.len()
    }

    /// Whether nobody waits and no bill is open; then the room may be dropped, and is as good
    /// as new.
    pub fn is_idle(&self) -> bool {
        self.tenants.busy() == 0
    }

    /// The payload of a waiter.
    pub fn payload_mut(&mut self, id: u64) -> Option<&mut T> {
        self.waiters.get_mut(&id).map(|waiter| &mut waiter.payload)
    }

    /// Someone comes to wait. Whether it would be too late is asked only if there is a place
    /// for it, and answered by the [forecast](Room::forecast); but nobody is refused by what
    /// was observed before the room was last empty.
    pub fn enter(&mut self, arrival: Arrival<T>, now: Time) -> Entry<T> {
        let now = self.told(now);
        let Arrival { work, priority, deadline, aside, payload } = arrival;
        let deadline = deadline.min(now.after(self.rules.timeout));
        let way = self.way(&work.tenant, priority, now);
        let estimate = match way {
            Way::Full(bound, size) => return Entry::Full { bound, size },
            _ if aside => None,
            Way::Block => self.pace.wait(self.waiters.len() + 1, now),
            Way::Place | Way::Displace(_) => self.forecast(&work, priority, now),
        };
        let estimate = estimate.filter(|_| self.pace.is_fresh()).unwrap_or_default();
        if deadline <= now || now.after(estimate) > deadline {
            return Entry::TooLate { estimate };
        }
        let id = self.next_id;
        self.next_id += 1;
        let tenant = self.tenants.arrive(&work);
        let blocked = matches!(way, Way::Block);
        let cost = work.cost;
        let entered = now;
        let waiter = Waiter { payload, cost, entered, deadline, tenant, priority, blocked, aside };
        self.waiters.insert(id, waiter);
        self.deadlines.insert((deadline, id));
        if blocked {
            self.tenants.block(tenant);
            self.blocked.push(tenant, id, self.fits(tenant));
            return Entry::Blocked { id };
        }
        // It takes its place before the other leaves, so that nobody else is let in.
        self.place_in(id, tenant, priority, aside);
        match way {
            Way::Displace(other) => match self.remove(other) {
                Some(who) => Entry::Displaced { id, who },
                None => Entry::Placed { id },
            },
            _ => Entry::Placed { id },
        }
    }

    /// Work begins that did not have to wait. It is charged to its tenant as if it had: a
    /// tenant does not gain by what it took before there was a queue.
    pub fn pass(&mut self, work: &Work, now: Time) -> Bill {
        self.told(now);
        let slot = self.tenants.arrive(work);
        self.tenants.lift(slot, self.places.least());
        self.charge(slot, work.cost)
    }

    /// The work of a [candidate](Room::candidates) begins: it leaves the room and its tenant
    /// is charged. `None` if it is no candidate now: it is gone, its deadline has come, it
    /// stands in the second line, or behind another of its tenant and class.
    pub fn start(&mut self, id: u64, now: Time) -> Option<Started<T>> {
        let now = self.told(now);
        let waiter = self.waiters.get(&id)?;
        let (slot, priority, cost) = (waiter.tenant, waiter.priority, waiter.cost);
        if self.head(slot, priority, now) != Some(id) {
            return None;
        }
        // Charged while it still competes: its weight is among those that share the cost.
        let bill = self.charge(slot, cost);
        let Departed { entered, payload, .. } = self.take_out(id)?;
        self.places.served(priority, now);
        self.pace.started(now, self.places.competing() > 0);
        self.let_in();
        Some(Started { bill, waited: now.since(entered), payload })
    }

    /// Something else stands in someone's way: it keeps its place, and gives up its turn until
    /// it [joins](Room::join) the others again.
    pub fn step_aside(&mut self, id: u64) {
        self.put(id, true);
    }

    /// Someone who stood aside competes again, where it stands by its arrival.
    pub fn join(&mut self, id: u64) {
        self.put(id, false);
    }

    fn put(&mut self, id: u64, aside: bool) {
        let Some(waiter) = self.waiters.get_mut(&id).filter(|waiter| waiter.aside != aside) else {
            return;
        };
        waiter.aside = aside;
        if waiter.blocked {
            return;
        }
        let (slot, priority) = (waiter.tenant, waiter.priority);
        if aside {
            self.places.remove(slot, self.tenants.counter(slot), priority, id);
            self.place_in(id, slot, priority, true);
            self.tenants.unplace(slot);
        } else {
            self.places.remove_aside(slot, priority, id);
            self.place_in(id, slot, priority, false);
            self.tenants.unplace_aside(slot);
        }
        // For a moment it had two places.
        self.blocked.refresh(slot, self.fits(slot));
        if self.places.competing() == 0 {
            self.pace.emptied();
        }
    }

    /// The work of someone begins who is not next here: another room has started it. Its
    /// tenant is charged here too.
    pub fn start_elsewhere(&mut self, id: u64, now: Time) -> Option<Started<T>> {
        let now = self.told(now);
        let waiter = self.waiters.get(&id)?;
        let (slot, cost) = (waiter.tenant, waiter.cost);
        self.tenants.lift(slot, self.places.least());
        let bill = self.charge(slot, cost);
        let Departed { entered, payload, .. } = self.remove(id)?;
        Some(Started { bill, waited: now.since(entered), payload })
    }

    /// Work has ended, and used so much. What its tenant was charged is put right.
    #[expect(clippy::needless_pass_by_value, reason = "a bill is gone once it is settled")]
    pub fn settled(&mut self, bill: Bill, used: u64) {
        let slot = Tenants::slot_of(&bill);
        let before = self.tenants.counter(slot);
        self.tenants.settle(&bill, used);
        self.places.reorder(slot, before, self.tenants.counter(slot));
        self.tenants.release(slot);
    }

    /// Someone does not want to wait any more.
    pub fn leave(&mut self, id: u64) -> Option<Departed<T>> {
        self.remove(id)
    }

    /// Someone whose deadline has come, the earliest first; call it until there is none.
    pub fn expired(&mut self, now: Time) -> Option<Departed<T>> {
        let now = self.told(now);
        let (deadline, id) = *self.deadlines.first()?;
        if deadline > now { None } else { self.remove(id) }
    }

    /// When the next waiter gives up.
    pub fn next_deadline(&self) -> Option<Time> {
        Some(self.deadlines.first()?.0)
    }

    fn told(&mut self, now: Time) -> Time {
        self.now = self.now.max(now);
        self.now
    }

    fn way(&self, tenant: &str, priority: Priority, now: Time) -> Way {
        let size = self.rules.size();
        let known = self.tenants.find(tenant);
        let (placed, blocked) = known.map_or((0, 0), |(_, t)| (t.places(), t.blocked));
        let crowded = !self.rules.allow_tenant(placed);
        if !crowded && self.places.len() < size {
            return Way::Place;
        }
        let (bound, most) = match self.rules.per_tenant {
            Some(most) if crowded => (Bound::Tenant, most),
            _ => (Bound::Room, size),
        };
        match self.rules.overflow {
            Overflow::DropNewest => Way::Full(bound, most),
            Overflow::DropOldest => {
                let of = known.filter(|_| crowded).map(|(slot, _)| slot);
                let oldest = if crowded && of.is_none() { None } else { self.oldest(of, now) };
                let mine = self.level_on_arrival(priority, now);
                let other = oldest.filter(|(level, _)| *level >= mine);
                other.map_or(Way::Full(bound, most), |(_, id)| Way::Displace(id))
            }
            // A queue without places never has a free one.
            Overflow::Block if most == 0 => Way::Full(bound, most),
            Overflow::Block
                if self.blocked.len() >= MAX_BLOCKED
                    || blocked as usize >= MAX_BLOCKED_PER_TENANT =>
            {
                Way::Full(bound, most)
            }
            Overflow::Block => Way::Block,
        }
    }

    /// The oldest waiter in the least urgent class of a tenant, or of the room.
    fn oldest(&self, tenant: Option<Slot>, now: Time) -> Option<(i64, u64)> {
        let first = |class| self.places.oldest(class, tenant);
        let classes = self.places.classes().iter();
        let firsts = classes.filter_map(|class| Some((self.level_of(class, now), first(class)?)));
        firsts.max_by_key(|(level, id)| (*level, std::cmp::Reverse(*id)))
    }

    /// Whether a tenant may have one more place.
    fn fits(&self, slot: Slot) -> bool {
        let placed = self.tenants.tenant(slot).map_or(0, Tenant::places);
        self.rules.allow_tenant(placed)
    }

    fn place_in(&mut self, id: u64, slot: Slot, priority: Priority, aside: bool) {
        if aside {
            self.tenants.place_aside(slot);
            self.places.insert_aside(slot, priority, id);
        } else {
            self.tenants.place(slot, self.places.least());
            self.places.insert(slot, self.tenants.counter(slot), priority, id);
        }
        self.blocked.refresh(slot, self.fits(slot));
    }

    fn charge(&mut self, slot: Slot, cost: u64) -> Bill {
        let before = self.tenants.counter(slot);
        let bill = self.tenants.charge(slot, cost);
        self.places.reorder(slot, before, self.tenants.counter(slot));
        bill
    }

    fn remove(&mut self, id: u64) -> Option<Departed<T>> {
        let departed = self.take_out(id)?;
        self.let_in();
        Some(departed)
    }

    /// Takes a waiter out of every order.
    fn take_out(&mut self, id: u64) -> Option<Departed<T>> {
        let waiter = self.waiters.remove(&id)?;
        let Waiter { payload, entered, deadline, tenant, priority, blocked, aside, .. } = waiter;
        self.deadlines.remove(&(deadline, id));
        if blocked {
            self.tenants.unblock(tenant);
            self.blocked.remove(tenant, id, self.fits(tenant));
        } else if aside {
            self.places.remove_aside(tenant, priority, id);
            self.tenants.unplace_aside(tenant);
            self.blocked.refresh(tenant, self.fits(tenant));
        } else {
            self.places.remove(tenant, self.tenants.counter(tenant), priority, id);
            self.tenants.unplace(tenant);
            self.blocked.refresh(tenant, self.fits(tenant));
        }
        self.tenants.release(tenant);
        if self.places.competing() == 0 {
            self.pace.emptied();
        }
        Some(Departed { id, entered, payload })
    }

    /// Gives free places to the second line.
    fn let_in(&mut self) {
        while self.places.len() < self.rules.size()
            && let Some(id) = self.blocked.first()
            && let Some(waiter) = self.waiters.get_mut(&id)
        {
            waiter.blocked = false;
            let (slot, priority, aside) = (waiter.tenant, waiter.priority, waiter.aside);
            self.tenants.unblock(slot);
            self.blocked.remove(slot, id, self.fits(slot));
            self.place_in(id, slot, priority, aside);
        }
    }
}
