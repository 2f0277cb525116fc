//! The capacity table that is promised: a closed loop of users who think for 30 s ± 10 s and ask for
//! 6,000 tokens, before models that take 60 requests and 180,000 tokens a minute.

use super::*;

const POLICY: &str = include_str!("../../../../../examples/capacity.toml");

/// The same policy in tenths of tokens, so that the test has fewer bytes to carry.
fn in_tenths() -> String {
    POLICY.replace("180000", "18000").replace("60000", "6000")
}

/// What so many users meet in half an hour.
fn met(users_count: u32, variation: Variation) -> Row {
    let scene = Scene {
        answer: "2s..8s".parse().unwrap(),
        seed: 0,
        ..users("30s±10s", "600", Duration::from_secs(1_800))
    };
    play(&in_tenths(), &scene, users_count, variation).0
}

#[test]
fn ten_users_are_never_throttled() {
    for variation in [Variation::Whole, Variation::WithoutFallback, Variation::WithoutWaiting] {
        let row = met(10, variation);
        assert_eq!((row.refused, row.failed), (0, 0), "{variation:?}");
        assert!(row.requests_per_minute > 15.0, "{row:?}");
    }
}

#[test]
fn fifteen_users_are_throttled_in_less_than_two_of_a_hundred_by_waiting_or_falling_back() {
    for variation in [Variation::Whole, Variation::WithoutFallback, Variation::WithoutWaiting] {
        let row = met(15, variation);
        assert!(row.throttled_percent < 2.0 && row.failed == 0, "{variation:?}: {row:?}");
        assert!(row.wait_seconds(|waits| waits.most) <= 10.01, "{variation:?}: {row:?}");
    }
}

#[test]
fn twenty_users_are_throttled_in_at_most_ten_of_a_hundred_by_waiting_or_falling_back() {
    for variation in [Variation::Whole, Variation::WithoutFallback, Variation::WithoutWaiting] {
        let row = met(20, variation);
        assert!(row.throttled_percent <= 10.0 && row.failed == 0, "{variation:?}: {row:?}");
        assert!(row.wait_seconds(|waits| waits.most) <= 10.01, "{variation:?}: {row:?}");
    }
    let bare = met(20, Variation::WithoutBoth);
    assert!(bare.throttled_percent > 10.0, "neither waiting nor another model: {bare:?}");
}
