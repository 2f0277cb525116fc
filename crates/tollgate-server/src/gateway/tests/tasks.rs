//! Limits of time of background tasks: when they are told, and what is cut.

use http::{HeaderValue, StatusCode};

use super::{
    CHAT, COMPLETION, Provider, Running, STREAM, Step, post,
    provider::{chunk, stream_head},
    running::{Answer, up},
};

/// A gateway with one slot, whose tasks have these limits.
async fn running(provider: &Provider, limits: &str) -> Running {
    let tasks = format!("[tasks]\n{limits}\n[identity]\ntrust_headers = true\n");
    let slot = "[[limits]]\nname = \"slots\"\nconcurrency = 1\n";
    Running::with(&format!("{}{tasks}{slot}", up(&provider.base_url()))).await
}

async fn ask(running: &Running, body: &str, task: Option<&'static str>) -> Answer {
    let mut request = post("/up/v1/chat/completions", body.to_owned());
    if let Some(task) = task {
        request.headers_mut().insert("x-tollgate-task", HeaderValue::from_static(task));
    }
    running.send(request).await
}

const BOTH: &str = "soft_time_limit = \"300s\"\nhard_time_limit = \"360s\"";

#[tokio::test]
async fn a_task_is_told_until_when_it_may_run_and_nobody_else_is() {
    let provider = Provider::json(COMPLETION).await;
    let running = running(&provider, BOTH).await;
    let task = ask(&running, CHAT, Some("analysis")).await;
    // It is eight o'clock.
    let soft = task.header("x-tollgate-soft-deadline");
    let hard = task.header("x-tollgate-hard-deadline");
    assert_eq!(soft, Some("2026-11-22T08:05:00.000Z"));
    assert_eq!(hard, Some("2026-11-22T08:06:00.000Z"));
    let other = ask(&running, CHAT, None).await;
    assert_eq!(other.status, StatusCode::OK);
    assert_eq!(other.header("x-tollgate-soft-deadline"), None);
}

#[tokio::test]
async fn a_task_whose_model_says_nothing_in_time_is_cut_and_gives_its_slot_back() {
    let provider = Provider::doing(vec![Step::Hang]).await;
    let running = running(&provider, "hard_time_limit = \"20ms\"").await;
    for _ in 0..2 {
        let cut = ask(&running, CHAT, Some("analysis")).await;
        assert_eq!(cut.status, StatusCode::GATEWAY_TIMEOUT);
        let json = cut.json();
        let told = "The provider did not answer within the time limit of 0.02 seconds.";
        assert_eq!(json["error"]["message"], told, "{json}");
    }
    assert_eq!(running.app.metrics.concurrent(), 0);
}

#[tokio::test]
async fn a_stream_that_does_not_end_in_time_ends_with_an_error_and_gives_its_slot_back() {
    let event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"first\"}}]}\n\n";
    let steps = vec![Step::Send(stream_head()), Step::Send(chunk(event)), Step::Hang];
    let provider = Provider::doing(steps).await;
    let running =
        running(&provider, "soft_time_limit = \"20ms\"\nhard_time_limit = \"50ms\"").await;
    let cut = ask(&running, STREAM, Some("analysis")).await;
    assert_eq!(cut.status, StatusCode::OK);
    let body = String::from_utf8_lossy(&cut.body).into_owned();
    assert!(body.starts_with(event), "{body}");
    assert!(body.contains("did not answer within the time limit of 0.05 seconds"), "{body}");
    assert!(!body.contains("[DONE]"), "{body}");
    assert_eq!(running.app.metrics.concurrent(), 0);
}
