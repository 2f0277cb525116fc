//! The `pipeline` preset: buckets of several services, who goes first, and what stands in.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use tokio::sync::Semaphore;

use super::{CHAT, COMPLETION, Provider, Running, Step, post, provider::response, running::Answer};
use crate::dials::look;

/// What Deepgram tells of two seconds of audio.
const TRANSCRIPT: &str = r#"{"metadata":{"duration":2.0,"channels":1},"results":{"channels":[]}}"#;

/// Between two requests to a service, so that they are not too close to each other.
const APART: Duration = Duration::from_millis(100);

/// A profile of the preset before services that are all this provider.
async fn running(provider: &Provider, profile: &str, overlay: &str) -> Running {
    let services = ["anthropic", "deepgram", "gemini", "local", "openai"];
    let places = services
        .map(|name| format!("[providers.{name}]\nbase_url = \"{}\"\n", provider.base_url()));
    let overlay = format!("{}{overlay}", places.concat());
    Running::preset_in("pipeline", &overlay, &[("MONTAGE_ENV", profile)]).await
}

fn with(
    mut request: Request<Full<Bytes>>,
    headers: &[(&'static str, &str)],
) -> Request<Full<Bytes>> {
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_str(value).expect("a value"));
    }
    request
}

/// Some audio.
fn audio() -> Request<Full<Bytes>> {
    let mut request = post("/deepgram/v1/listen?model=nova-3", vec![0; 1_000]);
    request.headers_mut().insert("content-type", HeaderValue::from_static("audio/mpeg"));
    request
}

const WHO: (&str, &str) = ("x-tollgate-user", "worker");
const AT_ONCE: (&str, &str) = ("x-tollgate-deadline-ms", "0");

async fn transcribe(running: &Running) -> Answer {
    let answer = running.send(with(audio(), &[WHO, AT_ONCE])).await;
    running.advance(APART);
    answer
}

