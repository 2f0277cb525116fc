//! A stream that meets its budget ends with the error that clients of its dialect raise.

use http::StatusCode;
use serde_json::Value;

use super::{ANTHROPIC, AZURE, BEDROCK, GEMINI, Provider, RESPONSES, Speech, Step, frames};

/// In nano-dollars: for some of the tokens, and not for the most that there may be.
const BUDGET: u64 = 120_000;

/// How many events of a token each the provider sends.
const EVENTS: usize = 90;

const SENTENCE: &str = "Budget exhausted: spend";

/// What a client got of a stream that was made of so many of these events.
async fn cut(speech: Speech, kind: &str, begin: &[u8], event: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n");
    let body = [begin, &event.repeat(EVENTS)].concat();
    let steps = vec![Step::Send(head.into_bytes()), Step::Send(body), Step::Hang];
    let provider = Provider::doing(steps).await;
    let limit = format!("[[limits]]\nname = \"spend\"\nusd = \"0.{BUDGET:09}/day\"\n");
    let running = speech.before(&provider, &limit).await;
    let answer = running.send(speech.ask()).await;
    assert_eq!(answer.status, StatusCode::OK, "it had begun: {:?}", answer.body);
    let passed = answer.body.windows(5).filter(|text| text == b"\"abc\"").count() as u64;
    assert!(passed > 0 && passed < EVENTS as u64, "{}: {passed}", speech.path);
    let (_, output, cost) = running.used();
    assert_eq!(output, passed, "{}: what passed is what is charged", speech.path);
    assert!(cost <= BUDGET && cost >= output * 2_000, "{}: {cost}", speech.path);
    assert_eq!(running.app.metrics.totals().overrun_usd.0, 0);
    provider.closed().await;
    answer.body.to_vec()
}

/// The name and the data of the last event.
fn last_event(stream: &[u8]) -> (Option<String>, Value) {
    let text = std::str::from_utf8(stream).expect("text");
    let event = text.trim_end().rsplit("\n\n").next().expect("an event");
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
    let data = serde_json::from_str(field("data: ").expect("data")).expect("JSON");
    (field("event: ").map(str::to_owned), data)
}

#[track_caller]
fn assert_says_why(message: &Value) {
    let message = message.as_str().expect("a message");
    assert!(message.starts_with(SENTENCE), "{message}");
}

const fn with(speech: Speech, path: &'static str, body: &'static str) -> Speech {
    Speech { path, body, ..speech }
}

#[tokio::test]
async fn anthropics_ends_with_an_event_of_its_own() {
    let body = r#"{"model":"m","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let begin = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}\n\n";
    let event = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"abc\"}}\n\n";
    let speech = with(ANTHROPIC, ANTHROPIC.path, body);
    let got = cut(speech, "text/event-stream", begin.as_bytes(), event.as_bytes()).await;
    let (name, error) = last_event(&got);
    assert_eq!((name.as_deref(), &error["type"]), (Some("error"), &"error".into()));
    assert_eq!(error["error"]["details"]["error_code"], "enforced_spend_limit_reached");
    assert_says_why(&error["error"]["message"]);
}

#[tokio::test]
async fn geminis_ends_with_a_piece_that_is_an_error() {
    let piece =
        r#"{"candidates":[{"content":{"parts":[{"text":"abc"}],"role":"model"},"index":0}]}"#;
    let path = "/v1beta/models/m:streamGenerateContent";
    let sse = with(GEMINI, "/v1beta/models/m:streamGenerateContent?alt=sse", GEMINI.body);
    let event = format!("data: {piece}\n\n");
    let got = cut(sse, "text/event-stream", b"", event.as_bytes()).await;
    let (name, error) = last_event(&got);
    assert_eq!((name, &error["error"]["status"]), (None, &"RESOURCE_EXHAUSTED".into()));
    assert_says_why(&error["error"]["message"]);
    assert!(error["error"]["details"][1].is_null(), "waiting is not what helps: {error}");

    let array = with(GEMINI, path, GEMINI.body);
    let items = format!("{piece}\n,\r\n");
    let got = cut(array, "application/json", b"[", items.as_bytes()).await;
    let items: Vec<Value> = serde_json::from_slice(&got).expect("an array all the same");
    let error = &items.last().expect("items")["error"];
    assert_eq!((&error["code"], &error["status"]), (&429.into(), &"RESOURCE_EXHAUSTED".into()));
    assert_says_why(&error["message"]);
}

#[tokio::test]
async fn bedrocks_ends_with_an_exception() {
    let delta =
        frames::event("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"abc"}}"#);
    let speech = with(BEDROCK, "/model/m/converse-stream", BEDROCK.body);
    let got = cut(speech, "application/vnd.amazon.eventstream", b"", &delta).await;
    let messages = frames::messages(&got);
    let (headers, payload) = messages.last().expect("messages");
    assert!(headers.contains("exception") && headers.contains("throttlingException"), "{headers}");
    let error: Value = serde_json::from_str(payload).expect("JSON");
    assert_says_why(&error["message"]);
}

#[tokio::test]
async fn openais_ends_as_its_api_has_it() {
    let body = r#"{"model":"m","max_output_tokens":100,"stream":true,"input":"hi"}"#;
    let event = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"abc\"}\n\n";
    let speech = with(RESPONSES, RESPONSES.path, body);
    let got = cut(speech, "text/event-stream", b"", event.as_bytes()).await;
    let (name, error) = last_event(&got);
    assert_eq!((name.as_deref(), &error["type"]), (Some("error"), &"error".into()));
    assert_eq!(error["code"], "project_spend_limit_exceeded");
    assert_says_why(&error["message"]);

    let body = r#"{"max_tokens":100,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let event =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"abc\"}}],\"usage\":null}\n\n";
    let speech = with(AZURE, AZURE.path, body);
    let got = cut(speech, "text/event-stream", b"", event.as_bytes()).await;
    let (name, error) = last_event(&got);
    assert_eq!((name, &error["error"]["type"]), (None, &"insufficient_quota".into()));
    assert_says_why(&error["error"]["message"]);
}
