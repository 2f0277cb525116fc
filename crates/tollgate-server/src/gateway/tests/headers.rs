//! What every answer tells of requests, tokens and dollars.

use http::StatusCode;

use super::{
    CHAT, COMPLETION, Provider, Running, post,
    running::{Answer, up},
};

const LIMITS: &str = r#"
[identity]
trust_headers = true
[[limits]]
name = "user-minute"
per = ["user"]
requests = "10/minute"
[[limits]]
name = "user-hour"
per = ["user"]
requests = "11/hour"
[[limits]]
name = "user-tokens"
per = ["user"]
tokens = "1000/minute"
[[limits]]
name = "user-spend"
per = ["user"]
usd = "5/day"
[[limits]]
name = "all-spend"
usd = "0.50/day"
"#;

async fn before(provider: &Provider) -> Running {
    Running::with(&format!("{}{LIMITS}", up(&provider.base_url()))).await
}

async fn chat(running: &Running) -> Answer {
    let mut request = post("/up/v1/chat/completions", CHAT);
    request.headers_mut().insert("x-tollgate-user", "alice".parse().expect("a value"));
    running.send(request).await
}

fn told(answer: &Answer, expected: &[(&str, Option<&str>)]) {
    for (name, value) in expected {
        assert_eq!(answer.header(name), *value, "{name}");
    }
}

/// What is left is told while the request still holds its bounds; of sixty parts of a minute
/// the oldest counts in full, so tokens are free a second late.
#[tokio::test]
async fn an_admitted_answer_tells_of_requests_tokens_and_dollars() {
    let provider = Provider::json(COMPLETION).await;
    let running = before(&provider).await;
    let answer = chat(&running).await;
    assert_eq!(answer.status, StatusCode::OK);
    told(
        &answer,
        &[
            ("x-ratelimit-limit-requests", Some("10")),
            ("x-ratelimit-remaining-requests", Some("9")),
            ("x-ratelimit-reset-requests", Some("1m0s")),
            ("x-ratelimit-limit-tokens", Some("1000")),
            ("x-ratelimit-remaining-tokens", Some("882")),
            ("x-ratelimit-reset-tokens", Some("1m1s")),
            ("x-tollgate-budget-limit", Some("5")),
            ("x-tollgate-budget-remaining", Some("4.999782")),
            // The end of the day.
            ("x-tollgate-budget-reset", Some("1795392000")),
            // One limit of them all: the one on requests of which the least is left.
            ("x-ratelimit-limit", Some("10")),
            ("x-ratelimit-remaining", Some("9")),
        ],
    );
    let states = answer.header("ratelimit").expect("states");
    assert!(states.contains(r#""user-spend";r=499;t="#), "{states}");
    let policies = answer.header("ratelimit-policy").expect("policies");
    assert!(policies.contains(r#""user-spend";q=500;qu="usd-cents";w=86400"#), "{policies}");
    assert!(policies.contains(r#""user-tokens";q=1000;qu="tokens";w=60"#), "{policies}");
    let all = format!("{:?}", answer.headers);
    assert!(!all.contains("all-spend") && !all.contains("0.5"), "{all}");
}

#[tokio::test]
async fn a_refused_answer_tells_the_same_of_the_limit_in_the_way_first() {
    let provider = Provider::json(COMPLETION).await;
    let running = before(&provider).await;
    for _ in 0..8 {
        assert_eq!(chat(&running).await.status, StatusCode::OK);
    }
    for _ in 0..2 {
        let request = post("/v1/permits", r#"{"user": "alice"}"#);
        assert_eq!(running.send(request).await.status, StatusCode::CREATED);
    }
    let refused = chat(&running).await;
    told(
        &refused,
        &[
            ("x-tollgate-limit", Some("user-minute")),
            ("x-ratelimit-limit-requests", Some("10")),
            ("x-ratelimit-remaining-requests", Some("0")),
            ("x-ratelimit-reset-requests", Some("1m0s")),
            ("x-ratelimit-limit-tokens", Some("1000")),
            ("x-tollgate-budget-limit", Some("5")),
            ("x-tollgate-budget-remaining", Some("4.999864")),
        ],
    );
    // Whoever reads problem details reads no headers of OpenAI's.
    let refused = running.send(post("/v1/permits", r#"{"user": "alice"}"#)).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    told(
        &refused,
        &[
            ("x-ratelimit-limit-requests", None),
            ("x-ratelimit-remaining-tokens", None),
            ("x-ratelimit-remaining", Some("0")),
            ("x-tollgate-budget-remaining", Some("4.999864")),
        ],
    );
}

#[tokio::test]
async fn the_providers_own_are_told_where_it_has_less_left() {
    let head = "HTTP/1.1 200 OK\r\nx-ratelimit-limit-requests: 60\r\nx-ratelimit-remaining-requests: 3\r\nx-ratelimit-reset-requests: 7s\r\nx-ratelimit-remaining-tokens: 149984\r\nx-ratelimit-reset-tokens: 6m0s";
    let provider = Provider::answering(head, COMPLETION).await;
    let running = before(&provider).await;
    told(
        &chat(&running).await,
        &[
            ("x-ratelimit-limit-requests", Some("60")),
            ("x-ratelimit-remaining-requests", Some("3")),
            ("x-ratelimit-reset-requests", Some("7s")),
            ("x-ratelimit-limit-tokens", Some("1000")),
            ("x-ratelimit-remaining-tokens", Some("882")),
            ("x-ratelimit-reset-tokens", Some("1m1s")),
        ],
    );
}

#[tokio::test]
async fn what_no_limit_counts_is_not_told() {
    let provider = Provider::json(COMPLETION).await;
    let slots = "[identity]\nallow_anonymous = true\n[[limits]]\nname = \"slots\"\nconcurrency = 5\n[[limits]]\nname = \"all-spend\"\nusd = \"5/day\"\n";
    let running = Running::with(&format!("{}{slots}", up(&provider.base_url()))).await;
    let answer = running.chat(CHAT).await;
    assert_eq!(answer.header("x-ratelimit-limit"), Some("5"));
    for name in
        ["x-ratelimit-limit-requests", "x-ratelimit-limit-tokens", "x-tollgate-budget-limit"]
    {
        assert_eq!(answer.header(name), None, "{name}");
    }
}
