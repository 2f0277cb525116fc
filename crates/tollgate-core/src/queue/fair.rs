//! Fairness between tenants: virtual token counters.
//!
//! After "Fairness in Serving Large Language Models" (OSDI 2024), with one change. There, a
//! tenant that comes back is lifted to the least counter of those who wait; then an endless
//! row of new tenants, each entering at that least counter, starves whoever has more. Here
//! the room also keeps a virtual time, which advances by each cost divided by the weight of
//! all who compete, and newcomers are lifted to it. It passes every counter at last.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
};

use compact_str::CompactString;

use super::Work;

/// The most tenants remembered that neither wait nor run. Only those are kept that were
/// served more than a newcomer is credited with; beyond this number, the least of them go.
pub const MAX_RESTING: usize = 1_024;

/// What one unit of cost adds to the counter of a tenant of weight one: so much that it
/// adds something at any weight.
const SCALE: u128 = 1 << 32;

/// What a tenant was served, and what virtual time counts.
pub(super) type Counter = u128;

/// A tenant's place in the table, its own while it waits, runs or rests.
pub(super) type Slot = u32;

/// What a tenant was charged when its work began. Pass it to
/// [`Room::settled`](super::Room::settled) once, when the work has ended.
#[derive(Debug)]
#[must_use = "a bill that is not settled leaves its tenant running"]
pub struct Bill {
    slot: Slot,
    weight: NonZeroU32,
    /// The weight of all who competed.
    among: u128,
    cost: u64,
}

/// Every tenant that waits, runs, or was served more than its share.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    names: BTreeMap<CompactString, Slot>,
    slots: Vec<Option<Tenant>>,
    free: Vec<Slot>,
    /// Who neither waits nor runs.
    resting: BTreeSet<(Counter, Slot)>,
    /// Virtual time.
    virtual_time: Counter,
    /// How much of virtual time settlements may yet take back.
    unsettled: Counter,
    /// The weight of all tenants that compete.
    weight: u128,
    /// Places, waiters in the second line and running work, of all.
    busy: usize,
}

#[derive(Debug)]
pub(super) struct Tenant {
    name: CompactString,
    pub(super) counter: Counter,
    pub(super) weight: NonZeroU32,
    /// Waiters with a place that compete for their turn.
    pub(super) placed: u32,
    /// Waiters with a place that stand aside.
    pub(super) aside: u32,
    pub(super) blocked: u32,
    running: u32,
}

