//! Slots that work off what a queue says, in virtual time.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    num::NonZeroU32,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use tollgate_core::{
    Time,
    queue::{Arrival, Bill, Entry, MAX_SIZE, Overflow, Priority, Room, Rules, Work},
};

use super::{SLOTS, clients::Hour, requests::Request};

/// The rules of the rooms that are played: nobody gives up.
pub(super) const RULES: Rules = Rules {
    size: MAX_SIZE,
    per_tenant: None,
    timeout: Duration::from_secs(1_000_000),
    overflow: Overflow::DropNewest,
    bypass: None,
    ageing: Duration::from_secs(10),
};

/// A queue; what waits is the number of a request.
pub(super) trait Queue {
    fn push(&mut self, nth: usize, request: &Request) -> Result<()>;
    fn pop(&mut self, now: Time) -> Result<Option<usize>>;
    fn done(&mut self, nth: usize, used: u64);
}

/// First come, first served.
impl Queue for VecDeque<usize> {
    fn push(&mut self, nth: usize, _: &Request) -> Result<()> {
        self.push_back(nth);
        Ok(())
    }

    fn pop(&mut self, _: Time) -> Result<Option<usize>> {
        Ok(self.pop_front())
    }

    fn done(&mut self, _: usize, _: u64) {}
}

/// A room that is fair among clients.
pub(super) struct Fair<'a> {
    hour: &'a Hour,
    room: Room<usize>,
    bills: Vec<Option<Bill>>,
}

impl<'a> Fair<'a> {
    pub(super) fn new(hour: &'a Hour) -> Self {
        Self { hour, room: Room::new(RULES), bills: vec![] }
    }
}

impl Queue for Fair<'_> {
    fn push(&mut self, nth: usize, request: &Request) -> Result<()> {
        let tenant = &self.hour.clients[request.tenant].name;
        let arrival = arrival(tenant, NonZeroU32::MIN, request.estimated, nth);
        self.bills.push(None);
        enter(&mut self.room, arrival, request.arrives)
    }

    fn pop(&mut self, now: Time) -> Result<Option<usize>> {
        let Some(id) = self.room.next(now).map(|next| next.id) else { return Ok(None) };
        let started = self.room.start(id, now).context("a candidate may start")?;
        self.bills[started.payload] = Some(started.bill);
        Ok(Some(started.payload))
    }

    fn done(&mut self, nth: usize, used: u64) {
        if let Some(bill) = self.bills[nth].take() {
            self.room.settled(bill, used);
        }
    }
}

/// Someone of usual urgency who waits as long as it takes.
pub(super) fn arrival(
    tenant: &str,
    weight: NonZeroU32,
    cost: u64,
    payload: usize,
) -> Arrival<usize> {
    let work = Work { tenant: tenant.into(), weight, cost };
    let (priority, deadline) = (Priority::NORMAL, Time::MAX);
    Arrival { work, priority, deadline, aside: false, payload }
}

/// Enters one that must find a place.
pub(super) fn enter(room: &mut Room<usize>, arrival: Arrival<usize>, now: Time) -> Result<()> {
    match room.enter(arrival, now) {
        Entry::Placed { .. } => Ok(()),
        other => bail!("no place in the room: {other:?}"),
    }
}

/// How long each request waits, when a slot works off `speed` tokens in a second.
pub(super) fn play(
    requests: &[Request],
    queue: &mut impl Queue,
    speed: f64,
) -> Result<Vec<Duration>> {
    let mut waits = vec![None; requests.len()];
    let mut running: BinaryHeap<Reverse<(Time, usize)>> = BinaryHeap::new();
    let mut arrivals = requests.iter().enumerate().peekable();
    loop {
        let ends = running.peek().map(|Reverse((end, _))| *end);
        let comes = arrivals.peek().map(|(_, request)| request.arrives);
        let Some(now) = ends.into_iter().chain(comes).min() else { break };
        while let Some(Reverse((_, nth))) = running.peek().filter(|Reverse((end, _))| *end <= now) {
            queue.done(*nth, requests[*nth].used);
            running.pop();
        }
        while let Some((nth, request)) = arrivals.next_if(|(_, request)| request.arrives <= now) {
            queue.push(nth, request)?;
        }
        while running.len() < SLOTS
            && let Some(nth) = queue.pop(now)?
        {
            ensure!(waits[nth].is_none(), "request {nth} was served twice");
            waits[nth] = Some(now.since(requests[nth].arrives));
            let takes = Duration::from_secs_f64(requests[nth].used as f64 / speed);
            running.push(Reverse((now.after(takes), nth)));
        }
    }
    waits.into_iter().collect::<Option<_>>().context("not all were served")
}
