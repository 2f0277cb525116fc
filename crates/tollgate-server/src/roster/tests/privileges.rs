//! Tiers and overrides: who has what, until when, and under which policy.

use std::{sync::Arc, time::Duration};

use tollgate_core::{Attribute, Attributes, Now, Policy, Time, policy::Sources};

use super::{NOON, SECRET, by, settings};
use crate::roster::{Book, Draft, Moment, Of, Roster, RosterError, Terms, Whose};

const POLICY: &str = r#"
[[limits]]
name = "minute"
per = ["user"]
requests = "10/minute"
tiers = { gold = "60/minute" }
[[limits]]
name = "slots"
per = ["team"]
concurrency = 3
[[limits]]
name = "pair"
per = ["user", "team"]
requests = "5/minute"
[[limits]]
name = "all"
requests = "1000/hour"
"#;

fn policy(text: &str) -> Arc<Policy> {
    let file = Some(("policy.toml".to_owned(), text.to_owned()));
    Arc::new(Sources { file, ..Sources::default() }.load().expect("a policy").policy)
}

fn whose(of: Of, name: &str, limit: &str) -> Whose {
    Whose { of, name: name.to_owned(), limit: limit.to_owned() }
}

fn set(roster: &Roster, whose: Whose, amount: &str, until: Option<Moment>) {
    let set = roster.change(|book| book.set_override(whose, amount, until, &by(NOON)));
    set.expect("an override");
}

/// What a limit allows a caller of this team, in words.
fn allows(roster: &Roster, policy: &Arc<Policy>, user: &str, limit: &str, wall: Time) -> String {
    let mut who = Attributes::new().with(Attribute::User, user).with(Attribute::Team, "red");
    roster.snapshot().grant(&mut who, policy, Now::at(wall));
    let limits = policy.limits().iter();
    limits.filter(|one| one.name == limit).map(|one| one.describe(&who)).collect()
}

#[test]
fn a_user_has_its_tier_and_its_own_amounts_until_their_time_is_over() {
    let policy = policy(POLICY);
    let roster = Roster::open(&settings(None, SECRET)).expect("it");
    roster.adopt(Arc::clone(&policy));
    let minute = |user: &str, wall: Time| allows(&roster, &policy, user, "minute", wall);
    assert_eq!(minute("alice", NOON), "10 requests per minute");
    roster.change(|book| book.set_tier("alice", "gold", &by(NOON))).expect("a tier");
    assert_eq!(minute("alice", NOON), "60 requests per minute");
    let hour = Duration::from_secs(3_600);
    let until = Some(Moment::of(NOON).after(hour));
    set(&roster, whose(Of::User, "alice", "minute"), "7/minute", until);
    assert_eq!(minute("alice", NOON), "7 requests per minute");
    assert_eq!(minute("bob", NOON), "10 requests per minute");
    let over = NOON.after(hour);
    assert_eq!(minute("alice", over.before(Duration::from_millis(1))), "7 requests per minute");
    assert_eq!(minute("alice", over), "60 requests per minute");
    set(&roster, whose(Of::Team, "red", "slots"), "9", None);
    assert_eq!(allows(&roster, &policy, "bob", "slots", over), "9 at once");
    let gone = whose(Of::User, "alice", "minute");
    roster.change(|book| book.remove_override(&gone, &by(NOON))).expect("removed");
    roster.change(|book| book.remove_tier("alice", &by(NOON))).expect("removed");
    assert_eq!(minute("alice", NOON), "10 requests per minute");
    for again in [
        roster.change(|book| book.remove_override(&gone, &by(NOON))),
        roster.change(|book| book.remove_tier("alice", &by(NOON))),
    ] {
        assert!(matches!(again, Err(RosterError::Missing(_))), "{again:?}");
    }
}

#[test]
fn the_narrowest_of_several_holds_and_a_keys_budget_can_be_another() {
    let policy = policy(POLICY);
    let roster = Roster::open(&settings(None, SECRET)).expect("it");
    roster.adopt(Arc::clone(&policy));
    set(&roster, whose(Of::Team, "red", "pair"), "20/minute", None);
    assert_eq!(allows(&roster, &policy, "alice", "pair", NOON), "20 requests per minute");
    set(&roster, whose(Of::User, "alice", "pair"), "30/minute", None);
    assert_eq!(allows(&roster, &policy, "alice", "pair", NOON), "30 requests per minute");
    let terms = Terms { budgets: vec!["5/day".parse().expect("a budget")], ..Terms::default() };
    let draft = Draft { id: Some("ci".to_owned()), terms, expires: None };
    roster.change(|book| book.create(draft, &by(NOON))).expect("a key");
    let budget = || {
        let mut who = Attributes::new().with(Attribute::Key, "ci");
        roster.snapshot().grant(&mut who, &policy, Now::at(NOON));
        let limits = policy.granted_limits().iter();
        let mut of_day = limits.filter(|limit| limit.name == "key-budget-day");
        of_day.next().map(|limit| limit.describe(&who)).expect("a budget")
    };
    assert_eq!(budget(), "$5 per calendar day");
    set(&roster, whose(Of::Key, "ci", "key-budget-day"), "8/day", None);
    assert_eq!(budget(), "$8 per calendar day");
}

