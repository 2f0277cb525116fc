//! What answers in one piece become.

use serde_json::{Value, json};

use super::{Dialect, answers, parsed, stamp};
use crate::{Basis, Counts, testing::run_plain};

fn whole(caller: Dialect, body: &Value) -> Value {
    let body = body.to_string();
    parsed(&answers(caller).whole(body.as_bytes(), &stamp()).expect(&body))
}

fn refused(caller: Dialect, body: &str) -> String {
    answers(caller).whole(body.as_bytes(), &stamp()).expect_err(body).to_string()
}

fn message(content: &Value, stop_reason: &str) -> Value {
    json!({ "id": "msg_7", "type": "message", "role": "assistant", "model": "m",
        "content": content, "stop_reason": stop_reason, "stop_sequence": null,
        "usage": { "input_tokens": 10, "cache_creation_input_tokens": 300,
            "cache_read_input_tokens": 2000, "output_tokens": 50,
            "output_tokens_details": { "thinking_tokens": 20 } } })
}

fn completion(message: &Value, finish_reason: &str) -> Value {
    json!({ "id": "chatcmpl-7", "object": "chat.completion", "created": 1_700_000_000,
        "model": "m",
        "choices": [{ "index": 0, "message": message, "logprobs": null,
            "finish_reason": finish_reason }],
        "usage": { "prompt_tokens": 2310, "completion_tokens": 50, "total_tokens": 2360,
            "prompt_tokens_details": { "cached_tokens": 2000, "cache_write_tokens": 300 },
            "completion_tokens_details": { "reasoning_tokens": 20 } } })
}

