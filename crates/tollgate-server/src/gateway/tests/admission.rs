//! What is admitted and what is refused, and what the answer tells of it.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use tokio::sync::Notify;

use super::{
    CHAT, COMPLETION, Provider, Running, Step, post,
    provider::response,
    running::{Answer, up},
};

async fn with_limits(limits: &str) -> (Provider, Running) {
    let provider = Provider::json(COMPLETION).await;
    let running = Running::with(&format!("{}{limits}", up(&provider.base_url()))).await;
    (provider, running)
}

fn error<'a>(answer: &'a serde_json::Value, member: &str) -> &'a str {
    answer["error"][member].as_str().unwrap_or_else(|| panic!("{member} in {answer}"))
}

#[tokio::test]
async fn an_admitted_chat_passes_and_is_charged_for_what_it_used() {
    let limits = "[[limits]]\nname = \"all-minute\"\nrequests = \"10/minute\"\n[[limits]]\nname = \"all-day\"\nusd = \"1/day\"\n";
    let (provider, running) = with_limits(limits).await;
    let answer = running.chat(CHAT).await;
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, COMPLETION.as_bytes()));
    assert_eq!(answer.header("x-tollgate-decision"), Some("admit"));
    assert_eq!(answer.header("ratelimit-policy"), Some(r#""all-minute";q=10;w=60"#));
    assert_eq!(answer.header("ratelimit"), Some(r#""all-minute";r=9;t=60"#));
    assert_eq!(answer.header("x-ratelimit-limit"), Some("10"));
    assert_eq!(answer.header("x-ratelimit-remaining"), Some("9"));
    assert_eq!(answer.header("x-ratelimit-reset"), Some("1795334460"));
    let id = answer.header("x-tollgate-request-id").expect("an id");
    assert!(uuid::Uuid::try_parse(id).is_ok(), "{id}");
    assert_eq!(running.used(), (7, 5, 7 * 1_000 + 5 * 2_000));
    let sent = provider.request().await;
    assert!(sent.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{sent}");
    assert!(sent.ends_with(CHAT) && sent.contains("accept-encoding: identity\r\n"), "{sent}");
}

#[tokio::test]
async fn a_refusal_names_its_limit_and_the_instant_it_tells_is_true() {
    let limits = "[[limits]]\nname = \"all-minute\"\nrequests = \"2/minute\"\n";
    let (provider, running) = with_limits(limits).await;
    for _ in 0..2 {
        assert_eq!(running.chat(CHAT).await.status, StatusCode::OK);
        provider.request().await;
    }
    let refused = running.chat(CHAT).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let json = refused.json();
    assert_eq!(error(&json, "type"), "requests");
    assert_eq!(error(&json, "code"), "rate_limit_exceeded");
    assert_eq!(
        error(&json, "message"),
        "Rate limit exceeded: 2 requests per minute. Try again in 60 seconds."
    );
    for (name, value) in [
        ("retry-after", Some("60")),
        ("retry-after-ms", Some("60000")),
        ("x-should-retry", None),
        ("x-tollgate-decision", Some("refuse")),
        ("x-tollgate-limit", Some("all-minute")),
        ("x-tollgate-retry-at", Some("2026-11-22T08:01:00.000Z")),
        ("ratelimit", Some(r#""all-minute";r=0;t=60"#)),
        ("x-ratelimit-remaining", Some("0")),
        ("content-type", Some("application/json")),
    ] {
        assert_eq!(refused.header(name), value, "{name}");
    }
    assert!(refused.header("x-tollgate-request-id").is_some());
    running.advance(Duration::from_nanos(59_999_999_999));
    let early = running.chat(CHAT).await;
    assert_eq!((early.status, early.header("retry-after")), (refused.status, Some("1")));
    assert!(provider.is_idle().await, "nothing that is refused is sent on");
    running.advance(Duration::from_nanos(1));
    assert_eq!(running.chat(CHAT).await.status, StatusCode::OK);
    assert_eq!(running.used(), (21, 15, 3 * 17_000), "what is refused costs nothing");
}

#[tokio::test]
async fn a_spent_total_promises_nothing() {
    let limits = "[[limits]]\nname = \"trial\"\nrequests = \"1/total\"\n";
    let (_provider, running) = with_limits(limits).await;
    let admitted = running.chat(CHAT).await;
    assert_eq!(admitted.header("ratelimit-policy"), Some(r#""trial";q=1"#));
    assert_eq!(admitted.header("ratelimit"), Some(r#""trial";r=0"#));
    assert_eq!(admitted.header("x-ratelimit-reset"), None);
    running.advance(Duration::from_secs(400 * 86_400));
    let refused = running.chat(CHAT).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let json = refused.json();
    assert_eq!(error(&json, "code"), "project_spend_limit_exceeded");
    assert_eq!(
        error(&json, "message"),
        "Budget exhausted: 1 requests in all. It never begins anew: make the request smaller, or ask the operator to raise it."
    );
    for name in ["retry-after", "retry-after-ms", "x-tollgate-retry-at", "x-ratelimit-reset"] {
        assert_eq!(refused.header(name), None, "{name}");
    }
    assert_eq!(refused.header("x-should-retry"), Some("false"));
}

#[tokio::test]
async fn a_long_wait_is_told_but_no_client_is_to_sit_it_out() {
    let (_provider, running) =
        with_limits("[[limits]]\nname = \"all-hour\"\nrequests = \"1/hour\"\n").await;
    running.chat(CHAT).await;
    let refused = running.chat(CHAT).await;
    assert_eq!(refused.header("retry-after"), Some("3600"));
    assert_eq!(refused.header("x-should-retry"), Some("false"));
}

#[tokio::test]
async fn a_spent_budget_is_told_as_openai_tells_it() {
    let limits = "[identity]\ntrust_headers = true\n[[limits]]\nname = \"user-day\"\nper = [\"user\"]\nusd = \"0.00023/day\"\n";
    let (_provider, running) = with_limits(limits).await;
    let chat = || async {
        let mut request = post("/up/v1/chat/completions", CHAT);
        request.headers_mut().insert("x-tollgate-user", "alice".parse().expect("a value"));
        running.send(request).await
    };
    assert_eq!(chat().await.status, StatusCode::OK);
    let refused = chat().await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let json = refused.json();
    assert_eq!(error(&json, "type"), "insufficient_quota");
    assert_eq!(error(&json, "code"), "project_spend_limit_exceeded");
    assert_eq!(
        error(&json, "message"),
        "Budget exhausted: $0.00023 per calendar day. Try again in 16 hours."
    );
    assert_eq!(refused.header("retry-after"), None);
    assert_eq!(refused.header("x-should-retry"), Some("false"));
    assert_eq!(refused.header("x-tollgate-retry-at"), Some("2026-11-23T00:00:00.000Z"));
    assert_eq!(
        refused.header("ratelimit-policy"),
        Some(r#""user-day";q=0;qu="usd-cents";w=86400"#)
    );
}

#[tokio::test]
async fn what_others_may_spend_is_nobody_elses_business() {
    let (_provider, running) =
        with_limits("[[limits]]\nname = \"all-day\"\nusd = \"0.00023/day\"\n").await;
    assert_eq!(running.chat(CHAT).await.header("ratelimit"), None);
    let refused = running.chat(CHAT).await;
    assert_eq!(
        error(&refused.json(), "message"),
        "Budget exhausted: all-day. Try again in 16 hours."
    );
    assert!(!format!("{:?}", refused.headers).contains("cents"));
}

#[tokio::test]
async fn a_request_larger_than_its_limit_is_told_not_to_come_back() {
    let (_provider, running) =
        with_limits("[[limits]]\nname = \"all-tokens\"\ntokens = \"50/minute\"\n").await;
    let refused = running.chat(CHAT).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let json = refused.json();
    assert_eq!(error(&json, "type"), "tokens");
    assert!(error(&json, "message").contains("larger than the limit ever allows"), "{json}");
    assert_eq!(refused.header("x-should-retry"), Some("false"));
    assert_eq!(
        (refused.header("retry-after"), refused.header("x-tollgate-retry-at")),
        (None, None)
    );
}

/// The refusal of a second request while a first is still answered.
async fn second_at_once(limit: &str) -> Answer {
    let go = Arc::new(Notify::new());
    let whole = response("HTTP/1.1 200 OK", COMPLETION);
    let provider = Provider::doing(vec![Step::Wait(Arc::clone(&go)), Step::Send(whole)]).await;
    let policy = format!("{}[identity]\nallow_anonymous = true\n{limit}", up(&provider.base_url()));
    let running = Running::with(&policy).await;
    let first = running.chat(CHAT);
    let second = async {
        provider.request().await;
        let refused = running.chat(CHAT).await;
        go.notify_one();
        refused
    };
    let (first, refused) = tokio::join!(first, second);
    assert_eq!(first.status, StatusCode::OK);
    refused
}

#[tokio::test]
async fn a_full_server_is_busy_and_a_full_user_asks_too_much() {
    let refused = second_at_once("[[limits]]\nname = \"slots\"\nconcurrency = 1\n").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    let json = refused.json();
    assert_eq!(error(&json, "type"), "service_unavailable_error");
    assert_eq!(error(&json, "code"), "server_busy");
    assert!(error(&json, "message").starts_with("Too many concurrent requests: 1 at once."));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(refused.header("x-tollgate-retry-at"), None, "nobody can promise that");
    assert_eq!(refused.header("ratelimit-policy"), Some(r#""slots";q=1;qu="concurrent-requests""#));

    let per_user = "[[limits]]\nname = \"slots\"\nper = [\"user\"]\nconcurrency = 1\n";
    let refused = second_at_once(per_user).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(error(&refused.json(), "code"), "rate_limit_exceeded");

    let chosen = "[[limits]]\nname = \"slots\"\nconcurrency = 1\nstatus = 429\n";
    assert_eq!(second_at_once(chosen).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_shadow_limit_refuses_nobody_and_is_told_to_nobody() {
    let limits = "[[limits]]\nname = \"tried\"\nrequests = \"1/minute\"\nshadow = true\n";
    let (_provider, running) = with_limits(limits).await;
    for _ in 0..3 {
        let answer = running.chat(CHAT).await;
        assert_eq!((answer.status, answer.header("ratelimit")), (StatusCode::OK, None));
    }
    let counted = running.app.metrics.by_limit();
    assert_eq!((counted[0].limit.as_str(), counted[0].shadowed), ("tried", 2));
}
