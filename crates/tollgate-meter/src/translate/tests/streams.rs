//! What streams become.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{CLAUDE, Dialect, answers, events, request, stamp, streamed};
use crate::{Basis, Counts, Ending, Gauge, anthropic, testing::run};

/// A recorded stream: a thought, text, a call of a tool, cache use and a ping.
pub(super) const MESSAGE: &str = include_str!("../../../fixtures/anthropic_stream.txt");

/// Text, two calls and usage, as OpenAI streams them.
pub(super) const COMPLETION: &str = concat!(
    r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-4o-2024","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"x"}"#,
    "\n\n",
    r#"data: {"model":"gpt-4o-2024","choices":[{"index":0,"delta":{"content":"Hello w\u00f6rld"},"finish_reason":null}],"usage":null}"#,
    "\n\n: a comment\n\n",
    r#"data: {"model":"gpt-4o-2024","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]},"finish_reason":null}]}"#,
    "\n\n",
    r#"data: {"model":"gpt-4o-2024","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]},"finish_reason":null}]}"#,
    "\r\n\r\n",
    r#"data: {"model":"gpt-4o-2024","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}},{"index":1,"id":"call_2","type":"function","function":{"name":"g","arguments":"{}"}}]},"finish_reason":null}]}"#,
    "\n\n",
    r#"data: {"model":"gpt-4o-2024","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],"usage":null}"#,
    "\n\n",
    r#"data: {"model":"gpt-4o-2024","choices":[],"usage":{"prompt_tokens":31,"completion_tokens":40,"total_tokens":71,"prompt_tokens_details":{"cached_tokens":20},"completion_tokens_details":{"reasoning_tokens":12}}}"#,
    "\n\ndata: [DONE]\n\n",
);

/// The stream that a caller in this dialect would get translated.
pub(super) const fn stream(caller: Dialect) -> &'static str {
    match caller {
        Dialect::ChatCompletions => MESSAGE,
        Dialect::Messages => COMPLETION,
    }
}

fn translated(caller: Dialect, stream: &str) -> (Vec<(String, Value)>, Option<Ending>) {
    let (out, ending) = streamed(&answers(caller), stream.as_bytes(), stream.len());
    (events(&out), ending)
}

#[test]
fn a_message_becomes_a_completion() {
    let chunk = |choices: Value| {
        json!({ "id": "chatcmpl-7", "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": "claude-sonnet-4-5", "choices": choices })
    };
    let delta =
        |delta: Value| chunk(json!([{ "index": 0, "delta": delta, "finish_reason": null }]));
    let arguments = |part: &str| {
        delta(json!({ "tool_calls": [{ "index": 0, "function": { "arguments": part } }] }))
    };
    let begun = json!({ "index": 0, "id": "toolu_01", "type": "function",
        "function": { "name": "get_weather", "arguments": "" } });
    let mut told = chunk(json!([]));
    told["usage"] = json!({ "prompt_tokens": 31, "completion_tokens": 40, "total_tokens": 71,
        "prompt_tokens_details": { "cached_tokens": 20, "cache_write_tokens": 0 },
        "completion_tokens_details": { "reasoning_tokens": 12 } });
    let expected = [
        delta(json!({ "role": "assistant", "content": "" })),
        delta(json!({ "content": "Hello wörld" })),
        delta(json!({ "tool_calls": [begun] })),
        arguments("{\"city\":"),
        arguments("\"Oslo\"}"),
        chunk(json!([{ "index": 0, "delta": {}, "finish_reason": "tool_calls" }])),
        told,
        json!("[DONE]"),
    ]
    .map(|data| (String::new(), data));
    let (events, ending) = translated(Dialect::ChatCompletions, MESSAGE);
    assert_eq!(events, expected);
    assert_eq!(ending, Some(Ending::Complete));
}

