//! What is metered at which path, what is free, and what the simulated model is asked by.

use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use tollgate_core::policy::settings::Dialect;

use super::{ANTHROPIC, AZURE, BEDROCK, DEEPGRAM, GEMINI, PLENTY, Running, Speech};
use crate::gateway::{
    dialect,
    tests::{post, running::Answer},
};

/// Where an error says what it is.
type What = fn(&Answer) -> Value;

async fn ask(running: &Running, method: Method, path: &str) -> Answer {
    let request = Request::builder().method(method).uri(path);
    running.send(request.body(Full::from("{}")).expect("a request")).await
}

#[tokio::test]
async fn what_cannot_be_metered_is_refused_where_money_is_counted() {
    let table: [(Speech, &str, &[&str], &str); 5] = [
        (
            ANTHROPIC,
            "/v1/messages/batches",
            &["GET /v1/models", "POST /v1/messages/count_tokens"],
            "/error/type",
        ),
        (
            GEMINI,
            "/v1beta/models/m:predict",
            &["GET /v1beta/models", "POST /v1beta/models/m:countTokens", "DELETE /v1beta/files/f"],
            "/error/status",
        ),
        (BEDROCK, "/model/m/invoke-with-bidirectional-stream", &["GET /async-invoke"], "/message"),
        (DEEPGRAM, "/v1/speak", &["GET /v1/projects"], "/err_code"),
        (
            AZURE,
            "/openai/deployments/m/images/generations",
            &["GET /openai/v1/models"],
            "/error/code",
        ),
    ];
    for (speech, costly, free, pointer) in table {
        let provider = speech.provider().await;
        let running = speech.before(&provider, PLENTY).await;
        let refused = ask(&running, Method::POST, &format!("/up{costly}")).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{costly}");
        let what = refused.json().pointer(pointer).cloned().unwrap_or_default();
        assert!(what.is_string(), "in the dialect's words: {:?}", refused.body);
        let text = String::from_utf8_lossy(&refused.body).into_owned();
        assert!(text.contains("cannot be metered yet"), "{text}");
        assert!(provider.is_idle().await);
        for one in free {
            let (method, path) = one.split_once(' ').expect("two words");
            let method = method.parse().expect("a method");
            let answer = ask(&running, method, &format!("/up{path}")).await;
            assert_eq!(&answer.body[..], speech.answer.as_bytes(), "{one}");
            assert!(provider.request().await.starts_with(&format!("{one} HTTP/1.1\r\n")));
        }
        assert_eq!(running.used(), (0, 0, 0), "nothing is charged for those");
        let open = speech.before(&provider, "").await;
        let passed = ask(&open, Method::POST, &format!("/up{costly}")).await;
        assert_eq!(passed.status, StatusCode::OK, "{costly}: nobody counts");
    }
}

#[tokio::test]
async fn what_counts_the_money_of_some_models_refuses_what_may_be_of_any() {
    let limit =
        |more: &str| format!("[[limits]]\nname = \"opus\"\nwhen = {{ {more} }}\nusd = \"1/day\"\n");
    for (more, expected) in [
        ("model = \"claude-opus-*\"", StatusCode::FORBIDDEN),
        ("model = \"claude-opus-*\", provider = \"up\"", StatusCode::FORBIDDEN),
        ("model = \"claude-opus-*\", provider = \"other\"", StatusCode::OK),
        ("tier = \"gold\"", StatusCode::OK),
    ] {
        let provider = ANTHROPIC.provider().await;
        let running = ANTHROPIC.before(&provider, &limit(more)).await;
        let answer = ask(&running, Method::POST, "/up/v1/messages/batches").await;
        assert_eq!(answer.status, expected, "{more}");
        let free = ask(&running, Method::GET, "/up/v1/messages/batches").await;
        assert_eq!(free.status, StatusCode::OK, "{more}");
    }
    let provider = ANTHROPIC.provider().await;
    let shadow = format!("{}shadow = true\n", limit("model = \"claude-opus-*\""));
    let running = ANTHROPIC.before(&provider, &shadow).await;
    let answer = ask(&running, Method::POST, "/up/v1/messages/batches").await;
    assert_eq!(answer.status, StatusCode::OK, "what is in shadow refuses nothing");
}

#[test]
fn files_are_free_and_what_is_made_of_them_is_not() {
    let is_free = |dialect, path| dialect::is_free(dialect, &Method::POST, path);
    for (dialect, path) in [
        (Dialect::Openai, "/v1/files"),
        (Dialect::Openai, "/files/"),
        (Dialect::Azure, "/openai/files"),
        (Dialect::Azure, "/openai/v1/files"),
        (Dialect::Anthropic, "/v1/files"),
        (Dialect::Gemini, "/upload/v1beta/files"),
        (Dialect::Gemini, "/v1beta/files"),
    ] {
        assert!(is_free(dialect, path), "{path}");
    }
    for (dialect, path) in [
        (Dialect::Openai, "/v1/vector_stores/vs_1/files"),
        (Dialect::Openai, "/v1/vector_stores/v1/files"),
        (Dialect::Azure, "/openai/v1/containers/c/files"),
        (Dialect::Gemini, "/v1beta/corpora/files"),
        (Dialect::Anthropic, "/v1/profiles"),
        (Dialect::Bedrock, "/v1/files"),
    ] {
        assert!(!is_free(dialect, path), "{path}");
    }
}

