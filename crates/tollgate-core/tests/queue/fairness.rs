//! Among equals, tenants are served by what they consume.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*, sample::Index};
use tollgate_core::queue::{Arrival, Bill, MAX_RESTING, Priority, Room};

use crate::support::{RULES, arrival, at, enter, serve, work};

fn weighted(tenant: &str, weight: u32, cost: u64) -> Arrival<()> {
    Arrival { work: work(tenant, weight, cost), ..arrival(tenant, Priority::NORMAL, cost) }
}

#[test]
fn tenants_are_served_by_cost_and_weight() {
    let mut room = Room::new(RULES);
    for _ in 0..100 {
        room.enter(weighted("cheap", 1, 1), at(0));
        room.enter(weighted("dear", 1, 10), at(0));
        room.enter(weighted("double", 2, 1), at(0));
    }
    let mut served: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..93 {
        let tenant = room.next(at(0)).expect("someone waits").tenant.to_owned();
        *served.entry(tenant).or_default() += 1;
        serve(&mut room, at(0));
    }
    let of = |tenant: &str| served[tenant];
    assert!((29..=31).contains(&of("cheap")), "{served:?}");
    assert!((59..=61).contains(&of("double")), "{served:?}");
    assert!((3..=4).contains(&of("dear")), "{served:?}");
}

#[test]
fn who_is_passed_over_keeps_its_turn_and_stops_nobody() {
    let mut room = Room::new(RULES);
    let normal = Priority::NORMAL;
    let a: Vec<_> = (0..2).map(|_| enter(&mut room, "a", normal, 1, at(0))).collect();
    let b: Vec<_> = (0..3).map(|_| enter(&mut room, "b", normal, 1, at(0))).collect();
    for id in b {
        // Another limit of a's is full: only its first is tried, then b's.
        let order: Vec<_> = room.candidates(at(0)).map(|who| who.id).collect();
        assert_eq!(order, [a[0], id]);
        let bill = room.start(id, at(0)).expect("b may start").bill;
        room.settled(bill, 1);
        assert!(room.start(a[1], at(0)).is_none(), "not before its first");
    }
    assert_eq!([serve(&mut room, at(0)), serve(&mut room, at(0))], [Some(a[0]), Some(a[1])]);
}

#[test]
fn nobody_saves_up_while_away() {
    let mut room = Room::new(RULES);
    let normal = Priority::NORMAL;
    for _ in 0..300 {
        enter(&mut room, "steady", normal, 1, at(0));
    }
    // It comes once, and is away while the other is served.
    enter(&mut room, "returns", normal, 1, at(0));
    for _ in 0..200 {
        serve(&mut room, at(0));
    }
    for _ in 0..100 {
        enter(&mut room, "returns", normal, 1, at(0));
    }
    let mut own = 0;
    for _ in 0..50 {
        own += u32::from(room.next(at(0)).is_some_and(|next| next.tenant == "returns"));
        serve(&mut room, at(0));
    }
    assert!((24..=26).contains(&own), "{own} of 50");
}

#[test]
fn what_was_taken_without_waiting_counts_too() {
    let mut room = Room::new(RULES);
    let normal = Priority::NORMAL;
    let bill = room.pass(&work("first", 1, 100), at(0));
    for _ in 0..5 {
        enter(&mut room, "first", normal, 10, at(0));
    }
    let others: Vec<_> = (0..5).map(|_| enter(&mut room, "other", normal, 10, at(0))).collect();
    let served: Vec<_> = (0..2).filter_map(|_| serve(&mut room, at(0))).collect();
    assert!(served.iter().any(|id| others.contains(id)), "{served:?}");
    room.settled(bill, 100);
}

#[test]
fn settlement_puts_an_estimate_right() {
    let mut room = Room::new(RULES);
    let normal = Priority::NORMAL;
    let a: Vec<_> = (0..3).map(|_| enter(&mut room, "a", normal, 1_000, at(0))).collect();
    let b: Vec<_> = (0..9).map(|_| enter(&mut room, "b", normal, 100, at(0))).collect();
    let bill = room.start(a[0], at(0)).expect("the first").bill;
    assert_eq!(room.next(at(0)).map(|next| next.id), Some(b[0]));
    let other = room.start(b[0], at(0)).expect("the next").bill;
    assert_eq!(room.next(at(0)).map(|next| next.id), Some(b[1]));
    // It used next to nothing, so its turn is now, not when b has been served as much.
    room.settled(bill, 10);
    assert_eq!(room.next(at(0)).map(|next| next.id), Some(a[1]));
    // And b used more than it expected.
    room.settled(other, 10_000);
    let bill = room.start(a[1], at(0)).expect("it is a's turn").bill;
    room.settled(bill, 1_000);
    assert_eq!(room.next(at(0)).map(|next| next.id), Some(a[2]));
}

#[test]
fn tenants_that_make_no_difference_are_forgotten() {
    let mut room = Room::new(RULES);
    for nth in 0..5_000 {
        let bill = room.pass(&work("holder", 1, 1), at(0));
        // Each has more than its share when it goes, and none comes back.
        for part in 0..3 {
            let tenant = format!("guest-{nth}-{part}");
            let guest = room.pass(&work(&tenant, 1, 1 + nth % 100), at(0));
            room.settled(guest, 1 + nth % 100);
        }
        room.settled(bill, 1);
        enter(&mut room, "stays", Priority::NORMAL, 1, at(0));
        if room.waiting() > 2 {
            serve(&mut room, at(0));
        }
        assert!(room.tenants() <= MAX_RESTING + 3, "{}", room.tenants());
    }
}

proptest! {
    /// Two tenants that always have work waiting, and c slots. What each was served, by its
    /// weight, differs by at most 2 * c * the largest request.
    #[test]
    fn backlogged_tenants_are_served_evenly(
        slots in 1_usize..6,
        weights in (1_u32..4, 1_u32..4),
        costs in vec((1_u64..50, 0_u64..50), 40..200),
        third in vec(any::<bool>(), 200),
        ends in vec(any::<Index>(), 200),
    ) {
        let weights = [weights.0, weights.1];
        let mut room = Room::new(RULES);
        let mut running: Vec<(Option<usize>, Bill, u64)> = vec![];
        let mut served = [0_u64; 2];
        let feed = |room: &mut Room<()>, nth: usize, who: usize| {
            let (estimated, _) = costs[nth % costs.len()];
            room.enter(weighted(["a", "b"][who], weights[who], estimated), at(0));
        };
        for who in [0, 1] {
            feed(&mut room, who, who);
            feed(&mut room, who + 7, who);
        }
        for (nth, (estimated, used)) in costs.iter().enumerate() {
            if third[nth % third.len()] {
                room.enter(weighted("c", 1, *estimated), at(0));
            }
            if running.len() == slots {
                let (who, bill, used) = running.swap_remove(ends[nth % ends.len()].index(slots));
                room.settled(bill, used);
                if let Some(who) = who {
                    served[who] += used.max(1) * 12 / u64::from(weights[who]);
                }
            }
            let next = room.next(at(0)).expect("both always wait");
            let (id, who) = (next.id, ["a", "b"].iter().position(|name| *name == next.tenant));
            let started = room.start(id, at(0)).expect("a candidate may start");
            if let Some(who) = who {
                feed(&mut room, nth, who);
            }
            running.push((who, started.bill, *used));
            let bound = 2 * slots as u64 * 50 * 12;
            prop_assert!(served[0].abs_diff(served[1]) <= bound, "{served:?} after {nth}");
        }
        for (_, bill, used) in running {
            room.settled(bill, used);
        }
    }
}
