//! What holds for whatever callers and providers say.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Dialect, answers, parsed, request, stamp, streamed, streams};
use crate::{Basis, Counts, Gauge, testing::run, testing::run_plain};

fn either() -> impl Strategy<Value = Dialect> {
    prop::sample::select(vec![Dialect::ChatCompletions, Dialect::Messages])
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z \n\"\\\\]{1,12}", "\\PC{1,6}"]
        .prop_filter("blanks are left out", |text| !text.trim().is_empty())
}

/// A JSON object, as a model writes it.
fn object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..3).prop_map(|map| json!(map)),
        ]
    });
    prop::collection::btree_map("[a-z]{1,4}", value, 0..3).prop_map(|map| json!(map))
}

/// One exchange of a completion's messages: what both dialects can say, in its only spelling.
fn exchange() -> impl Strategy<Value = Vec<Value>> {
    let picture = prop_oneof![
        "data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]{0,12}={0,2}",
        "https://[a-z]{1,8}\\.example/[a-z]{0,8}",
    ];
    let part = prop_oneof![
        text().prop_map(|text| json!({ "type": "text", "text": text })),
        picture.prop_map(|url| json!({ "type": "image_url", "image_url": { "url": url } })),
    ];
    let parts = prop::collection::vec(part, 2..4).prop_map(Value::from);
    let user = prop_oneof![text().prop_map(Value::from), parts]
        .prop_map(|content| json!({ "role": "user", "content": content }));
    let called = prop::collection::vec(("[a-z_]{1,8}", object(), text()), 0..3);
    (user, text(), called).prop_map(|(user, said, called)| {
        let mut assistant = json!({ "role": "assistant", "content": said });
        let mut outcomes = Vec::new();
        let mut calls = Vec::new();
        for (number, (name, input, outcome)) in called.into_iter().enumerate() {
            let id = format!("call_{number}");
            calls.push(json!({ "id": id, "type": "function",
                "function": { "name": name, "arguments": input.to_string() } }));
            outcomes.push(json!({ "role": "tool", "tool_call_id": id, "content": outcome }));
        }
        if !calls.is_empty() {
            assistant["tool_calls"] = json!(calls);
        }
        [vec![user, assistant], outcomes].concat()
    })
}

fn asked() -> impl Strategy<Value = Value> {
    let tool = ("[a-z_]{1,8}", prop::option::of(text()), object(), any::<bool>()).prop_map(
        |(name, description, schema, strict)| {
            let mut function = json!({ "name": name, "parameters": schema, "strict": strict });
            if let Some(description) = description {
                function["description"] = description.into();
            }
            json!({ "type": "function", "function": function })
        },
    );
    let choice = prop_oneof![
        Just(json!("auto")),
        Just(json!("none")),
        Just(json!("required")),
        "[a-z]{1,4}".prop_map(|name| json!({ "type": "function", "function": { "name": name } })),
    ];
    let tools = (prop::collection::vec(tool, 1..3), choice);
    let settings = (
        prop::option::of(0_u32..100),
        prop::option::of(0_u32..100),
        prop::collection::vec("[a-z]{1,5}", 0..=4),
        prop::option::of("[a-z0-9-]{1,9}"),
        any::<bool>(),
        1_u64..100_000,
        prop::option::of(object()),
    );
    let messages = (prop::option::of(text()), prop::collection::vec(exchange(), 1..4), text());
    (messages, prop::option::of(tools), settings).prop_map(
        |((system, talk, last), tools, (temperature, top_p, stop, user, stream, max, schema))| {
            let mut messages: Vec<_> = system
                .map(|text| json!({ "role": "system", "content": text }))
                .into_iter()
                .chain(talk.into_iter().flatten())
                .collect();
            messages.push(json!({ "role": "user", "content": last }));
            let mut body = json!({ "model": "gpt-4o", "messages": messages,
                "max_completion_tokens": max });
            let mut set = |name: &str, value: Option<Value>| {
                if let Some(value) = value {
                    body[name] = value;
                }
            };
            set("temperature", temperature.map(|all| json!(f64::from(all) / 100.0)));
            set("top_p", top_p.map(|all| json!(f64::from(all) / 100.0)));
            set("stop", (!stop.is_empty()).then(|| json!(stop)));
            set("user", user.map(Value::from));
            set("stream", stream.then_some(json!(true)));
            set("stream_options", stream.then(|| json!({ "include_usage": true })));
            set("tools", tools.as_ref().map(|(tools, _)| json!(tools)));
            set("tool_choice", tools.map(|(_, choice)| choice));
            set(
                "response_format",
                schema.map(|schema| {
                    json!({ "type": "json_schema",
                "json_schema": { "name": "answer", "schema": schema, "strict": true } })
                }),
            );
            body
        },
    )
}

