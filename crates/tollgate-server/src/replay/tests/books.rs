//! The client's books, and the comparison with the gateway's.

use std::time::Duration;

use tollgate_core::NanoUsd;

use super::super::{
    Comparison, Outcome, Prices, Report, Status, Tally, Totals,
    deal::Deal,
    outcome::{Ending, Loss, Timing},
    price::Tokens,
};

const PRICES: Prices = Prices { input: NanoUsd(200_000_000), output: NanoUsd(600_000_000) };

fn outcome(ending: Ending) -> Outcome {
    Outcome {
        row: 0,
        deal: Deal { user: 1, stream: false },
        due: Duration::ZERO,
        ended: Duration::ZERO,
        most: Tokens { input: 1_000, output: 256 },
        ending,
        status: Some(200),
        id: None,
        timing: Some(Timing {
            from_due: Duration::from_micros(1_500),
            from_sent: Duration::from_micros(500),
            service: Some(Duration::from_micros(100)),
        }),
    }
}

fn admitted(input: u64, output: u64) -> Outcome {
    outcome(Ending::Admitted { used: Some(Tokens { input, output }) })
}

fn tally(outcomes: &[Outcome]) -> Tally {
    let mut tally = Tally::new(Some(PRICES));
    outcomes.iter().for_each(|outcome| tally.add(outcome));
    tally
}

fn totals(requests: u64, admitted: u64, input: u64, output: u64, cost: u64) -> Totals {
    Totals {
        requests,
        admitted,
        refused: requests - admitted,
        tokens: Tokens { input, output },
        cost: NanoUsd(cost),
    }
}

#[test]
fn cost_is_divided_last_and_rounded_up() {
    let cost = |input, output| PRICES.cost(Tokens { input, output }).0;
    assert_eq!(cost(868, 145), 260_600);
    let odd = Prices { input: NanoUsd(1), output: NanoUsd(1) };
    assert_eq!(odd.cost(Tokens { input: 0, output: 0 }), NanoUsd(0));
    assert_eq!(odd.cost(Tokens { input: 1, output: 1 }), NanoUsd(1));
    assert_eq!(odd.cost(Tokens { input: 500_000, output: 500_001 }), NanoUsd(2));
    let most = Prices { input: NanoUsd(u64::MAX), output: NanoUsd(u64::MAX) };
    assert_eq!(most.cost(Tokens { input: u64::MAX, output: u64::MAX }), NanoUsd(u64::MAX));
}

#[test]
fn where_nothing_broke_off_both_must_be_the_same() {
    let refused = outcome(Ending::Refused { limit: "user-minute".into() });
    let tally = tally(&[admitted(868, 145), admitted(1, 1), refused]);
    let cost = 260_600 + 800;
    let right = totals(3, 2, 869, 146, cost);
    assert!(Comparison::new(&right, &tally).agree());
    for wrong in [
        totals(4, 2, 869, 146, cost),
        totals(3, 3, 869, 146, cost),
        totals(3, 2, 868, 146, cost),
        totals(3, 2, 869, 147, cost),
        totals(3, 2, 869, 146, cost + 1),
    ] {
        assert!(!Comparison::new(&wrong, &tally).agree(), "{wrong:?}");
    }
}

#[test]
fn what_broke_off_may_be_charged_up_to_its_most() {
    let tally = tally(&[admitted(10, 10), outcome(Ending::Lost(Loss::Cut))]);
    let least = totals(1, 1, 10, 10, 8_000);
    let most = totals(2, 2, 1_010, 266, 8_000 + 200_000 + 153_600);
    assert!(Comparison::new(&least, &tally).agree());
    assert!(Comparison::new(&most, &tally).agree());
    let more = Totals { cost: NanoUsd(most.cost.0 + 1), ..most };
    assert!(!Comparison::new(&more, &tally).agree());
    let less = Totals { tokens: Tokens { input: 9, output: 10 }, ..least };
    assert!(!Comparison::new(&less, &tally).agree());
}