#[test]
fn who_did_not_ask_for_usage_gets_no_chunk_of_it() {
    let body = br#"{"messages":[],"stream":true}"#;
    let answers = request(Dialect::ChatCompletions, body, &CLAUDE).expect("a request").answers;
    let (out, _) = streamed(&answers, MESSAGE.as_bytes(), 10);
    let events = events(&out);
    assert_eq!(events.len(), 7);
    assert!(events.iter().all(|(_, data)| data["usage"].is_null()));
}

#[test]
fn a_completion_becomes_a_message() {
    let start = json!({ "type": "message_start", "message": { "id": "msg_7", "type": "message",
        "role": "assistant", "model": "gpt-4o-2024", "content": [], "stop_reason": null,
        "stop_sequence": null, "usage": { "input_tokens": 0, "output_tokens": 0 } } });
    let begin = |index: u64, block: Value| json!({ "type": "content_block_start", "index": index, "content_block": block });
    let add = |index: u64, delta: Value| json!({ "type": "content_block_delta", "index": index, "delta": delta });
    let part =
        |index, part: &str| add(index, json!({ "type": "input_json_delta", "partial_json": part }));
    let stop = |index: u64| json!({ "type": "content_block_stop", "index": index });
    let used =
        |id: &str, name: &str| json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
    let end = json!({ "type": "message_delta",
        "delta": { "stop_reason": "tool_use", "stop_sequence": null },
        "usage": { "input_tokens": 11, "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 20, "output_tokens": 40,
            "output_tokens_details": { "thinking_tokens": 12 } } });
    let expected = [
        start,
        begin(0, json!({ "type": "text", "text": "" })),
        add(0, json!({ "type": "text_delta", "text": "Hello wörld" })),
        stop(0),
        begin(1, used("call_1", "f")),
        part(1, "{\"a\":"),
        part(1, "1}"),
        stop(1),
        begin(2, used("call_2", "g")),
        part(2, "{}"),
        stop(2),
        end,
        json!({ "type": "message_stop" }),
    ];
    let expected = expected.map(|data| (data["type"].as_str().expect("a type").to_owned(), data));
    let (events, ending) = translated(Dialect::Messages, COMPLETION);
    assert_eq!(events, expected);
    assert_eq!(ending, Some(Ending::Complete));
}

#[test]
fn a_stream_is_translated_alike_at_every_split() {
    for caller in [Dialect::ChatCompletions, Dialect::Messages] {
        let (stream, answers) = (stream(caller).as_bytes(), answers(caller));
        let whole = streamed(&answers, stream, stream.len());
        for chunk_bytes in 1..stream.len() {
            assert_eq!(streamed(&answers, stream, chunk_bytes), whole, "{chunk_bytes}");
        }
    }
}

#[test]
fn the_usage_of_a_translated_stream_is_the_originals() {
    let counts = Counts { cached_tokens: 20, reasoning_tokens: 12, ..Counts::tokens(31, 40) };
    for caller in [Dialect::ChatCompletions, Dialect::Messages] {
        let original = stream(caller).as_bytes();
        let (translated, _) = streamed(&answers(caller), original, 99);
        for (dialect, stream) in [(caller.other(), original), (caller, &translated)] {
            let meter = dialect.asking(true).stream_meter(Gauge::Bytes);
            let (_, metered) = run(meter, stream, 50);
            assert_eq!((metered.counts, metered.basis), (counts, Basis::Told));
            assert_eq!(metered.ending, Ending::Complete);
        }
    }
}

#[test]
fn what_is_cut_anywhere_stays_cut() {
    for caller in [Dialect::ChatCompletions, Dialect::Messages] {
        let stream = stream(caller);
        let end = stream.trim_end().rfind("\n\n").expect("an end");
        let whole = translated(caller, stream).0;
        for cut in (0..end).filter(|cut| stream.is_char_boundary(*cut)) {
            let (events, ending) = translated(caller, &stream[..cut]);
            assert_eq!(ending, Some(Ending::Cut), "{cut}");
            assert_eq!(events[..], whole[..events.len()], "{cut}");
            assert!(events.len() + 1 < whole.len(), "{cut}");
        }
    }
}

