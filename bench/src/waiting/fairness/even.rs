//! Two tenants that always have work waiting: how far apart what they were served gets.

use std::{cmp::Reverse, collections::BinaryHeap, num::NonZeroU32, time::Duration};

use anyhow::{Context as _, Result};
use tollgate_core::{
    Time,
    queue::{Bill, Room},
};

use super::{
    SLOTS,
    play::{RULES, arrival, enter},
    requests::Request,
};

/// Requests that are served in one play.
const SERVED: usize = 50_000;
const TENANTS: [&str; 2] = ["one", "other"];
/// The other's weight in each play; that of the one is 1.
const WEIGHTS: [u32; 3] = [1, 2, 4];

/// One of them asks for the requests at even places of an hour, the other for those at odd
/// ones; with the last they begin anew.
struct Play<'a> {
    requests: &'a [Request],
    next: [usize; 2],
    weights: [NonZeroU32; 2],
    room: Room<usize>,
    bills: Vec<Option<Bill>>,
    /// When work ends, and which.
    running: BinaryHeap<Reverse<(Time, usize)>>,
}

/// The largest difference of service by weight in any play, in units of the largest request.
pub(super) fn largest_difference(requests: &[Request]) -> Result<f64> {
    // As many for one as for the other.
    let requests = &requests[..requests.len() / 2 * 2];
    let sizes = requests.iter().map(|request| request.used.max(request.estimated));
    let largest = sizes.max().context("there are no requests")?;
    let mut worst: f64 = 0.0;
    for weight in WEIGHTS {
        let weights = [NonZeroU32::MIN, NonZeroU32::MIN.saturating_add(weight - 1)];
        worst = worst.max(Play::new(requests, weights).run()?);
    }
    Ok(worst / largest as f64)
}

impl<'a> Play<'a> {
    fn new(requests: &'a [Request], weights: [NonZeroU32; 2]) -> Self {
        let bills = requests.iter().map(|_| None).collect();
        let room = Room::new(RULES);
        Self { requests, next: [0, 1], weights, room, bills, running: BinaryHeap::new() }
    }

    /// The largest difference of what was served, by weight.
    fn run(mut self) -> Result<f64> {
        let mut now = self.requests.first().context("there are no requests")?.arrives;
        for who in [0, 1] {
            self.ask(who, now)?;
            self.ask(who, now)?;
        }
        let (mut served, mut worst) = ([0.0; 2], 0.0_f64);
        for _ in 0..SERVED {
            while self.running.len() < SLOTS {
                self.start(now)?;
            }
            let Reverse((end, nth)) = self.running.pop().context("slots are busy")?;
            now = end;
            let used = self.requests[nth].used;
            if let Some(bill) = self.bills[nth].take() {
                self.room.settled(bill, used);
            }
            served[nth % 2] += used as f64 / f64::from(self.weights[nth % 2].get());
            worst = worst.max((served[0] - served[1]).abs());
        }
        Ok(worst)
    }

    fn ask(&mut self, who: usize, now: Time) -> Result<()> {
        let nth = self.next[who];
        self.next[who] = (nth + 2) % self.requests.len();
        let cost = self.requests[nth].estimated;
        enter(&mut self.room, arrival(TENANTS[who], self.weights[who], cost, nth), now)
    }

    /// The next begins, and its tenant asks for more at once.
    fn start(&mut self, now: Time) -> Result<()> {
        let id = self.room.next(now).context("both always wait")?.id;
        let started = self.room.start(id, now).context("a candidate may start")?;
        let nth = started.payload;
        self.bills[nth] = Some(started.bill);
        // A token a millisecond, at any speed the same.
        let takes = Duration::from_millis(self.requests[nth].used);
        self.running.push(Reverse((now.after(takes), nth)));
        self.ask(nth % 2, now)
    }
}
