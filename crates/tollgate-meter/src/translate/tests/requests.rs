//! What requests become: pairs that mean the same.

use serde_json::{Value, json};

use super::{Dialect, request, translated};
use crate::translate::Target;

/// Requests that say the same in both dialects, without their models.
fn pairs() -> Vec<(&'static str, Value, Value)> {
    let tools = json!([{ "name": "f", "description": "d", "input_schema": { "type": "object" } }]);
    let functions = json!([{ "type": "function", "function": {
        "name": "f", "description": "d", "parameters": { "type": "object" } } }]);
    let choosing = |of_openai: Value, of_anthropic: Value| {
        let said = json!([{ "role": "user", "content": "a" }]);
        let mut chat = json!({ "max_completion_tokens": 1000, "messages": said,
            "tools": functions, "tool_choice": of_openai });
        let mut message = json!({ "max_tokens": 1000, "messages": blocks("user", "a"),
            "tools": tools, "tool_choice": of_anthropic });
        for all in [&mut chat, &mut message] {
            all.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        }
        (chat, message)
    };
    let named = json!({ "type": "function", "function": { "name": "f" } });
    let choices = [
        ("any tool or none", json!("auto"), json!({ "type": "auto" })),
        ("no tool", json!("none"), json!({ "type": "none" })),
        ("a tool", json!("required"), json!({ "type": "any" })),
        ("this tool", named, json!({ "type": "tool", "name": "f" })),
        ("nothing about tools", Value::Null, Value::Null),
    ];
    let choices = choices.map(|(name, of_openai, of_anthropic)| {
        let (chat, message) = choosing(of_openai, of_anthropic);
        (name, chat, message)
    });
    [talk(), calls(), images(), settings()].into_iter().chain(choices).collect()
}

fn blocks(role: &str, text: &str) -> Value {
    json!([{ "role": role, "content": [{ "type": "text", "text": text }] }])
}

fn talk() -> (&'static str, Value, Value) {
    let text = |text: &str| json!([{ "type": "text", "text": text }]);
    (
        "a talk with a system",
        json!({ "max_completion_tokens": 1000, "messages": [
            { "role": "system", "content": "Be kind." },
            { "role": "user", "content": "Hi" },
            { "role": "assistant", "content": "Hello." },
            { "role": "user", "content": "Bye" },
            { "role": "system", "content": "Be brief." },
        ] }),
        json!({ "max_tokens": 1000, "system": text("Be kind."), "messages": [
            { "role": "user", "content": text("Hi") },
            { "role": "assistant", "content": text("Hello.") },
            { "role": "user", "content": text("Bye") },
            { "role": "system", "content": text("Be brief.") },
        ] }),
    )
}

