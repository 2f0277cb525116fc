//! An application of the operator's behind the gateway: everything passes, and it says
//! itself what it cost.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::Notify;

use super::{
    Provider, Running, Step, post,
    provider::{chunk, end},
};

fn app(provider: &Provider, rest: &str) -> String {
    let address = provider.address;
    format!(
        "[providers.app]\ndialect = \"http\"\nbase_url = \"http://{address}\"\nmount = \"/\"\n{rest}"
    )
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::builder().method(Method::GET).uri(path).body(Full::default()).expect("a request")
}

#[tokio::test]
async fn an_application_at_the_root_gets_every_path_that_is_not_taken() {
    let provider = Provider::answering("HTTP/1.1 200 OK\r\nx-own: 1", "hello").await;
    let running = Running::with(&app(&provider, "")).await;
    for (path, sent) in [("/", "/"), ("/a/b?c=d", "/a/b?c=d"), ("/app/x", "/x"), ("/v10", "/v10")] {
        let answer = running.send(get(path)).await;
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"hello"[..]));
        assert_eq!(answer.header("x-own"), Some("1"));
        let request = provider.request().await;
        assert!(request.starts_with(&format!("GET {sent} HTTP/1.1")), "{path}: {request}");
    }
    assert_eq!(running.send(get("/livez")).await.status, StatusCode::OK);
    assert_eq!(running.send(get("/v1/nothing")).await.status, StatusCode::NOT_FOUND);
    assert!(provider.is_idle().await, "Tollgate's own paths stay its own");
}

#[tokio::test]
async fn what_it_says_it_cost_is_charged_and_not_passed_on() {
    let head = "HTTP/1.1 200 OK\r\nx-tollgate-cost-usd: 0.0025";
    let provider = Provider::answering(head, "hello").await;
    let running = Running::with(&app(&provider, "")).await;
    let answer = running.send(get("/")).await;
    assert_eq!(answer.header("x-tollgate-cost-usd"), None);
    assert_eq!(running.used().2, 2_500_000);
    for bad in ["-1", "1e3", "$5", "0.0000000001", "NaN", "99999999999999999999"] {
        let head = format!("HTTP/1.1 200 OK\r\nx-tollgate-cost-usd: {bad}");
        let provider = Provider::answering(&head, "hello").await;
        let running = Running::with(&app(&provider, "")).await;
        assert_eq!(running.send(get("/")).await.status, StatusCode::OK);
        assert_eq!(running.used().2, 0, "{bad}");
    }
}

#[tokio::test]
async fn a_refusal_is_problem_details() {
    let provider = Provider::answering("HTTP/1.1 200 OK", "hello").await;
    let limit = "[[limits]]\nname = \"uploads\"\nwhen = { route = \"/api/*\", method = \"POST\" }\nrequests = \"1/minute\"\n";
    let running = Running::with(&app(&provider, limit)).await;
    assert_eq!(running.send(post("/api/upload", "x")).await.status, StatusCode::OK);
    assert_eq!(running.send(get("/api/upload")).await.status, StatusCode::OK);
    running.advance(Duration::from_millis(500));
    let refused = running.send(post("/api/upload", "x")).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert_eq!(refused.header("retry-after"), Some("60"));
    assert_eq!(refused.header("retry-after-ms"), Some("59500"));
    assert_eq!(
        refused.json(),
        serde_json::json!({
            "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
            "title": "Too Many Requests",
            "status": 429,
            "detail": "Rate limit exceeded: 1 requests per minute",
            "error": "too_many_requests",
            "message": "Rate limit exceeded: 1 requests per minute. Try again in 60 seconds.",
            "limit": "uploads",
            "retry_after": 60,
            "retry_at": "2026-11-22T08:01:00.000Z",
            "violated-policies": ["uploads"],
        })
    );
}

