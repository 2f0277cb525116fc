//! Traffic as it is measured in production: a few tenants send most of it, in bursts, and
//! many send a little. Who sends little must not pay for who sends much.

use std::{cmp::Reverse, collections::BinaryHeap, collections::VecDeque, time::Duration};

use tollgate_core::{
    Time,
    queue::{Bill, Priority, Room, Rules},
};

use crate::support::{RULES, arrival, at, enter};

const SLOTS: usize = 8;
const HEAVY: usize = 4;
const TENANTS: usize = 64;
const SECONDS: u64 = 600;
/// A slot works off so many tokens per millisecond.
const SPEED: u64 = 1;

#[derive(Debug, Clone)]
struct Request {
    arrives: Time,
    tenant: usize,
    cost: u64,
}

/// Numbers that are the same in each run (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// Four tenants burst to 1.2 times what can be served in all; sixty send a request every 30
/// to 50 seconds. Costs have a long tail.
fn traffic() -> Vec<Request> {
    let mut numbers = Numbers(7);
    let mut requests = vec![];
    for tenant in 0..TENANTS {
        let mut now = at(0);
        loop {
            let (gap_ms, burst) = if tenant < HEAVY {
                (numbers.below(16_000), 10 + numbers.below(21))
            } else {
                (30_000 + numbers.below(20_000), 1)
            };
            now = now.after(Duration::from_millis(gap_ms));
            if now >= at(SECONDS) {
                break;
            }
            for _ in 0..burst {
                let tail = if numbers.below(20) == 0 { 8_000 } else { 0 };
                requests.push(Request {
                    arrives: now,
                    tenant,
                    cost: 100 + tail + numbers.below(1_000),
                });
            }
        }
    }
    requests.sort_by_key(|request| request.arrives);
    requests
}

/// A queue, as the play below sees it: what waits is the number of a request.
trait Queue {
    fn push(&mut self, nth: usize, request: &Request);
    fn pop(&mut self, now: Time) -> Option<usize>;
    fn done(&mut self, nth: usize);
}

impl Queue for VecDeque<usize> {
    fn push(&mut self, nth: usize, _: &Request) {
        self.push_back(nth);
    }
    fn pop(&mut self, _: Time) -> Option<usize> {
        self.pop_front()
    }
    fn done(&mut self, _: usize) {}
}

/// The ids of a room count up, so they are the numbers of the requests.
struct Fair {
    room: Room<()>,
    bills: Vec<Option<Bill>>,
    costs: Vec<u64>,
}

impl Queue for Fair {
    fn push(&mut self, nth: usize, request: &Request) {
        let tenant = format!("tenant-{}", request.tenant);
        // What it will cost is not known yet: the estimate is the same for all.
        let id = enter(&mut self.room, &tenant, Priority::NORMAL, 600, request.arrives);
        assert_eq!(id, nth as u64);
        self.costs.push(request.cost);
        self.bills.push(None);
    }
    fn pop(&mut self, now: Time) -> Option<usize> {
        let id = self.room.next(now)?.id;
        let nth = usize::try_from(id).expect("few requests");
        self.bills[nth] = self.room.start(id, now).map(|started| started.bill);
        Some(nth)
    }
    fn done(&mut self, nth: usize) {
        let bill = self.bills[nth].take().expect("it was started");
        self.room.settled(bill, self.costs[nth]);
    }
}

/// How long each request waits, when so many slots work off what the queue says.
fn play(requests: &[Request], queue: &mut impl Queue) -> Vec<Duration> {
    let mut waits = vec![Duration::ZERO; requests.len()];
    let mut running: BinaryHeap<Reverse<(Time, usize)>> = BinaryHeap::new();
    let mut arrivals = requests.iter().enumerate().peekable();
    loop {
        let ends = running.peek().map(|Reverse((end, _))| *end);
        let comes = arrivals.peek().map(|(_, request)| request.arrives);
        let now = match (ends, comes) {
            (Some(end), Some(come)) => end.min(come),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => return waits,
        };
        while let Some(Reverse((_, nth))) = running.peek().filter(|Reverse((end, _))| *end <= now) {
            queue.done(*nth);
            running.pop();
        }
        while let Some((nth, request)) = arrivals.next_if(|(_, request)| request.arrives <= now) {
            queue.push(nth, request);
        }
        while running.len() < SLOTS
            && let Some(nth) = queue.pop(now)
        {
            waits[nth] = now.since(requests[nth].arrives);
            let takes = Duration::from_millis(requests[nth].cost / SPEED);
            running.push(Reverse((now.after(takes), nth)));
        }
    }
}

fn median(requests: &[Request], waits: &[Duration], whose: impl Fn(usize) -> bool) -> Duration {
    let own = requests.iter().zip(waits).filter(|(request, _)| whose(request.tenant));
    let mut own: Vec<_> = own.map(|(_, wait)| *wait).collect();
    own.sort();
    own[own.len() / 2]
}

#[test]
fn who_sends_little_waits_a_fifth_of_first_come_first_served_at_most() {
    let requests = traffic();
    let in_turn = play(&requests, &mut VecDeque::new());
    let room = Room::new(Rules { size: 100_000, ..RULES });
    let mut fair = Fair { room, bills: vec![], costs: vec![] };
    let fairly = play(&requests, &mut fair);
    assert!(fair.room.is_idle(), "all were served");

    let light = |waits: &[Duration]| median(&requests, waits, |tenant| tenant >= HEAVY);
    let (before, after) = (light(&in_turn), light(&fairly));
    println!("median wait of light tenants: {before:?} in turn, {after:?} fairly");
    assert!(before > Duration::from_secs(5), "the test is too easy: {before:?}");
    assert!(after * 5 <= before, "{after:?} against {before:?}");
    // Nothing is won by keeping slots empty: the last is done at the same time.
    let heavy = |waits: &[Duration]| median(&requests, waits, |tenant| tenant < HEAVY);
    assert!(heavy(&fairly) <= heavy(&in_turn) * 2, "{:?}", heavy(&fairly));
}

#[test]
fn ten_thousand_wait_in_order_and_any_place_can_be_asked() {
    let mut room = Room::new(Rules { size: 10_000, ..RULES });
    for nth in 0..10_000 {
        enter(&mut room, &format!("tenant-{}", nth % 100), Priority::NORMAL, 10, at(0));
    }
    let full = room.enter(arrival("late", Priority::NORMAL, 10), at(0));
    assert!(matches!(full, tollgate_core::queue::Entry::Full { .. }), "{full:?}");
    assert_eq!(room.place(9_999, at(0)), Some(10_000));
    for id in (0..10_000).step_by(2) {
        assert!(room.leave(id).is_some());
    }
    let served = crate::support::serve_all(&mut room, at(1));
    assert_eq!(served, (1..10_000).step_by(2).collect::<Vec<_>>());
    assert!(room.is_idle());
}