fn calls() -> (&'static str, Value, Value) {
    let call = |id: &str, arguments: &str| {
        json!({ "id": id, "type": "function",
            "function": { "name": "f", "arguments": arguments } })
    };
    let text = |text: &str| json!([{ "type": "text", "text": text }]);
    let used = |id: &str, input: Value| json!({ "type": "tool_use", "id": id, "name": "f", "input": input });
    let result = |id: &str, said: &str| json!({ "type": "tool_result", "tool_use_id": id, "content": text(said) });
    (
        "calls and what they came to",
        json!({ "max_completion_tokens": 1000, "messages": [
            { "role": "user", "content": "Do." },
            { "role": "assistant", "content": "I try.",
                "tool_calls": [call("c1", r#"{"a":[1.5],"b":1}"#), call("c2", "{}")] },
            { "role": "tool", "tool_call_id": "c1", "content": "one" },
            { "role": "tool", "tool_call_id": "c2", "content": "two" },
            { "role": "user", "content": "And?" },
            { "role": "assistant", "content": null, "tool_calls": [call("c3", "{}")] },
            { "role": "tool", "tool_call_id": "c3", "content": "three" },
        ], "tools": [{ "type": "function", "function": { "name": "f",
            "parameters": { "type": "object" }, "strict": true } }],
        "parallel_tool_calls": false, "tool_choice": "auto" }),
        json!({ "max_tokens": 1000, "messages": [
            { "role": "user", "content": text("Do.") },
            { "role": "assistant", "content": [{ "type": "text", "text": "I try." },
                used("c1", json!({ "b": 1, "a": [1.5] })), used("c2", json!({}))] },
            { "role": "user", "content": [result("c1", "one"), result("c2", "two"),
                { "type": "text", "text": "And?" }] },
            { "role": "assistant", "content": [used("c3", json!({}))] },
            { "role": "user", "content": [result("c3", "three")] },
        ], "tools": [{ "name": "f", "input_schema": { "type": "object" }, "strict": true }],
        "tool_choice": { "type": "auto", "disable_parallel_tool_use": true } }),
    )
}

fn images() -> (&'static str, Value, Value) {
    let url = |url: &str| json!({ "type": "image_url", "image_url": { "url": url } });
    let image = |source: Value| json!({ "type": "image", "source": source });
    let text = json!({ "type": "text", "text": "See" });
    (
        "images",
        json!({ "max_completion_tokens": 1000, "messages": [{ "role": "user", "content": [
            text, url("data:image/png;base64,iVBO/+=="), url("https://a.example/b.jpg") ] }] }),
        json!({ "max_tokens": 1000, "messages": [{ "role": "user", "content": [
            text,
            image(json!({ "type": "base64", "media_type": "image/png", "data": "iVBO/+==" })),
            image(json!({ "type": "url", "url": "https://a.example/b.jpg" })),
        ] }] }),
    )
}

fn settings() -> (&'static str, Value, Value) {
    let schema = json!({ "type": "object", "properties": { "z": {}, "a": {} } });
    (
        "settings",
        json!({ "max_completion_tokens": 7, "messages": [{ "role": "user", "content": "a" }],
            "temperature": 0.25, "top_p": 0.5, "stop": ["\n\nQ:", "END"], "user": "u-1",
            "stream": true, "stream_options": { "include_usage": true },
            "response_format": { "type": "json_schema",
                "json_schema": { "name": "answer", "schema": schema, "strict": true } } }),
        json!({ "max_tokens": 7, "messages": blocks("user", "a"),
            "temperature": 0.25, "top_p": 0.5, "stop_sequences": ["\n\nQ:", "END"],
            "metadata": { "user_id": "u-1" }, "stream": true,
            "output_config": { "format": { "type": "json_schema", "schema": schema } } }),
    )
}

#[test]
fn requests_that_mean_the_same_become_each_other() {
    for (name, chat, message) in pairs() {
        let with = |body: &Value, model: &str| {
            let mut body = body.clone();
            body["model"] = model.into();
            body
        };
        for (caller, from, to) in
            [(Dialect::ChatCompletions, &chat, &message), (Dialect::Messages, &message, &chat)]
        {
            let asked = translated(caller, &with(from, "asked"));
            assert_eq!(asked, with(to, caller.target().model), "{name}, by {caller:?}");
        }
    }
}

/// What a completion's request becomes, without what every one has.
fn chat(members: &Value) -> Value {
    let mut body = json!({ "messages": [{ "role": "user", "content": "a" }] });
    for (name, value) in members.as_object().expect("members") {
        body[name] = value.clone();
    }
    let mut all = translated(Dialect::ChatCompletions, &body);
    for name in ["model", "messages", "max_tokens"] {
        all.as_object_mut().expect("an object").remove(name);
    }
    all
}

#[test]
fn who_names_no_maximum_is_given_one_and_either_name_is_obeyed() {
    let most = |members: &str| {
        let body = format!(r#"{{"messages":[]{members}}}"#);
        let request = request(Dialect::ChatCompletions, body.as_bytes(), &super::CLAUDE);
        super::parsed(&request.expect("a request").body)["max_tokens"].clone()
    };
    assert_eq!(most(""), 1000);
    assert_eq!(most(r#","max_tokens":5"#), 5);
    assert_eq!(most(r#","max_tokens":5,"max_completion_tokens":6"#), 6);
    assert_eq!(most(r#","max_tokens":null"#), 1000);
}

#[test]
fn compatible_providers_are_told_the_maximum_by_its_older_name() {
    let body = br#"{"max_tokens":5,"messages":[]}"#;
    let target = Target { model: "llama-3", max_tokens: 9 };
    let request = request(Dialect::Messages, body, &target).expect("a request");
    assert_eq!(request.body, r#"{"model":"llama-3","messages":[],"max_tokens":5}"#);
}

#[test]
fn temperatures_are_brought_into_range_and_defaults_are_not_said() {
    let told = |temperature: f64| chat(&json!({ "temperature": temperature, "top_p": 1 }));
    assert_eq!(told(0.0), json!({ "temperature": 0.0 }));
    assert_eq!(told(0.75), json!({ "temperature": 0.75 }));
    assert_eq!(told(1.0), json!({}));
    assert_eq!(told(1.75), json!({}), "as much as there is");
}

#[test]
fn hints_are_dropped_and_what_asks_for_nothing() {
    let hints = json!({
        "n": 1, "logprobs": false, "top_logprobs": null, "logit_bias": {}, "audio": null,
        "frequency_penalty": 0, "presence_penalty": 0.0, "modalities": ["text"],
        "response_format": { "type": "text" }, "functions": [], "parallel_tool_calls": true,
        "metadata": { "a": "b" }, "prediction": { "type": "content", "content": "x" },
        "prompt_cache_key": "k", "prompt_cache_retention": "24h", "reasoning_effort": "high",
        "seed": 1, "service_tier": "flex", "store": true, "verbosity": "low",
        "stream_options": { "include_obfuscation": false }, "unheard_of": null,
    });
    assert_eq!(chat(&hints), json!({}));
    let body = json!({
        "max_tokens": 5, "temperature": 1, "top_p": 1.0, "cache_control": { "type": "ephemeral" }, "diagnostics": {},
        "service_tier": "auto", "speed": "fast", "output_config": { "effort": "low" },
        "thinking": { "type": "adaptive", "display": "omitted" }, "mcp_servers": [],
        "system": [{ "type": "text", "text": "s", "cache_control": { "type": "ephemeral" } }],
        "messages": [{ "role": "assistant", "content": [
            { "type": "text", "text": "t", "citations": null },
            { "type": "tool_use", "id": "c", "name": "f", "input": {},
                "caller": { "type": "direct" } } ] }, { "role": "user", "content": "u" }],
        "tools": [{ "type": "custom", "name": "f", "input_schema": {},
            "cache_control": { "type": "ephemeral" }, "input_examples": [{}],
            "defer_loading": false, "eager_input_streaming": true,
            "allowed_callers": ["direct"] }],
    });
    let expected = json!({
        "model": "gpt-4o", "max_completion_tokens": 5,
        "messages": [{ "role": "system", "content": "s" },
            { "role": "assistant", "content": "t", "tool_calls": [
                { "id": "c", "type": "function", "function": { "name": "f", "arguments": "{}" } }
            ] }, { "role": "user", "content": "u" }],
        "tools": [{ "type": "function", "function": { "name": "f", "parameters": {} } }],
    });
    assert_eq!(translated(Dialect::Messages, &body), expected);
}

#[test]
fn roles_take_turns_and_texts_that_say_nothing_are_left_out() {
    let say = |role: &str, text: &str| json!({ "role": role, "content": text });
    let body = json!({ "messages": [
        say("developer", "one"), say("system", "two"), say("user", "a"), say("user", ""),
        say("system", "now"), say("user", "b"), say("assistant", "c"),
        { "role": "assistant", "refusal": "d" }, say("assistant", " "), say("user", "e"), say("system", "end"),
    ] });
    let all = translated(Dialect::ChatCompletions, &body);
    let text = |text: &str| json!({ "type": "text", "text": text });
    assert_eq!(all["system"], json!([text("one"), text("two")]));
    let expected = json!([
        { "role": "user", "content": [text("a"), text("b")] },
        { "role": "system", "content": [text("now")] },
        { "role": "assistant", "content": [text("c"), text("d")] },
        { "role": "user", "content": [text("e")] },
        { "role": "system", "content": [text("end")] },
    ]);
    assert_eq!(all["messages"], expected);
}

#[test]
fn names_of_calls_that_anthropic_refuses_become_names_that_it_takes() {
    let ids = ["functions.f:0", "", "fine-1_A", "functions.f:0"];
    let calls = ids.map(|id| json!({ "id": id, "function": { "name": "f", "arguments": "" } }));
    let outcome =
        |id: &&str| json!({ "role": "tool", "tool_call_id": id, "content": "x", "name": "f" });
    let mut messages = vec![json!({ "role": "assistant", "tool_calls": calls })];
    messages.extend(ids.iter().map(outcome));
    let all = translated(Dialect::ChatCompletions, &json!({ "messages": messages }));
    let expected = ["tollgate_0", "tollgate_1", "fine-1_A", "tollgate_0"];
    for (index, expected) in expected.into_iter().enumerate() {
        assert_eq!(all["messages"][0]["content"][index]["id"], expected);
        assert_eq!(all["messages"][1]["content"][index]["tool_use_id"], expected);
    }
}

#[test]
fn what_is_in_a_tool_or_its_input_is_copied_as_it_is_written() {
    let schema = r#"{ "type":"object", "z":1, "a":1e400, "big":123456789012345678901234567890 }"#;
    let body = format!(
        r#"{{"messages":[],"max_tokens":1,"tools":[{{"name":"f","input_schema":{schema}}}]}}"#
    );
    let request = request(Dialect::Messages, body.as_bytes(), &super::GPT).expect("a request");
    let text = String::from_utf8(request.body.to_vec()).expect("text");
    assert!(text.contains(&format!(r#""parameters":{schema}"#)), "{text}");
}

#[test]
fn a_tool_without_input_and_one_that_failed_are_told_in_the_others_words() {
    let tools = json!([{ "type": "function", "function": { "name": "f" } }]);
    let schema = json!({ "type": "object", "properties": {} });
    assert_eq!(
        chat(&json!({ "tools": tools })),
        json!({ "tools": [{ "name": "f", "input_schema": schema }] })
    );
    let failed = |content: Value| {
        let result = json!({ "type": "tool_result", "tool_use_id": "c", "is_error": true,
            "content": content });
        let all = translated(
            Dialect::Messages,
            &json!({ "max_tokens": 1, "messages": [
            { "role": "user", "content": [{ "type": "text", "text": "b" }, result] } ] }),
        );
        assert_eq!(all["messages"][1], json!({ "role": "user", "content": "b" }));
        assert_eq!(all["messages"][0]["role"], "tool");
        all["messages"][0]["content"].clone()
    };
    assert_eq!(failed(json!("no")), "Error: no");
    assert_eq!(failed(Value::Null), "Error: ");
    let text = |text: &str| json!({ "type": "text", "text": text });
    assert_eq!(
        failed(json!([text("a"), text("b")])),
        json!([text("Error: "), text("a"), text("b")])
    );
}

#[test]
fn a_users_name_is_told_where_it_fits() {
    let told = |caller, body: Value| translated(caller, &body);
    let identifier = json!({ "messages": [], "safety_identifier": "u" });
    let told_by = told(Dialect::ChatCompletions, identifier)["metadata"].clone();
    assert_eq!(told_by, json!({ "user_id": "u" }));
    for (length, fits) in [(64, true), (65, false)] {
        let user = "u".repeat(length);
        let body = json!({ "messages": [], "max_tokens": 1, "metadata": { "user_id": user } });
        assert_eq!(told(Dialect::Messages, body)["user"] == user, fits);
    }
}
