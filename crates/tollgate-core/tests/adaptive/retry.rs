//! Whether and when what failed is tried again.

use std::time::Duration;

use proptest::{collection::vec, prelude::*};
use tollgate_core::{
    Time,
    adaptive::{Backoff, RetryBudget, RetrySettings},
};

fn settings(json: &str) -> RetrySettings {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn waits_grow_by_half_with_jitter_below() {
    let backoff = Backoff::new(&settings("{}"));
    for (attempt, most) in [(0, 100), (1, 150), (2, 225), (9, 3844), (10, 5000), (u32::MAX, 5000)] {
        let least = backoff.wait(attempt, 0, None);
        let largest = backoff.wait(attempt, u64::MAX, None);
        assert_eq!((least.as_millis(), largest.as_millis()), (most / 2, most), "{attempt}");
        let middle = backoff.wait(attempt, u64::MAX / 2, None);
        assert_eq!(middle.as_millis(), most * 3 / 4, "{attempt}");
    }
}

#[test]
fn a_provider_that_tells_a_time_is_not_tried_before_it() {
    let backoff = Backoff::new(&settings("{}"));
    assert_eq!(backoff.wait(0, 0, Some(ms(7_000))), ms(7_000));
    assert_eq!(backoff.wait(0, u64::MAX, Some(ms(7_000))), ms(7_100));
    assert_eq!(backoff.wait(10, 0, Some(ms(10))), ms(2_500));
}

#[test]
fn retries_are_a_share_of_requests() {
    let settings = settings(r#"{"share": 0.1, "per_minute": 0, "burst": 2}"#);
    let mut budget = RetryBudget::new(&settings, Time::ZERO);
    let retries = |budget: &mut RetryBudget| (0..100).filter(|_| budget.retry(Time::ZERO)).count();
    assert_eq!(retries(&mut budget), 2);
    (0..9).for_each(|_| budget.request(Time::ZERO));
    assert_eq!(retries(&mut budget), 0);
    budget.request(Time::ZERO);
    assert_eq!(retries(&mut budget), 1);
    (0..1_000).for_each(|_| budget.request(Time::ZERO));
    assert_eq!(retries(&mut budget), 2);
}

#[test]
fn who_asks_seldom_may_retry_too() {
    let settings = settings(r#"{"share": 0, "per_minute": 6, "burst": 1}"#);
    let mut budget = RetryBudget::new(&settings, Time::ZERO);
    for (ms, may) in [(0, true), (9_999, false), (10_000, true), (600_000, true), (600_000, false)]
    {
        assert_eq!(budget.retry(Time::from_millis(ms)), may, "at {ms} ms");
    }
    assert!(!budget.retry(Time::from_millis(0)), "time that runs backwards gives nothing");
    assert!(!budget.retry(Time::from_millis(600_000)), "nor does the same time again");
}

#[test]
fn settings_make_sense() {
    assert_eq!(settings("{}"), RetrySettings::default());
    for json in [
        r#"{"share": 1.5}"#,
        r#"{"max": "1ms"}"#,
        r#"{"backoff": 0.5}"#,
        r#"{"tries": 1}"#,
        r#"{"attempts": 0}"#,
        r#"{"attempts": 11}"#,
    ] {
        assert!(serde_json::from_str::<RetrySettings>(json).is_err(), "{json}");
    }
}

proptest! {
    /// However it fails, retries in any stretch of time are bounded: no storm.
    #[test]
    fn retries_are_never_a_storm(
        percent in 0..50_u64,
        (per_minute, burst) in (0..100_u32, 0..20_u32),
        steps in vec((0..2_000_u64, any::<bool>()), 0..300),
        from in 0..300_usize,
    ) {
        let json = serde_json::json!({
            "share": percent as f64 / 100.0, "per_minute": per_minute, "burst": burst,
        });
        let mut budget = RetryBudget::new(&settings(&json.to_string()), Time::ZERO);
        let (mut now, mut begin) = (Time::ZERO, Time::ZERO);
        let (mut requests, mut retries) = (0_u64, 0_u64);
        for (number, (wait, request)) in steps.into_iter().enumerate() {
            now = now.after(ms(wait));
            if number == from {
                (begin, requests, retries) = (now, 0, 0);
            }
            if request {
                budget.request(now);
                requests += 1;
            } else {
                retries += u64::from(budget.retry(now));
            }
            let minutes = now.since(begin).as_secs_f64() / 60.0;
            let most = f64::from(burst)
                + (requests * percent) as f64 / 100.0
                + f64::from(per_minute) * minutes;
            prop_assert!(retries as f64 <= most + 1e-6, "{retries} of {most}");
        }
    }

    /// A wait is between half of its most and that, and never before the provider's time.
    #[test]
    fn waits_are_within_bounds(attempt in any::<u32>(), random in any::<u64>(), told in 0..100_000_u64) {
        let backoff = Backoff::new(&settings("{}"));
        let free = backoff.wait(attempt, random, None);
        prop_assert!((ms(50)..=ms(5_000)).contains(&free));
        prop_assert!(backoff.wait(attempt, random, Some(ms(told))) >= ms(told));
    }
}

#[test]
fn other_settings_give_no_retry_that_was_not_paid_for() {
    let of =
        |burst: u32| settings(&format!(r#"{{"share": 1, "per_minute": 0, "burst": {burst}}}"#));
    let mut budget = RetryBudget::new(&of(5), Time::ZERO);
    let retries = |budget: &mut RetryBudget| (0..100).filter(|_| budget.retry(Time::ZERO)).count();
    assert!(budget.retry(Time::ZERO) && budget.retry(Time::ZERO));
    budget.reconfigure(&of(50), Time::ZERO);
    assert_eq!(retries(&mut budget), 3);
    (0..10).for_each(|_| budget.request(Time::ZERO));
    budget.reconfigure(&of(4), Time::ZERO);
    assert_eq!(retries(&mut budget), 4);
}