impl Tenant {
    /// Its waiters with a place.
    pub(super) const fn places(&self) -> usize {
        (self.placed + self.aside) as usize
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Tenants {
    pub(super) fn find(&self, name: &str) -> Option<(Slot, &Tenant)> {
        let slot = *self.names.get(name)?;
        Some((slot, self.tenant(slot)?))
    }

    pub(super) fn tenant(&self, slot: Slot) -> Option<&Tenant> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(super) fn counter(&self, slot: Slot) -> Counter {
        self.tenant(slot).map_or(0, |tenant| tenant.counter)
    }

    /// The weight of all that compete, and of one more that joins them.
    pub(super) fn weight_of_all(&self, joins: Option<NonZeroU32>) -> u128 {
        self.weight + joins.map_or(0, |weight| u128::from(weight.get()))
    }

    /// Work in progress, of all tenants, and waiters.
    pub(super) const fn busy(&self) -> usize {
        self.busy
    }

    /// Remembered tenants.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The tenant of this work, made known. What it does next counts as busy at once, else
    /// it is forgotten again by [`Tenants::release`].
    pub(super) fn arrive(&mut self, work: &Work) -> Slot {
        let slot = match self.names.get(&work.tenant) {
            Some(slot) => *slot,
            None => self.insert(work),
        };
        let Some(tenant) = self.slots[slot as usize].as_mut() else { return slot };
        self.resting.remove(&(tenant.counter, slot));
        if tenant.placed > 0 {
            self.weight -= u128::from(tenant.weight.get());
            self.weight += u128::from(work.weight.get());
        }
        tenant.weight = work.weight;
        slot
    }

    fn insert(&mut self, work: &Work) -> Slot {
        let tenant = Tenant {
            name: work.tenant.clone(),
            counter: 0,
            weight: work.weight,
            placed: 0,
            aside: 0,
            blocked: 0,
            running: 0,
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            // By a quarter, not to twice: a tenant of one waiter is what costs most memory.
            if self.slots.len() == self.slots.capacity() {
                self.slots.reserve_exact(self.slots.len() / 4 + 4);
            }
            self.slots.push(None);
            (self.slots.len() - 1) as Slot
        });
        self.slots[slot as usize] = Some(tenant);
        self.names.insert(work.tenant.clone(), slot);
        slot
    }

    /// It gets a place and competes. `least` is the least counter of the tenants that do.
    pub(super) fn place(&mut self, slot: Slot, least: Option<Counter>) {
        self.busy += 1;
        self.lift(slot, least);
        let Some(tenant) = self.slots[slot as usize].as_mut() else { return };
        if tenant.placed == 0 {
            self.weight += u128::from(tenant.weight.get());
        }
        tenant.placed += 1;
    }

    /// The place of one that competed is free again.
    pub(super) fn unplace(&mut self, slot: Slot) {
        self.busy -= 1;
        let Some(tenant) = self.slots[slot as usize].as_mut() else { return };
        tenant.placed -= 1;
        if tenant.placed == 0 {
            self.weight -= u128::from(tenant.weight.get());
        }
    }

    /// It gets a place and stands aside.
    pub(super) fn place_aside(&mut self, slot: Slot) {
        self.busy += 1;
        if let Some(tenant) = self.slots[slot as usize].as_mut() {
            tenant.aside += 1;
        }
    }

    /// The place of one that stood aside is free again.
    pub(super) fn unplace_aside(&mut self, slot: Slot) {
        self.busy -= 1;
        if let Some(tenant) = self.slots[slot as usize].as_mut() {
            tenant.aside -= 1;
        }
    }

    pub(super) fn block(&mut self, slot: Slot) {
        self.busy += 1;
        if let Some(tenant) = self.slots[slot as usize].as_mut() {
            tenant.blocked += 1;
        }
    }

    pub(super) fn unblock(&mut self, slot: Slot) {
        self.busy -= 1;
        if let Some(tenant) = self.slots[slot as usize].as_mut() {
            tenant.blocked -= 1;
        }
    }

    /// Nobody saves up: a tenant that does not compete is credited with what it did not use.
    pub(super) fn lift(&mut self, slot: Slot, least: Option<Counter>) {
        self.virtual_time = self.virtual_time.max(least.unwrap_or(0));
        let Some(tenant) = self.slots[slot as usize].as_mut() else { return };
        if tenant.placed == 0 {
            tenant.counter = tenant.counter.max(self.virtual_time);
        }
    }

    /// Its work begins.
    pub(super) fn charge(&mut self, slot: Slot, cost: u64) -> Bill {
        let weight = self.tenant(slot).map_or(NonZeroU32::MIN, |tenant| tenant.weight);
        let joins = self.tenant(slot).is_none_or(|tenant| tenant.placed == 0);
        let among = self.weight_of_all(joins.then_some(weight));
        let bill = Bill { slot, weight, among, cost };
        let share = share(cost, among);
        self.virtual_time += share;
        self.unsettled += share;
        self.busy += 1;
        if let Some(tenant) = self.slots[slot as usize].as_mut() {
            tenant.counter += charge(cost, weight);
            tenant.running += 1;
        }
        bill
    }

    /// Its work has ended: what was charged beyond, or short of, what was used is put right.
    pub(super) fn settle(&mut self, bill: &Bill, used: u64) {
        let Bill { slot, weight, among, cost } = *bill;
        let estimated = share(cost, among);
        self.unsettled = self.unsettled.saturating_sub(estimated);
        self.virtual_time = self.virtual_time.saturating_sub(estimated) + share(used, among);
        self.busy = self.busy.saturating_sub(1);
        if let Some(tenant) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) {
            let before = tenant.counter.saturating_sub(charge(cost, weight));
            tenant.counter = before + charge(used, weight);
            tenant.running = tenant.running.saturating_sub(1);
        }
    }

    pub(super) const fn slot_of(bill: &Bill) -> Slot {
        bill.slot
    }

    /// Forgets who makes no difference any more, `slot` among them if it is idle.
    pub(super) fn release(&mut self, slot: Slot) {
        if self.busy == 0 {
            // Nobody was kept waiting by anybody: all begin as equals.
            *self = Self::default();
            return;
        }
        if let Some(tenant) = self.tenant(slot)
            && tenant.placed + tenant.aside + tenant.blocked + tenant.running == 0
        {
            self.resting.insert((tenant.counter, slot));
        }
        // Virtual time never falls below this, so they would be lifted anyway.
        let floor = self.virtual_time.saturating_sub(self.unsettled);
        while let Some((counter, slot)) = self.resting.first().copied()
            && (counter <= floor || self.resting.len() > MAX_RESTING)
        {
            self.resting.remove(&(counter, slot));
            if let Some(tenant) = self.slots[slot as usize].take() {
                self.names.remove(&tenant.name);
                self.free.push(slot);
            }
        }
    }
}

/// What a cost adds to the counter of a tenant.
pub(super) fn charge(cost: u64, weight: NonZeroU32) -> Counter {
    u128::from(cost.max(1)) * SCALE / u128::from(weight.get())
}

/// What a cost adds to virtual time.
fn share(cost: u64, among: u128) -> Counter {
    (u128::from(cost.max(1)) * SCALE / among.max(1)).max(1)
}
