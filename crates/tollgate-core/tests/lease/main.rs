//! Leases among nodes whose calls are slow and get lost, which die, and whose clocks differ.

mod model;
mod story;
mod world;

use proptest::prelude::*;

use world::{Call, Fault, World, calls, faults, rules};

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
        let spent = world.finish();
        let room = world.room();
        let least = rule.cap.saturating_sub(spent);
        // What a node had that died counts as spent of a period; else nothing is lost.
        if faults.iter().any(|fault| matches!(fault, Fault::Crash)) {
            prop_assert!(room <= least);
        } else {
            prop_assert_eq!(room, least);
        }
    }

    /// Slots are left out: a lease that was just given back can stand in the way of the next
    /// request, which is one of the reasons why stores do not lease them yet.
    #[test]
    fn a_node_alone_refuses_only_what_has_no_room(rule in rules(), calls in calls()) {
        prop_assume!(!rule.kind.is_slot());
        let calls: Vec<_> = calls.iter().map(Call::without_delay).collect();
        let world = World::play(rule, &[0], &calls, &[]);
        prop_assert_eq!(world.model.refused_in_vain(), None);
    }
}
