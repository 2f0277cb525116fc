//! Rooms and arrivals in few words.

use std::{num::NonZeroU32, time::Duration};

use tollgate_core::{
    Time,
    queue::{Arrival, Entry, Overflow, Priority, Room, Rules, Work},
};

pub(crate) const RULES: Rules = Rules {
    size: 1_000,
    per_tenant: None,
    timeout: Duration::from_secs(1_000_000),
    overflow: Overflow::DropNewest,
    bypass: None,
    ageing: Duration::from_secs(10),
};

pub(crate) fn at(seconds: u64) -> Time {
    Time::from_millis(1_790_000_000_000 + seconds * 1_000)
}

pub(crate) fn work(tenant: &str, weight: u32, cost: u64) -> Work {
    let weight = NonZeroU32::new(weight).expect("a weight is not zero");
    Work { tenant: tenant.into(), weight, cost }
}

pub(crate) fn arrival(tenant: &str, priority: Priority, cost: u64) -> Arrival<()> {
    let work = work(tenant, 1, cost);
    Arrival { work, priority, deadline: Time::MAX, aside: false, payload: () }
}

/// Enters one that must find a place.
pub(crate) fn enter(
    room: &mut Room<()>,
    tenant: &str,
    priority: Priority,
    cost: u64,
    now: Time,
) -> u64 {
    match room.enter(arrival(tenant, priority, cost), now) {
        Entry::Placed { id } => id,
        other => panic!("no place for {tenant}: {other:?}"),
    }
}

/// Starts the next, whose work uses what it expected and ends at once.
pub(crate) fn serve(room: &mut Room<()>, now: Time) -> Option<u64> {
    let next = room.next(now)?;
    let (id, cost) = (next.id, next.cost);
    let started = room.start(id, now).expect("a candidate may start");
    room.settled(started.bill, cost);
    Some(id)
}

/// The order in which all that wait are served.
pub(crate) fn serve_all(room: &mut Room<()>, now: Time) -> Vec<u64> {
    std::iter::from_fn(|| serve(room, now)).collect()
}
