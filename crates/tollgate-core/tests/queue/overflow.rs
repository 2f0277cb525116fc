//! What happens where there is no place, and when it is too late.

use std::time::Duration;

use tollgate_core::queue::{
    Arrival, Bound, Entry, MAX_BLOCKED, MAX_BLOCKED_PER_TENANT, Overflow, Priority, Room, Rules,
};

use crate::support::{RULES, arrival, at, enter, serve, serve_all, work};

fn small(overflow: Overflow) -> Room<()> {
    Room::new(Rules { size: 3, per_tenant: Some(2), overflow, ..RULES })
}

#[test]
fn a_full_queue_says_whose_it_is_and_its_size() {
    let mut room = small(Overflow::DropNewest);
    let normal = Priority::NORMAL;
    enter(&mut room, "a", normal, 1, at(0));
    enter(&mut room, "a", normal, 1, at(0));
    let full = Entry::Full { bound: Bound::Tenant, size: 2 };
    assert_eq!(room.enter(arrival("a", normal, 1), at(0)), full);
    enter(&mut room, "b", normal, 1, at(0));
    let full = Entry::Full { bound: Bound::Room, size: 3 };
    assert_eq!(room.enter(arrival("b", normal, 1), at(0)), full);
    assert_eq!((room.waiting(), room.waiting_of("a"), room.waiting_of("b")), (3, 2, 1));
}

