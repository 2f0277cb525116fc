//! Streams: role, one chunk a token, finish, usage where asked for, terminator.

use serde_json::{Value, json};

use super::{super::SandboxSettings, Answered, ask, chat, chat_with, post, sandbox};

fn streamed(tokens: u32, usage: bool) -> Value {
    let mut body = chat(&[("stream", true.into()), ("max_tokens", tokens.into())]);
    if usage {
        body["stream_options"] = json!({"include_usage": true});
    }
    body
}

async fn plain_sandbox(headers: &[(&str, &str)], body: Value) -> Answered {
    chat_with(&sandbox(SandboxSettings::default()), headers, body).await
}

#[tokio::test]
async fn a_stream_has_the_providers_shape() {
    let answered = plain_sandbox(&[], streamed(2, true)).await;
    assert_eq!(answered.headers["content-type"], "text/event-stream; charset=utf-8");
    assert_eq!(answered.events().last().unwrap(), "[DONE]");
    let chunks = answered.chunks();
    let deltas: Vec<&Value> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
    assert_eq!(*deltas[0], json!({"role": "assistant", "content": "", "refusal": null}));
    assert_eq!(*deltas[1], json!({"content": " the"}));
    assert_eq!(*deltas[2], json!({"content": " sun"}));
    assert_eq!(*deltas[3], json!({}));
    assert_eq!(chunks[3]["choices"][0]["finish_reason"], "length");
    assert!(chunks[..4].iter().all(|chunk| chunk["usage"] == Value::Null));
    assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk"));
    assert_eq!(chunks[4]["choices"], json!([]));
    assert_eq!(chunks[4]["usage"]["completion_tokens"], 2);
    assert_eq!(chunks.len(), 5);
}

#[tokio::test]
async fn usage_is_told_only_where_it_is_asked_for() {
    let chunks = plain_sandbox(&[], streamed(2, false)).await.chunks();
    assert_eq!(chunks.len(), 4);
    assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));
    let chunks = plain_sandbox(&[("x-sandbox-usage", "none")], streamed(2, true)).await.chunks();
    assert_eq!(chunks.len(), 4);
}

#[tokio::test]
async fn every_choice_of_a_stream_is_whole() {
    let mut body = streamed(3, true);
    body["n"] = 2.into();
    let chunks = plain_sandbox(&[], body).await.chunks();
    let indices: Vec<i64> =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["index"].as_i64()).collect();
    assert_eq!(indices, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
    assert_eq!(chunks[10]["usage"]["completion_tokens"], 6);
}

#[tokio::test]
async fn legacy_completions_stream_text() {
    let body = json!({"model": "m", "prompt": "say", "stream": true, "max_tokens": 2});
    let sandbox = sandbox(SandboxSettings::default());
    let answered = ask(&sandbox, post("/v1/completions", &[], body.to_string())).await;
    let texts: Vec<Value> =
        answered.chunks().iter().map(|chunk| chunk["choices"][0]["text"].clone()).collect();
    assert_eq!(texts, [json!(" the"), json!(" sun"), json!("")]);
    assert_eq!(answered.events().last().unwrap(), "[DONE]");
}

#[tokio::test]
async fn without_a_pace_many_tokens_come_in_few_frames() {
    let answered = plain_sandbox(&[("x-sandbox-output-tokens", "500")], streamed(500, true)).await;
    assert_eq!(answered.chunks().len(), 503);
    assert!(answered.frames.len() < 10, "{} frames", answered.frames.len());
}

#[tokio::test(start_paused = true)]
async fn with_a_pace_every_token_has_its_instant() {
    let headers = [
        ("x-sandbox-latency-ms", "1000"),
        ("x-sandbox-first-token-ms", "500"),
        ("x-sandbox-tokens-per-second", "10"),
    ];
    let answered = plain_sandbox(&headers, streamed(4, true)).await;
    let instants: Vec<u128> = answered.frames.iter().map(|(at, _)| at.as_millis()).collect();
    // The role at once, then a token each, and all that ends it right after the last one.
    assert_eq!(instants[..4], [1000, 1500, 1600, 1700]);
    assert!(instants[4..].iter().all(|at| *at == 1800), "{instants:?}");
    assert_eq!(answered.events().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_first_token_can_be_late_without_a_pace() {
    let answered = plain_sandbox(&[("x-sandbox-first-token-ms", "500")], streamed(4, false)).await;
    let instants: Vec<u128> = answered.frames.iter().map(|(at, _)| at.as_millis()).collect();
    assert_eq!(instants, [0, 500]);
}
