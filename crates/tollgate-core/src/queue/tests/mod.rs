//! Tests of what is not seen from outside.

use std::{mem::size_of, task::Waker, time::Duration};

use compact_str::CompactString;

use super::{
    Priority,
    fair::{Counter, MAX_RESTING, Slot, Tenant},
    pace::Pace,
    room::Waiter,
};
use crate::Time;

/// Bytes of an entry in a B-tree that grew in ascending order, the worst there is: a leaf of
/// 11 places then holds 6, and with one more entry above it takes a seventh of a node there.
const fn entry(size: usize) -> usize {
    let leaf = 16 + 11 * size;
    let above = leaf + 12 * size_of::<usize>();
    (leaf + above / 7) / 7 + 1
}

#[test]
fn a_waiter_takes_at_most_400_bytes_even_if_each_has_a_tenant_of_its_own() {
    let waiter = entry(size_of::<u64>() + size_of::<Waiter<Waker>>())
        + entry(size_of::<(Time, u64)>())
        + entry(size_of::<(Slot, Priority, u64)>())
        + entry(size_of::<u64>());
    // The table of tenants has grown just now.
    let tenant = entry(size_of::<CompactString>() + size_of::<Slot>())
        + size_of::<Option<Tenant>>() * 5 / 4
        + entry(size_of::<(Counter, u64, Slot)>());
    assert!(waiter + tenant <= 400, "{waiter} bytes a waiter, {tenant} bytes a tenant");
    // Tenants that rest are few: what they take is bounded.
    assert!(MAX_RESTING * (tenant + entry(size_of::<(Counter, Slot)>())) <= 1 << 20);
}

#[test]
fn priorities_are_read_from_names_and_numbers() {
    for (text, level, shown) in
        [("critical", 0, "critical"), ("HIGH", 1, "high"), ("2", 2, "normal"), ("9", 9, "9")]
    {
        let priority: Priority = text.parse().expect("it is one");
        assert_eq!((priority.level(), priority.to_string().as_str()), (level, shown));
    }
    assert_eq!(Priority::default(), Priority::NORMAL);
    assert!(Priority::CRITICAL < Priority::LOW && Priority::LOW < Priority::LEAST);
    for text in ["", "10", "-1", "+1", "urgent", "1.0"] {
        let error = text.parse::<Priority>().expect_err(text).to_string();
        assert!(error.contains(&format!("`{text}`")), "{error}");
    }
    assert_eq!((Priority::new(9), Priority::new(10)), (Some(Priority::LEAST), None));
}

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

#[test]
fn a_pace_is_the_mean_gap_that_somebody_waited_through() {
    let mut pace = Pace::default();
    for nth in 0..=8 {
        assert_eq!(pace.wait(1, at(nth * 100)), None, "{nth} starts say too little");
        pace.started(at(nth * 100), true);
    }
    assert_eq!(pace.wait(5, at(800)), Some(Duration::from_millis(500)));
    // Nobody waits: the hour until the next start says nothing.
    pace.emptied();
    pace.started(at(3_600_000), true);
    assert_eq!(pace.wait(5, at(3_600_000)), Some(Duration::from_millis(500)));
    // A gap that lasts too long is noticed before it ends.
    assert!(pace.wait(1, at(3_603_000)) > Some(Duration::from_millis(250)));
}

#[test]
fn one_pause_is_no_trend_but_a_new_pace_is_learned() {
    let mut pace = Pace::default();
    for nth in 0..20 {
        pace.started(at(nth * 100), true);
    }
    pace.started(at(100_000), true);
    assert!(pace.wait(1, at(100_000)) < Some(Duration::from_millis(400)));
    for nth in 1..200 {
        pace.started(at(100_000 + nth * 1_000), true);
    }
    let learned = pace.wait(1, at(299_000)).expect("much is known");
    assert!(learned.abs_diff(Duration::from_secs(1)) < Duration::from_millis(10), "{learned:?}");
}

#[test]
fn starts_at_one_instant_teach_a_pace_that_can_be_unlearned() {
    let mut pace = Pace::default();
    for _ in 0..50 {
        pace.started(at(0), true);
    }
    assert_eq!(pace.wait(1_000, at(0)), Some(Duration::ZERO));
    for nth in 1..200 {
        pace.started(at(nth * 1_000), true);
    }
    assert!(pace.wait(1, at(199_000)) > Some(Duration::from_millis(990)));
}
