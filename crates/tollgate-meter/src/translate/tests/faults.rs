//! Errors of providers, in the words of the other dialect.

use serde_json::Value;

use super::{Dialect, answers, parsed};

/// The status, the type and the code that an error becomes.
fn told(caller: Dialect, status: u16, body: &str) -> (u16, String, Option<String>) {
    let native = answers(caller).error(status, body.as_bytes());
    let body = parsed(&native.body);
    let error = &body["error"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let code =
        if error["code"].is_null() { &error["details"]["error_code"] } else { &error["code"] };
    (native.status, text(&error["type"]).expect("a type"), text(code))
}

#[test]
fn errors_of_anthropics_are_raised_by_openais_clients_as_their_own() {
    for (status, kind, expected) in [
        (400, "invalid_request_error", (400, "invalid_request_error", None)),
        (401, "authentication_error", (401, "invalid_request_error", Some("invalid_api_key"))),
        (402, "billing_error", (429, "insufficient_quota", Some("project_spend_limit_exceeded"))),
        (403, "permission_error", (403, "invalid_request_error", Some("forbidden"))),
        (404, "not_found_error", (404, "invalid_request_error", Some("not_found"))),
        (413, "request_too_large", (413, "invalid_request_error", None)),
        (429, "rate_limit_error", (429, "requests", Some("rate_limit_exceeded"))),
        (500, "api_error", (500, "server_error", Some("bad_gateway"))),
        (504, "timeout_error", (504, "server_error", Some("gateway_timeout"))),
        (529, "overloaded_error", (503, "service_unavailable_error", Some("server_is_overloaded"))),
    ] {
        let body = format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"No."}}}}"#);
        let told = told(Dialect::ChatCompletions, status, &body);
        assert_eq!((told.0, &*told.1, told.2.as_deref()), expected, "{kind}");
    }
    let spent = r#"{"type":"error","error":{"type":"rate_limit_error","message":"No.",
        "details":{"error_code":"enforced_spend_limit_reached"}}}"#;
    assert_eq!(told(Dialect::ChatCompletions, 429, spent).1, "insufficient_quota");
}

#[test]
fn errors_of_openais_are_raised_by_anthropics_clients_as_their_own() {
    for (status, kind, code, expected) in [
        (400, "invalid_request_error", "null", (400, "invalid_request_error", None)),
        (401, "invalid_request_error", r#""invalid_api_key""#, (401, "authentication_error", None)),
        (403, "invalid_request_error", "null", (403, "permission_error", None)),
        (404, "invalid_request_error", r#""model_not_found""#, (404, "not_found_error", None)),
        (422, "invalid_request_error", "422", (400, "invalid_request_error", None)),
        (429, "tokens", r#""rate_limit_exceeded""#, (429, "rate_limit_error", None)),
        (
            429,
            "insufficient_quota",
            r#""insufficient_quota""#,
            (429, "rate_limit_error", Some("enforced_spend_limit_reached")),
        ),
        (500, "server_error", "null", (500, "api_error", None)),
        (502, "bad_gateway", "502", (502, "api_error", None)),
        (503, "service_unavailable_error", "null", (529, "overloaded_error", None)),
    ] {
        let body = format!(r#"{{"error":{{"type":"{kind}","message":"No.","code":{code}}}}}"#);
        let told = told(Dialect::Messages, status, &body);
        assert_eq!((told.0, &*told.1, told.2.as_deref()), expected, "{kind}");
    }
}

#[test]
fn what_the_provider_says_is_told_in_bounds_and_what_it_does_not_say_by_its_status() {
    let native = answers(Dialect::Messages).error(429, b"<html>secret</html>");
    let sentence = "The provider answered with an error that cannot be read.";
    assert_eq!(parsed(&native.body)["error"]["message"], sentence);
    assert_eq!(native.status, 429);
    let silent = answers(Dialect::ChatCompletions).error(500, br#"{"error":{}}"#);
    let sentence = "The provider answered with an error.";
    assert_eq!(parsed(&silent.body)["error"]["message"], sentence);
    let long = format!(r#"{{"error":{{"message":"a{}"}}}}"#, "é".repeat(1 << 20));
    let long = answers(Dialect::ChatCompletions).error(400, long.as_bytes());
    assert!(long.body.len() < 5_000 && long.body.len() > 4_000);
}