#[test]
fn the_oldest_of_the_least_urgent_makes_room() {
    let mut room = small(Overflow::DropOldest);
    let high = enter(&mut room, "a", Priority::HIGH, 1, at(0));
    let old = enter(&mut room, "b", Priority::LOW, 1, at(1));
    enter(&mut room, "c", Priority::LOW, 1, at(2));
    match room.enter(arrival("d", Priority::NORMAL, 1), at(3)) {
        Entry::Displaced { who, .. } => assert_eq!((who.id, who.entered), (old, at(1))),
        other => panic!("{other:?}"),
    }
    // A tenant that is full makes room itself, for what is no less urgent.
    enter_displaced(&mut room, "d", Priority::HIGH, at(4));
    match room.enter(arrival("d", Priority::LOW, 1), at(5)) {
        Entry::Full { bound: Bound::Tenant, size: 2 } => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(room.place(high, at(5)), Some(1));
}

fn enter_displaced(
    room: &mut Room<()>,
    tenant: &str,
    priority: Priority,
    now: tollgate_core::Time,
) {
    let entry = room.enter(arrival(tenant, priority, 1), now);
    assert!(matches!(entry, Entry::Displaced { .. }), "{entry:?}");
}

#[test]
fn none_more_urgent_is_displaced() {
    let mut room = Room::new(Rules { size: 1, overflow: Overflow::DropOldest, ..RULES });
    enter(&mut room, "a", Priority::NORMAL, 1, at(0));
    let full = Entry::Full { bound: Bound::Room, size: 1 };
    assert_eq!(room.enter(arrival("b", Priority::LOW, 1), at(0)), full);
    // Who has aged is as urgent as what it has become.
    assert_eq!(room.enter(arrival("b", Priority::HIGH, 1), at(20)), full);
    enter_displaced(&mut room, "b", Priority::CRITICAL, at(10));
}

#[test]
fn who_is_blocked_gets_a_place_in_turn_once_its_tenant_may_have_one() {
    let mut room = small(Overflow::Block);
    let normal = Priority::NORMAL;
    let mut come = |tenant: &str| room.enter(arrival(tenant, normal, 1), at(0));
    let entries = [come("a"), come("a"), come("a"), come("b"), come("c"), come("b")];
    let (mut placed, mut blocked) = (vec![], vec![]);
    for entry in entries {
        match entry {
            Entry::Placed { id } => placed.push(id),
            Entry::Blocked { id } => blocked.push(id),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((placed.as_slice(), blocked.as_slice()), (&[0, 1, 3][..], &[2, 4, 5][..]));
    assert_eq!([2, 4, 5].map(|id| room.place(id, at(0))), [Some(4), Some(5), Some(6)]);
    // b's place goes to c, since a has all it may have; a's to a, which came first.
    room.leave(3);
    assert_eq!((room.waiting(), room.blocked(), room.waiting_of("c")), (3, 2, 1));
    assert!(room.candidates(at(0)).any(|who| who.id == 4));
    assert_eq!(serve_all(&mut room, at(0)).len(), 5);
    assert!(room.is_idle());
}

#[test]
fn the_second_line_is_bounded_in_all_and_of_each_tenant() {
    let mut room = Room::new(Rules { size: 1, overflow: Overflow::Block, ..RULES });
    enter(&mut room, "first", Priority::NORMAL, 1, at(0));
    let full = Entry::Full { bound: Bound::Room, size: 1 };
    for nth in 0..MAX_BLOCKED {
        let tenant = format!("tenant-{}", nth / MAX_BLOCKED_PER_TENANT);
        let entry = room.enter(arrival(&tenant, Priority::NORMAL, 1), at(0));
        assert!(matches!(entry, Entry::Blocked { .. }), "{nth}: {entry:?}");
        if nth + 1 == MAX_BLOCKED_PER_TENANT {
            assert_eq!(room.enter(arrival(&tenant, Priority::NORMAL, 1), at(0)), full);
        }
    }
    assert_eq!(room.enter(arrival("last", Priority::NORMAL, 1), at(0)), full);
    assert_eq!(room.blocked(), MAX_BLOCKED);
}

#[test]
fn a_place_is_given_up_at_the_deadline_or_the_timeout_whichever_is_sooner() {
    let mut room = Room::new(Rules { timeout: Duration::from_secs(30), ..RULES });
    let by_timeout = enter(&mut room, "a", Priority::NORMAL, 1, at(0));
    let early = Arrival { deadline: at(10), ..arrival("a", Priority::NORMAL, 1) };
    assert_eq!(room.enter(early, at(0)), Entry::Placed { id: 1 });
    assert_eq!(room.next_deadline(), Some(at(10)));
    assert_eq!(room.expired(at(9)), None);
    // Whose deadline has come is not started, whether or not it was taken out yet.
    assert!(room.start(1, at(10)).is_none());
    assert_eq!(room.expired(at(10)).map(|who| who.id), Some(1));
    assert_eq!(room.next_deadline(), Some(at(30)));
    assert!(room.next(at(30)).is_none());
    assert_eq!(room.expired(at(31)).map(|who| who.id), Some(by_timeout));
    assert_eq!((room.expired(at(31)), room.is_idle()), (None, true));
}

#[test]
fn who_would_wait_past_its_deadline_is_told_so_once_that_is_known() {
    let mut room = Room::new(RULES);
    let normal = Priority::NORMAL;
    let hasty = |now: u64| Arrival { deadline: at(now + 15), ..arrival("hasty", normal, 1) };
    for _ in 0..30 {
        enter(&mut room, "a", normal, 1, at(0));
    }
    // Nothing is known yet: it may try.
    let Entry::Placed { id } = room.enter(hasty(0), at(0)) else { panic!("nothing is known") };
    assert_eq!(room.estimate(id, at(0)), None);
    room.leave(id);
    for second in 1..=10 {
        serve(&mut room, at(second * 10));
    }
    // A start every 10 s. A newcomer's fair share is the second start at the latest.
    let late = Entry::TooLate { estimate: Duration::from_secs(20) };
    assert_eq!(room.enter(hasty(100), at(100)), late);
    let last = enter(&mut room, "a", normal, 1, at(100));
    assert_eq!(room.place(last, at(100)), Some(21));
    assert_eq!(room.estimate(last, at(100)), Some(Duration::from_secs(210)));
    // More urgent than all, it is the next.
    let urgent = Arrival { priority: Priority::CRITICAL, ..hasty(100) };
    assert!(matches!(room.enter(urgent, at(100)), Entry::Placed { .. }));
    // What was learned before the room was empty refuses nobody, or nothing were ever learned
    // anew.
    for nth in 0.. {
        if serve(&mut room, at(110 + nth * 60)).is_none() {
            break;
        }
    }
    for _ in 0..2 {
        assert!(
            room.forecast(&work("hasty", 1, 1), normal, at(9_000)) > Some(Duration::from_secs(15))
        );
        assert!(matches!(room.enter(hasty(9_000), at(9_000)), Entry::Placed { .. }));
    }
}

#[test]
fn a_room_that_became_too_small_sends_nobody_away() {
    let mut room = Room::new(RULES);
    for _ in 0..5 {
        enter(&mut room, "a", Priority::NORMAL, 1, at(0));
    }
    room.revise(Rules { size: 2, ..RULES });
    let full = Entry::Full { bound: Bound::Room, size: 2 };
    assert_eq!(room.enter(arrival("b", Priority::NORMAL, 1), at(0)), full);
    assert_eq!(serve_all(&mut room, at(0)), [0, 1, 2, 3, 4]);
    enter(&mut room, "b", Priority::NORMAL, 1, at(0));
}

#[test]
fn who_is_let_in_late_goes_by_its_arrival() {
    let mut room = Room::new(Rules { size: 2, overflow: Overflow::Block, ..RULES });
    let normal = Priority::NORMAL;
    enter(&mut room, "other", normal, 1, at(0));
    let second = enter(&mut room, "other", normal, 1, at(0));
    let entry = room.enter(arrival("a", normal, 1), at(0));
    let Entry::Blocked { id: early } = entry else { panic!("{entry:?}") };
    // New rules: now an arrival may take a place while another waits for one.
    room.revise(Rules { overflow: Overflow::DropOldest, ..*room.rules() });
    enter_displaced(&mut room, "a", normal, at(1));
    let late = early + 1;
    assert_eq!(serve(&mut room, at(1)), Some(second));
    let order: Vec<_> = room.candidates(at(1)).map(|who| who.id).collect();
    assert_eq!(order, [early], "one of a line, the first");
    assert_eq!(serve_all(&mut room, at(1)), [early, late]);
}
