//! What of a policy holds in an emergency, and what is wrong with others.

use std::time::Duration;

use proptest::prelude::*;

use super::{bad::assert_wrong, load, load_with};
use crate::{
    Attribute, Attributes, Charge, Demand, Grants, Now, Policy, ReservationId, Time,
    policy::{Measure, settings::Trigger},
};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn an_emergency_is_as_the_policy_says() {
    let usual = load("").expect("a good policy").settings.emergency;
    assert!(usual.enabled && usual.start_on.is_empty() && usual.downgrade.is_empty());
    assert_eq!([usual.lasts, usual.longest], [30 * MINUTE, 24 * 60 * MINUTE]);
    let text = r#"
[emergency]
enabled = false
for = "10m"
longest = "2h"
cool_down = "5m"
start_on = ["cost_spike", "budget_exhausted", "critical_health"]
critical = [{ key = "ops-*" }, { team = "red", task = "billing" }]
downgrade = { "gpt-4o" = "gpt-4o-mini" }
"#;
    let config = load_with(text, &[("TOLLGATE_EMERGENCY_FOR", "20m")]).expect("a good policy");
    let own = &config.settings.emergency;
    assert!(!own.enabled);
    assert_eq!([own.lasts, own.longest, own.cool_down], [20 * MINUTE, 120 * MINUTE, 5 * MINUTE]);
    let starts = [Trigger::CostSpike, Trigger::BudgetExhausted, Trigger::CriticalHealth];
    assert_eq!(own.start_on, starts);
    assert_eq!(own.downgrade["gpt-4o"], "gpt-4o-mini");
    assert_eq!(load(config.to_toml()).expect("the same policy").settings.emergency, *own);
}

#[test]
fn critical_is_who_says_so_and_whom_the_policy_names() {
    let text =
        "[emergency]\ncritical = [{ key = \"ops-*\" }, { team = \"red\", task = \"billing\" }]";
    let emergency = load(text).expect("a good policy").settings.emergency;
    let who = |names: &[(Attribute, &str)]| {
        names.iter().fold(Attributes::new(), |who, (name, value)| who.with(name.clone(), *value))
    };
    for (names, expected) in [
        (&[][..], false),
        (&[(Attribute::Priority, "critical")], true),
        (&[(Attribute::Priority, "CRITICAL")], true),
        (&[(Attribute::Priority, "0")], true),
        (&[(Attribute::Priority, "high")], false),
        (&[(Attribute::Priority, "critical!")], false),
        (&[(Attribute::Key, "ops-1")], true),
        (&[(Attribute::Key, "my-ops-1")], false),
        (&[(Attribute::Team, "red")], false),
        (&[(Attribute::Team, "red"), (Attribute::Task, "billing")], true),
    ] {
        assert_eq!(emergency.is_critical(&who(names)), expected, "{names:?}");
    }
}

#[test]
fn an_emergency_that_cannot_be_is_refused() {
    for (lines, expected) in [
        (
            "for = \"0s\"",
            "2:7: `emergency.for`: an emergency of no time is none: give a time, or leave it out",
        ),
        (
            "for = \"25h\"",
            "2:7: `emergency.for`: it is longer than `emergency.longest`: make one shorter or the other longer",
        ),
        ("longest = \"8d\"", "2:11: `emergency.longest`: no emergency lasts longer than 7 days"),
        (
            "critical = [{}]",
            "2:12: `emergency.critical`: an empty entry would let everybody pass: name attributes, like { key = \"ops\" }",
        ),
        (
            "critical = [{ model = \"m\" }]",
            "2:12: `emergency.critical`: which model a request asks for is not known yet when it is asked whether it is critical: name who asks, like { key = \"ops\" }",
        ),
        (
            "critical = [{ Key = \"m\" }]",
            "2:12: `emergency.critical`: `Key` is no name of an attribute",
        ),
        (
            "downgrade = { m = \"m\" }",
            "2:13: `emergency.downgrade`: `m` in its own place is no cheaper model",
        ),
        (
            "downgrade = { m = \"a b\" }",
            "2:13: `emergency.downgrade`: a model's name has 1 to 256 visible characters, without blanks",
        ),
        (
            "start_on = [\"rain\"]",
            "2:13: `emergency.start_on.1`: `rain` is not known in this version (the choices are cost_spike, budget_exhausted, critical_health)",
        ),
    ] {
        assert_wrong(&format!("[emergency]\n{lines}"), &[expected]);
    }
}

