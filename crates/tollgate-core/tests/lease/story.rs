//! What nodes and accounts say to each other, step by step.

use std::time::Duration;

use tollgate_core::{
    Kind, Now, Rule, Time,
    lease::{Account, Ask, Grant, Holding, Terms},
};

const TERMS: Terms = Terms {
    term: Duration::from_secs(1),
    least: Duration::from_millis(100),
    every: Duration::from_millis(50),
    linger: Duration::from_secs(600),
};

const MINUTE: Rule = Rule { kind: Kind::Window { length_ns: 60_000_000_000 }, cap: 1_000 };
const SLOTS: Rule = Rule { kind: Kind::Concurrency, cap: 100 };
const TOTAL: Rule = Rule { kind: Kind::TOTAL, cap: 1_000 };

fn at(millis: u64) -> Time {
    Time::from_millis(1_000_000_000 + millis)
}

/// A call that takes no time, of one node of two.
fn call(account: &mut Account, rule: &Rule, (node, ask): (u64, &Ask), now: u64) -> Grant {
    account.ask(rule, (node, 2), ask, &TERMS, Now::at(at(now)))
}

/// A node that gets what it asks for at once.
fn renew(holding: &mut Holding, account: &mut Account, rule: &Rule, now: u64) -> Option<Grant> {
    let ask = holding.plan(&TERMS, at(now))?;
    let grant = call(account, rule, (1, &ask), now);
    holding.granted(&ask, &grant, &TERMS, (at(now), at(now)));
    Some(grant)
}

#[test]
fn a_lease_is_fenced_by_when_it_was_asked_for() {
    let mut account = Account::new(&MINUTE);
    let mut holding = Holding::new(&MINUTE, at(0));
    holding.wait_for(10, at(0));
    let ask = holding.plan(&TERMS, at(0)).expect("somebody waits");
    let grant = call(&mut account, &MINUTE, (1, &ask), 300);
    assert_eq!((grant.amount, grant.lasts), (10, Duration::from_millis(700)));
    // The answer takes its time; the lease is none the longer for it.
    holding.granted(&ask, &grant, &TERMS, (at(0), at(600)));
    assert!(holding.take(1, at(697)).is_some());
    assert!(holding.take(1, at(698)).is_none());
}

#[test]
fn an_overrun_is_covered_by_the_lease_and_else_told() {
    let mut account = Account::new(&MINUTE);
    let mut holding = Holding::new(&MINUTE, at(0));
    holding.wait_for(10, at(0));
    renew(&mut holding, &mut account, &MINUTE, 0);
    let taken = holding.take(8, at(1)).expect("it was granted");
    holding.settle(taken, 8, 15, at(2));
    assert_eq!(holding.free(at(2)), 0, "two of seven were free");
    renew(&mut holding, &mut account, &MINUTE, 50);
    let ahead = holding.free(at(50));
    assert_eq!(account.room(&MINUTE, Now::at(at(50))), 985 - ahead);
}

#[test]
fn an_idle_node_gives_back_what_it_has() {
    for rule in [MINUTE, SLOTS, TOTAL] {
        let mut account = Account::new(&rule);
        let mut holding = Holding::new(&rule, at(0));
        for now in (0..1_000).step_by(50) {
            holding.wait_for(1, at(now));
            renew(&mut holding, &mut account, &rule, now);
            for _ in 0..5 {
                if let Some(taken) = holding.take(1, at(now)) {
                    holding.release(taken, 1, at(now));
                }
            }
        }
        assert!(holding.free(at(955)) > 0, "it keeps what it will need: {rule:?}");
        for now in (1_000..3_000).step_by(50) {
            renew(&mut holding, &mut account, &rule, now);
        }
        assert!(holding.is_idle(), "{rule:?}");
        assert_eq!(account.room(&rule, Now::at(at(3_000))), rule.cap, "{rule:?}");
    }
}