#[tokio::test]
async fn a_full_house_of_sessions_says_how_full() {
    let provider = Provider::answering("HTTP/1.1 200 OK", "hello").await;
    let policy = "[identity]\ntrust_headers = true\n[[limits]]\nname = \"seats\"\nsessions = { max = 2, idle = \"30m\" }\nretry_after = \"120s\"\n";
    let running = Running::with(&app(&provider, policy)).await;
    let as_session = |session: &str| {
        let mut request = get("/");
        request.headers_mut().insert("x-tollgate-session", session.parse().expect("a value"));
        request
    };
    for session in ["a", "b", "a"] {
        assert_eq!(running.send(as_session(session)).await.status, StatusCode::OK);
    }
    let refused = running.send(as_session("c")).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.header("retry-after"), Some("120"));
    let json = refused.json();
    for (member, value) in [
        ("success", serde_json::json!(false)),
        ("error", "server_busy".into()),
        (
            "message",
            "Server is currently at capacity (2/2 users). Please wait 2-3 minutes and try again."
                .into(),
        ),
        ("active_sessions", 2.into()),
        ("max_sessions", 2.into()),
        ("retry_after", 120.into()),
    ] {
        assert_eq!(json[member], value, "{member}");
    }
}

#[tokio::test]
async fn pieces_pass_as_they_come() {
    let go = Arc::new(Notify::new());
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    let steps = vec![
        Step::Send(head.to_vec()),
        Step::Send(chunk("first")),
        Step::Wait(Arc::clone(&go)),
        Step::Send(chunk("second")),
        Step::Send(end()),
    ];
    let provider = Provider::doing(steps).await;
    let running = Running::with(&app(&provider, "")).await;
    let mut answer = running.begin(get("/")).await;
    let first = answer.body_mut().frame().await.expect("a frame").expect("no error");
    assert_eq!(first.data_ref().expect("data"), "first", "before there is a second");
    go.notify_one();
    assert_eq!(answer.into_body().collect().await.expect("the rest").to_bytes(), "second");
}

/// A policy whose only route has these limits of time, and one slot.
fn timed(provider: &Provider, limits: &str) -> String {
    let routes = format!("routes = [{{ path = \"/*\", task = \"analysis\", {limits} }}]\n");
    app(provider, &format!("{routes}[[limits]]\nname = \"slots\"\nconcurrency = 1\n"))
}

#[tokio::test]
async fn a_task_is_told_when_it_should_end_and_when_it_is_cut() {
    let provider = Provider::answering("HTTP/1.1 200 OK", "done").await;
    let policy = timed(&provider, "soft_time_limit = \"300s\", hard_time_limit = \"360s\"");
    let running = Running::with(&policy).await;
    let mut request = get("/report");
    // Nobody makes up limits for the application.
    request.headers_mut().insert("x-tollgate-hard-time-limit", "9999".parse().expect("a value"));
    assert_eq!(running.send(request).await.status, StatusCode::OK);
    let sent = provider.request().await;
    assert!(sent.contains("x-tollgate-soft-time-limit: 300\r\n"), "{sent}");
    assert!(sent.contains("x-tollgate-hard-time-limit: 360\r\n"), "{sent}");
    assert!(!sent.contains("9999"), "{sent}");
}

#[tokio::test]
async fn a_task_that_does_not_answer_in_time_is_cut_and_its_permit_released() {
    let provider = Provider::doing(vec![Step::Hang]).await;
    let policy = timed(&provider, "soft_time_limit = \"5ms\", hard_time_limit = \"20ms\"");
    let running = Running::with(&policy).await;
    for _ in 0..2 {
        let cut = running.send(get("/report")).await;
        assert_eq!(cut.status, StatusCode::GATEWAY_TIMEOUT);
        let json = cut.json();
        assert_eq!(json["error"], "gateway_timeout");
        let told =
            "The application did not answer in time: the time limit of 0.02 seconds is over.";
        assert_eq!(json["message"], told);
    }
    assert_eq!(running.app.metrics.concurrent(), 0);
}

#[tokio::test]
async fn an_answer_that_does_not_end_in_time_breaks_and_its_permit_is_released() {
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    let steps = vec![Step::Send(head.to_vec()), Step::Send(chunk("first")), Step::Hang];
    let provider = Provider::doing(steps).await;
    let running = Running::with(&timed(&provider, "hard_time_limit = \"50ms\"")).await;
    let answer = running.begin(get("/report")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.into_body().collect().await.is_err(), "it is no whole answer");
    assert_eq!(running.app.metrics.concurrent(), 0);
}
