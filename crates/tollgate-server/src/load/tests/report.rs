//! What is made of what was counted.

use std::time::Duration;

use hdrhistogram::Histogram;
use proptest::prelude::*;

use super::super::{
    chart::{Bin, bar, bins},
    crowd::Played,
    outcome::{Ending, Failure},
    tally::Failed,
    *,
};

fn outcome(ending: Ending, millis: u64) -> Outcome {
    Outcome { ending, took: Duration::from_millis(millis) }
}

fn report(outcomes: &[Outcome], begun: u64, threshold: &str) -> Report {
    let mut tally = Tally::new();
    outcomes.iter().for_each(|outcome| tally.add(outcome));
    let run = Run {
        url: "http://h/".to_owned(),
        users: 2,
        took: Duration::from_secs(4),
        played: Played { begun, interrupted: begun > outcomes.len() as u64 },
        threshold: threshold.parse().unwrap(),
    };
    Report::new(run, tally)
}

#[test]
fn every_request_is_a_success_an_error_or_an_exception() {
    let refused = |detail: &str| Ending::Failed(Failure::Connect, detail.to_owned());
    let outcomes = [
        outcome(Ending::Answered(200), 10),
        outcome(Ending::Answered(399), 20),
        outcome(Ending::Answered(400), 30),
        outcome(Ending::Answered(503), 40),
        outcome(Ending::Answered(503), 50),
        outcome(refused("connection refused"), 1),
        outcome(refused("later"), 1),
        outcome(Ending::Failed(Failure::Cut, String::new()), 1),
    ];
    let report = report(&outcomes, 10, "90");
    assert_eq!((report.requests, report.abandoned, report.interrupted), (8, 2, true));
    assert_eq!(report.success, Share { count: 2, percent: 25.0 });
    assert_eq!(report.error, Share { count: 3, percent: 37.5 });
    assert_eq!(report.exception, Share { count: 3, percent: 37.5 });
    assert_eq!(report.by_status, [(200, 1), (399, 1), (400, 1), (503, 2)].into());
    let connect = Failed { count: 2, example: "connection refused".to_owned() };
    assert_eq!(report.by_exception[&Failure::Connect], connect);
    assert_eq!(report.requests_per_second, 2.0);
    let success = report.success_us.unwrap();
    assert_eq!((success.least / 100, success.most / 100), (100, 200));
    assert_eq!(report.histogram.iter().map(|bin| bin.count).sum::<u64>(), 5, "whole answers");
    assert!(!report.passed);
}

#[test]
fn a_run_passes_from_the_threshold_on() {
    let share = |successes: usize, all: usize| {
        let status = |nth| if nth < successes { 200 } else { 429 };
        (0..all).map(|nth| outcome(Ending::Answered(status(nth)), 1)).collect::<Vec<_>>()
    };
    for (successes, all, threshold, passes) in [
        (9, 10, "90", true),
        (89, 100, "90", false),
        (899, 1_000, "89.9%", true),
        (10, 10, "100", true),
        (9, 10, "100", false),
        (0, 10, "0", true),
        (0, 0, "0", false),
    ] {
        let report = report(&share(successes, all), all as u64, threshold);
        assert_eq!(report.passed, passes, "{successes} of {all} at {threshold}");
    }
    for bad in ["-1", "100.1", "NaN", "most", ""] {
        assert!(bad.parse::<Threshold>().is_err(), "{bad}");
    }
}

#[test]
fn bars_are_as_long_as_their_part() {
    let told: Vec<_> = [0, 1, 50, 100].iter().map(|part| bar(*part, 100, 4)).collect();
    assert_eq!(told, ["", "▏", "██", "████"]);
    assert_eq!(bar(1, u64::MAX, 4), "▏", "what is there shows");
}

#[test]
fn bins_are_round_and_the_slowest_do_not_stretch_them() {
    let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000, 3).unwrap();
    for micros in (1_050..2_050).step_by(2) {
        histogram.record(micros).unwrap();
    }
    histogram.record(60_000_000).unwrap();
    let bins = bins(&histogram);
    assert_eq!(bins[0], Bin { from_us: 1_000, to_us: Some(1_100), count: 25 });
    assert!(bins[..10].iter().all(|bin| bin.to_us == Some(bin.from_us + 100)));
    let beyond = bins.last().unwrap();
    assert_eq!((beyond.to_us, beyond.from_us), (None, 2_100));
    assert!(bins.len() <= 13 && beyond.count >= 1);
}

proptest! {
    #[test]
    fn bins_count_every_answer_once(times in prop::collection::vec(1_u64..3_600_000_000, 1..200)) {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, 3_600_000_000, 3).unwrap();
        times.iter().for_each(|micros| histogram.record(*micros).unwrap());
        let bins = bins(&histogram);
        prop_assert!((1..=13).contains(&bins.len()));
        prop_assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), times.len() as u64);
        prop_assert!(bins.windows(2).all(|pair| pair[0].to_us == Some(pair[1].from_us)));
    }
}