#[test]
fn slots_of_a_dead_node_come_back_when_what_ran_in_them_has_ended() {
    let mut account = Account::new(&SLOTS);
    let mut holding = Holding::new(&SLOTS, at(0));
    holding.wait_for(60, at(0));
    renew(&mut holding, &mut account, &SLOTS, 0);
    for (now, room) in [(1_000, 40), (600_999, 40), (601_000, 100)] {
        account.expire(&SLOTS, &TERMS, Now::at(at(now)));
        assert_eq!(account.room(&SLOTS, Now::at(at(now))), room, "after {now} ms");
    }
}

#[test]
fn what_a_lost_node_may_have_spent_is_put_right_when_it_is_back() {
    let mut account = Account::new(&TOTAL);
    let mut holding = Holding::new(&TOTAL, at(0));
    holding.wait_for(100, at(0));
    renew(&mut holding, &mut account, &TOTAL, 0);
    let (spent, running) = (holding.take(30, at(1)), holding.take(20, at(1)));
    holding.settle(spent.expect("granted"), 30, 25, at(2));
    let room = |account: &mut Account, now| {
        account.expire(&TOTAL, &TERMS, Now::at(at(now)));
        account.room(&TOTAL, Now::at(at(now)))
    };
    assert_eq!(room(&mut account, 5_000), 900);
    renew(&mut holding, &mut account, &TOTAL, 5_000);
    assert_eq!(room(&mut account, 5_000), 955, "25 are spent and 20 still run");
    holding.settle(running.expect("granted"), 20, 20, at(5_100));
    renew(&mut holding, &mut account, &TOTAL, 5_200);
    assert_eq!(room(&mut account, 5_200), 955);
}

#[test]
fn an_ask_that_comes_after_a_later_one_changes_nothing() {
    let mut account = Account::new(&TOTAL);
    let late = Ask { need: 50, least: 50, want: 50, number: 1, ..Ask::default() };
    let newer = Ask { need: 10, least: 10, want: 10, number: 2, ..Ask::default() };
    assert_eq!(call(&mut account, &TOTAL, (1, &newer), 0).amount, 10);
    assert_eq!(call(&mut account, &TOTAL, (1, &late), 1).amount, 0);
    assert_eq!(account.room(&TOTAL, Now::at(at(1))), 990);
}

#[test]
fn what_a_bucket_refills_while_a_lease_lasts_is_not_granted_beside_it() {
    let bucket = Rule { kind: Kind::Bucket { rate: 1_000, per_ns: 1_000_000_000 }, cap: 1_000 };
    let mut account = Account::new(&bucket);
    let asks = |need| Ask { need, least: 1, want: need, ..Ask::default() };
    let first = call(&mut account, &bucket, (1, &asks(400)), 0);
    assert_eq!((first.amount, first.lasts), (400, Duration::from_millis(250)));
    // All of it may still be used, and so may be what another node gets now.
    let second = call(&mut account, &bucket, (2, &asks(1_000)), 249);
    assert!(first.amount + second.amount <= bucket.cap, "{second:?}");
    assert!(second.amount > 550, "{second:?}");
}

#[test]
fn who_comes_a_moment_after_a_refusal_asks_nobody() {
    let mut account = Account::new(&MINUTE);
    let mut holding = Holding::new(&MINUTE, at(0));
    let all = Ask { need: 1_000, least: 1, want: 1_000, ..Ask::default() };
    assert_eq!(call(&mut account, &MINUTE, (2, &all), 0).amount, 1_000);
    assert!(holding.wait_for(1, at(10)));
    assert_eq!(renew(&mut holding, &mut account, &MINUTE, 10).map(|grant| grant.amount), Some(0));
    assert!(!holding.wait_for(1, at(59)));
    assert!(holding.wait_for(1, at(60)), "for no longer than between two looks");
    renew(&mut holding, &mut account, &MINUTE, 60);
    assert!(!holding.wait_for(1, at(61)));
    holding.freed();
    assert!(holding.wait_for(1, at(61)), "somebody has given something back");
}
