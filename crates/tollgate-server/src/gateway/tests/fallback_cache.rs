//! A kept answer where no model can give one: whose it is, what it says, and what it counts as.

use std::time::Duration;

use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;

use super::{
    COMPLETION, Running,
    fallback::{NAMED, NAMED_STREAM, Up, failing, ok, told},
    post,
    provider::{chunk, end, response, stream_head},
    running::{Answer, up},
};
use crate::cache::Selector;

/// What is kept is fresh for a minute, and there for an hour more.
const CACHE: &str = "[cache]\nenabled = true\nqueries = \"1m\"\nstale = \"1h\"\n[identity]\ntrust_headers = true\n[models.smart]\nmodels = [\"up/m\"]\nfallback = \"cache\"\n";

/// What [`COMPLETION`] used.
const ONCE: (u64, u64, u64) = (7, 5, 17_000);

async fn before(provider: &Up, more: &str) -> Running {
    Running::with(&format!("{}{CACHE}{more}", up(&provider.url()))).await
}

/// One that has given an answer, which is stale by now, and fails from now on.
async fn gone_stale(provider: &Up, more: &str) -> Running {
    let running = before(provider, more).await;
    assert_eq!(running.chat(NAMED).await.header("x-tollgate-cache"), Some("miss"));
    running.advance(Duration::from_secs(90));
    provider.answer(failing("500 Internal Server Error"));
    running
}

fn named(headers: &[(&'static str, &'static str)]) -> Request<Full<bytes::Bytes>> {
    let mut request = post("/up/v1/chat/completions", NAMED);
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_static(value));
    }
    request
}

