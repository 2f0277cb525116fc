//! Many requests at once whose worst case does not fit their budget, although they do.

use std::sync::Arc;

use http::StatusCode;
use tokio::sync::Semaphore;

use super::{
    Provider, Running, Step,
    provider::{chunk, end, stream_head},
    running::{Answer, up},
};

/// Bytes of every prompt.
const BYTES: usize = 4_000;
const OUTPUT: u64 = 10;
const BURST: u64 = 20;

/// What one request of so many tokens costs, in nano-dollars.
const fn cost(input: u64) -> u64 {
    input * 1_000 + OUTPUT * 2_000
}

fn prompt() -> String {
    let text = "four ".repeat(BYTES / 5);
    format!(
        r#"{{"model":"m","max_tokens":100,"stream":true,"messages":[{{"role":"user","content":"{text}"}}]}}"#
    )
}

fn answer(input: u64) -> String {
    let event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"abcd\"}}]}\n\n";
    let usage = format!("{{\"prompt_tokens\":{input},\"completion_tokens\":{OUTPUT}}}");
    let usage = format!("data: {{\"choices\":[],\"usage\":{usage}}}\n\n");
    [&event.repeat(OUTPUT as usize), usage.as_str(), "data: [DONE]\n\n"].concat()
}

/// Sends a burst of prompts of so many tokens under a budget, and lets answers come when so
/// many were sent as fit at once.
async fn burst(input: u64, nanos: u64, at_once: u64) -> (Running, Vec<Answer>) {
    let go = Arc::new(Semaphore::new(0));
    let provider = Provider::doing(vec![
        Step::Hold(Arc::clone(&go)),
        Step::Send(stream_head()),
        Step::Send(chunk(&answer(input))),
        Step::Send(end()),
    ])
    .await;
    let limit = format!("[[limits]]\nname = \"spend\"\nusd = \"0.{nanos:09}/total\"\n");
    let running = Running::with(&format!("{}{limit}", up(&provider.base_url()))).await;
    let running = Arc::new(running);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..BURST {
        let running = Arc::clone(&running);
        calls.spawn(async move { running.chat(&prompt()).await });
    }
    while (running.app.gate.waiting() as u64) < BURST - at_once {
        tokio::task::yield_now().await;
    }
    go.add_permits(BURST as usize);
    let answers = calls.join_all().await;
    (Arc::into_inner(running).expect("all have ended"), answers)
}

#[tokio::test]
async fn a_burst_that_fits_its_budget_is_served_whole_by_what_its_first_requests_teach() {
    // Each is taken at first to send four times what it does.
    let (running, answers) = burst(1_000, BURST * cost(1_000) * 110 / 100, 5).await;
    for answer in &answers {
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        assert!(answer.body.ends_with(b"data: [DONE]\n\n"), "it came whole");
    }
    assert_eq!(running.used(), (BURST * 1_000, BURST * OUTPUT, BURST * cost(1_000)));
    assert_eq!(running.app.metrics.totals().overrun_usd.0, 0);
}

#[tokio::test]
async fn a_burst_of_dense_text_is_served_as_far_as_its_budget_goes_and_not_beyond() {
    // Each byte is a token, so what the first ten teach makes nothing smaller.
    let budget = 10 * cost(4_020) + 3_000_000;
    let (running, answers) = burst(4_000, budget, 10).await;
    let served = answers.iter().filter(|answer| answer.status == StatusCode::OK).count();
    assert_eq!(served, 10, "three quarters of another are left");
    let (_, _, spent) = running.used();
    assert!(spent == 10 * cost(4_000) && spent <= budget, "{spent} of {budget}");
    assert_eq!(running.app.metrics.totals().overrun_usd.0, 0);
}
