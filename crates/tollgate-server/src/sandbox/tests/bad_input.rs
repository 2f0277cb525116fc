//! Whatever comes in, one clear sentence goes out.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use super::{super::SandboxSettings, ask, chat, chat_with, post, sandbox};

#[tokio::test]
async fn bad_bodies_are_refused_with_one_sentence() {
    let sandbox = sandbox(SandboxSettings::default());
    let deep = format!(r#"{{"model":"m","messages":{}"#, "[".repeat(200_000));
    for (path, body, says) in [
        ("/v1/chat/completions", "", "EOF while parsing"),
        ("/v1/chat/completions", "[]", "could not parse the JSON body"),
        ("/v1/chat/completions", "{", "could not parse the JSON body"),
        ("/v1/chat/completions", &deep, "could not parse the JSON body"),
        ("/v1/chat/completions", r#"{"model":"m"}"#, "Missing required parameter: 'messages'."),
        ("/v1/chat/completions", r#"{"model":"m","messages":[]}"#, "'messages'"),
        ("/v1/chat/completions", r#"{"messages":[{"content":"x"}]}"#, "provide a model"),
        ("/v1/chat/completions", r#"{"model":"","messages":[{}]}"#, "provide a model"),
        ("/v1/chat/completions", r#"{"model":"m","model":"n","messages":[{}]}"#, "duplicate field"),
        ("/v1/chat/completions", r#"{"model":"m","messages":[{"content":7}]}"#, "content must be"),
        ("/v1/chat/completions", r#"{"model":"m","messages":[{}],"n":0}"#, "n must be"),
        ("/v1/chat/completions", r#"{"model":"m","messages":[{}],"n":-1}"#, "invalid value"),
        ("/v1/chat/completions", r#"{"model":"m","messages":[{}],"max_tokens":0}"#, "at least 1"),
        ("/v1/chat/completions", r#"{"model":"m","messages":[{}],"max_tokens":1e99}"#, "invalid"),
        ("/v1/completions", r#"{"model":"m"}"#, "'prompt'"),
        ("/v1/embeddings", r#"{"model":"m"}"#, "'input'"),
        ("/v1/embeddings", r#"{"model":"m","input":[]}"#, "from 1 to 2048"),
        ("/v1/embeddings", r#"{"model":"m","input":"x","dimensions":0}"#, "from 1 to 4096"),
        ("/v1/embeddings", r#"{"model":"m","input":"x","encoding_format":"hex"}"#, "base64"),
    ] {
        let answered = ask(&sandbox, post(path, &[], body.to_owned())).await;
        assert_eq!(answered.status.as_u16(), 400, "{body:.80}");
        let error = &answered.json()["error"];
        assert_eq!(error["type"], "invalid_request_error");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(says), "{body:.80}: {message}");
    }
}

#[tokio::test]
async fn a_header_that_cannot_be_followed_is_named() {
    let sandbox = sandbox(SandboxSettings::default());
    for (name, value) in [
        ("x-sandbox-latency-ms", "600001"),
        ("x-sandbox-latency-ms", "-1"),
        ("x-sandbox-first-token-ms", "1.5"),
        ("x-sandbox-tokens-per-second", "fast"),
        ("x-sandbox-input-tokens", "99999999999"),
        ("x-sandbox-output-tokens", "1000001"),
        ("x-sandbox-usage", "maybe"),
        ("x-sandbox-error-rate", "1.1"),
        ("x-sandbox-rate-limit-rate", "NaN"),
        ("x-sandbox-truncate-rate", ""),
        ("x-sandbox-fault", "boom"),
        ("x-sandbox-seed", "x"),
    ] {
        let answered = chat_with(&sandbox, &[(name, value)], chat(&[])).await;
        assert_eq!(answered.status.as_u16(), 400, "{name}: {value}");
        let json = answered.json();
        let message = json["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("The header `{name}` is `{value}`, but must be ")));
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_not_found() {
    let sandbox = sandbox(SandboxSettings::default());
    for (method, path) in [
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/models"),
        ("GET", "/v1/models/"),
        ("POST", "/v1/files"),
        ("GET", "/"),
    ] {
        let request = Request::builder().method(method).uri(path);
        let answered = ask(&sandbox, request.body(Full::default()).unwrap()).await;
        assert_eq!(answered.status.as_u16(), 404, "{method} {path}");
    }
}

#[tokio::test]
async fn a_body_over_the_bound_is_too_large() {
    let sandbox = sandbox(SandboxSettings::default());
    let body = Full::new(Bytes::from(vec![b' '; 32 * 1024 * 1024 + 1]));
    let request = Request::post("/v1/chat/completions").body(body).unwrap();
    assert_eq!(ask(&sandbox, request).await.status.as_u16(), 413);
}
