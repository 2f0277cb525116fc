//! Limits that follow the money, and how their providers do, in virtual time.

use std::time::Duration;

use http::StatusCode;

use super::{
    CHAT, COMPLETION, Provider, Running, post,
    running::{Answer, up},
};
use crate::dials::look;

/// A request costs 17,000 nano-dollars, and there are a hundred of them in a day.
const POLICY: &str = r#"
[[limits]]
name = "spend"
usd = "0.0017/day"
[[limits]]
name = "rate"
requests = "20/minute"
minimum = 3
tighten = { budget = "spend", floor = 0.1, success = 0.8 }
"#;

const MINUTE: Duration = Duration::from_secs(60);

async fn dialed(running: &Running) -> f64 {
    look(&running.app).await;
    let status = running.look("/status").await.json();
    let limits = status["limits"].as_array().expect("a list").clone();
    let rate = limits.iter().find(|limit| limit["name"] == "rate").expect("it is there");
    rate["dial"].as_f64().expect("it has a dial")
}

/// What a request is told of the limit, in `RateLimit-Policy`.
fn quota(answer: &Answer) -> String {
    let told = answer.header("ratelimit-policy").expect("it is told");
    let rate = told.split(',').find(|one| one.contains("\"rate\"")).expect("it applies");
    rate.split(';').find(|part| part.starts_with("q=")).expect("a quota").to_owned()
}

#[tokio::test]
async fn a_limit_is_tightened_while_money_goes_faster_than_time_and_opens_with_its_period() {
    let provider = Provider::json(COMPLETION).await;
    let running = Running::with(&format!("{}{POLICY}", up(&provider.base_url()))).await;
    // It is eight in the morning: a third of the day has passed, and nothing is spent.
    assert!((dialed(&running).await - 1.0).abs() < 1e-9);
    assert_eq!(quota(&running.chat(CHAT).await), "q=20");
    for _ in 0..3 {
        for _ in 0..15 {
            assert_eq!(running.chat(CHAT).await.status, StatusCode::OK);
        }
        running.advance(MINUTE);
    }
    // 54 of a hundred are left, for nearly two thirds of the day: four fifths of what is due.
    let dial = dialed(&running).await;
    assert!((0.80..0.82).contains(&dial), "{dial}");
    running.advance(MINUTE);
    assert_eq!(quota(&running.chat(CHAT).await), "q=17");
    let text = running.look("/metrics").await;
    let text = String::from_utf8_lossy(&text.body).into_owned();
    assert!(text.contains("tollgate_limit_dial{limit=\"rate\"} 0."), "{text}");
    let mut admitted = 1;
    let refused = loop {
        let answer = running.chat(CHAT).await;
        if answer.status != StatusCode::OK {
            break answer;
        }
        admitted += 1;
    };
    // Whoever looks meanwhile finds less money left, and allows less.
    assert!((12..=17).contains(&admitted), "{admitted}");
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("x-tollgate-limit"), Some("rate"));
    // The next day has all of its money, and so has its limit.
    running.advance(MINUTE * 60 * 16);
    assert!((dialed(&running).await - 1.0).abs() < 1e-9);
    assert_eq!(quota(&running.chat(CHAT).await), "q=20");
}

#[tokio::test]
async fn a_limit_is_tightened_while_its_provider_fails_and_its_minimum_is_left() {
    let provider = Provider::answering("HTTP/1.1 500 Internal Server Error", "{}").await;
    let spare = POLICY.replace("0.0017/day", "5/day");
    let lenient = "breaker = { failures = 0, failure_rate = 0 }\n";
    let running = Running::with(&format!("{}{lenient}{spare}", up(&provider.base_url()))).await;
    for _ in 0..10 {
        running.chat(CHAT).await;
    }
    let dial = dialed(&running).await;
    assert!((dial - 0.1).abs() < 1e-9, "no call succeeds, so its floor is left: {dial}");
    let refused = running.chat(CHAT).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(quota(&refused), "q=3", "its minimum is more than its floor");
    running.advance(MINUTE * 2);
    assert!((dialed(&running).await - 1.0).abs() < 1e-9, "nothing failed of late");
}

/// A gateway whose limit on tokens is dialed down to a tenth, since its provider fails.
async fn lowered(provider: &Provider, tokens: &str) -> Running {
    let policy = format!(
        "{}breaker = {{ failures = 0, failure_rate = 0 }}\n[[limits]]\nname = \"spend\"\nusd = \"50/day\"\n[[limits]]\nname = \"rate\"\ntokens = \"{tokens}/minute\"\ntighten = {{ budget = \"spend\", floor = 0.1, success = 0.8 }}\n",
        up(&provider.base_url())
    );
    let running = Running::with(&policy).await;
    for _ in 0..10 {
        assert_eq!(running.chat(CHAT).await.status, StatusCode::INTERNAL_SERVER_ERROR);
        provider.request().await;
    }
    assert!((dialed(&running).await - 0.1).abs() < 1e-9);
    running
}

