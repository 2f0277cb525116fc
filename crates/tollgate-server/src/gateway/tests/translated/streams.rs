//! Streams: told event by event, and never as if they had been whole when they were not.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{
    super::{
        provider::{chunk, end, stream_head},
        running::Answer,
    },
    ANTHROPIC_FIRST, ASKED_BY_ANTHROPIC, ASKED_BY_OPENAI, OPENAI_FIRST, Provider, Running, Step,
    between, by_anthropic, by_openai, nobody, streamed, told,
};

const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-1\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
const TEXT: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"abc\"}}\n\n";
const STOP: &str = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":5}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
const FAILED: &str = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";

const CHUNK: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"abc\"},\"finish_reason\":null}]}\n\n";
const LAST: &str = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12}}\n\ndata: [DONE]\n\n";

const CACHE: &str = "[cache]\nenabled = true\n";

/// The data of the events of a stream.
fn data(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    let text = std::str::from_utf8(&answer.body).expect("text");
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).expect("JSON"))
        .collect()
}

async fn of_anthropic(events: &str, more: &str) -> (Running, Provider) {
    let anthropic = Provider::events(events).await;
    (between(&nobody().await, &anthropic, ANTHROPIC_FIRST, more).await, anthropic)
}

async fn of_openai(events: &str, more: &str) -> (Running, Provider) {
    let openai = Provider::events(events).await;
    (between(&openai, &nobody().await, OPENAI_FIRST, more).await, openai)
}

