//! What is known of a provider when the policy says something else of it.

use super::*;

#[test]
fn other_settings_of_a_breaker_leave_it_open_and_its_probes_on_their_way() {
    let mut world = World::new("[providers.up.breaker]\nfailures = 1");
    world.ends("m", FAILED);
    let until = world.now().after(30 * SECOND);
    world.says("[providers.up.breaker]\nfailures = 3\nrecovery = \"5s\"\nprobes = 1");
    assert_eq!(in_the_way(world.ask("m")), (InTheWay::Circuit, Some(until)));
    world.pass(30);
    let probe = world.ask("m").expect("a probe");
    assert_eq!(in_the_way(world.ask("m")).0, InTheWay::Circuit, "one at once from now on");
    world.says("[providers.up.breaker]\nfailures = 3\nprobes = 1\nsuccesses = 1");
    probe.ended(SERVED, world.now());
    assert_eq!(world.state("m"), "closed");
    world.ends("m", FAILED);
    world.ends("m", FAILED);
    assert_eq!(world.state("m"), "closed");
    world.ends("m", FAILED);
    assert_eq!(world.state("m"), "open", "the third in a row");
    world.says("[providers.up.breaker]\nmode = \"closed\"");
    drop(world.ask("m").expect("nothing is in its way"));
}

#[test]
fn what_was_learned_and_what_is_on_its_way_outlive_other_settings() {
    let mut world = World::new("[providers.up.learn.concurrency]\ninitial = 2");
    let mut refused = world.ask("m").expect("nothing is known");
    refused.headed(&throttled(7), world.now());
    let until = world.now().after(7 * SECOND);
    world.says(
        "[providers.up.breaker]\nfailures = 9\n[providers.up.learn.concurrency]\ninitial = 2",
    );
    assert_eq!(in_the_way(world.ask("m")), (InTheWay::Quota, Some(until)));
    let own = account_of(b"Bearer own");
    let second = world.of("m", own).expect("another key has other limits");
    assert_eq!(in_the_way(world.of("m", own)), (InTheWay::Concurrency, None), "two of two");
    world
        .says("[providers.up.learn]\nconcurrency = { initial = 1, max = 3 }\nquota.grace = \"1s\"");
    assert_eq!(in_the_way(world.of("m", own)), (InTheWay::Concurrency, None), "as was found");
    drop((refused, second));
    assert_eq!(in_the_way(world.ask("m")), (InTheWay::Quota, Some(until)));
    world.says("[providers.up.learn]\nannounced = false");
    drop(world.ask("m").expect("nothing is kept to"));
    world.says("");
    drop(world.ask("m").expect("it was forgotten"));
}

#[test]
fn intervals_and_the_budget_of_retries_outlive_other_settings() {
    let says = |more: &str| {
        format!(
            "[providers.up.retry]\nburst = 2\nper_minute = 0\n{more}[providers.up.learn.interval]\nmin = \"1s\"\nbackoff = 2"
        )
    };
    let mut world = World::new(&says(""));
    world.ends("m", FAILED);
    assert!(world.guard.may_retry(world.now()) && world.guard.may_retry(world.now()));
    world.says(&says("share = 0.5\n"));
    let until = Some(world.now().after(2 * SECOND));
    assert_eq!(in_the_way(world.ask("m")), (InTheWay::Interval, until));
    assert!(!world.guard.may_retry(world.now()), "both were used");
}

#[test]
fn a_policy_that_is_not_put_in_force_changes_nothing() {
    let world = World::new("[providers.up.breaker]\nfailures = 2");
    let _other = world.guard.under(settings("[providers.up.breaker]\nfailures = 1"));
    world.ends("m", FAILED);
    assert_eq!(world.state("m"), "closed");
}
