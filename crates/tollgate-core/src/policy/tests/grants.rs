//! What single callers are granted: in place of what everybody has, and for nobody else.

use proptest::prelude::*;

use super::load;
use crate::{
    Attribute, Attributes, Charge, Demand, Grant, Grants, NanoUsd, Now, Policy, ReservationId,
    Time,
    policy::{KEY_BUDGETS, KeyBudget},
};

const POLICY: &str = r#"
[[limits]]
name = "user-minute"
per = ["user"]
requests = "10/minute"
tiers = { gold = "60/minute" }
[[limits]]
name = "user-day"
per = ["user"]
usd = "5/day"
[[limits]]
name = "user-slots"
per = ["user"]
concurrency = 3
[[limits]]
name = "user-bucket"
per = ["user"]
bucket = { rate = "10/minute", burst = 20 }
[[limits]]
name = "user-sessions"
per = ["user"]
sessions = { max = 2, idle = "5m" }
[[limits]]
name = "all"
requests = "1000/hour"
"#;

const NOW: Now = Now::at(Time::from_millis(1_795_435_200_000));

fn charges(policy: &Policy, who: &Attributes) -> Vec<Charge> {
    let order = policy.order(ReservationId(1), who, &Demand::ONE_REQUEST, NOW, NOW.time);
    let counted: usize = order.groups.iter().map(|group| usize::from(group.charges)).sum();
    assert_eq!(counted, order.charges.len());
    order.charges.into_iter().collect()
}

fn named<'a>(policy: &'a Policy, name: &str) -> &'a crate::policy::Limit {
    policy.limits().iter().find(|limit| limit.name == name).expect(name)
}

#[test]
fn an_amount_is_granted_as_the_limit_is_written() {
    let policy = load(POLICY).expect("a policy").policy;
    for (limit, written, described) in [
        ("user-minute", "100/minute", "100 requests per minute"),
        ("user-minute", "100 / 60s", "100 requests per minute"),
        ("user-day", "7.50/day", "$7.5 per calendar day"),
        ("user-slots", "9", "9 at once"),
        ("user-sessions", "0", "0 sessions at once"),
        ("user-bucket", "30/minute", "30 requests per minute with a burst of 30 requests"),
        ("user-bucket", "1/s burst 5", "1 requests per second with a burst of 5 requests"),
    ] {
        let limit = named(&policy, limit);
        let measure = limit.granted(written).expect(written);
        let grants = Grants::new(vec![Grant { limit: limit.id, measure, dialed: None }]);
        let mut who = Attributes::new();
        who.set_grants(grants);
        assert_eq!(limit.describe(&who), described);
    }
    for (limit, written) in [
        ("user-minute", "100/hour"),
        ("user-minute", "100"),
        ("user-minute", ""),
        ("user-minute", "1.5/minute"),
        ("user-day", "5/month"),
        ("user-day", "-5/day"),
        ("user-slots", "5/minute"),
        ("user-bucket", "0/minute"),
        ("user-bucket", "1/minute burst"),
        ("all", "9999/hour"),
    ] {
        let refused = named(&policy, limit).granted(written).expect_err(written);
        assert!(refused.contains(' '), "{refused}");
    }
}

#[test]
fn a_grant_stands_before_the_tier() {
    let policy = load(POLICY).expect("a policy").policy;
    let limit = named(&policy, "user-minute");
    let mut who = Attributes::new().with(Attribute::Tier, "gold");
    assert_eq!(limit.describe(&who), "60 requests per minute");
    let measure = limit.granted("7/minute").expect("an amount");
    who.set_grants(Grants::new(vec![Grant { limit: limit.id, measure, dialed: None }]));
    let charge = charges(&policy, &who).into_iter().find(|charge| charge.limit == limit.id);
    assert_eq!(charge.map(|charge| charge.rule.cap), Some(7));
}

#[test]
fn budgets_of_keys_are_read_and_unknown_ones_told() {
    let (day, amount) = KeyBudget::parse("$2.50 / day").expect("a budget");
    assert_eq!((day.name, amount), ("key-budget-day", NanoUsd(2_500_000_000)));
    for text in ["5", "5/fortnight", "x/day", "-1/day", "", "18446744073/day"] {
        let why = KeyBudget::parse(text).expect_err(text);
        assert!(why.contains("day, week, month") || why.contains("can be counted"), "{why}");
    }
}

proptest! {
    /// Whoever is granted something is charged as everybody, but for what was granted; and
    /// budgets of keys are charged to whom they are granted alone.
    #[test]
    fn nothing_changes_but_what_is_granted(
        caps in prop::collection::vec(prop::option::of(1_u64..1_000), 5),
        budgets in prop::collection::vec(prop::option::of(1_u64..1_000), KEY_BUDGETS.len()),
    ) {
        let policy = load(POLICY).expect("a policy").policy;
        let nobody = Attributes::new().with(Attribute::User, "alice");
        let forms = ["/minute", "/day", "", "/minute", ""];
        let mut grants = Vec::new();
        for ((limit, cap), form) in policy.limits().iter().zip(&caps).zip(forms) {
            let Some(cap) = cap else { continue };
            let measure = limit.granted(&format!("{cap}{form}")).expect("an amount");
            grants.push(Grant { limit: limit.id, measure, dialed: None });
        }
        for (budget, amount) in KEY_BUDGETS.iter().zip(&budgets) {
            grants.extend(amount.map(|amount| budget.grant(NanoUsd(amount))));
        }
        let mut who = nobody.clone();
        who.set_grants(Grants::new(grants.clone()));
        let (before, mut after) = (charges(&policy, &nobody), charges(&policy, &who));
        prop_assert_eq!(before.len(), policy.limits().len());
        for granted in policy.granted_limits() {
            let expected = grants.iter().find(|grant| grant.limit == granted.id);
            let place = after.iter().position(|charge| charge.limit == granted.id);
            let charge = place.map(|place| after.remove(place));
            let cap = charge.map(|charge| charge.rule.cap);
            prop_assert_eq!(cap, expected.map(|grant| grant.measure.cap()));
        }
        prop_assert_eq!(after.len(), before.len());
        for charge in before {
            let other = after.iter().find(|other| other.limit == charge.limit).expect("it");
            match grants.iter().find(|grant| grant.limit == charge.limit) {
                None => prop_assert_eq!(other, &charge),
                Some(grant) => {
                    prop_assert_eq!(other.rule, grant.measure.rule(NOW.wall));
                    prop_assert_eq!((other.amount, other.unit), (charge.amount, charge.unit));
                }
            }
        }
    }
}

#[test]
fn the_secret_comes_from_its_variable_and_is_never_shown() {
    let config = super::load_with("", &[("TOLLGATE_SECRET", "sesame")]).expect("a policy");
    let secret = config.settings.secret.as_ref().expect("a secret");
    assert_eq!((secret.name(), secret.expose()), ("TOLLGATE_SECRET", "sesame"));
    assert!(!config.to_toml().contains("sesame") && !format!("{config:?}").contains("sesame"));
    let wrong = super::load_with("secret = \"sesame\"", &[]).expect_err("it is written down");
    assert!(!format!("{wrong:?}").contains("sesame"), "{wrong:?}");
}
