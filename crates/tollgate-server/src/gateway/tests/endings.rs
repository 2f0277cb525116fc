//! However a request ends, its slot is free at once and what it may have cost is charged.
//!
//! Every gateway here has one slot, so the next request passes only if it is free.

use std::sync::Arc;

use http::StatusCode;
use http_body_util::BodyExt as _;
use tokio::sync::Notify;

use super::{
    CHAT, CHAT_INPUT_BOUND, COMPLETION, Provider, Running, STREAM, Step, post,
    provider::{chunk, end, response, stream_head},
    running::up,
};

use crate::net::nobody::Nobody;

const ONE_SLOT: &str = "[[limits]]\nname = \"slots\"\nconcurrency = 1\n";
const EVENT: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"abc\"}}],\"usage\":null}\n\n";
const DONE: &str = "data: [DONE]\n\n";

/// What [`CHAT`] and [`STREAM`] reserve.
const RESERVED: (u64, u64, u64) = (CHAT_INPUT_BOUND, 100, CHAT_INPUT_BOUND * 1_000 + 200_000);

async fn before(provider: &Provider) -> Running {
    Running::with(&format!("{}{ONE_SLOT}", up(&provider.base_url()))).await
}

/// Nothing is admitted but by the one slot; a malformed path of a provider tells whether it
/// is free without leaving anything behind.
async fn assert_free(running: &Running) {
    let answer = running.send(post("/sandbox/v1/chat/completions", CHAT)).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
}