#[tokio::test]
async fn deepgram_has_two_tokens_in_production_and_the_third_is_promised_when_it_is_there() {
    let provider = Provider::json(TRANSCRIPT).await;
    let running = running(&provider, "production", "").await;
    for _ in 0..2 {
        let answer = transcribe(&running).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    }
    let refused = transcribe(&running).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{:?}", refused.body);
    assert_eq!(refused.header("x-tollgate-limit"), Some("deepgram-requests"));
    // One comes every two seconds, and the first was taken 200 ms ago.
    assert_eq!(refused.header("retry-after-ms"), Some("1800"));
    running.advance(Duration::from_millis(1_699));
    assert_eq!(transcribe(&running).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(transcribe(&running).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_bucket_holds_its_tokens_and_its_burst() {
    // How many it holds, and in how many hundreds of requests' time so many come back.
    for (profile, holds, back) in
        [("development", 15, 20), ("testing", 2, 10), ("staging", 7, 10), ("production", 2, 5)]
    {
        let provider = Provider::json(TRANSCRIPT).await;
        let running = running(&provider, profile, "").await;
        let mut passed = 0;
        while transcribe(&running).await.status == StatusCode::OK {
            passed += 1;
        }
        assert_eq!(passed - passed * back / 100, holds, "{profile}: {passed}");
    }
}

#[tokio::test]
async fn services_of_which_nothing_is_said_have_a_bucket_each() {
    let provider = Provider::json(COMPLETION).await;
    let other = "[providers.other]\ndialect = \"openai\"\nbase_url = \"http://127.0.0.1:9/v1\"\n"
        .replace("http://127.0.0.1:9/v1", &provider.base_url());
    let running = running(&provider, "testing", &other).await;
    let ask = async |service: &str| {
        let path = format!("/{service}/v1/chat/completions");
        running.send(with(post(&path, CHAT), &[AT_ONCE, ("x-tollgate-cache", "off")])).await
    };
    for service in ["other", "local"] {
        for status in [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
            let answer = ask(service).await;
            assert_eq!(answer.status, status, "{service}: {:?}", answer.body);
        }
        assert_eq!(ask(service).await.header("x-tollgate-limit"), Some("other-requests"));
    }
}

#[tokio::test]
async fn the_urgent_go_first_and_may_shout() {
    let gate = Arc::new(Semaphore::new(0));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json";
    let steps = vec![Step::Hold(Arc::clone(&gate)), Step::Send(response(head, COMPLETION))];
    let provider = Provider::doing(steps).await;
    let slot = "[[limits]]\nname = \"openai-requests\"\nconcurrency = 1\n";
    let running = running(&provider, "development", slot).await;
    let mut answers = vec![];
    let mut begin = |word: &str, priority: &str| {
        let body = CHAT.replace("hi", word);
        let headers = [("x-tollgate-priority", priority)];
        let request = with(post("/openai/v1/chat/completions", body), &headers);
        answers.push(tokio::spawn(running.sending(request)));
    };
    begin("first", "NORMAL");
    assert!(provider.request().await.contains("first"));
    for (nth, priority) in ["LOW", "NORMAL", "CRITICAL", "HIGH"].into_iter().enumerate() {
        begin(priority, priority);
        while running.app.metrics.queued() != nth as u64 + 1 {
            tokio::task::yield_now().await;
        }
    }
    for next in ["CRITICAL", "HIGH", "NORMAL", "LOW"] {
        running.advance(APART);
        gate.add_permits(1);
        let came = provider.request().await;
        assert!(came.contains(&format!("\"{next}\"")), "{next} is next, not {came}");
    }
    gate.add_permits(1);
    for answer in answers {
        assert_eq!(answer.await.expect("an answer").status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_service_costs_no_more_a_minute_than_its_profile_says() {
    let provider = Provider::json(COMPLETION).await;
    let dear = "[prices.models.dear]\ninput = \"0\"\noutput = \"2000\"\n";
    let running = running(&provider, "testing", dear).await;
    // Five tokens are used of twenty that are held: a cent of four.
    let body = CHAT.replace("\"m\"", "\"dear\"").replace("100", "20");
    let ask = async || {
        let headers = [AT_ONCE, ("x-tollgate-cache", "off")];
        let answer =
            running.send(with(post("/openai/v1/chat/completions", body.clone()), &headers));
        let answer = answer.await;
        running.advance(Duration::from_secs(1));
        answer
    };
    for nth in 0..2 {
        let answer = ask().await;
        assert_eq!(answer.status, StatusCode::OK, "{nth}: {:?}", answer.body);
    }
    let refused = ask().await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{:?}", refused.body);
    assert_eq!(refused.header("x-tollgate-limit"), Some("openai-spend"));
    running.advance(Duration::from_secs(60));
    assert_eq!(ask().await.status, StatusCode::OK, "the first was a minute ago");
}

#[tokio::test]
async fn what_is_unknown_costs_a_cent_and_what_fails_costs_nothing() {
    let provider = Provider::json(COMPLETION).await;
    let running = running(&provider, "development", "").await;
    let unknown = CHAT.replace("\"m\"", "\"nobody-knows\"");
    let answer = running.send(post("/openai/v1/chat/completions", unknown.clone())).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    assert_eq!(running.used(), (7, 5, 10_000_000));
    // A transcription by such a model too; and what has a price has no cent beside it.
    running.advance(APART);
    let mut audio = audio();
    *audio.uri_mut() = "/deepgram/v1/listen?model=nobody-knows".parse().expect("a path");
    let answer = running.send(audio).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    assert_eq!(running.used().2, 20_000_000);
    running.advance(APART);
    let known = CHAT.replace("\"m\"", "\"llama3.2\"");
    assert_eq!(
        running.send(post("/local/v1/chat/completions", known)).await.status,
        StatusCode::OK
    );
    assert_eq!(running.used().2, 20_000_000);
}

#[tokio::test]
async fn limits_tighten_with_the_money_that_is_gone_and_with_calls_that_fail() {
    let provider = Provider::json(COMPLETION).await;
    let dear = "[prices.models.dear]\ninput = \"0\"\noutput = \"200000\"\n";
    let money = format!("{dear}[[limits]]\nname = \"openai-spend\"\nusd = \"50/minute\"\n");
    let running = running(&provider, "development", &money).await;
    let dial = async |name: &str| {
        look(&running.app).await;
        let status = running.look("/status").await.json();
        let limits = status["limits"].as_array().expect("a list").clone();
        let limit = limits.into_iter().find(|limit| limit["name"] == name).expect("it is there");
        limit["dial"].as_f64().expect("it has a dial")
    };
    assert!((dial("gemini-requests").await - 1.0).abs() < 1e-9);
    let body = CHAT.replace("\"m\"", "\"dear\"").replace("100", "20");
    for _ in 0..25 {
        let request =
            with(post("/openai/v1/chat/completions", body.clone()), &[("x-tollgate-cache", "off")]);
        assert_eq!(running.send(request).await.status, StatusCode::OK);
        running.advance(Duration::from_secs(60));
    }
    // Twenty-five dollars of fifty are gone, and two thirds of the day are left.
    for name in ["gemini-requests", "deepgram-spend", "other-requests"] {
        let dial = dial(name).await;
        assert!((0.70..0.80).contains(&dial), "{name}: {dial}");
    }
}