#[tokio::test]
async fn what_is_lowered_for_a_while_is_not_refused_for_good() {
    let provider = Provider::answering("HTTP/1.1 500 Internal Server Error", "{}").await;
    let running = lowered(&provider, "1000").await;
    // It asks for 118 of a thousand tokens, of which a hundred are allowed now.
    let refused = running.chat(CHAT).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("x-tollgate-limit"), Some("rate"));
    assert_eq!(refused.header("retry-after"), Some("5"));
    assert_eq!(refused.header("x-should-retry"), None);
    assert_eq!(refused.header("x-tollgate-retry-at"), None, "nothing is promised");
    let message = refused.json()["error"]["message"].clone();
    let told = "It is lowered for a while: try again in 5 seconds.";
    assert!(message.as_str().is_some_and(|it| it.ends_with(told)), "{message}");
    let check = post("/v1/check", r#"{"provider":"up","demand":{"input_tokens":118}}"#);
    let check = running.send(check).await;
    assert_eq!((check.status, &check.json()["retry_after"]), (refused.status, &5.into()));
    let permit = post("/v1/permits", r#"{"provider":"up","demand":{"input_tokens":118}}"#);
    assert_eq!(running.send(permit).await.json()["retry_after"], 5);
    // What the limit by itself would never allow is another matter.
    let never = running.chat(&CHAT.replace("100", "1000")).await;
    assert_eq!(never.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        (never.header("retry-after"), never.header("x-should-retry")),
        (None, Some("false"))
    );
    running.advance(MINUTE * 2);
    assert!((dialed(&running).await - 1.0).abs() < 1e-9, "nothing failed of late");
    assert_eq!(running.chat(CHAT).await.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn open_input_is_not_narrowed_for_what_a_dial_has_lowered() {
    let provider = Provider::answering("HTTP/1.1 500 Internal Server Error", "{}").await;
    let running = lowered(&provider, "3000000").await;
    // All that its model may read is more than is allowed now, and less than the limit is.
    let open = r#"{"model":"m","input":"hi","max_output_tokens":10,"previous_response_id":"r"}"#;
    let refused = running.send(post("/up/v1/responses", open)).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("retry-after"), Some("5"));
    assert!(provider.is_idle().await, "nothing was sent");
}

#[tokio::test]
async fn what_is_spent_for_good_is_not_told_as_lowered_for_a_while() {
    let provider = Provider::json(COMPLETION).await;
    let policy = POLICY.replace("0.0017/day", "0.00068/day").replace("20/minute", "20/total");
    let running = Running::with(&format!("{}{policy}", up(&provider.base_url()))).await;
    for _ in 0..20 {
        assert_eq!(running.chat(CHAT).await.status, StatusCode::OK);
    }
    // Half of the money is left for two thirds of the day.
    let dial = dialed(&running).await;
    assert!((0.7..0.8).contains(&dial), "{dial}");
    let refused = running.chat(CHAT).await;
    assert_eq!(refused.header("x-tollgate-limit"), Some("rate"));
    assert_eq!(refused.header("retry-after"), None, "no time brings it back");
    assert_eq!(refused.header("x-should-retry"), Some("false"));
    let check = post("/v1/check", r#"{"provider":"up"}"#);
    let check = running.send(check).await.json();
    assert_eq!((&check["error"], &check["retry_after"]), (&"budget_exhausted".into(), &().into()));
}

#[tokio::test]
async fn what_is_gone_of_a_day_is_not_told_as_lowered_for_a_while() {
    let provider = Provider::json(COMPLETION).await;
    let policy = format!(
        "{}[[limits]]\nname = \"spend\"\nusd = \"0.0014/day\"\n[[limits]]\nname = \"rate\"\ntokens = {{ amount = 1000, per = \"day\", kind = \"period\" }}\ntighten = {{ budget = \"spend\", floor = 0.1, success = 0.8 }}\n",
        up(&provider.base_url())
    );
    let running = Running::with(&policy).await;
    let ask = |tokens: u64| format!(r#"{{"provider":"up","demand":{{"input_tokens":{tokens}}}}}"#);
    let used = r#"{"provider":"up","demand":{"input_tokens":890,"usd":"0.00139"}}"#;
    let permit = running.send(post("/v1/permits", used)).await.json();
    let id = permit["id"].as_str().expect("an id");
    let settled = r#"{"input_tokens":890,"usd":"0.00139"}"#;
    assert_eq!(
        running.send(post(&format!("/v1/permits/{id}/settle"), settled)).await.status,
        StatusCode::OK
    );
    assert!((dialed(&running).await - 0.1).abs() < 1e-9, "hardly any money is left");
    // 110 are left today, more than are allowed now: those are lowered, any more are gone.
    for (tokens, told) in [
        (105, "It is lowered for a while: try again in 5 seconds."),
        (118, "Try again in 16 hours."),
    ] {
        let refused = running.send(post("/v1/check", ask(tokens))).await.json();
        let message = refused["message"].as_str().expect("a sentence");
        assert!(message.ends_with(told), "{tokens}: {message}");
    }
}
