//! What bears so many answers at once slows down when there are more.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;

use super::{super::SandboxSettings, Answered, chat, chat_with, now, sandbox};

/// How long so many answers at once take, where two are borne.
async fn take(streams: bool, answers: usize) -> Duration {
    let settings = SandboxSettings { tokens_per_second: 10, bears: 2, ..Default::default() };
    let sandbox = sandbox(settings);
    let body = chat(&[("stream", streams.into()), ("max_tokens", Value::from(20))]);
    let began = now().await;
    let all: Vec<Answered> =
        join_all((0..answers).map(|_| chat_with(&sandbox, &[], body.clone()))).await;
    assert!(all.iter().all(|answer| answer.status.is_success()));
    let took = now().await - began;
    assert_eq!(chat_with(&sandbox, &[], body).await.status, 200);
    let one = now().await - began - took;
    assert_eq!(one.as_secs_f64().round(), 2.0, "whoever has ended slows nobody");
    took
}

#[tokio::test(start_paused = true)]
async fn beyond_what_is_borne_all_share_the_pace() {
    for streams in [true, false] {
        let mut seconds = Vec::new();
        for answers in [1, 2, 4] {
            seconds.push(take(streams, answers).await.as_secs_f64().round());
        }
        assert_eq!(seconds, [2.0, 2.0, 4.0], "streams: {streams}");
    }
}
