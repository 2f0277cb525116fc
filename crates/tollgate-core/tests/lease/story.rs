//! What nodes and accounts say to each other, step by step.

use std::time::Duration;

use tollgate_core::{
    Kind, Rule, Time,
    lease::{Account, Ask, Grant, Holding, Terms},
};

const TERMS: Terms = Terms {
    term: Duration::from_secs(1),
    least: Duration::from_millis(100),
    every: Duration::from_millis(50),
};

const MINUTE: Rule = Rule { kind: Kind::Window { length_ns: 60_000_000_000 }, cap: 1_000 };
const BUCKET: Rule = Rule { kind: Kind::Bucket { rate: 1_000, per_ns: 1_000_000_000 }, cap: 1_000 };

fn at(millis: u64) -> Time {
    Time::from_millis(1_000_000_000 + millis)
}

/// A call that takes no time, of one node of two.
fn call(account: &mut Account, rule: &Rule, ask: &Ask, now: u64) -> Grant {
    account.ask(rule, 2, ask, &TERMS, at(now))
}

/// A node that gets what it asks for at once.
fn renew(holding: &mut Holding, account: &mut Account, rule: &Rule, now: u64) -> Option<Grant> {
    let ask = holding.plan(&TERMS, at(now))?;
    let grant = call(account, rule, &ask, now);
    holding.granted(&ask, &grant, &TERMS, (at(now), at(now)));
    Some(grant)
}

#[test]
fn a_lease_is_fenced_by_when_it_was_asked_for() {
    let mut account = Account::new(&MINUTE);
    let mut holding = Holding::new(at(0));
    holding.wait_for(10, at(0));
    let ask = holding.plan(&TERMS, at(0)).expect("somebody waits");
    let grant = call(&mut account, &MINUTE, &ask, 300);
    assert_eq!((grant.amount, grant.lasts), (10, Duration::from_millis(700)));
    // The answer takes its time; the lease is none the longer for it.
    holding.granted(&ask, &grant, &TERMS, (at(0), at(600)));
    assert!(holding.take(1, at(697)).is_some());
    assert!(holding.take(1, at(698)).is_none());
}

#[test]
fn an_overrun_is_covered_by_the_lease_and_else_told() {
    let mut account = Account::new(&MINUTE);
    let mut holding = Holding::new(at(0));
    holding.wait_for(10, at(0));
    renew(&mut holding, &mut account, &MINUTE, 0);
    let taken = holding.take(8, at(1)).expect("it was granted");
    holding.settle(taken, 8, 15, at(2));
    assert_eq!(holding.free(at(2)), 0, "two of seven were free");
    renew(&mut holding, &mut account, &MINUTE, 50);
    let ahead = holding.free(at(50));
    assert_eq!(account.room(&MINUTE, at(50)), 985 - ahead);
}

#[test]
fn an_idle_node_gives_back_what_it_has() {
    for rule in [MINUTE, BUCKET] {
        let mut account = Account::new(&rule);
        let mut holding = Holding::new(at(0));
        for now in (0..1_000).step_by(50) {
            holding.wait_for(1, at(now));
            renew(&mut holding, &mut account, &rule, now);
            for _ in 0..5 {
                if let Some(taken) = holding.take(1, at(now)) {
                    holding.settle(taken, 1, 0, at(now));
                }
            }
        }
        assert!(holding.free(at(955)) > 0, "it keeps what it will need: {rule:?}");
        for now in (1_000..3_000).step_by(50) {
            renew(&mut holding, &mut account, &rule, now);
        }
        assert!(holding.is_idle(), "{rule:?}");
        assert_eq!(account.room(&rule, at(3_000)), rule.cap, "{rule:?}");
    }
}

#[test]
fn what_a_bucket_refills_while_a_lease_lasts_is_not_granted_beside_it() {
    let mut account = Account::new(&BUCKET);
    let asks = |need| Ask { need, least: 1, want: need, ..Ask::default() };
    let first = call(&mut account, &BUCKET, &asks(400), 0);
    assert_eq!((first.amount, first.lasts), (400, Duration::from_millis(250)));
    // All of it may still be used, and so may be what another node gets now.
    let second = call(&mut account, &BUCKET, &asks(1_000), 249);
    assert!(first.amount + second.amount <= BUCKET.cap, "{second:?}");
    assert!(second.amount > 550, "{second:?}");
}

#[test]
fn who_comes_a_moment_after_a_refusal_asks_nobody() {
    let mut account = Account::new(&MINUTE);
    let mut holding = Holding::new(at(0));
    let all = Ask { need: 1_000, least: 1, want: 1_000, ..Ask::default() };
    assert_eq!(call(&mut account, &MINUTE, &all, 0).amount, 1_000);
    assert!(holding.wait_for(1, at(10)));
    assert_eq!(renew(&mut holding, &mut account, &MINUTE, 10).map(|grant| grant.amount), Some(0));
    assert!(!holding.wait_for(1, at(59)));
    assert!(holding.wait_for(1, at(60)), "for no longer than between two looks");
    renew(&mut holding, &mut account, &MINUTE, 60);
    assert!(!holding.wait_for(1, at(61)));
    holding.freed();
    assert!(holding.wait_for(1, at(61)), "somebody has given something back");
}
