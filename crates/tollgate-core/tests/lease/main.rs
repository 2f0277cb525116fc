//! Leases among nodes whose calls are slow and get lost, which die, and whose clocks differ.

mod model;
mod story;
mod world;

use proptest::prelude::*;

use world::{Call, World, calls, faults, rules};

proptest! {
    #[test]
    fn what_all_nodes_admit_is_never_more_than_the_limit(
        rule in rules(),
        clocks in proptest::collection::vec(-2_i64..=2, 1..5),
        calls in calls(),
        faults in faults(),
    ) {
        let world = World::play(rule, &clocks, &calls, &faults);
        prop_assert_eq!(world.model.passed(), None);
    }

    #[test]
    fn all_that_is_not_used_comes_back(
        rule in rules(),
        clocks in proptest::collection::vec(-2_i64..=2, 1..5),
        calls in calls(),
        faults in faults(),
    ) {
        let mut world = World::play(rule, &clocks, &calls, &faults);
        world.finish();
        prop_assert_eq!(world.room_later(), rule.cap, "what died or got lost leaves with time");
    }

    #[test]
    fn what_idle_nodes_had_is_there_at_once(
        rule in rules(),
        clocks in proptest::collection::vec(-2_i64..=2, 1..5),
        calls in calls(),
    ) {
        let calls: Vec<_> = calls.iter().map(Call::without_delay).collect();
        let (room, used) = World::play(rule, &clocks, &calls, &[]).finish();
        prop_assert!(room >= rule.cap.saturating_sub(used), "{} is left and {} used", room, used);
    }

    #[test]
    fn a_node_alone_refuses_only_what_has_no_room(rule in rules(), calls in calls()) {
        let calls: Vec<_> = calls.iter().map(Call::without_delay).collect();
        let world = World::play(rule, &[0], &calls, &[]);
        prop_assert_eq!(world.model.refused_in_vain(), None);
    }
}