#[test]
fn every_ending_is_counted_once() {
    let endings = [
        Ending::Admitted { used: None },
        Ending::Refused { limit: "a".into() },
        Ending::Refused { limit: "a".into() },
        Ending::Refused { limit: "b".into() },
        Ending::Error,
        Ending::Lost(Loss::TimedOut),
        Ending::Unsent,
    ];
    let tally = tally(&endings.map(outcome));
    let counts = tally.counts;
    assert_eq!((counts.sent, counts.admitted, counts.refused), (6, 1, 3));
    assert_eq!((counts.failed, counts.unsent), (2, 1));
    assert_eq!(counts.unknown, Tokens { input: 3_000, output: 768 });
    let by = |name: &str| tally.failed_by.get(name).copied();
    assert_eq!((by("status 200"), by("timed out")), (Some(1), Some(1)));
    assert_eq!(tally.refused_by["a"], 2);
    assert_eq!(tally.added.quantiles().unwrap().p50, 400);
    assert_eq!(tally.added_from_due.quantiles().unwrap().p99, 1_400);
}

#[test]
fn names_that_never_end_do_not_fill_the_memory() {
    let mut tally = Tally::new(None);
    for number in 0..1_000 {
        tally.add(&outcome(Ending::Refused { limit: format!("limit-{number}") }));
    }
    assert_eq!(tally.refused_by.len(), 257);
    assert_eq!(tally.refused_by["others"], 744);
}

#[test]
fn totals_are_read_from_a_status_with_other_members() {
    let text = br#"{"version":"1","totals":{"requests":3,"admitted":2,"refused":1,
        "input_tokens":10,"output_tokens":20,"cost_usd":"0.0002606","more":{}}}"#;
    let before = Status::parse(text).unwrap();
    let expected =
        Totals { tokens: Tokens { input: 10, output: 20 }, ..totals(3, 2, 0, 0, 260_600) };
    assert_eq!(before.totals, expected);
    let text = br#"{"requests":5,"admitted":3,"refused":2,"input_tokens":11,"output_tokens":22,"cost_usd":1.5}"#;
    let after = Status::parse(text).unwrap();
    assert_eq!(after.totals.cost, NanoUsd(1_500_000_000));
    assert_eq!(after.since(&before).unwrap().tokens, Tokens { input: 1, output: 2 });
    assert_eq!(before.since(&after), None, "it counts less than before");
    let mut json: serde_json::Value = serde_json::from_slice(text).unwrap();
    json["started_at"] = "2026-01-01T00:00:00Z".into();
    let restarted = Status::parse(json.to_string().as_bytes()).unwrap();
    assert_eq!(restarted.since(&after), None, "it was started at another time");
    for bad in [&b"{}"[..], b"[", br#"{"totals":{"requests":-1}}"#] {
        assert!(Status::parse(bad).is_err());
    }
}

#[test]
fn a_report_says_whether_both_agree() {
    let outcomes = [admitted(868, 145), outcome(Ending::Refused { limit: "user-minute".into() })];
    let took = Duration::from_secs(2);
    let report = Report::new(tally(&outcomes), Ok(totals(2, 1, 868, 145, 260_600)), took);
    assert_eq!(report.agree(), Some(true));
    let text = report.to_string();
    for part in ["by user-minute", "0.0002606", "the gateway and the client agree", "0.400"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["comparison"][5]["gateway"], "0.0002606");
    assert_eq!(json["refused_by"]["user-minute"], 1);

    let report = Report::new(tally(&outcomes), Ok(totals(2, 1, 868, 145, 1)), took);
    assert_eq!(report.agree(), Some(false));
    assert!(report.to_string().contains("DISAGREE"));
    let report = Report::new(tally(&outcomes), Err("nobody answered".into()), took);
    assert_eq!(report.agree(), None);
    assert!(report.to_string().contains("not compared: nobody answered"));
}