#[test]
fn an_end_without_its_blank_line_is_one() {
    for caller in [Dialect::ChatCompletions, Dialect::Messages] {
        let (events, ending) = translated(caller, stream(caller).trim_end());
        assert_eq!(events, translated(caller, stream(caller)).0);
        assert_eq!(ending, Some(Ending::Complete));
    }
}

#[test]
fn an_error_within_a_stream_is_raised_and_nothing_follows() {
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let start = &MESSAGE[..MESSAGE.find("event: content_block_start").expect("a block")];
    let (events, ending) = translated(Dialect::ChatCompletions, &[start, error, MESSAGE].concat());
    let expected = json!({ "error": { "message": "Overloaded", "param": null,
        "type": "service_unavailable_error", "code": "server_is_overloaded" } });
    assert_eq!(events[1..], [(String::new(), expected)]);
    assert_eq!(ending, Some(Ending::Failed));

    let error = "data: {\"error\":{\"message\":\"No.\",\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\",\"param\":null}}\n\n";
    let (events, ending) = translated(Dialect::Messages, &[error, COMPLETION].concat());
    let expected =
        json!({ "type": "error", "error": { "type": "rate_limit_error", "message": "No." } });
    assert_eq!(events, [("error".to_owned(), expected)]);
    assert_eq!(ending, Some(Ending::Failed));
}

#[test]
fn a_gateway_can_end_a_stream_with_an_error_once() {
    let error =
        anthropic::Error { kind: "api_error", message: "Cut.", code: None, request_id: None };
    let mut translator = answers(Dialect::Messages).stream(stamp());
    translator.push(&Bytes::from_static(&COMPLETION.as_bytes()[..300]));
    assert_eq!(translator.ending(), None);
    let event = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"Cut.\"}}\n\n";
    assert_eq!(translator.cut(&error), event);
    assert_eq!(translator.ending(), Some(Ending::Failed));
    assert_eq!(translator.cut(&error), "");
    assert_eq!(translator.push(&Bytes::from_static(COMPLETION.as_bytes())), "");
    assert_eq!(translator.finish(), "");
}

