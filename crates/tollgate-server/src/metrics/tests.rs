use std::{sync::Arc, thread, time::Duration};

use tollgate_core::{
    Amounts, LimitId, NanoUsd, Policy, Refusal, Retry, Unit,
    policy::{Limit, Measure},
};

use super::*;

fn limit(name: &str) -> Limit {
    let measure = Measure::Window { length: Duration::from_secs(60), cap: 1 };
    Limit::new(name, &[], Unit::Requests, measure)
}

fn refusal(limit: LimitId, shadowed: &[LimitId]) -> Refusal {
    Refusal {
        limit,
        retry: Retry::Never,
        standings: Default::default(),
        shadowed: shadowed.iter().copied().collect(),
    }
}

fn finish(metrics: &Metrics, provider: &str, model: &str, usage: &Usage) {
    metrics.finished(&Finished {
        provider,
        model,
        usage,
        overrun: &Amounts::default(),
        lasted: Some(Duration::from_millis(70)),
        added: Some(Duration::from_micros(120)),
    });
}

const USAGE: Usage =
    Usage { requests: 1, input_tokens: 868, output_tokens: 145, cost: NanoUsd(260_600), millis: 0 };

#[test]
fn totals_are_exact_under_threads() {
    let metrics = Arc::new(Metrics::default());
    let policy = Arc::new(Policy::new(vec![limit("a")]).unwrap());
    let threads: Vec<_> = (0..4)
        .map(|nth| {
            let (metrics, policy) = (Arc::clone(&metrics), Arc::clone(&policy));
            thread::spawn(move || {
                for step in 0..1_000 {
                    metrics.admitted(&policy, &[]);
                    let refusal = refusal(policy.limits()[0].id, &[]);
                    metrics.refused(&policy, &refusal, "too_many_requests");
                    finish(&metrics, "openai", &format!("m{}", (nth + step) % 7), &USAGE);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let expected = Totals {
        requests: 8_000,
        admitted: 4_000,
        refused: 4_000,
        input_tokens: 868 * 4_000,
        output_tokens: 145 * 4_000,
        cost_usd: NanoUsd(260_600 * 4_000),
        overrun_usd: NanoUsd(0),
    };
    assert_eq!(metrics.totals(), expected);
    let text = metrics.text(Gauges::default()).unwrap();
    let input: u64 = text
        .lines()
        .filter(|line| {
            line.starts_with("tollgate_tokens_total") && line.contains(r#"kind="input""#)
        })
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(input, 868 * 4_000, "no label lost what was counted while it was made");
}

#[test]
fn hostile_labels_end_in_other() {
    let metrics = Metrics::default();
    for nth in 0..1_000 {
        finish(&metrics, "openai", &format!("model-{nth}"), &USAGE);
        finish(&metrics, &format!("provider-{nth}"), "m", &USAGE);
    }
    finish(&metrics, "openai", "other", &USAGE);
    let text = metrics.text(Gauges::default()).unwrap();
    let of_openai = r#"tollgate_tokens_total{provider="openai",model="#;
    let models = text.lines().filter(|line| line.starts_with(of_openai)).count();
    assert_eq!(models, 2 * (MAX_MODELS + 1));
    let providers = text.matches(r#"model="m",kind="input""#).count();
    assert_eq!(providers, MAX_PROVIDERS - 1 + 1, "openai is one of them, `other` comes on top");
    let other = format!(
        r#"tollgate_tokens_total{{provider="openai",model="other",kind="input"}} {}"#,
        868 * (1_000 - MAX_MODELS as u64 + 1)
    );
    assert!(text.contains(&other), "{other}\n{text}");
}

#[test]
fn a_label_called_other_is_counted_once() {
    let labels: Labels<Count> = Labels::at_most(2);
    for label in ["other", "a", "b", "other"] {
        labels.with(label, |count| count.add(1));
    }
    let all: Vec<_> = labels.all().into_iter().map(|(l, count)| (l, count.value())).collect();
    assert_eq!(all, [("a".into(), 1), ("other".into(), 3)]);
}

#[test]
fn every_metric_has_its_fixed_name() {
    let metrics = Metrics::default();
    let policy = Policy::new(vec![limit("a"), limit("b")]).unwrap();
    let [a, b] = [policy.limits()[0].id, policy.limits()[1].id];
    metrics.admitted(&policy, &[b]);
    metrics.refused(&policy, &refusal(a, &[b]), "too_many_requests");
    metrics.turned_away("model_unpriced");
    metrics.waited(&policy, b, Duration::from_secs(2));
    metrics.store_failed("closed");
    finish(&metrics, "openai", "gpt-4o", &USAGE);
    let running = metrics.running(Some("alice"));
    let circuits = vec![("up".to_owned(), 2)];
    let gauges = Gauges { sessions_active: Some(8), circuits, ..Gauges::default() };
    let text = metrics.text(gauges).unwrap();
    for line in [
        r#"tollgate_decisions_total{decision="admitted",limit=""} 1"#,
        r#"tollgate_decisions_total{decision="refused",limit="a"} 1"#,
        r#"tollgate_decisions_total{decision="shadowed",limit="b"} 2"#,
        r#"tollgate_decisions_total{decision="waited",limit="b"} 1"#,
        r#"tollgate_overload_total{reason="too_many_requests"} 1"#,
        r#"tollgate_overload_total{reason="model_unpriced"} 1"#,
        "tollgate_concurrent_requests 1",
        "tollgate_sessions_active 8",
        r#"tollgate_circuit_state{provider="up"} 2"#,
        r#"tollgate_request_seconds_sum{provider="openai"} 0.07"#,
        r#"tollgate_request_seconds_bucket{le="0.1",provider="openai"} 1"#,
        "tollgate_added_seconds_count 1",
        r#"tollgate_added_seconds_bucket{le="0.0001"} 0"#,
        r#"tollgate_added_seconds_bucket{le="0.00015"} 1"#,
        r#"tollgate_added_seconds_bucket{le="+Inf"} 1"#,
        r#"tollgate_tokens_total{provider="openai",model="gpt-4o",kind="output"} 145"#,
        r#"tollgate_cost_usd_total{provider="openai",model="gpt-4o"} 0.0002606"#,
        "tollgate_overrun_usd_total 0.0",
        r#"tollgate_store_failures_total{mode="closed"} 1"#,
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("alice"), "no user is a label");
    assert!(text.ends_with("# EOF\n"));
    drop(running);
    assert_eq!(metrics.totals().requests, 3);
}

#[test]
fn users_are_known_while_their_requests_run() {
    let metrics = Metrics::default();
    let first = metrics.running(Some("alice"));
    let second = metrics.running(Some("alice"));
    let third = metrics.running(Some("bob"));
    let nameless = metrics.running(None);
    let count = |user: &str, concurrent| UserCount { user_id: user.into(), concurrent, queued: 0 };
    assert_eq!(metrics.concurrent(), 4);
    assert_eq!(metrics.users(9), (2, vec![count("alice", 2), count("bob", 1)]));
    assert_eq!(metrics.users(1), (2, vec![count("alice", 2)]));
    drop((first, third));
    assert_eq!(metrics.users(9), (1, vec![count("alice", 1)]));
    drop((second, nameless));
    assert_eq!((metrics.concurrent(), metrics.users(9)), (0, (0, vec![])));
}
