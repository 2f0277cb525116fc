//! Waiting rooms: what a policy says of them, and what it says of those that make no sense.

use std::{num::NonZeroU32, time::Duration};

use super::{bad::assert_limit_wrong, load, load_with};
use crate::{
    Attribute, Attributes,
    policy::{Limit, Queue},
    queue::{Overflow, Priority, Rules},
};

/// The first limit of a policy that has this one alone.
#[track_caller]
fn limit(lines: &str) -> Limit {
    let config = load(&format!("[[limits]]\nname = \"x\"\n{lines}\n")).expect(lines);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    config.policy.limits()[0].clone()
}

/// What `queue = { size = 10 }` means before a limit on requests.
fn usual() -> Queue {
    Queue {
        rules: Rules {
            size: 10,
            per_tenant: None,
            timeout: Duration::from_secs(30),
            overflow: Overflow::DropNewest,
            bypass: None,
            ageing: Duration::from_secs(10),
        },
        tenant: Attribute::User,
        weights: Vec::new(),
        timeout_status: 408,
        claim: Duration::from_secs(60),
        for_holds: false,
    }
}

#[test]
fn every_kind_of_limit_may_have_a_queue_that_says_its_size_alone() {
    for said in [
        "concurrency = 3",
        "requests = \"10/minute\"",
        "usd = \"5/day\"",
        "bucket = { rate = \"1/s\" }",
        "seconds = \"60/hour\"",
    ] {
        let limit = limit(&format!("{said}\nqueue = {{ size = 10 }}"));
        assert_eq!(limit.queue, Some(usual()), "{said}");
    }
    let sessions = limit("sessions = 12\nqueue = { size = 10 }").queue.expect("a queue");
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    assert_eq!((sessions.rules.timeout, sessions.rules.ageing), (minutes(30), minutes(10)));
    assert_eq!(sessions.claim, minutes(1));
    assert_eq!(limit("concurrency = 3").queue, None);
}

