//! Plain answers have the provider's shapes and the asked token counts.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::{super::SandboxSettings, ask, chat, chat_with, post, sandbox};

#[tokio::test]
async fn a_chat_completion_has_the_providers_shape() {
    let answered =
        chat_with(&sandbox(SandboxSettings::default()), &[], chat(&[("max_tokens", 2.into())]))
            .await;
    assert_eq!(answered.status, StatusCode::OK);
    assert_eq!(answered.headers["content-type"], "application/json");
    assert_eq!(answered.headers["x-sandbox-service-us"], "0");
    assert_eq!(answered.headers["x-request-id"], "req_000000000000000000000000");
    assert!(!answered.headers.contains_key("x-ratelimit-limit-requests"), "it has no limits");
    assert_eq!(
        answered.json(),
        json!({
            "id": "chatcmpl-000000000000000000000000",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": "sandbox-small",
            "system_fingerprint": "fp_sandbox",
            "choices": [{
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": " the sun",
                    "refusal": null,
                    "annotations": [],
                },
                "logprobs": null,
                "finish_reason": "length",
            }],
            "usage": {
                "prompt_tokens": 6,
                "completion_tokens": 2,
                "total_tokens": 8,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {
                    "reasoning_tokens": 0,
                    "audio_tokens": 0,
                    "accepted_prediction_tokens": 0,
                    "rejected_prediction_tokens": 0,
                },
            },
        })
    );
}

#[tokio::test]
async fn token_counts_come_from_headers_then_the_request_then_the_settings() {
    let sandbox = sandbox(SandboxSettings { output_tokens: 40, ..Default::default() });
    let long = [("max_tokens", Value::from(1_000))];
    let newer = [("max_tokens", Value::from(9)), ("max_completion_tokens", Value::from(7))];
    for (headers, body, input, output, finish) in [
        (&[][..], chat(&[]), 6, 40, "stop"),
        (&[], chat(&long), 6, 40, "stop"),
        (&[], chat(&newer), 6, 7, "length"),
        (&[("x-sandbox-input-tokens", "1234")], chat(&long), 1234, 40, "stop"),
        (&[("x-sandbox-output-tokens", "9999")], chat(&newer), 6, 9999, "length"),
        (&[("x-sandbox-output-tokens", "0")], chat(&long), 6, 0, "stop"),
    ] {
        let answer = chat_with(&sandbox, headers, body).await.json();
        assert_eq!(answer["usage"]["prompt_tokens"], input, "{headers:?}");
        assert_eq!(answer["usage"]["completion_tokens"], output, "{headers:?}");
        assert_eq!(answer["usage"]["total_tokens"], input + output);
        assert_eq!(answer["choices"][0]["finish_reason"], finish);
        let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
        assert_eq!(text.len(), 4 * output);
    }
}

#[tokio::test]
async fn input_is_a_quarter_of_the_texts_bytes() {
    let sandbox = sandbox(SandboxSettings::default());
    let parts = json!([{"type": "text", "text": "12345"}, {"type": "image_url", "image_url": {}}]);
    for (messages, tokens) in [
        (json!([{"role": "user", "content": ""}]), 1),
        (json!([{"role": "user", "content": "12345"}]), 2),
        (json!([{"role": "user", "content": "\u{e9}\n"}]), 1),
        (json!([{"role": "assistant", "content": null}, {"role": "user", "content": parts}]), 2),
        (json!([{"role": "system", "content": "1234"}, {"role": "user", "content": "5678"}]), 2),
    ] {
        let answer = chat_with(&sandbox, &[], chat(&[("messages", messages)])).await.json();
        assert_eq!(answer["usage"]["prompt_tokens"], tokens);
    }
}

#[tokio::test]
async fn choices_share_what_was_asked_for() {
    let sandbox = sandbox(SandboxSettings::default());
    let body = json!({"model": "m", "prompt": "say it", "n": 3, "max_tokens": 5});
    let request = post("/v1/completions", &[("x-sandbox-output-tokens", "7")], body.to_string());
    let answer = ask(&sandbox, request).await.json();
    assert_eq!(answer["object"], "text_completion");
    assert_eq!(answer["usage"]["completion_tokens"], 7);
    let lengths = [0, 1, 2].map(|choice| answer["choices"][choice]["text"].as_str().unwrap().len());
    assert_eq!(lengths, [12, 8, 8]);
    let answer = ask(&sandbox, post("/v1/completions", &[], body.to_string())).await.json();
    assert_eq!(answer["usage"]["completion_tokens"], 15);
}

#[tokio::test]
async fn usage_can_be_left_out_or_lie() {
    let sandbox = sandbox(SandboxSettings::default());
    let none = chat_with(&sandbox, &[("x-sandbox-usage", "none")], chat(&[])).await.json();
    assert_eq!(none.get("usage"), None);
    let lie = chat_with(&sandbox, &[("x-sandbox-usage", "lie")], chat(&[])).await.json();
    assert_eq!(lie["usage"]["prompt_tokens"], -1);
}

#[tokio::test]
async fn embeddings_are_the_same_unit_vectors_in_both_encodings() {
    let sandbox = sandbox(SandboxSettings::default());
    let ask_for = |encoding: &str, input: Value| {
        let body = json!({
            "model": "e", "input": input, "dimensions": 8, "encoding_format": encoding,
        });
        ask(&sandbox, post("/v1/embeddings", &[], body.to_string()))
    };
    let floats = ask_for("float", json!(["one", "two"])).await.json();
    let packed = ask_for("base64", json!("two")).await.json();
    assert_eq!(floats["usage"], json!({"prompt_tokens": 2, "total_tokens": 2}));
    let vector = |at: usize| -> Vec<f32> {
        serde_json::from_value(floats["data"][at]["embedding"].clone()).unwrap()
    };
    let bytes = STANDARD.decode(packed["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let unpacked: Vec<f32> =
        bytes.chunks_exact(4).map(|x| f32::from_le_bytes(x.try_into().unwrap())).collect();
    assert_eq!(unpacked, vector(1));
    assert_ne!(vector(0), vector(1));
    let length: f32 = unpacked.iter().map(|x| x * x).sum();
    assert!((length - 1.0).abs() < 1e-5);
}

#[tokio::test]
async fn models_are_listed_and_any_name_is_one() {
    let sandbox = sandbox(SandboxSettings::default());
    let get = |path: &str| Request::get(path).body(Default::default()).unwrap();
    let list = ask(&sandbox, get("/v1/models")).await.json();
    assert_eq!(list["object"], "list");
    assert_eq!(list["data"][0]["id"], "sandbox-large");
    let tuned = ask(&sandbox, get("/v1/models/ft:gpt-4o:us::1")).await.json();
    assert_eq!(tuned["id"], "ft:gpt-4o:us::1");
    let one = ask(&sandbox, get("/models/mine")).await.json();
    assert_eq!((&one["id"], &one["object"]), (&json!("mine"), &json!("model")));
}

#[tokio::test(start_paused = true)]
async fn a_plain_answer_takes_its_latency_its_first_token_and_its_pace() {
    let headers = [
        ("x-sandbox-latency-ms", "100"),
        ("x-sandbox-first-token-ms", "20"),
        ("x-sandbox-tokens-per-second", "10"),
        ("x-sandbox-output-tokens", "5"),
    ];
    let answered = chat_with(&sandbox(SandboxSettings::default()), &headers, chat(&[])).await;
    assert_eq!(answered.frames[0].0.as_millis(), 620);
}