#[tokio::test]
async fn an_event_is_told_before_the_next_one_comes() {
    let go = Arc::new(Notify::new());
    let steps = [
        Step::Send(stream_head()),
        Step::Send(chunk(&[START, TEXT].concat())),
        Step::Wait(Arc::clone(&go)),
        Step::Send(chunk(&[TEXT, STOP].concat())),
        Step::Send(end()),
    ];
    let anthropic = Provider::doing(steps.to_vec()).await;
    let running = between(&nobody().await, &anthropic, ANTHROPIC_FIRST, "").await;
    let asked =
        streamed(ASKED_BY_OPENAI).replacen('{', r#"{"stream_options":{"include_usage":true},"#, 1);
    let answer = running.begin(by_openai(asked)).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut body = answer.into_body();
    let mut got = Vec::new();
    while !String::from_utf8_lossy(&got).contains("abc") {
        let frame = body.frame().await.expect("a frame").expect("no error");
        got.extend_from_slice(&frame.into_data().expect("data"));
    }
    go.notify_one();
    got.extend_from_slice(&body.collect().await.expect("the rest").to_bytes());
    let text = String::from_utf8(got).expect("text");
    assert_eq!(text.matches("\"content\":\"abc\"").count(), 2, "{text}");
    for used in ["\"prompt_tokens\":7,", "\"completion_tokens\":5,", "\"total_tokens\":12"] {
        assert!(text.contains(used), "{used} is missing in {text}");
    }
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert_eq!(running.used(), (7, 5, 7 * 3_000 + 5 * 15_000));
}

#[tokio::test]
async fn a_stream_of_openais_is_told_to_anthropics_client() {
    for limits in ["", "[[limits]]\nname = \"spend\"\nusd = \"1/day\"\n"] {
        let (running, openai) = of_openai(&[CHUNK, CHUNK, LAST].concat(), limits).await;
        let answer = running.send(by_anthropic(streamed(ASKED_BY_ANTHROPIC))).await;
        assert_eq!(told(&answer), "200 o/m -");
        assert!(openai.request().await.contains(r#""stream_options":{"include_usage":true}"#));
        let events = data(&answer);
        let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
        let expected = [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ];
        assert_eq!(kinds, expected);
        assert_eq!(events[5]["usage"]["output_tokens"], 5);
        assert_eq!(running.used(), (7, 5, 17_000));
    }
}

#[tokio::test]
async fn calls_of_tools_are_told_as_they_come() {
    let calls = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"weather\",\"input\":{}}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"place\\\":\\\"Bonn\\\"}\"}}\n\n";
    let start = START.split_inclusive("\n\n").next().expect("an event");
    let stop = STOP.replace("end_turn", "tool_use");
    let (running, _anthropic) = of_anthropic(&[start, calls, &stop].concat(), "").await;
    let tools = streamed(ASKED_BY_OPENAI).replacen(
        '{',
        r#"{"tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object"}}}],"#,
        1,
    );
    let chunks = data(&running.send(by_openai(tools)).await);
    let calls =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array());
    let calls: Vec<&Value> = calls.flatten().collect();
    assert_eq!(
        (&calls[0]["id"], &calls[0]["function"]["name"]),
        (&json!("toolu_1"), &json!("weather"))
    );
    let arguments: String =
        calls.iter().filter_map(|call| call["function"]["arguments"].as_str()).collect();
    assert_eq!(arguments, r#"{"place":"Bonn"}"#);
    assert_eq!(chunks.last().expect("chunks")["choices"][0]["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_an_error_and_is_not_kept() {
    let broken = [stream_head(), chunk(&[START, TEXT].concat())].concat();
    let ended = [stream_head(), chunk(&[START, TEXT].concat()), end()].concat();
    for steps in [broken, ended] {
        let anthropic = Provider::doing(vec![Step::Send(steps)]).await;
        let running = between(&nobody().await, &anthropic, ANTHROPIC_FIRST, CACHE).await;
        let events = data(&running.send(by_openai(streamed(ASKED_BY_OPENAI))).await);
        assert_eq!(events[1]["choices"][0]["delta"]["content"], "abc", "{events:?}");
        let error = &events.last().expect("events")["error"];
        assert_eq!(error["type"], "server_error", "{events:?}");
        assert_eq!(running.app.cache.tally.totals().stored, 0);
        let (input, output, _) = running.used();
        assert!(input > 0 && output > 0, "what came is charged");
    }
    let (running, _openai) = of_openai(CHUNK, CACHE).await;
    let events = data(&running.send(by_anthropic(streamed(ASKED_BY_ANTHROPIC))).await);
    let error = events.last().expect("events");
    assert_eq!((&error["type"], &error["error"]["type"]), (&json!("error"), &json!("api_error")));
    assert_eq!(running.app.cache.tally.totals().stored, 0);
}

#[tokio::test]
async fn a_providers_own_error_is_told_and_nothing_after_it() {
    let events = [START, TEXT, FAILED, TEXT, STOP].concat();
    let (running, _anthropic) = of_anthropic(&events, CACHE).await;
    let events = data(&running.send(by_openai(streamed(ASKED_BY_OPENAI))).await);
    assert_eq!(events.len(), 3, "{events:?}");
    assert_eq!(events[2]["error"]["message"], "Overloaded");
    assert_eq!(running.app.cache.tally.totals().stored, 0);
}

#[tokio::test]
async fn what_cannot_be_told_ends_the_stream_and_is_not_kept() {
    // A meter is content with it, and it comes to its end.
    let odd = CHUNK.replace("\"index\":0", "\"index\":1");
    let (running, openai) = of_openai(&[CHUNK, &odd, LAST].concat(), CACHE).await;
    for _ in 0..2 {
        let events = data(&running.send(by_anthropic(streamed(ASKED_BY_ANTHROPIC))).await);
        let error = events.last().expect("events");
        assert_eq!(error["error"]["message"], "The provider sent more than one choice.");
        openai.request().await;
    }
    assert_eq!(running.app.cache.tally.totals().stored, 0);
}

#[tokio::test]
async fn a_whole_stream_is_kept_as_its_caller_got_it() {
    let (running, _anthropic) = of_anthropic(&[START, TEXT, STOP].concat(), CACHE).await;
    let first = running.send(by_openai(streamed(ASKED_BY_OPENAI))).await;
    let again = running.send(by_openai(streamed(ASKED_BY_OPENAI))).await;
    assert_eq!(again.header("x-tollgate-cache"), Some("hit"));
    assert_eq!((&again.body, again.body.ends_with(b"data: [DONE]\n\n")), (&first.body, true));
}

/// What a client got of a stream of so many tokens, where some of them could be paid.
async fn cut(begin: &str, event: &str, openai_asks: bool) -> (Vec<Value>, u64) {
    let events = format!("{begin}{}", event.repeat(90));
    let steps = vec![Step::Send(stream_head()), Step::Send(chunk(&events)), Step::Hang];
    let (provider, other) = (Provider::doing(steps).await, nobody().await);
    let budget = if openai_asks { "0.000900000" } else { "0.000120000" };
    let limit = format!("[[limits]]\nname = \"spend\"\nusd = \"{budget}/day\"\n");
    let (running, request) = if openai_asks {
        let running = between(&other, &provider, "models = [\"a/claude\"]", &limit).await;
        (running, by_openai(streamed(ASKED_BY_OPENAI)))
    } else {
        let running = between(&provider, &other, "models = [\"o/m\"]", &limit).await;
        (running, by_anthropic(streamed(ASKED_BY_ANTHROPIC)))
    };
    let answer = running.send(request).await;
    let passed = answer.body.windows(5).filter(|text| text == b"\"abc\"").count() as u64;
    assert!(passed > 0 && passed < 90, "{passed}");
    let (_, output, _) = running.used();
    assert_eq!(output, passed, "what passed is what is charged");
    assert_eq!(running.app.metrics.totals().overrun_usd.0, 0);
    provider.closed().await;
    (data(&answer), passed)
}

#[tokio::test]
async fn a_stream_that_meets_its_budget_ends_as_the_callers_client_raises_it() {
    let (events, _) = cut(START, TEXT, true).await;
    let error = &events.last().expect("events")["error"];
    assert_eq!(error["type"], "insufficient_quota", "{error}");
    let (events, _) = cut("", CHUNK, false).await;
    let error = events.last().expect("events");
    assert_eq!(error["type"], "error");
    assert_eq!(error["error"]["details"]["error_code"], "enforced_spend_limit_reached", "{error}");
}

#[tokio::test]
async fn a_client_that_goes_away_pays_for_what_came() {
    let steps =
        vec![Step::Send(stream_head()), Step::Send(chunk(&[START, TEXT].concat())), Step::Hang];
    let anthropic = Provider::doing(steps).await;
    let running = between(&nobody().await, &anthropic, ANTHROPIC_FIRST, "").await;
    let answer = running.begin(by_openai(streamed(ASKED_BY_OPENAI))).await;
    let mut body = answer.into_body();
    let first: Bytes =
        body.frame().await.expect("a frame").expect("no error").into_data().expect("data");
    assert!(!first.is_empty());
    drop(body);
    anthropic.closed().await;
    let (input, output, _) = running.used();
    assert_eq!((input, output), (7, 1));
}
