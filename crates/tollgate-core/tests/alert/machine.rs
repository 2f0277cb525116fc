//! The machine of one alert, step by step and by property; and the book of all.

use std::time::Duration;

use proptest::prelude::*;
use tollgate_core::{
    Time,
    alert::{AlertName, Bad, Book, Condition, MAX_SUBJECTS, Machine, Rule, Severity, Turn},
};

fn rule(bad: Bad, threshold: f64, clear: f64, hold: u64, cool_down: u64) -> Rule {
    Rule {
        name: AlertName::Refused,
        bad,
        threshold,
        clear,
        hold: Duration::from_secs(hold),
        cool_down: Duration::from_secs(cool_down),
        severity: Severity::Warning,
    }
}

const fn at(second: u64) -> Time {
    Time::from_millis(second * 1_000)
}

/// What each second's value makes of it.
fn played(rule: &Rule, values: &[Option<f64>]) -> Vec<(usize, Turn)> {
    let mut machine = Machine::default();
    let step = |(second, value): (usize, &Option<f64>)| {
        Some((second, machine.step(rule, *value, at(second as u64))?))
    };
    values.iter().enumerate().filter_map(step).collect()
}

#[test]
fn it_fires_once_it_has_held_for_long_enough_and_clears_beyond_its_other_threshold() {
    let rule = rule(Bad::High, 0.8, 0.6, 3, 0);
    let values = [0.9, 0.9, 0.7, 0.9, 0.8, 0.9, 0.9, 0.7, 0.6, 0.59, 0.7].map(Some);
    assert_eq!(played(&rule, &values), [(6, Turn::Fire), (9, Turn::Clear)]);
    let low = self::rule(Bad::Low, 0.1, 0.25, 0, 0);
    let values = [0.1, 0.09, 0.1, 0.24, 0.25, 0.2, 0.0].map(Some);
    assert_eq!(played(&low, &values), [(1, Turn::Fire), (4, Turn::Clear), (6, Turn::Fire)]);
}

#[test]
fn it_does_not_fire_again_before_its_pause_is_over() {
    let rule = rule(Bad::High, 1.0, 1.0, 0, 5);
    let values = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0].map(Some);
    assert_eq!(played(&rule, &values), [(0, Turn::Fire), (1, Turn::Clear), (5, Turn::Fire)]);
}

#[test]
fn what_nobody_knows_any_more_is_over() {
    let rule = rule(Bad::High, 1.0, 0.5, 0, 0);
    assert_eq!(played(&rule, &[Some(1.0), None, None]), [(0, Turn::Fire), (1, Turn::Clear)]);
}

fn rules() -> impl Strategy<Value = Rule> {
    let parts = (any::<bool>(), 0.2..0.8_f64, 0.0..0.2_f64, 0..5_u64, 0..8_u64);
    parts.prop_map(|(high, threshold, apart, hold, cool_down)| {
        let (bad, clear) =
            if high { (Bad::High, threshold - apart) } else { (Bad::Low, threshold + apart) };
        rule(bad, threshold, clear, hold, cool_down)
    })
}

proptest! {
    #[test]
    fn fires_and_clears_alternate_and_each_has_its_reason(
        rule in rules(),
        values in prop::collection::vec(prop::option::weighted(0.9, 0.0..1.0_f64), 1..120),
    ) {
        let turns = played(&rule, &values);
        let mut last_fire: Option<usize> = None;
        for (nth, (second, turn)) in turns.iter().enumerate() {
            // The first is a fire, and they alternate.
            prop_assert_eq!(*turn == Turn::Fire, nth % 2 == 0);
            match turn {
                Turn::Fire => {
                    let hold = rule.hold.as_secs() as usize;
                    prop_assert!(*second >= hold);
                    for value in &values[*second - hold..=*second] {
                        prop_assert!(value.is_some_and(|value| rule.reaches(value)));
                    }
                    if let Some(last) = last_fire {
                        prop_assert!(second - last >= rule.cool_down.as_secs() as usize);
                    }
                    last_fire = Some(*second);
                }
                Turn::Clear => {
                    let is_within = |value: f64| match rule.bad {
                        Bad::High => value >= rule.clear,
                        Bad::Low => value < rule.clear,
                    };
                    // Nothing within the band ends it, and what was there before did not.
                    prop_assert!(!values[*second].is_some_and(is_within));
                    let fired = last_fire.expect("it fired before");
                    for value in &values[fired..*second] {
                        prop_assert!(value.is_some_and(is_within));
                    }
                }
            }
        }
    }

    #[test]
    fn a_condition_that_holds_always_fires_exactly_once(
        rule in rules(), seconds in 20_usize..60,
    ) {
        let worst = if rule.bad == Bad::High { 1.0 } else { 0.0 };
        let turns = played(&rule, &vec![Some(worst); seconds]);
        prop_assert_eq!(turns, [(rule.hold.as_secs() as usize, Turn::Fire)]);
    }

    #[test]
    fn a_book_never_watches_more_than_it_may_and_forgets_what_is_over(
        subjects in prop::collection::vec(0..2_000_u32, 1..1_500), calm in 1_u64..20,
    ) {
        let rules = [rule(Bad::High, 0.5, 0.5, 0, 5)];
        let mut book = Book::default();
        let conditions: Vec<_> = subjects.iter().map(|subject| condition(*subject, 1.0)).collect();
        let events = book.look(&rules, &conditions, at(0));
        prop_assert!(book.watched() <= MAX_SUBJECTS);
        prop_assert_eq!(events.len(), book.watched());
        prop_assert_eq!(book.firing().len(), book.watched());
        let cleared = book.look(&rules, &[], at(calm));
        prop_assert_eq!(cleared.len(), events.len());
        prop_assert!(cleared.iter().all(|event| event.turn == Turn::Clear));
        book.look(&rules, &[], at(calm + 5));
        prop_assert_eq!(book.watched(), 0);
    }
}

fn condition(subject: u32, value: f64) -> Condition {
    Condition { name: AlertName::Refused, subject: subject.to_string().into(), value }
}

#[test]
fn an_alert_whose_rule_is_gone_is_over_and_what_does_not_reach_is_not_watched() {
    let rules = [rule(Bad::High, 0.5, 0.4, 0, 60)];
    let mut book = Book::default();
    assert!(book.look(&rules, &[condition(1, 0.49)], at(0)).is_empty());
    assert_eq!(book.watched(), 0);
    let fired = book.look(&rules, &[condition(1, 0.5)], at(1));
    assert_eq!((fired.len(), fired[0].since), (1, at(1)));
    assert_eq!(book.firing()[0].since, at(1));
    let cleared = book.look(&[], &[condition(1, 0.5)], at(2));
    assert_eq!(cleared[0].turn, Turn::Clear);
    assert_eq!((book.watched(), book.firing().len()), (0, 0));
}

#[test]
fn those_that_are_too_many_are_counted() {
    let rules = [rule(Bad::High, 0.5, 0.4, 0, 60)];
    let most = u32::try_from(MAX_SUBJECTS).expect("not many");
    let mut book = Book::default();
    let conditions: Vec<_> = (0..most + 3).map(|subject| condition(subject, 1.0)).collect();
    assert_eq!(book.look(&rules, &conditions, at(0)).len(), MAX_SUBJECTS);
    assert_eq!(book.lost(), 3);
}