#[test]
fn an_alert_that_is_switched_off_begins_none_and_that_is_told() {
    let all = "[emergency]\nstart_on = [\"cost_spike\", \"critical_health\"]\n";
    for (alerts, expected) in [
        ("", &[][..]),
        ("[alerts.budget]\nenabled = false", &[]),
        (
            "[alerts.cost_spike]\nenabled = false",
            &[
                "`emergency.start_on` names cost_spike, which begins nothing since `alerts.cost_spike.enabled` is false",
            ],
        ),
        (
            "[alerts]\nenabled = false",
            &[
                "`emergency.start_on` names cost_spike, which begins nothing since `alerts.enabled` is false",
                "`emergency.start_on` names critical_health, which begins nothing since `alerts.enabled` is false",
            ],
        ),
    ] {
        let config = load(&format!("{all}{alerts}")).expect("a good policy");
        let told: Vec<String> = config.warnings.iter().map(|it| it.on_one_line()).collect();
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.contains(expected), "{told}");
        }
    }
}

const LIMITS: &str = r#"
[[limits]]
name = "rate"
per = ["user"]
requests = "10/minute"
tiers = { gold = "60/minute" }
[[limits]]
name = "bucket"
bucket = { rate = "10/minute", burst = 20 }
minimum = 3
[[limits]]
name = "slots"
concurrency = 5
[[limits]]
name = "tokens"
tokens = "1000/minute"
[[limits]]
name = "spend"
usd = "5/day"
minimum = "0.5"
[[limits]]
name = "seen"
requests = "10/minute"
shadow = true
[[limits]]
name = "sessions"
sessions = 4
[[limits]]
name = "none"
concurrency = 0
"#;

const NOW: Now = Now::at(Time::from_millis(1_795_435_200_000));

fn charges(policy: &Policy, who: &Attributes) -> Vec<Charge> {
    let order = policy.order(ReservationId(1), who, &Demand::ONE_REQUEST, NOW, NOW.time);
    order.charges.into_iter().collect()
}

/// The caps that are charged beside the policy's own, by the names of their limits.
fn kept(policy: &Policy, who: &Attributes) -> Vec<(String, u64)> {
    let mut who = who.clone();
    let usual = charges(policy, &who);
    who.set_grants(Grants::new(policy.kept(&who, Time::MAX).collect()));
    let all = charges(policy, &who);
    // Nothing else has changed.
    assert!(usual.iter().all(|charge| all.contains(charge)));
    let beside = all.iter().filter(|charge| !usual.contains(charge));
    let named = beside.map(|charge| {
        let limit = policy.limit(charge.limit).expect("a limit of the policy");
        (limit.name.to_string(), charge.rule.cap)
    });
    let mut named: Vec<_> = named.collect();
    named.sort();
    named
}

#[test]
fn critical_work_keeps_the_minimum_of_each_limit_beside_what_was_used() {
    let policy = load(LIMITS).expect("a good policy").policy;
    let expected = [
        ("bucket (emergency)", 3),
        ("none (emergency)", 0),
        ("rate (emergency)", 1),
        ("slots (emergency)", 1),
        ("spend (emergency)", 500_000_000),
    ];
    let expected = expected.map(|(name, cap)| (name.to_owned(), cap));
    for tier in ["", "gold"] {
        assert_eq!(kept(&policy, &Attributes::new().with(Attribute::Tier, tier)), expected);
    }
    // Refilled with its three in the two minutes in which it would be refilled with its twenty.
    let bucket = Measure::Bucket { rate: 3, per: 2 * MINUTE, burst: 3 };
    assert!(policy.kept(&Attributes::new(), Time::MAX).any(|grant| grant.measure == bucket));
    let share = |name: &str| {
        let limit = policy.limits().iter().find(|limit| limit.name == name).expect(name);
        limit.kept_share()
    };
    assert_eq!(["rate", "slots", "tokens", "seen"].map(share), [0.1, 0.2, 1.0, 1.0]);
}

proptest! {
    #[test]
    fn what_is_kept_is_no_more_than_the_limit_and_no_less_than_its_minimum(
        cap in 0_u64..1_000_000, minimum in prop::option::of(0_u64..1_000_000),
        form in 0_usize..3,
    ) {
        let minimum = minimum.map(|minimum| minimum.min(cap));
        let counts = match form {
            0 => format!("requests = \"{cap}/hour\""),
            1 => format!("concurrency = {cap}"),
            _ => format!("tokens = \"{cap}/day\""),
        };
        let line = minimum.map_or(String::new(), |minimum| format!("minimum = {minimum}"));
        let policy = load(&format!("[[limits]]\nname = \"x\"\n{counts}\n{line}\n"));
        let policy = policy.expect("a good policy").policy;
        let kept = kept(&policy, &Attributes::new());
        let expected = minimum.or_else(|| (form != 2).then_some(cap.min(1)));
        prop_assert_eq!(kept.first().map(|(_, cap)| *cap), expected);
    }
}