#[track_caller]
fn assert_instead(answer: &Answer, why: &str) {
    assert_eq!(told(answer), format!("200 cache {why}"), "{:?}", answer.body);
    assert_eq!(answer.body, COMPLETION.as_bytes());
    assert_eq!(answer.header("x-tollgate-cache"), Some("fallback"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-tollgate-decision"), Some("admit"));
    assert_eq!(answer.header("retry-after"), None);
    assert!(answer.header("x-tollgate-request-id").is_some());
}

#[tokio::test]
async fn a_stale_answer_stands_in_for_a_model_that_fails_and_counts_as_a_request() {
    let provider = Up::answering(&[ok()]).await;
    let limit = "[[limits]]\nname = \"all-hour\"\nrequests = \"8/hour\"\n";
    let running = gone_stale(&provider, limit).await;
    for nth in 0..7 {
        let answer = running.chat(NAMED).await;
        // Five in a row, and it is spared.
        assert_instead(&answer, if nth < 5 { "up/m=500" } else { "up/m=circuit" });
        assert_eq!(answer.header("age"), Some("90"));
        let left = format!("\"all-hour\";r={}", 6 - nth);
        assert!(answer.header("ratelimit").is_some_and(|told| told.contains(&left)), "{left}");
    }
    assert_eq!(running.used(), ONCE, "it costs nothing");
    let refused = running.chat(NAMED).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "it would be one too many");
    assert_eq!(refused.json()["error"]["code"], "circuit_open");
    assert_eq!(provider.got(), 6);
    let totals = running.app.cache.tally.totals();
    assert_eq!((totals.fallback, totals.hits, totals.misses), (7, 0, 9));
    let text = String::from_utf8(running.look("/metrics").await.body.to_vec()).unwrap();
    assert!(text.contains("tollgate_cache_total{outcome=\"fallback\"} 7"), "{text}");
    let admitted = "tollgate_decisions_total{decision=\"admitted\",limit=\"\"} 8";
    assert!(text.contains(admitted), "{text}");
}

#[tokio::test]
async fn it_says_nothing_of_what_its_model_would_have_read() {
    const OPEN: &str = r#"{"model":"smart","input":[{"role":"user","content":[{"type":"input_file","file_url":"https://files.example/1"}]}],"max_output_tokens":100}"#;
    const ANSWER: &str =
        r#"{"output":[],"usage":{"input_tokens":7,"output_tokens":5,"total_tokens":12}}"#;
    // One that fails, and one that a limit is in the way of.
    for (made, why) in [("1000", "500"), ("104", "limit")] {
        let answer = response("HTTP/1.1 200 OK\r\ncontent-type: application/json", ANSWER);
        let provider = Up::answering(&[answer]).await;
        let limit = format!(
            "[[limits]]\nname = \"spend\"\nusd = \"1/day\"\n[[limits]]\nname = \"made\"\noutput_tokens = \"{made}/day\"\n"
        );
        let running = before(&provider, &limit).await;
        let ask = || running.send(post("/up/v1/responses", OPEN));
        let first = ask().await;
        assert_eq!(first.header("x-tollgate-cache"), Some("miss"), "{:?}", first.body);
        assert!(first.header("x-tollgate-open-input").is_some());
        running.advance(Duration::from_secs(90));
        provider.answer(failing("500 Internal Server Error"));
        let kept = ask().await;
        assert_eq!(told(&kept), format!("200 cache up/m={why}"), "{:?}", kept.body);
        assert_eq!(kept.header("x-tollgate-open-input"), None, "{why}");
    }
}

#[tokio::test]
async fn a_fresh_answer_takes_its_place_again_when_the_model_is_well() {
    let provider = Up::answering(&[ok()]).await;
    let running = gone_stale(&provider, "").await;
    assert_instead(&running.chat(NAMED).await, "up/m=500");
    provider.answer(ok());
    assert_eq!(running.chat(NAMED).await.header("x-tollgate-cache"), Some("miss"));
    assert_eq!(running.chat(NAMED).await.header("x-tollgate-cache"), Some("hit"));
}

#[tokio::test]
async fn whom_a_budget_refuses_gets_what_is_kept() {
    let provider = Up::answering(&[ok()]).await;
    let limit = "[[limits]]\nname = \"spend\"\nusd = \"0.00022/day\"\n";
    let running = gone_stale(&provider, limit).await;
    assert_instead(&running.chat(NAMED).await, "up/m=limit");
    assert_eq!((provider.got(), running.used()), (1, ONCE));
    let other = NAMED.replace("hi", "ho");
    assert_eq!(running.chat(&other).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn whom_a_limit_on_requests_refuses_is_refused() {
    let provider = Up::answering(&[ok()]).await;
    let limit = "[[limits]]\nname = \"hourly\"\nrequests = \"1/hour\"\n";
    let running = gone_stale(&provider, limit).await;
    let refused = running.chat(NAMED).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("x-tollgate-limit"), Some("hourly"));
}

#[tokio::test]
async fn nobody_there_and_one_that_breaks_are_stood_in_for() {
    let provider = Up::answering(&[ok()]).await;
    let limit = "[[limits]]\nname = \"all-hour\"\nrequests = \"3/hour\"\n";
    let running = gone_stale(&provider, limit).await;
    provider.answer(b"nonsense\r\n\r\n".to_vec());
    let answer = running.chat(NAMED).await;
    assert_eq!(answer.header("x-tollgate-cache"), Some("fallback"), "{:?}", answer.body);
    let charged = running.used();
    assert_eq!(charged.1, 5 + 100, "nobody knows what the provider made: it is charged, once");
    provider.end().await;
    assert_instead(&running.chat(NAMED).await, "up/m=unreachable");
    assert_eq!(running.used(), charged);
    assert_ne!(running.chat(NAMED).await.status, StatusCode::OK, "each was one request");
}

#[tokio::test]
async fn it_is_nobody_elses_and_not_for_who_wants_a_new_one() {
    let provider = Up::answering(&[ok()]).await;
    let running = gone_stale(&provider, "").await;
    for headers in [
        [("x-tollgate-user", "alice")],
        [("authorization", "Bearer sk-1")],
        [("cache-control", "no-cache")],
        [("cache-control", "no-store")],
    ] {
        let refused = running.send(named(&headers)).await;
        assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR, "{headers:?}");
        assert_eq!(refused.body, "{}", "the provider's own");
    }
    assert_instead(&running.chat(NAMED).await, "up/m=500");
    running.app.cache.clear(&Selector::default()).await.expect("there is no file");
    assert_ne!(running.chat(NAMED).await.status, StatusCode::OK, "what was cleared is gone");
}

#[tokio::test]
async fn it_is_there_for_as_long_as_the_policy_says_and_no_longer() {
    let provider = Up::answering(&[ok()]).await;
    let running = gone_stale(&provider, "").await;
    running.advance(Duration::from_secs(60 + 3_600 - 90 - 1));
    assert_instead(&running.chat(NAMED).await, "up/m=500");
    running.advance(Duration::from_secs(1));
    assert_eq!(running.chat(NAMED).await.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn what_is_wrong_with_the_request_itself_is_told() {
    let provider = Up::answering(&[ok()]).await;
    let running = gone_stale(&provider, "").await;
    provider.answer(failing("400 Bad Request"));
    assert_eq!(running.chat(NAMED).await.status, StatusCode::BAD_REQUEST);
    provider.answer(failing("401 Unauthorized"));
    assert_eq!(running.chat(NAMED).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn names_that_do_not_fall_back_on_the_cache_fail() {
    let provider = Up::answering(&[ok()]).await;
    let other = "[models.other]\nmodels = [\"up/m\"]\n";
    let running = before(&provider, other).await;
    let asks = [NAMED.replace("smart", "other"), NAMED.replace("smart", "m")];
    for ask in &asks {
        assert_eq!(running.chat(ask).await.header("x-tollgate-cache"), Some("miss"));
    }
    running.advance(Duration::from_secs(90));
    provider.answer(failing("500 Internal Server Error"));
    for ask in &asks {
        assert_eq!(running.chat(ask).await.status, StatusCode::INTERNAL_SERVER_ERROR, "{ask}");
    }
}

#[tokio::test]
async fn a_stream_comes_again_as_a_stream() {
    let event =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"abc\"}}],\"usage\":null}\n\n";
    let events = [event, "data: [DONE]\n\n"].concat();
    let provider = Up::answering(&[[stream_head(), chunk(&events), end()].concat()]).await;
    let running = before(&provider, "").await;
    assert_eq!(running.chat(NAMED_STREAM).await.body, events.as_bytes());
    running.advance(Duration::from_secs(90));
    provider.answer(failing("500 Internal Server Error"));
    let again = running.chat(NAMED_STREAM).await;
    assert_eq!(told(&again), "200 cache up/m=500");
    assert_eq!(again.header("content-type"), Some("text/event-stream"));
    assert_eq!(again.body, events.as_bytes());
}
