//! Traces as files, as made, and as dealt.

use std::{fs::File, path::Path, time::Duration};

use super::super::{
    Dealer, Trace,
    deal::Deal,
    trace::{Row, TraceError},
};

const HEADER: &str = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n";

fn parse(rows: &str) -> Result<Trace, TraceError> {
    Trace::parse(format!("{HEADER}{rows}").as_bytes())
}

#[test]
fn rows_end_by_crlf_or_lf_and_the_last_by_nothing() {
    for end in ["\r\n", "\n"] {
        let first = "2023-11-16 23:59:59.6805900,374,44";
        let last = "2023-11-17 00:00:01,2,1000";
        let trace = parse(&format!("{first}{end}{last}")).unwrap();
        let at = Duration::from_nanos(1_319_410_000);
        assert_eq!(
            trace.rows(),
            [
                Row { at: Duration::ZERO, input_tokens: 374, output_tokens: 44 },
                Row { at, input_tokens: 2, output_tokens: 1000 },
            ]
        );
    }
}

#[test]
fn columns_are_found_by_name() {
    let text = "\u{feff}GeneratedTokens,x, TIMESTAMP ,ContextTokens\n5,,2024-01-01T00:00:00,6\n";
    let trace = Trace::parse(text.as_bytes()).unwrap();
    let row = Row { at: Duration::ZERO, input_tokens: 6, output_tokens: 5 };
    assert_eq!(trace.rows(), [row]);
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let good = "2023-11-16 18:15:46.68,374,44\r\n";
    for (rows, says) in [
        ("", "the trace has no rows"),
        ("yesterday,1,2", "line 2 of the trace: `TIMESTAMP` is `yesterday`"),
        (&format!("{good}2023-11-16 18:15:47,x,1"), "line 3 of the trace: `ContextTokens` is `x`"),
        (
            &format!("{good}{good}2023-11-16 18:15:47,1,-1"),
            "line 4 of the trace: `GeneratedTokens`",
        ),
        (&format!("{good}2023-11-16 18:15:47,1,1000001"), "at most 1000000"),
        (
            &format!("{good}2023-11-16 18:15:47,1"),
            "line 3 of the trace: `GeneratedTokens` is missing",
        ),
        (
            &format!("{good}2023-11-16 18:15:46.67,1,1"),
            "line 3 of the trace: `TIMESTAMP` is earlier",
        ),
        (
            &format!("{good}2023-11-16 18:15:48,1,1\n2023-11-16 18:15:47,1,1"),
            "line 4 of the trace: `TIMESTAMP` is earlier than the row's before it",
        ),
    ] {
        let error = parse(rows).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let error = Trace::parse(&b"TIMESTAMP,ContextTokens\n"[..]).unwrap_err();
    assert_eq!(error, TraceError::Column("GeneratedTokens"));
    let error =
        Trace::parse(&b"TIMESTAMP,ContextTokens,GeneratedTokens\n\xff,1,2"[..]).unwrap_err();
    assert!(error.to_string().starts_with("line 2 of the trace"), "{error}");
}

#[test]
fn the_azure_trace_is_read_whole() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/azure2023_conv.csv");
    let Ok(file) = File::open(&path) else {
        eprintln!("skipped: {} is not there", path.display());
        return;
    };
    let trace = Trace::parse(file).unwrap();
    let rows = trace.rows();
    assert_eq!(rows.len(), 19_366);
    assert_eq!(rows.iter().map(|row| u64::from(row.input_tokens)).sum::<u64>(), 22_361_870);
    assert_eq!(rows.iter().map(|row| u64::from(row.output_tokens)).sum::<u64>(), 4_088_665);
    assert_eq!(rows[19_365].at.as_secs(), 3_501);
}

#[test]
fn the_made_trace_has_the_published_statistics() {
    let trace = Trace::published(1);
    let rows = trace.rows();
    assert_eq!(rows.len(), 19_366);
    assert!(rows.is_sorted_by_key(|row| row.at));
    let near = |value: f64, expected: f64, share: f64| {
        assert!((value / expected - 1.0).abs() < share, "{value}, not {expected}");
    };
    near(rows[19_365].at.as_secs_f64(), 3_501.0, 0.01);
    let statistics = |length: fn(&Row) -> u32| {
        let mut lengths: Vec<u32> = rows.iter().map(length).collect();
        lengths.sort_unstable();
        let sum: u64 = lengths.iter().copied().map(u64::from).sum();
        (sum as f64 / 19_366.0, f64::from(lengths[19_172]))
    };
    let (mean, p99) = statistics(|row| row.input_tokens);
    near(mean, 1_155.0, 0.03);
    near(p99, 4_142.0, 0.06);
    let (mean, p99) = statistics(|row| row.output_tokens);
    near(mean, 211.0, 0.03);
    near(p99, 601.0, 0.06);
    let mut seconds = [0_u32; 3_502];
    rows.iter().for_each(|row| seconds[row.at.as_secs() as usize] += 1);
    let peak = seconds.into_iter().max().unwrap();
    assert!((14..=24).contains(&peak), "a peak of {peak} a second");
}

#[test]
fn the_same_seed_makes_the_same_trace_and_the_same_hands() {
    assert_eq!(Trace::published(3), Trace::published(3));
    assert_ne!(Trace::published(3), Trace::published(4));
    assert_eq!(hands(200, 3), hands(200, 3));
    assert_ne!(hands(200, 3), hands(200, 4));
}

#[test]
fn a_few_users_ask_for_most_and_a_share_is_streamed() {
    let hands = hands(200, 1);
    let of_users = |range: std::ops::RangeInclusive<u32>| {
        hands.iter().filter(|deal| range.contains(&deal.user)).count()
    };
    assert_eq!(of_users(1..=200), 10_000, "all users are among the 200");
    assert!(of_users(1..=20) > 5_500, "{}", of_users(1..=20));
    assert!(of_users(101..=200) > 500, "but the others ask too");
    let streams = hands.iter().filter(|deal| deal.stream).count();
    assert!((2_800..3_200).contains(&streams), "{streams}");
    assert!(Dealer::new(0, 0.3, 0).is_none());
    assert!(Dealer::new(1, 1.1, 0).is_none());
}

fn hands(users: u32, seed: u64) -> Vec<Deal> {
    let mut dealer = Dealer::new(users, 0.3, seed).unwrap();
    (0..10_000).map(|_| dealer.deal()).collect()
}
