//! What goes wrong, goes wrong as told, and the same way for the same seed.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use super::{
    super::{Sandbox, SandboxSettings, parse_share},
    chat, chat_with, sandbox, seeded,
};

fn streamed() -> serde_json::Value {
    chat(&[("stream", true.into()), ("stream_options", json!({"include_usage": true}))])
}

async fn statuses(sandbox: &Sandbox, count: usize) -> Vec<(u16, bool)> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        let answered = chat_with(sandbox, &[], chat(&[])).await;
        statuses.push((answered.status.as_u16(), answered.cut));
    }
    statuses
}

#[tokio::test]
async fn errors_are_the_providers_own() {
    for (fault, status, kind, code) in [
        ("error", 500, "server_error", None),
        ("unavailable", 503, "service_unavailable_error", Some("server_is_overloaded")),
        ("rate-limit", 429, "requests", Some("rate_limit_exceeded")),
    ] {
        let sandbox = sandbox(SandboxSettings::default());
        let answered = chat_with(&sandbox, &[("x-sandbox-fault", fault)], chat(&[])).await;
        assert_eq!(answered.status.as_u16(), status);
        let error = &answered.json()["error"];
        assert_eq!((&error["type"], &error["code"]), (&json!(kind), &json!(code)));
        assert_eq!(answered.headers.contains_key("retry-after"), status == 429);
        assert_eq!(answered.headers.contains_key("retry-after-ms"), status == 429);
    }
}

#[tokio::test]
async fn a_body_breaks_or_ends_in_its_middle() {
    let sandbox = sandbox(SandboxSettings::default());
    for body in [chat(&[]), streamed()] {
        let whole = chat_with(&sandbox, &[], body.clone()).await.text();
        for (fault, cut) in [("cut", true), ("end", false)] {
            let answered = chat_with(&sandbox, &[("x-sandbox-fault", fault)], body.clone()).await;
            assert_eq!((answered.status, answered.cut), (StatusCode::OK, cut));
            let text = answered.text();
            assert!(!text.is_empty() && text.len() < whole.len() * 2 / 3, "{}", text.len());
            assert!(!text.contains("[DONE]"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_request_and_a_stalled_body_never_end() {
    let sandbox = sandbox(SandboxSettings::default());
    let day = Duration::from_secs(86_400);
    for fault in ["hang", "stall"] {
        let headers = [("x-sandbox-fault", fault)];
        let answer = chat_with(&sandbox, &headers, streamed());
        assert!(tokio::time::timeout(day, answer).await.is_err(), "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_is_whole_in_the_end() {
    let sandbox = sandbox(SandboxSettings::default());
    let answered = chat_with(&sandbox, &[("x-sandbox-fault", "slow")], chat(&[])).await;
    assert_eq!(answered.json()["usage"]["completion_tokens"], 64);
    assert!(answered.frames.iter().all(|(_, data)| data.len() <= 64));
    let last = answered.frames.last().unwrap().0.as_millis();
    assert_eq!(last, 100 * (answered.frames.len() as u128 - 1));
}

#[tokio::test]
async fn the_same_seed_has_the_same_luck() {
    let half = parse_share("0.25").unwrap();
    let settings = SandboxSettings {
        error_rate: half,
        rate_limit_rate: half,
        truncate_rate: half,
        ..Default::default()
    };
    let first = statuses(&seeded(settings.clone(), 7), 200).await;
    assert_eq!(first, statuses(&seeded(settings.clone(), 7), 200).await);
    assert_ne!(first, statuses(&seeded(settings.clone(), 8), 200).await);
    let count = |status: u16, cut: bool| first.iter().filter(|s| **s == (status, cut)).count();
    for (status, cut, expected) in
        [(500, false, 25), (503, false, 25), (429, false, 50), (200, true, 50), (200, false, 50)]
    {
        assert!(count(status, cut).abs_diff(expected) < 20, "{status} {cut}: {first:?}");
    }
}

#[tokio::test]
async fn a_requests_own_seed_makes_its_luck_independent_of_its_place() {
    let settings =
        SandboxSettings { error_rate: parse_share("0.5").unwrap(), ..Default::default() };
    let sandbox = sandbox(settings);
    let mut seen = Vec::new();
    for seed in ["1", "2", "3", "4", "5", "6", "7", "8"] {
        let headers = [("x-sandbox-seed", seed)];
        let first = chat_with(&sandbox, &headers, chat(&[])).await.status;
        let again = chat_with(&sandbox, &headers, chat(&[])).await.status;
        assert_eq!(first, again);
        seen.push(first.is_success());
    }
    assert!(seen.contains(&true) && seen.contains(&false), "{seen:?}");
}