#[test]
fn another_policy_has_what_fits_it() {
    let roster = Roster::open(&settings(None, SECRET)).expect("it");
    let first = policy(POLICY);
    roster.adopt(Arc::clone(&first));
    set(&roster, whose(Of::User, "alice", "minute"), "7/minute", None);
    let hourly =
        policy(&POLICY.replace("\"10/minute\"", "\"10/hour\"").replace("60/minute", "60/hour"));
    let wider = policy(&POLICY.replace("\"10/minute\"", "\"20/minute\""));
    for _ in 0..2 {
        // Also while another one is already asked than the roster was told of.
        let minute = |policy| allows(&roster, policy, "alice", "minute", NOON);
        assert_eq!(minute(&first), "7 requests per minute");
        assert_eq!(minute(&wider), "7 requests per minute");
        assert_eq!(minute(&hourly), "10 requests per hour", "what does not fit is left out");
        roster.adopt(Arc::clone(&hourly));
    }
    let row = roster.ask(|book| book.overrides(9)).expect("rows").remove(0);
    assert_eq!(row.state(&first, Moment::of(NOON)), "in_force");
    assert_eq!(row.state(&hourly, Moment::of(NOON)), "idle");
}

#[test]
fn what_does_not_fit_is_told_with_what_would() {
    let policy = policy(POLICY);
    for (whose, amount, why) in [
        (
            whose(Of::User, "a", "minuet"),
            "1/minute",
            "no limit `minuet`; kept per user are minute, pair",
        ),
        (whose(Of::User, "a", "slots"), "1", "not kept per user, so no user"),
        (whose(Of::User, "a", "all"), "1/hour", "not kept per user"),
        (whose(Of::User, "a", "minute"), "1/hour", "write an amount per the same length of time"),
        (whose(Of::User, "a", "minute"), "many", "write"),
        (whose(Of::Team, "a", "slots"), "5/minute", "a number such as 5"),
    ] {
        let told = whose.grants(amount, &policy).expect_err(why).to_string();
        assert!(told.contains(why), "{told}");
    }
    let mut book = Book::open(&settings(None, SECRET)).expect("it");
    for (user, tier) in [("", "gold"), ("a\n", "gold"), ("a", ""), ("a", "x\u{7f}")] {
        assert!(matches!(book.set_tier(user, tier, &by(NOON)), Err(RosterError::Invalid(_))));
    }
    let long = "1".repeat(65);
    let long = book.set_override(whose(Of::User, "a", "minute"), &long, None, &by(NOON));
    assert!(matches!(long, Err(RosterError::Invalid(_))));
    assert_eq!(book.audit(9).expect("rows"), []);
}

#[test]
fn changes_are_written_down_with_what_was_before_and_no_change_is_not() {
    let mut book = Book::open(&settings(None, SECRET)).expect("it");
    let until = Some(Moment::of(NOON).after(Duration::from_secs(60)));
    for _ in 0..2 {
        book.set_tier("alice", "gold", &by(NOON)).expect("a tier");
        let whose = whose(Of::User, "alice", "minute");
        book.set_override(whose, " 7/minute ", until, &by(NOON)).expect("an override");
    }
    book.set_tier("alice", "silver", &by(NOON)).expect("a tier");
    let rows = book.audit(9).expect("rows");
    let told: Vec<_> = rows.iter().map(|row| (row.what.as_str(), row.subject.as_str())).collect();
    assert_eq!(
        told,
        [("tier.set", "alice"), ("override.set", "user alice minute"), ("tier.set", "alice")]
    );
    assert_eq!(rows[0].before["tier"], "gold");
    assert_eq!(rows[1].after["amount"], "7/minute");
    let later = by(NOON.after(Duration::from_secs(60)));
    book.set_override(whose(Of::User, "bob", "minute"), "1/minute", None, &later).expect("one");
    let left = book.overrides(9).expect("rows");
    assert_eq!(left.len(), 1, "what is over makes room: {left:?}");
}
