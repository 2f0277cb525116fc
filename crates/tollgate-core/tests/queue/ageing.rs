//! Priorities: the urgent go first, and nobody starves.

use std::time::Duration;

use proptest::{collection::vec, prelude::*};
use tollgate_core::queue::{Priority, Room, Rules};

use crate::support::{RULES, at, enter, serve, serve_all};

const ALL: [Priority; 4] = [Priority::CRITICAL, Priority::HIGH, Priority::NORMAL, Priority::LOW];

#[test]
fn the_more_urgent_are_served_first() {
    let mut room = Room::new(RULES);
    let ids: Vec<_> =
        ALL.iter().rev().map(|priority| enter(&mut room, "a", *priority, 1, at(0))).collect();
    assert_eq!(serve_all(&mut room, at(0)), [ids[3], ids[2], ids[1], ids[0]]);
}

#[test]
fn a_class_that_is_passed_over_gets_one_start_at_a_time() {
    let mut room = Room::new(RULES);
    let low: Vec<_> = (0..3).map(|_| enter(&mut room, "slow", Priority::LOW, 1, at(0))).collect();
    let mut served = vec![];
    for second in 0..100 {
        enter(&mut room, "busy", Priority::CRITICAL, 1, at(second));
        served.push(serve(&mut room, at(second)).expect("someone waits"));
    }
    let when: Vec<_> = low.iter().map(|id| served.iter().position(|s| s == id)).collect();
    // Every 30 s it is level with critical work, and its tenant was served less.
    assert_eq!(when, [Some(30), Some(60), Some(90)]);
}

#[test]
fn a_backlog_does_not_grow_old_before_the_first_request_of_another() {
    let mut room = Room::new(RULES);
    for _ in 0..500 {
        enter(&mut room, "flood", Priority::NORMAL, 1, at(0));
    }
    for second in 0..300 {
        serve(&mut room, at(second));
    }
    // The flood has waited for 300 s, 30 times the ageing.
    let light = enter(&mut room, "light", Priority::NORMAL, 1, at(300));
    assert!(room.place(light, at(300)).is_some_and(|place| place <= 2));
}

#[test]
fn who_bypasses_goes_before_all_however_long_they_waited() {
    let mut room = Room::new(Rules { bypass: Some(Priority::HIGH), ..RULES });
    let aged = enter(&mut room, "a", Priority::NORMAL, 1, at(0));
    let high = enter(&mut room, "b", Priority::HIGH, 1, at(1_000));
    let critical = enter(&mut room, "b", Priority::CRITICAL, 1, at(1_000));
    assert_eq!(serve_all(&mut room, at(1_000)), [critical, high, aged]);
}

#[test]
fn without_ageing_nothing_ages() {
    let mut room = Room::new(Rules { ageing: Duration::ZERO, ..RULES });
    let low = enter(&mut room, "a", Priority::LOW, 1, at(0));
    let high = enter(&mut room, "b", Priority::HIGH, 1, at(100_000));
    assert_eq!(serve_all(&mut room, at(100_000)), [high, low]);
}

/// One arrival of a flood: its priority, its tenant (anew if none), its cost.
type Flood = (u8, Option<u8>, u64);

fn flood() -> impl Strategy<Value = Vec<Flood>> {
    vec((0_u8..4, proptest::option::of(0_u8..3), 1_u64..8), 400)
}

proptest! {
    /// Whatever arrives: after (p + 1) * ageing, each other class goes first at most once.
    #[test]
    fn no_class_starves(
        flood in flood(),
        priority in 0_usize..4,
        gap_ms in 1_u64..30_000,
    ) {
        let mut room = Room::new(Rules { size: 20, ..RULES });
        let mut now = at(0);
        // Counters are all against it.
        enter(&mut room, "rival", ALL[(priority + 1) % 4], 1, now);
        let served = room.pass(&crate::support::work("victim", 1, 1_000_000_000), now);
        let waits = enter(&mut room, "victim", ALL[priority], 1, now);
        let due = now.after(RULES.ageing * (priority as u32 + 1));
        let mut before = vec![];
        for (nth, (level, tenant, cost)) in flood.iter().enumerate() {
            // Its own class is spared: there, counters decide, and that is another promise.
            let level = if usize::from(*level) == priority { (level + 1) % 4 } else { *level };
            let tenant = tenant.map_or_else(|| format!("new-{nth}"), |t| format!("old-{t}"));
            let other = Priority::new(level).expect("one digit");
            enter(&mut room, &tenant, other, *cost, now);
            let next = room.next(now).expect("someone waits").priority;
            if serve(&mut room, now) == Some(waits) {
                break;
            }
            if now >= due {
                prop_assert!(!before.contains(&next), "{next} went first twice");
                before.push(next);
            }
            now = now.after(Duration::from_millis(gap_ms));
        }
        let needed = due.since(at(0)).as_millis() as u64 / gap_ms + 5;
        prop_assert!(needed > 400 || room.place(waits, now).is_none(), "it still waits");
        room.settled(served, 1_000_000_000);
    }

    /// Within a class, an endless row of new tenants does not starve one that had more.
    #[test]
    fn no_tenant_starves_among_newcomers(
        size in 2_usize..20,
        head_start in 0_u64..40,
        costs in vec(1_u64..8, 2_000),
        repeat in 1_usize..4,
    ) {
        let mut room = Room::new(Rules { size, ageing: Duration::ZERO, ..RULES });
        let mut nth = 0;
        let mut newcomer = |room: &mut Room<()>| {
            let tenant = format!("new-{}", nth / repeat);
            enter(room, &tenant, Priority::NORMAL, costs[nth % costs.len()], at(0));
            nth += 1;
        };
        // One tenant is served more than its share before the row begins.
        newcomer(&mut room);
        let work = crate::support::work("victim", 1, head_start);
        let bill = room.pass(&work, at(0));
        room.settled(bill, head_start);
        let waits = enter(&mut room, "victim", Priority::NORMAL, 1, at(0));
        // Each start moves virtual time by at least 1/size, so it has come past the head
        // start after head_start * size starts; before it then are one room full of
        // newcomers, who came no later.
        let bound = (head_start as usize + 8) * size + size;
        for _ in 0..bound {
            while room.waiting() < size {
                newcomer(&mut room);
            }
            if serve(&mut room, at(0)) == Some(waits) {
                break;
            }
        }
        prop_assert_eq!(room.place(waits, at(0)), None, "not within {} starts", bound);
    }
}