#[tokio::test]
async fn no_other_method_is_taken_for_a_free_one() {
    let provider = GEMINI.provider().await;
    let running = GEMINI.before(&provider, PLENTY).await;
    for path in [GEMINI.path, "/v1beta/models/m%3AgenerateContent"] {
        let refused = ask(&running, Method::GET, &format!("/up{path}?$httpMethod=POST")).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert!(provider.is_idle().await);
    let mut request = Request::get("/up/v1beta/models").body(Full::default()).expect("a request");
    let name = http::HeaderName::from_static("x-http-method-override");
    request.headers_mut().insert(name, "POST".parse().expect("a value"));
    assert_eq!(running.send(request).await.status, StatusCode::OK);
    assert!(!provider.request().await.contains("override"));
}

#[tokio::test]
async fn a_deployment_that_is_not_understood_is_not_another_model() {
    let provider = AZURE.provider().await;
    let running = AZURE.before(&provider, PLENTY).await;
    let body = r#"{"model":"m","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#;
    for before in [
        "Deployments/gpt-5/",
        "deployments%2Fgpt-5/",
        "%64eployments/gpt-5/",
        "deployments//",
        "deployments%2Fgpt-5/deployments/m/",
    ] {
        let path: &'static str =
            Box::leak(format!("/openai/{before}chat/completions").into_boxed_str());
        let answer = running.send(Speech { path, body, ..AZURE }.ask()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        let message = answer.json()["error"]["message"].as_str().expect("a message").to_owned();
        assert!(message.contains("names no deployment"), "{message}");
    }
    assert!(provider.is_idle().await);
}

#[tokio::test]
async fn what_the_query_leaves_open_is_told_in_the_dialect() {
    let provider = DEEPGRAM.provider().await;
    let running = DEEPGRAM.before(&provider, PLENTY).await;
    for (query, said) in [
        ("", "names no model"),
        ("?model=nova-3&callback=http://a/", "callback"),
        ("?model=nova-3&model=base", "more than once"),
    ] {
        let answer = running.send(post(&format!("/up/v1/listen{query}"), "audio")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        let message = answer.json()["err_msg"].as_str().expect("a message").to_owned();
        assert!(message.contains(said), "{message}");
    }
    assert!(provider.is_idle().await);
}

#[tokio::test]
async fn an_address_with_a_version_takes_paths_with_it_and_without() {
    let provider = GEMINI.provider().await;
    let address = provider.address;
    let policy =
        format!("[providers.up]\ndialect = \"gemini\"\nbase_url = \"http://{address}/v1beta\"\n");
    let running = Running::with(&policy).await;
    for path in [GEMINI.path, "/models/m:generateContent"] {
        let request = Speech { path, ..GEMINI }.ask();
        assert_eq!(running.send(request).await.status, StatusCode::OK);
        let sent = provider.request().await;
        assert!(sent.starts_with(&format!("POST {} HTTP", GEMINI.path)), "{sent}");
    }
}

#[tokio::test]
async fn the_simulated_model_is_asked_in_the_dialect_of_the_path() {
    let running = Running::with("").await;
    let table: [(&str, What, &str); 8] = [
        ("/v1/chat/completions", |it| it.json()["error"]["type"].clone(), "invalid_request_error"),
        ("/v1/responses", |it| it.json()["error"]["type"].clone(), "invalid_request_error"),
        ("/v1/messages", |it| it.json()["error"]["type"].clone(), "invalid_request_error"),
        (
            "/v1beta/models/m:generateContent",
            |it| it.json()["error"]["status"].clone(),
            "INVALID_ARGUMENT",
        ),
        (
            "/v1/models/m:generateContent",
            |it| it.json()["error"]["status"].clone(),
            "INVALID_ARGUMENT",
        ),
        ("/v1/listen", |it| it.json()["err_code"].clone(), "Bad Request"),
        ("/model/m/converse", |it| it.header("x-amzn-errortype").into(), "ValidationException"),
        (
            "/openai/deployments/m/chat/completions?api-version=1",
            |it| it.json()["error"]["type"].clone(),
            "invalid_request_error",
        ),
    ];
    for (path, what, expected) in table {
        let answer = running.send(post(&format!("/sandbox{path}"), "no JSON")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}: {:?}", answer.body);
        assert_eq!(what(&answer), expected, "{path}: {:?}", answer.body);
    }
    let anthropic = running.send(post("/sandbox/v1/messages", "no JSON")).await;
    assert_eq!(anthropic.json()["type"], "error");
}