#[tokio::test]
async fn a_whole_answer_frees_its_slot_before_its_last_byte() {
    let plain = Provider::json(COMPLETION).await;
    let running = before(&plain).await;
    for _ in 0..3 {
        assert_eq!(running.chat(CHAT).await.status, StatusCode::OK);
    }
    let stream = Provider::events(&[EVENT, DONE].concat()).await;
    let running = before(&stream).await;
    for _ in 0..3 {
        assert_eq!(running.chat(STREAM).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_stream_is_over_for_its_limits_when_it_says_so() {
    let go = Arc::new(Notify::new());
    let steps = vec![
        Step::Send(stream_head()),
        Step::Send(chunk(&[EVENT, DONE].concat())),
        Step::Wait(Arc::clone(&go)),
        Step::Send(end()),
    ];
    let provider = Provider::doing(steps).await;
    let running = before(&provider).await;
    let mut answer = running.begin(post("/up/v1/chat/completions", STREAM)).await;
    let mut seen = Vec::new();
    while !seen.ends_with(DONE.as_bytes()) {
        let frame = answer.body_mut().frame().await.expect("a frame").expect("no error");
        seen.extend_from_slice(frame.data_ref().expect("data"));
    }
    assert_free(&running).await;
    go.notify_one();
}

#[tokio::test]
async fn a_caller_that_leaves_a_stream_pays_for_what_came() {
    let steps = vec![Step::Send(stream_head()), Step::Send(chunk(EVENT)), Step::Hang];
    let provider = Provider::doing(steps).await;
    let running = before(&provider).await;
    let mut answer = running.begin(post("/up/v1/chat/completions", STREAM)).await;
    let first = answer.body_mut().frame().await.expect("a frame").expect("no error");
    assert_eq!(first.data_ref().expect("data"), EVENT);
    drop(answer);
    provider.closed().await;
    let (input, output, _) = running.used();
    assert!(input > 0 && input < CHAT_INPUT_BOUND && output == 1, "{input} {output}");
    assert_free(&running).await;
}

#[tokio::test]
async fn a_caller_that_leaves_before_the_answer_pays_for_all_that_was_reserved() {
    let provider = Provider::doing(vec![Step::Hang]).await;
    let running = before(&provider).await;
    tokio::select! {
        _ = running.begin(post("/up/v1/chat/completions", CHAT)) => panic!("no answer was due"),
        _ = provider.request() => {}
    }
    provider.closed().await;
    assert_eq!(running.used(), RESERVED);
    assert_free(&running).await;
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_costs_nothing() {
    let nobody = Nobody::listens();
    let at = format!("http://{}/v1", nobody.address);
    let running = Running::with(&format!("{}{ONE_SLOT}", up(&at))).await;
    let answer = running.chat(CHAT).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    let json = answer.json();
    assert_eq!(json["error"]["code"], "bad_gateway");
    assert_eq!(json["error"]["message"], "The provider cannot be reached.");
    assert!(answer.header("x-tollgate-request-id").is_some());
    assert_eq!(running.used(), (0, 0, 0));
    assert_free(&running).await;
}

#[tokio::test]
async fn a_provider_that_is_silent_is_given_up_and_may_have_worked() {
    let provider = Provider::doing(vec![Step::Hang]).await;
    let quick = up(&provider.base_url()).replace("5s", "20ms");
    let running = Running::with(&format!("{quick}{ONE_SLOT}")).await;
    let answer = running.chat(CHAT).await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(answer.json()["error"]["code"], "gateway_timeout");
    assert_eq!(running.used(), RESERVED);
    assert_free(&running).await;
}

#[tokio::test]
async fn a_provider_that_hangs_up_is_told_of() {
    for steps in [vec![], vec![Step::Send(b"not HTTP at all\r\n\r\n".to_vec())]] {
        let provider = Provider::doing(steps).await;
        let running = before(&provider).await;
        let answer = running.chat(CHAT).await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
        assert_eq!(running.used(), RESERVED);
        assert_free(&running).await;
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_ends_with_an_error_that_clients_raise() {
    let cut = vec![Step::Send(stream_head()), Step::Send(chunk(EVENT))];
    let stalled = [cut.clone(), vec![Step::Hang]].concat();
    for (steps, code) in [(cut, "bad_gateway"), (stalled, "gateway_timeout")] {
        let provider = Provider::doing(steps).await;
        let quick = up(&provider.base_url()).replace("5s", "50ms");
        let running = Running::with(&format!("{quick}{ONE_SLOT}")).await;
        let answer = running.chat(STREAM).await;
        let body = std::str::from_utf8(&answer.body).expect("text");
        let last = body.strip_prefix(EVENT).expect("what came before");
        let error: serde_json::Value =
            serde_json::from_str(last.strip_prefix("data: ").expect("an event")).expect("JSON");
        assert_eq!(error["error"]["code"], code, "{body}");
        let (input, output, _) = running.used();
        assert!(input > 0 && output == 1, "{input} {output}");
        assert_free(&running).await;
    }
}

#[tokio::test]
async fn a_plain_answer_that_is_cut_breaks_and_is_charged_whole() {
    let half = response("HTTP/1.1 200 OK\r\ncontent-type: application/json", COMPLETION);
    let half = half[..half.len() - 60].to_vec();
    let provider = Provider::doing(vec![Step::Send(half)]).await;
    let running = before(&provider).await;
    let answer = running.begin(post("/up/v1/chat/completions", CHAT)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.into_body().collect().await.is_err(), "half an answer is no answer");
    assert_eq!(running.used(), RESERVED);
    assert_free(&running).await;
}

#[tokio::test]
async fn a_stream_that_just_stops_passes_as_it_came() {
    let provider = Provider::events(EVENT).await;
    let running = before(&provider).await;
    let answer = running.chat(STREAM).await;
    assert_eq!(&answer.body[..], EVENT.as_bytes());
    assert_free(&running).await;
}

#[tokio::test]
async fn a_shutdown_lets_a_stream_finish() {
    let go = Arc::new(Notify::new());
    let steps = vec![
        Step::Send(stream_head()),
        Step::Send(chunk(EVENT)),
        Step::Wait(Arc::clone(&go)),
        Step::Send(chunk(DONE)),
        Step::Send(end()),
    ];
    let provider = Provider::doing(steps).await;
    let running = before(&provider).await;
    let mut answer = running.begin(post("/up/v1/chat/completions", STREAM)).await;
    answer.body_mut().frame().await.expect("a frame").expect("no error");
    let (app, address) = (Arc::clone(&running.app), running.address);
    let stopped = running.stop();
    // It listens no more: that is how its end is known to have begun.
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(app.stage(), crate::app::Stage::Draining);
    go.notify_one();
    let rest = answer.into_body().collect().await.expect("the rest").to_bytes();
    assert_eq!(rest, DONE);
    assert_eq!(stopped.await.expect("an end").cut, 0);
    assert_eq!(app.metrics.concurrent(), 0);
}
