//! Limits of its own are kept to the instant, announced and refused as each provider does; and
//! what fails on schedule fails then and not else.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use serde_json::json;
use tollgate::Clock;
use tollgate_core::Time;

use super::{
    super::{LimitRefill, Outage, OutageFault, Sandbox, SandboxSettings},
    Answered, ask,
    dialects::WAYS,
    post,
};

fn clocked(settings: SandboxSettings) -> (Sandbox, Clock) {
    let clock = Clock::set_at(Time::from_millis(1_700_000_000_000));
    (Sandbox::new(settings, 0, clock.clone()), clock)
}

fn limited(requests_per_minute: u32, tokens_per_minute: u32) -> (Sandbox, Clock) {
    let settings = SandboxSettings { requests_per_minute, tokens_per_minute, ..Default::default() };
    clocked(settings)
}

fn chat(model: &str, input: &str, output: &str) -> http::Request<Full<Bytes>> {
    let body = json!({"model": model, "messages": [{"role": "user", "content": "Hi"}]});
    let counts = [("x-sandbox-input-tokens", input), ("x-sandbox-output-tokens", output)];
    post("/v1/chat/completions", &counts, body.to_string())
}

impl Answered {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

#[tokio::test]
async fn a_minutes_requests_are_taken_and_one_more_when_it_is_refilled() {
    let (sandbox, clock) = limited(6, 0);
    for _ in 0..6 {
        assert!(ask(&sandbox, chat("m", "1", "1")).await.status.is_success());
    }
    let refused = ask(&sandbox, chat("m", "1", "1")).await;
    assert_eq!(refused.status.as_u16(), 429);
    assert_eq!(refused.header("retry-after"), Some("10"));
    assert_eq!(refused.header("x-ratelimit-remaining-requests"), Some("0"));
    assert_eq!(refused.header("x-ratelimit-reset-requests"), Some("60s"));
    let other = ask(&sandbox, chat("another", "1", "1")).await;
    assert!(other.status.is_success(), "each model has limits of its own");
    clock.advance(Duration::from_millis(9_999));
    let early = ask(&sandbox, chat("m", "1", "1")).await;
    assert_eq!((early.status.as_u16(), early.header("retry-after-ms")), (429, Some("1")));
    clock.advance(Duration::from_millis(1));
    assert!(ask(&sandbox, chat("m", "1", "1")).await.status.is_success());
    assert_eq!(ask(&sandbox, chat("m", "1", "1")).await.status.as_u16(), 429);
}

#[tokio::test]
async fn tokens_of_both_sides_count_and_what_is_refused_takes_none() {
    let (sandbox, _) = limited(100, 1000);
    let first = ask(&sandbox, chat("m", "300", "400")).await;
    assert_eq!(first.header("x-ratelimit-remaining-tokens"), Some("300"));
    assert_eq!(first.header("x-ratelimit-reset-tokens"), Some("42s"));
    let refused = ask(&sandbox, chat("m", "300", "1")).await;
    assert_eq!(refused.status.as_u16(), 429);
    assert_eq!(refused.json()["error"]["type"], "tokens");
    let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("Limit 1000, Used 700, Requested 301. Please try again in 60ms."));
    assert_eq!(refused.header("x-ratelimit-remaining-requests"), Some("99"));
    assert!(ask(&sandbox, chat("m", "299", "1")).await.status.is_success());
    let huge = ask(&sandbox, chat("m", "1000", "1")).await;
    assert_eq!(huge.status.as_u16(), 429);
    assert!(huge.json()["error"]["message"].as_str().unwrap().contains("too large"));
    assert_eq!(huge.header("retry-after"), None, "waiting does not help");
}