/// Answers that say the same in both dialects.
fn pairs() -> [(Value, Value); 4] {
    let said = json!({ "role": "assistant", "content": "Hi.", "refusal": null });
    let text = json!([{ "type": "text", "text": "Hi." }]);
    let call = json!({ "id": "c1", "type": "function",
        "function": { "name": "f", "arguments": r#"{"a":1}"# } });
    let used = json!({ "type": "tool_use", "id": "c1", "name": "f", "input": { "a": 1 } });
    let calls = json!({ "role": "assistant", "content": null, "refusal": null,
        "tool_calls": [call] });
    [
        (completion(&said, "stop"), message(&text, "end_turn")),
        (completion(&said, "length"), message(&text, "max_tokens")),
        (completion(&said, "content_filter"), message(&text, "refusal")),
        (completion(&calls, "tool_calls"), message(&json!([used]), "tool_use")),
    ]
}

#[test]
fn answers_that_mean_the_same_become_each_other() {
    for (completion, message) in pairs() {
        assert_eq!(whole(Dialect::ChatCompletions, &message), completion);
        assert_eq!(whole(Dialect::Messages, &completion), message);
    }
}

#[test]
fn the_usage_of_a_translated_answer_is_the_originals() {
    let counts = Counts {
        cached_tokens: 2_000,
        cache_write_tokens: 300,
        reasoning_tokens: 20,
        ..Counts::tokens(2_310, 50)
    };
    for (completion, message) in pairs() {
        for (caller, original) in
            [(Dialect::ChatCompletions, message), (Dialect::Messages, completion)]
        {
            let translated = whole(caller, &original);
            for (dialect, body) in [(caller.other(), &original), (caller, &translated)] {
                let meter = dialect.asking(false).plain_meter();
                let metered = run_plain(meter, body.to_string().as_bytes(), 50);
                assert_eq!((metered.counts, metered.basis), (counts, Basis::Told), "{body}");
            }
        }
    }
}

#[test]
fn usage_that_is_not_told_or_cannot_be_true_is_not_told() {
    for usage in [Value::Null, json!({ "input_tokens": -1, "prompt_tokens": -1 })] {
        let (mut completion, mut message) = pairs()[0].clone();
        completion["usage"] = usage.clone();
        message["usage"] = usage;
        assert_eq!(whole(Dialect::ChatCompletions, &message)["usage"], Value::Null);
        let usage = &whole(Dialect::Messages, &completion)["usage"];
        assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(0), &json!(0)));
    }
}

#[test]
fn thoughts_are_not_shown_and_texts_are_one() {
    let content = json!([
        { "type": "thinking", "thinking": "Hm.", "signature": "s" },
        { "type": "redacted_thinking", "data": "x" },
        { "type": "text", "text": "One " }, { "type": "text", "text": "two." },
    ]);
    let all = whole(Dialect::ChatCompletions, &message(&content, "stop_sequence"));
    assert_eq!(all["choices"][0]["message"]["content"], "One two.");
    assert_eq!(all["choices"][0]["finish_reason"], "stop");
    let nothing = whole(Dialect::ChatCompletions, &message(&json!([]), "pause_turn"));
    assert_eq!(nothing["choices"][0]["message"]["content"], "");
    assert_eq!(nothing["choices"][0]["finish_reason"], "length");
}

#[test]
fn what_openai_tells_another_way_is_told_anthropics_way() {
    let call = |arguments: &str| json!({ "function": { "name": "f", "arguments": arguments } });
    let told =
        |message: &Value, reason: &str| whole(Dialect::Messages, &completion(message, reason));
    // Who must call a tool is said to stop.
    let forced = told(&json!({ "content": "", "tool_calls": [call("")] }), "stop");
    assert_eq!(forced["stop_reason"], "tool_use");
    let used = json!([{ "type": "tool_use", "id": "call_7_0", "name": "f", "input": {} }]);
    assert_eq!(forced["content"], used, "a call without a name is given one");
    let refusal = told(&json!({ "content": null, "refusal": "No." }), "stop");
    assert_eq!(refusal["stop_reason"], "refusal");
    assert_eq!(refusal["content"][0]["text"], "No.");
    let cut = told(&json!({ "content": "a", "tool_calls": [call("{\"a\":")] }), "length");
    assert_eq!(
        (cut["content"].as_array().map(Vec::len), &cut["stop_reason"]),
        (Some(1), &json!("max_tokens"))
    );
}

#[test]
fn a_model_without_a_name_or_with_one_too_long_has_the_name_that_was_asked() {
    for model in [Value::Null, json!(""), json!("x".repeat(300))] {
        let (mut completion, mut message) = pairs()[0].clone();
        (completion["model"], message["model"]) = (model.clone(), model);
        assert_eq!(whole(Dialect::ChatCompletions, &message)["model"], "claude-x");
        assert_eq!(whole(Dialect::Messages, &completion)["model"], "gpt-4o");
    }
}

#[test]
fn an_answer_that_cannot_be_said_is_refused() {
    let choice = |message: &str| format!(r#"{{"choices":[{{"message":{message}}}]}}"#);
    for (caller, body, sentence) in [
        (Dialect::Messages, "[1]".to_owned(), "The body must be a JSON object that can be read."),
        (
            Dialect::Messages,
            r#"{"choices":[]}"#.into(),
            "`choices` must be an array of one choice.",
        ),
        (
            Dialect::Messages,
            choice(r#"{"audio":{}}"#),
            "`choices[0].message.audio` cannot be translated: only text can be told there.",
        ),
        (
            Dialect::Messages,
            choice(r#"{"tool_calls":[{"function":{"name":"f","arguments":"secret"}}]}"#),
            "`choices[0].message.tool_calls[0].function.arguments` must be a JSON object in a string.",
        ),
        (
            Dialect::Messages,
            choice(r#"{"tool_calls":[{"type":"custom","custom":{}}]}"#),
            "`choices[0].message.tool_calls[0].custom` cannot be translated: only functions are tools there.",
        ),
        (Dialect::ChatCompletions, "{}".into(), "`content` is missing."),
        (
            Dialect::ChatCompletions,
            r#"{"content":[{"type":"server_tool_use"}]}"#.into(),
            "`content[0].type` cannot be translated: there is no such block.",
        ),
    ] {
        assert_eq!(refused(caller, &body), sentence);
    }
}