#[test]
fn what_cannot_be_understood_or_said_ends_a_stream_with_an_error() {
    let chunk = |choice: &str| format!("data: {{\"choices\":[{choice}]}}\n\n");
    let call = |call: &str| chunk(&format!(r#"{{"delta":{{"tool_calls":[{call}]}}}}"#));
    let begun = r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}"#;
    let next = r#"{"index":1,"id":"b","function":{"name":"f","arguments":""}}"#;
    let more = r#"{"index":0,"function":{"arguments":"}"}}"#;
    let text = chunk(r#"{"delta":{"content":"a"}}"#);
    let block = |block: &str| {
        format!(
            "data: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{block}}}\n\n"
        )
    };
    let delta = |delta: &str| {
        format!("data: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{delta}}}\n\n")
    };
    let part = delta(r#"{"type":"input_json_delta","partial_json":"{"}"#);
    let large = format!("data: {{\"x\":\"{}\"}}\n\n", "x".repeat(1 << 20));
    for (caller, stream, message) in [
        (Dialect::Messages, "data: no\n\n".into(), "a chunk that cannot be read"),
        (Dialect::Messages, "data: {\"choices\":7}\n\n".into(), "a chunk that cannot be read"),
        (Dialect::Messages, large.clone(), "an event that is too large"),
        (Dialect::Messages, chunk(r#"{"index":1}"#), "more than one choice"),
        (Dialect::Messages, chunk(r#"{"delta":{"audio":{}}}"#), "what cannot be translated"),
        (Dialect::Messages, call(more), "a call without a name"),
        (
            Dialect::Messages,
            call(&[begun, next, more].join(",")),
            "the parts of two calls by turns",
        ),
        (Dialect::Messages, call(begun) + &text + &call(more), "the parts of two calls by turns"),
        (Dialect::ChatCompletions, "data: [DONE]\n\n".into(), "an event that cannot be read"),
        (Dialect::ChatCompletions, large, "an event that is too large"),
        (
            Dialect::ChatCompletions,
            block(r#"{"type":"server_tool_use","name":"f"}"#),
            "a block that cannot be translated",
        ),
        (
            Dialect::ChatCompletions,
            block(r#"{"type":"tool_use"}"#),
            "a block that cannot be translated",
        ),
        (Dialect::ChatCompletions, part, "a part that cannot be translated"),
    ] {
        let (events, ending) = translated(caller, &stream);
        let last = events.last().map(|(_, data)| data["error"]["message"].clone());
        assert_eq!(last, Some(format!("The provider sent {message}.").into()), "{stream:.99}");
        assert_eq!(ending, Some(Ending::Failed));
    }
}

#[test]
fn providers_that_are_less_exact_are_understood() {
    // Calls without numbers and names; an end without a reason; the usage beside a choice.
    let stream = concat!(
        r#"data: {"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{"}}]}}]}"#,
        "\n\n",
        r#"data: {"choices":[{"delta":{"content":null,"tool_calls":[{"function":{"arguments":"}"}},{"id":"b","function":{"name":"g"}}]}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
        "\n\ndata: [DONE]\n\n",
    );
    let (events, _) = translated(Dialect::Messages, stream);
    let names: Vec<_> =
        events.iter().map(|(name, _)| name.trim_start_matches("content_block_")).collect();
    assert_eq!(
        names,
        [
            "message_start",
            "start",
            "delta",
            "delta",
            "stop",
            "start",
            "stop",
            "message_delta",
            "message_stop"
        ]
    );
    assert_eq!(events[0].1["message"]["model"], "gpt-4o");
    assert_eq!(events[7].1["delta"]["stop_reason"], "tool_use");
    assert_eq!(events[7].1["usage"]["output_tokens"], 2);

    // A call whose input comes at once, one without any, and no end of blocks.
    let stream = concat!(
        r#"data: {"type":"content_block_start","content_block":{"type":"tool_use","id":"","name":"f","input":{"a":1}}}"#,
        "\n\n",
        r#"data: {"type":"content_block_start","content_block":{"type":"tool_use","id":"x","name":"g","input":{ }}}"#,
        "\n\n",
        r#"data: {"type":"content_block_start","content_block":{"type":"text","text":"Hi"}}"#,
        "\n\ndata: {\"type\":\"new\"}\n\ndata: {\"type\":\"message_stop\"}\n\n",
    );
    let (events, ending) = translated(Dialect::ChatCompletions, stream);
    let deltas: Vec<_> = events.iter().map(|(_, data)| &data["choices"][0]["delta"]).collect();
    assert_eq!(deltas[1]["tool_calls"][0]["id"], "call_7_0");
    assert_eq!(deltas[2]["tool_calls"][0]["function"]["arguments"], r#"{"a":1}"#);
    assert_eq!(
        deltas[4]["tool_calls"][0],
        json!({ "index": 1, "function": { "arguments": "{}" } })
    );
    assert_eq!(deltas[5]["content"], "Hi");
    assert_eq!(events[6].1["choices"][0]["finish_reason"], "stop");
    assert_eq!((events.len(), ending), (8, Some(Ending::Complete)));
}

#[test]
fn a_refusal_in_a_stream_is_text_and_the_reason_says_so() {
    let stream = "data: {\"choices\":[{\"delta\":{\"refusal\":\"No.\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let (events, _) = translated(Dialect::Messages, stream);
    assert_eq!(events[2].1["delta"]["text"], "No.");
    assert_eq!(events[4].1["delta"]["stop_reason"], "refusal");
}