fn usage() -> impl Strategy<Value = Counts> {
    (0_u64..1000, 0_u64..1000, 0_u64..1000, 0_u64..1000, 0_u64..1000).prop_map(
        |(plain, cached, written, shown, thought)| Counts {
            cached_tokens: cached,
            cache_write_tokens: written,
            reasoning_tokens: thought,
            ..Counts::tokens(plain + cached + written, shown + thought)
        },
    )
}

/// A usage in the words of a dialect, written by nobody else.
fn told(dialect: Dialect, all: &Counts) -> Value {
    match dialect {
        Dialect::ChatCompletions => json!({
            "prompt_tokens": all.input_tokens, "completion_tokens": all.output_tokens,
            "prompt_tokens_details": { "cached_tokens": all.cached_tokens,
                "cache_write_tokens": all.cache_write_tokens },
            "completion_tokens_details": { "reasoning_tokens": all.reasoning_tokens },
        }),
        Dialect::Messages => json!({
            "input_tokens": all.input_tokens - all.cached_tokens - all.cache_write_tokens,
            "cache_creation_input_tokens": all.cache_write_tokens,
            "cache_read_input_tokens": all.cached_tokens,
            "output_tokens": all.output_tokens,
            "output_tokens_details": { "thinking_tokens": all.reasoning_tokens },
        }),
    }
}

/// Streams that are broken in some places.
fn broken(caller: Dialect) -> impl Strategy<Value = Vec<u8>> {
    let stream = streams::stream(caller);
    let events: Vec<String> = stream.split_inclusive("\n\n").map(str::to_owned).collect();
    let piece = prop_oneof![
        8 => prop::sample::select(events.clone()).prop_map(String::into_bytes),
        1 => prop::sample::select(events).prop_map(|event| event.replace('\n', "\r\n").into_bytes()),
        1 => "data: \\{\"(type|choices|usage|delta)\":[0-9a-z{}\\[\\]\":,_]{0,30}\\}\n\n".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_request_that_comes_back_says_what_it_said(body in asked()) {
        let there = request(
            Dialect::ChatCompletions,
            body.to_string().as_bytes(),
            &Dialect::ChatCompletions.target(),
        );
        let there = there.expect("both can say it").body;
        let back = request(Dialect::Messages, &there, &Dialect::Messages.target());
        prop_assert_eq!(parsed(&back.expect("both can say it").body), body);
    }

    #[test]
    fn what_was_used_is_told_alike(caller in either(), counts in usage()) {
        let provider = caller.other();
        let usage = told(provider, &counts);
        let answer = json!({ "content": [], "choices": [{ "message": {} }], "usage": usage });
        let whole = answers(caller).whole(answer.to_string().as_bytes(), &stamp());
        let whole = whole.expect("an answer");
        let metered = run_plain(caller.asking(false).plain_meter(), &whole, 9);
        prop_assert_eq!((metered.counts, metered.basis), (counts, Basis::Told));

        let stream = match provider {
            Dialect::ChatCompletions => format!(
                "data: {}\n\ndata: [DONE]\n\n",
                json!({ "choices": [], "usage": usage })
            ),
            Dialect::Messages => format!(
                "data: {}\n\ndata: {}\n\n",
                json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" },
                    "usage": usage }),
                json!({ "type": "message_stop" })
            ),
        };
        let (translated, _) = streamed(&answers(caller), stream.as_bytes(), 9);
        let (_, metered) = run(caller.asking(true).stream_meter(Gauge::Bytes), &translated, 9);
        prop_assert_eq!((metered.counts, metered.basis), (counts, Basis::Told));
    }

    #[test]
    fn splits_do_not_matter_and_only_whole_events_come_out(
        (caller, stream) in either().prop_flat_map(|caller| (Just(caller), broken(caller))),
        chunk_bytes in 1_usize..60,
    ) {
        let answers = answers(caller);
        let whole = streamed(&answers, &stream, stream.len());
        prop_assert_eq!(&streamed(&answers, &stream, chunk_bytes), &whole);
        prop_assert!(whole.0.is_empty() || whole.0.ends_with(b"\n\n"));
        super::events(&whole.0);
    }

    #[test]
    fn nothing_that_comes_panics(caller in either(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = request(caller, &bytes, &caller.target());
        let answers = answers(caller);
        let _ = answers.whole(&bytes, &stamp());
        let _ = answers.error(400, &bytes);
        prop_assert_eq!(streamed(&answers, &bytes, 3), streamed(&answers, &bytes, 200));
    }
}
