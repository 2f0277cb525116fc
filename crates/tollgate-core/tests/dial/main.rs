//! How much of a limit is allowed, by the money that is left and how its service does.

use std::time::Duration;

use proptest::prelude::*;
use tollgate_core::{
    dial::{Budget, Dial, History, MIN_CALLS},
    policy::{Measure, Tighten},
};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

fn tighten(floor: f64, success: f64) -> Tighten {
    let share = |share: f64| serde_json::from_value(share.into()).expect("a share");
    Tighten { budget: "spend".into(), floor: share(floor), success: share(success) }
}

fn budget(remaining: u64, left: Duration) -> Budget {
    Budget { amount: 1_000, remaining, length: DAY, left }
}

const WELL: History = History { calls: 0, failures: 0 };

#[test]
fn what_is_spent_evenly_leaves_the_limit_as_it_is() {
    for (remaining, hours, share) in [
        (1_000, 24, 1.0),
        (500, 12, 1.0),
        (500, 1, 1.0),
        (250, 12, 0.5),
        (0, 12, 0.1),
        (999, 24, 0.999),
        (1, 24, 0.1),
        (0, 0, 1.0),
        (1, 0, 1.0),
    ] {
        let dial = Dial::of(&tighten(0.1, 0.9), &budget(remaining, HOUR * hours), WELL);
        assert!((dial.share() - share).abs() < 1e-6, "{remaining} for {hours} h: {dial}");
        assert_eq!(dial.is_open(), share >= 1.0);
    }
    let nothing = Budget { amount: 0, ..budget(0, DAY) };
    assert_eq!(Dial::of(&tighten(0.2, 0.9), &nothing, WELL).to_string(), "20.0 %");
}

#[test]
fn a_service_that_fails_is_asked_less() {
    let whole = budget(1_000, DAY);
    let of = |calls, failures| Dial::of(&tighten(0.1, 0.8), &whole, History { calls, failures });
    assert!(of(100, 20).is_open(), "as many succeed as are asked for");
    assert_eq!(of(100, 60).to_string(), "50.0 %");
    assert_eq!(of(100, 100).to_string(), "10.0 %");
    assert!(of(MIN_CALLS - 1, MIN_CALLS - 1).is_open(), "too few to say");
    let half = Dial::of(&tighten(0.1, 0.8), &budget(500, DAY), History { calls: 10, failures: 6 });
    assert_eq!(half.to_string(), "25.0 %", "half for the money, half for the service");
    assert!(Dial::of(&tighten(0.1, 0.0), &whole, History { calls: 100, failures: 100 }).is_open());
}

#[test]
fn all_of_a_measure_is_dialed() {
    let half = Dial::of(&tighten(0.0, 0.9), &budget(500, DAY), WELL);
    let bucket = |per, burst| Measure::Bucket { rate: 1, per, burst };
    assert_eq!(half.of_measure(&bucket(HOUR, 5), 1), bucket(2 * HOUR, 3));
    let none = Dial::of(&tighten(0.0, 0.9), &budget(0, DAY), WELL);
    let slowest = bucket(1_000 * HOUR, 0);
    assert_eq!(none.of_measure(&bucket(HOUR, 5), 0), slowest, "it is refilled all the same");
    let window = |cap| Measure::Window { length: HOUR, cap };
    assert_eq!(half.of_measure(&window(9), 1), window(5));
    assert_eq!(half.of_measure(&window(9), 7), window(7));
    assert_eq!(half.of_measure(&window(9), 70), window(9));
    let slots = |cap| Measure::Concurrency { cap };
    let closed = Dial::of(&tighten(0.0, 0.9), &budget(0, DAY), WELL);
    assert_eq!(closed.of_measure(&slots(9), 1), slots(1));
}

#[test]
fn it_moves_by_thousandths_so_that_a_limit_has_few_measures() {
    let of = |remaining| {
        let budget = Budget { amount: 100_000, remaining, length: DAY, left: DAY };
        Dial::of(&tighten(0.1005, 0.9), &budget, WELL)
    };
    let caps: std::collections::BTreeSet<u64> =
        (0..=100_000).map(|left| of(left).of_amount(1_000_000, 1)).collect();
    assert_eq!(caps.len(), 901, "its floor, and what is above");
    assert_eq!(of(55_599).to_string(), "55.5 %", "rounded down");
    assert!(!of(99_999).is_open() && of(100_000).is_open());
    assert_eq!(of(0).of_amount(1_000_000, 1), 100_500, "the floor is what the policy says");
}

fn budgets() -> impl Strategy<Value = Budget> {
    (any::<u64>(), 0.0..=1.0_f64, 1_u64..3_000_000, 0.0..=1.0_f64).prop_map(
        |(amount, part, seconds, time)| {
            let length = Duration::from_secs(seconds);
            let remaining = (amount as f64 * part) as u64;
            Budget { amount, remaining: remaining.min(amount), length, left: length.mul_f64(time) }
        },
    )
}

fn histories() -> impl Strategy<Value = History> {
    (0_u64..1_000, 0_u64..1_000)
        .prop_map(|(calls, failures)| History { calls, failures: failures.min(calls) })
}

proptest! {
    #[test]
    fn it_is_never_above_the_limit_nor_below_its_floor(
        budget in budgets(), history in histories(), floor in 0.0..=1.0_f64,
        success in 0.0..=1.0_f64, amount in any::<u64>(), minimum in any::<u64>(),
    ) {
        let dial = Dial::of(&tighten(floor, success), &budget, history);
        let dialed = dial.of_amount(amount, minimum);
        prop_assert!(dialed <= amount);
        prop_assert!(dialed >= minimum.min(amount));
        // As exactly as a float tells.
        let least = amount as f64 * (floor - 1e-6) * (1.0 - 1e-9);
        prop_assert!(dialed as f64 >= least, "{dialed} of {amount} below {floor}");
    }

    #[test]
    fn it_is_monotone(
        budget in budgets(), history in histories(), less in 0.0..=1.0_f64,
        floor in 0.0..=1.0_f64, success in 0.0..=1.0_f64, amount in any::<u64>(),
    ) {
        let tighten = tighten(floor, success);
        let of = |budget: &Budget, history| Dial::of(&tighten, budget, history);
        let before = of(&budget, history);
        let remaining = (budget.remaining as f64 * less) as u64;
        let poorer = Budget { remaining: remaining.min(budget.remaining), ..budget };
        prop_assert!(of(&poorer, history) <= before, "less money allows more");
        let later = Budget { left: budget.left.mul_f64(less), ..budget };
        prop_assert!(of(&later, history) >= before, "less time allows less");
        let failures = history.failures + (history.calls - history.failures) / 2;
        let worse = History { failures, ..history };
        prop_assert!(of(&budget, worse) <= before, "more failures allow more");
        prop_assert!(of(&poorer, history).of_amount(amount, 1) <= before.of_amount(amount, 1));
    }
}