#[tokio::test]
async fn every_dialect_refuses_in_its_own_way() {
    for way in &WAYS {
        let (sandbox, _) = limited(1, 100_000);
        let admitted = ask(&sandbox, way.plain(&[])).await;
        assert!(admitted.status.is_success(), "{}", way.name);
        let refused = ask(&sandbox, way.streamed(&[])).await;
        assert_eq!(refused.status.as_u16(), 429, "{}", way.name);
        let announces = |name: &str| admitted.header(name).is_some();
        let (said, told) = (refused.text(), |name: &str| refused.header(name));
        match way.name {
            "anthropic" => {
                assert_eq!(told("retry-after"), Some("60"));
                let remaining = "anthropic-ratelimit-requests-remaining";
                assert_eq!(admitted.header(remaining), Some("0"));
                let reset = "anthropic-ratelimit-requests-reset";
                assert_eq!(admitted.header(reset), Some("2023-11-14T22:14:20Z"));
                let tokens = "anthropic-ratelimit-tokens-remaining";
                assert_eq!(admitted.header(tokens), Some("100000"), "to the nearest thousand");
            }
            "gemini" => {
                assert!(said.contains(r#""retryDelay":"60s""#), "{said}");
                assert!(said.contains("GenerateRequestsPerMinutePerProjectPerModel"), "{said}");
                assert!(!announces("x-ratelimit-remaining-requests"));
            }
            "azure" => {
                assert!(said.contains("Please retry after 60 seconds."), "{said}");
                assert_eq!(told("retry-after-ms"), Some("60000"));
                assert!(announces("x-ratelimit-remaining-requests"));
            }
            "chat completions" | "responses" => {
                assert_eq!(told("retry-after"), Some("60"));
                assert!(announces("x-ratelimit-remaining-requests"));
                assert!(announces("x-ratelimit-remaining-tokens"));
            }
            _ => {
                assert_eq!(told("x-amz-retry-after"), Some("60000"), "{}", way.name);
                assert!(said.contains("Too many requests"), "{said}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_no_use_of_a_model_counts_nothing() {
    let (sandbox, _) = limited(1, 0);
    let counted = json!({"model": "m", "messages": [{"role": "user", "content": "Hello"}]});
    for _ in 0..3 {
        let count = post("/v1/messages/count_tokens", &[], counted.to_string());
        assert_eq!(ask(&sandbox, count).await.json(), json!({"input_tokens": 2}));
    }
    let bad = post("/v1/chat/completions", &[], "{}".to_owned());
    assert_eq!(ask(&sandbox, bad).await.status.as_u16(), 400);
    assert!(ask(&sandbox, chat("m", "1", "1")).await.status.is_success());
}

#[tokio::test]
async fn a_shorter_window_has_as_much_as_is_due_in_it() {
    let limits = SandboxSettings {
        requests_per_minute: 60,
        limit_window: Duration::from_secs(5),
        ..Default::default()
    };
    let (sandbox, clock) = clocked(limits);
    for left in ["4", "3", "2", "1", "0"] {
        let taken = ask(&sandbox, chat("m", "1", "1")).await;
        assert_eq!(taken.header("x-ratelimit-limit-requests"), Some("5"));
        assert_eq!(taken.header("x-ratelimit-remaining-requests"), Some(left));
    }
    let refused = ask(&sandbox, chat("m", "1", "1")).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, Some("1")));
    assert_eq!(refused.header("x-ratelimit-reset-requests"), Some("5s"));
    clock.advance(Duration::from_secs(1));
    assert!(ask(&sandbox, chat("m", "1", "1")).await.status.is_success());
}

#[tokio::test]
async fn in_fixed_windows_all_comes_back_at_once() {
    let limits = SandboxSettings {
        requests_per_minute: 60,
        tokens_per_minute: 120,
        limit_window: Duration::from_secs(5),
        limit_refill: LimitRefill::AtReset,
        ..Default::default()
    };
    let (sandbox, clock) = clocked(limits);
    clock.advance(Duration::from_secs(3));
    for _ in 0..5 {
        let taken = ask(&sandbox, chat("m", "1", "1")).await;
        assert_eq!(taken.header("x-ratelimit-reset-requests"), Some("2s"));
    }
    let refused = ask(&sandbox, chat("m", "1", "1")).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, Some("2")));
    let huge = ask(&sandbox, chat("m", "11", "1")).await;
    assert_eq!((huge.status.as_u16(), huge.header("retry-after")), (429, None));
    clock.advance(Duration::from_millis(1_999));
    assert_eq!(ask(&sandbox, chat("m", "1", "1")).await.status.as_u16(), 429);
    clock.advance(Duration::from_millis(1));
    for _ in 0..5 {
        assert!(ask(&sandbox, chat("m", "1", "1")).await.status.is_success());
    }
    assert_eq!(ask(&sandbox, chat("m", "1", "1")).await.status.as_u16(), 429);
}

#[tokio::test]
async fn models_without_end_share_one_limit() {
    let (sandbox, _) = limited(1, 0);
    let mut refused = 0;
    for number in 0..300 {
        let answered = ask(&sandbox, chat(&format!("model-{number}"), "1", "1")).await;
        refused += u32::from(answered.status.as_u16() == 429);
    }
    assert_eq!(refused, 43, "256 have their own, and one of the rest gets the shared one");
}

#[tokio::test]
async fn an_outage_comes_and_goes_as_told() {
    let seconds = Duration::from_secs;
    let outage = Outage {
        after: seconds(30),
        lasts: seconds(60),
        every: seconds(600),
        fault: OutageFault::Unavailable,
    };
    let (sandbox, clock) = clocked(SandboxSettings { outage, ..Default::default() });
    let mut seen = Vec::new();
    for wait in [0, 29, 1, 59, 1, 539, 1, 59, 1] {
        clock.advance(seconds(wait));
        seen.push(ask(&sandbox, chat("m", "1", "1")).await.status.as_u16());
    }
    assert_eq!(seen, [200, 200, 503, 503, 200, 200, 503, 503, 200]);
    let once = Outage { lasts: seconds(1), fault: OutageFault::Error, ..Default::default() };
    let (sandbox, clock) = clocked(SandboxSettings { outage: once, ..Default::default() });
    assert_eq!(ask(&sandbox, chat("m", "1", "1")).await.status.as_u16(), 500);
    for _ in 0..3 {
        clock.advance(seconds(1));
        assert!(ask(&sandbox, chat("m", "1", "1")).await.status.is_success());
    }
}
