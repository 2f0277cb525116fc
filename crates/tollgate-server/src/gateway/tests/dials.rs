//! Limits that follow the money, and how their providers do, in virtual time.

use std::time::Duration;

use http::StatusCode;

use super::{
    CHAT, COMPLETION, Provider, Running,
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
