//! Errors of providers, told as the caller's client raises them.

use http::StatusCode;
use serde_json::json;

use super::{
    ANTHROPIC_FIRST, ASKED_BY_ANTHROPIC, ASKED_BY_OPENAI, OPENAI_FIRST, Provider, between,
    by_anthropic, by_openai, nobody, told,
};

/// Statuses and bodies of a provider's, and what its caller gets of them.
type Told = (&'static str, &'static str, u16, &'static str);

async fn answered(table: &[Told], openai_asks: bool) {
    for (status, body, expected, kind) in table {
        let head =
            format!("HTTP/1.1 {status}\r\nretry-after: 90\r\ncontent-type: application/json");
        let provider = Provider::answering(&head, body).await;
        let other = nobody().await;
        let (openai, anthropic, models, request) = if openai_asks {
            (&other, &provider, "models = [\"a/claude\"]", by_openai(ASKED_BY_OPENAI))
        } else {
            (&provider, &other, "models = [\"o/m\"]", by_anthropic(ASKED_BY_ANTHROPIC))
        };
        let running = between(openai, anthropic, models, "").await;
        let refused = running.send(request).await;
        assert_eq!(refused.status.as_u16(), *expected, "{status} {:?}", refused.body);
        let error = refused.json();
        assert_eq!(error["error"]["type"], *kind, "{status} {error}");
        assert_eq!(error["error"]["message"], "No way.", "{status}");
        assert_eq!(error["type"].as_str(), (!openai_asks).then_some("error"));
        assert_eq!(refused.header("retry-after"), Some("90"));
        assert_eq!(running.used(), (0, 0, 0), "{status}");
    }
}

#[tokio::test]
async fn anthropics_errors_are_openais() {
    let of = |kind| {
        let error =
            format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"No way."}}}}"#);
        &*Box::leak(error.into_boxed_str())
    };
    answered(
        &[
            ("400 Bad Request", of("invalid_request_error"), 400, "invalid_request_error"),
            ("401 Unauthorized", of("authentication_error"), 401, "invalid_request_error"),
            ("429 Too Many Requests", of("rate_limit_error"), 429, "requests"),
            ("529 Overloaded", of("overloaded_error"), 503, "service_unavailable_error"),
            ("500 Internal Server Error", of("api_error"), 500, "server_error"),
        ],
        true,
    )
    .await;
}

#[tokio::test]
async fn openais_errors_are_anthropics() {
    let of = |kind, code| {
        let error = format!(
            r#"{{"error":{{"message":"No way.","type":"{kind}","param":null,"code":"{code}"}}}}"#
        );
        &*Box::leak(error.into_boxed_str())
    };
    answered(
        &[
            ("400 Bad Request", of("invalid_request_error", ""), 400, "invalid_request_error"),
            (
                "401 Unauthorized",
                of("invalid_request_error", "invalid_api_key"),
                401,
                "authentication_error",
            ),
            (
                "429 Too Many Requests",
                of("requests", "rate_limit_exceeded"),
                429,
                "rate_limit_error",
            ),
            ("503 Service Unavailable", of("server_error", ""), 529, "overloaded_error"),
            ("500 Internal Server Error", of("server_error", ""), 500, "api_error"),
        ],
        false,
    )
    .await;
}

#[tokio::test]
async fn nobody_there_is_told_in_the_callers_dialect() {
    let (openai, anthropic) = (nobody().await, nobody().await);
    let running = between(&openai, &anthropic, ANTHROPIC_FIRST, "").await;
    drop((openai, anthropic));
    let down = running.send(by_openai(ASKED_BY_OPENAI)).await;
    assert_eq!(down.status, StatusCode::BAD_GATEWAY, "{}", told(&down));
    assert_eq!(down.json()["error"]["type"], "server_error");
    let running = between(&nobody().await, &nobody().await, OPENAI_FIRST, "").await;
    let down = running.send(by_anthropic(ASKED_BY_ANTHROPIC)).await;
    assert_eq!(down.json()["type"], json!("error"), "{:?}", down.body);
}