#[test]
fn all_that_a_queue_says_is_kept() {
    let said = limit(
        r#"concurrency = 3
        queue = { size = 20, per_tenant = 5, timeout = "1m", overflow = "drop_oldest", ageing = "0s", bypass = "high", tenant = "job", weights = { premium = 4, basic = 2 }, status = 503 }"#,
    );
    let weight = |weight| NonZeroU32::new(weight).expect("a weight");
    let rules = Rules {
        size: 20,
        per_tenant: Some(5),
        timeout: Duration::from_secs(60),
        overflow: Overflow::DropOldest,
        bypass: Some(Priority::HIGH),
        ageing: Duration::ZERO,
    };
    let queue = Queue {
        rules,
        tenant: Attribute::Own("job".into()),
        weights: vec![("basic".into(), weight(2)), ("premium".into(), weight(4))],
        timeout_status: 503,
        ..usual()
    };
    assert_eq!(said.queue, Some(queue));
    let of = |lines: &str| limit(lines).queue.expect("a queue");
    let session = of(r#"sessions = 3
        queue = { size = 9, timeout = "5m", claim = "30s", overflow = "block", bypass = 4 }"#);
    assert_eq!(session.claim, Duration::from_secs(30));
    assert_eq!(session.rules.overflow, Overflow::Block);
    assert_eq!(session.rules.bypass, Priority::new(4));
}

#[test]
fn in_a_queue_of_no_size_nobody_waits() {
    for overflow in ["drop_newest", "block"] {
        let lines = format!("concurrency = 3\nqueue = {{ size = 0, overflow = \"{overflow}\" }}");
        assert_eq!(limit(&lines).queue, None);
    }
}

#[test]
fn a_waiter_is_of_its_tenant_and_weighs_what_its_tier_does() {
    let lines =
        "concurrency = 3\nqueue = { size = 9, tenant = \"team\", weights = { premium = 4 } }";
    let queue = limit(lines).queue.expect("a queue");
    let who = Attributes::new().with(Attribute::User, "alice").with(Attribute::Team, "blue");
    let work = queue.work(&who, 7);
    assert_eq!((work.tenant.as_str(), work.weight.get(), work.cost), ("blue", 1, 7));
    let premium = who.with(Attribute::Tier, "premium");
    assert_eq!(queue.work(&premium, 7).weight.get(), 4);
    assert_eq!(queue.work(&Attributes::new(), 7).tenant, "");
}

#[test]
fn a_queue_is_shown_and_set_by_the_environment() {
    let text =
        "[[limits]]\nname = \"a\"\nconcurrency = 3\nqueue = { size = 10, bypass = \"high\" }\n";
    let variables = [
        ("TOLLGATE_LIMITS_A_QUEUE_SIZE", "20"),
        ("TOLLGATE_LIMITS_A_QUEUE_TIMEOUT", "2.5s"),
        ("TOLLGATE_LIMITS_A_QUEUE_STATUS", "503"),
        ("TOLLGATE_LIMITS_A_QUEUE_BYPASS", "0"),
        ("TOLLGATE_LIMITS_A_QUEUE_WEIGHTS_PREMIUM", "3"),
    ];
    let text = text.replace("\"high\"", "\"high\", weights = { premium = 2 }");
    let config = load_with(&text, &variables).expect("a good policy");
    let queue = config.policy.limits()[0].queue.clone().expect("a queue");
    assert_eq!((queue.rules.size, queue.timeout_status), (20, 503));
    assert_eq!(queue.rules.timeout, Duration::from_millis(2_500));
    assert_eq!(queue.weights[0].1.get(), 3);
    assert_eq!(queue.rules.bypass, Some(Priority::CRITICAL));
    assert!(config.to_toml().contains("size = 20"), "{}", config.to_toml());
    let again = load(config.to_toml()).expect("the same policy");
    assert_eq!(again.policy.limits()[0].queue, Some(queue));
}

#[test]
fn a_minimum_is_kept_and_one_by_default() {
    let minimum = |lines: &str| {
        load(&format!("[[limits]]\nname = \"x\"\n{lines}\n")).expect(lines).policy.limits()[0]
            .minimum
    };
    assert_eq!(minimum("concurrency = 3\nminimum = 2"), 2);
    assert_eq!(minimum("concurrency = 3\nminimum = 0"), 0);
    assert_eq!(minimum("usd = \"5/day\"\nminimum = \"0.50\""), 500_000_000);
    assert_eq!(minimum("concurrency = 3"), 1);
    assert_eq!(minimum("concurrency = 0"), 0);
}

#[test]
fn a_limit_may_follow_the_money_of_a_budget() {
    let text = "[[limits]]\nname = \"rate\"\nrequests = \"10/s\"\nminimum = 2\ntighten = { budget = \"spend\", floor = 0.2 }\n[[limits]]\nname = \"spend\"\nusd = \"5/day\"\n";
    let config = load(text).expect("a policy");
    let [rate, spend] = config.policy.limits() else { panic!("two limits") };
    let tighten = rate.tighten.as_ref().expect("it follows one");
    assert_eq!((tighten.budget_id(), rate.minimum), (spend.id, 2));
    assert!(
        (tighten.floor.value() - 0.2).abs() < 1e-9 && (tighten.success.value() - 0.9).abs() < 1e-9
    );
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let again = load(config.to_toml()).expect("the same policy");
    assert_eq!(again.policy.limits()[0].tighten, rate.tighten);
    let usual = load(&text.replace(", floor = 0.2", "")).expect("a policy");
    let floor = usual.policy.limits()[0].tighten.as_ref().expect("it follows one").floor;
    assert!((floor.value() - 0.1).abs() < 1e-9, "a tenth is left: {floor:?}");
    for bad in ["floor = 1.5", "success = -1", "flor = 0.1"] {
        let wrong = load(&text.replace("floor = 0.2", bad));
        assert!(wrong.is_err(), "{bad}");
    }
    let no_money = text.replace("budget = \"spend\"", "budget = \"rate\"");
    assert!(load(&no_money).is_err(), "it counts no money");
    let own = text.replace("usd = \"5/day\"", "usd = \"5/day\"\nper = [\"user\"]");
    assert!(load(&own).is_err(), "it is kept for all together");
}

#[test]
fn what_is_probably_not_meant_is_told() {
    for (lines, expected) in [
        (
            "concurrency = 1\nqueue = { size = 2, per_tenant = 3 }",
            "p.toml:4:34: one tenant may have more places than the whole queue has",
        ),
        (
            "concurrency = 1\nqueue = { size = 2 }\nshadow = true",
            "p.toml:4:1: a limit in shadow never refuses, so nobody waits for it",
        ),
        (
            "concurrency = 1\nqueue = { size = 2, tenant = \"usr\" }",
            "p.toml:4:9: `usr` is taken for an attribute of your own (did you mean `user`?)",
        ),
    ] {
        let config = load(&format!("[[limits]]\nname = \"x\"\n{lines}\n")).expect(lines);
        let told: Vec<String> = config.warnings.iter().map(|w| w.on_one_line()).collect();
        assert_eq!(told, [expected]);
    }
}

/// Queues that make no sense, and what is said about them.
const QUEUES: &[(&str, &str)] = &[
    ("queue = { timeout = \"1s\" }", "5:9: `limits.x.queue`: `size` is missing"),
    ("queue = 10", "5:9: `limits.x.queue`: expected a table, found the number 10"),
    (
        "queue = { size = -1 }",
        "5:18: `limits.x.queue.size`: expected a whole number, at least 0 and not too large, found the number -1",
    ),
    (
        "queue = { size = 100001 }",
        "5:18: `limits.x.queue.size`: at most 100000 may wait, not 100001",
    ),
    (
        "queue = { size = 1, per_tenant = 0 }",
        "5:34: `limits.x.queue.per_tenant`: expected a whole number, at least 1 and not too large, found the number 0",
    ),
    (
        "queue = { size = 1, timeout = \"30\" }",
        "5:31: `limits.x.queue.timeout`: `30` is no length of time: write it like 500ms, 30s, 5m, 1h or 7d",
    ),
    (
        "queue = { size = 1, timeout = \"0s\" }",
        "5:31: `limits.x.queue.timeout`: it would be over at once: write a time above 0",
    ),
    (
        "queue = { size = 1, overflow = \"drop\" }",
        "5:32: `limits.x.queue.overflow`: `drop` is not known in this version (the choices are drop_newest, drop_oldest, block)",
    ),
    (
        "queue = { size = 1, bypass = \"urgent\" }",
        "5:30: `limits.x.queue.bypass`: `urgent` is no priority: write critical, high, normal or low, or a number from 0 (most urgent) to 9",
    ),
    (
        "queue = { size = 1, bypass = 10 }",
        "5:30: `limits.x.queue.bypass`: `10` is no priority: write critical, high, normal or low, or a number from 0 (most urgent) to 9",
    ),
    (
        "queue = { size = 1, tenant = \"The User\" }",
        "5:30: `limits.x.queue.tenant`: `The User` is no name: a name has small letters, digits, `-` and `_`, at most 64",
    ),
    (
        "queue = { size = 1, weights = { premium = 0 } }",
        "5:43: `limits.x.queue.weights.premium`: expected a whole number, at least 1 and not too large, found the number 0",
    ),
    (
        "queue = { size = 1, status = 429 }",
        "5:30: `limits.x.queue.status`: a request whose time is up is answered 408 or 503, not 429",
    ),
    (
        "queue = { size = 1, claim = \"1m\" }",
        "5:29: `limits.x.queue.claim`: only tickets for sessions are claimed: leave it out",
    ),
    (
        "queue = { size = 1, sise = 2 }",
        "5:21: unknown key `sise` in `limits.x.queue` (did you mean `size`?)",
    ),
];

#[test]
fn queues_that_make_no_sense_are_refused() {
    for (text, expected) in QUEUES {
        assert_limit_wrong(&format!("concurrency = 3\n{text}"), expected);
    }
    assert_limit_wrong(
        "sessions = 3\nqueue = { size = 1, claim = \"0s\" }",
        "5:29: `limits.x.queue.claim`: it would be over at once: write a time above 0",
    );
}
