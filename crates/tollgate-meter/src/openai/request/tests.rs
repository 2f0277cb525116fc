use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::Tokenizer;

const CHAT: Endpoint = Endpoint::ChatCompletions;

fn chat(body: &str) -> Result<Request, ScanError> {
    scan(CHAT, body.as_bytes())
}

/// A chat with these members beside its model and its one message.
fn chat_with(members: &str) -> Result<Request, ScanError> {
    chat(&format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}]{members}}}"#))
}

fn upstream(body: &str) -> String {
    let request = chat(body).expect("a request");
    let body = request.upstream_body(Bytes::copy_from_slice(body.as_bytes()));
    String::from_utf8(body.to_vec()).expect("text")
}

#[test]
fn a_chat_tells_what_it_asks_for() {
    let request = chat_with(r#","max_completion_tokens":100,"max_tokens":50,"n":3,"stream":true"#)
        .expect("a request");
    assert_eq!(request.scan.model, "m");
    assert!(request.scan.stream && !request.usage_asked);
    assert_eq!(request.scan.max_output_tokens, Some(100), "either may be obeyed");
    assert_eq!(request.scan.output_bound(), Some(300));
    let silent = chat_with(r#","n":null,"stream":null,"max_tokens":null"#).expect("a request");
    assert_eq!((silent.scan.stream, silent.scan.output_bound()), (false, None));
}

#[test]
fn a_path_may_name_the_model_and_the_body_need_not() {
    let messages = r#""messages":[{"role":"user","content":"hi"}]"#;
    for body in [format!("{{{messages}}}"), format!(r#"{{"model":"another",{messages}}}"#)] {
        let scanned = scan_of(Endpoint::ChatCompletions, "gpt-4o", body.as_bytes());
        let mut request = scanned.expect("a request");
        assert_eq!(request.scan.model, "gpt-4o");
        let clamped = |request: &Request| request.clamped_body(&body.clone().into(), 50);
        assert!(clamped(&request).starts_with(br#"{"max_completion_tokens":50,"#));
        request.rename("m".to_owned());
        assert_eq!(request.scan.model, "m");
        assert!(clamped(&request).starts_with(br#"{"max_tokens":50,"#), "as others know it");
    }
    let bad = scan_of(Endpoint::ChatCompletions, "", b"{\"messages\":[]}");
    assert_eq!(bad, Err(ScanError::NoModel));
}

#[test]
fn every_byte_of_text_may_be_a_token() {
    let input = |body: &str| chat(body).expect("a request").scan.input.bound;
    let hi = input(r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#);
    assert_eq!(hi, 8 + 8 + 2);
    let more = input(r#"{"model":"m","messages":[{"role":"user","content":"h\u00e9\n"}]}"#);
    assert_eq!(more, hi + 2, "escapes are counted by what they mean");
    let parts = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"hi"},
        {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAAAAAA"}}]}]}"#;
    assert_eq!(input(parts), hi + 2 * 8 + 50_000);
    let tools = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"a":1}]}"#;
    assert_eq!(input(tools), hi + 9);
    let call = r#"{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"assistant",
        "content":null,"tool_calls":[{"function":{"name":"f","arguments":"{\"x\":12345}"}}]}]}"#;
    assert!(input(call) >= hi + 8 + 11 + 1 + 30);
}

#[test]
fn text_is_counted_by_the_vocabulary_of_a_model_that_has_one() {
    let body = |text: &str| {
        format!(r#"{{"messages":[{{"role":"user","content":"{text}"}}],"model":"gpt-4o"}}"#)
    };
    let counted = |body: &str| {
        let mut request = chat(body).expect("a request");
        request.count_input(body.as_bytes(), Tokenizer::O200k);
        request.scan.input
    };
    let text = "What is the capital of France, and how far is it from here? ".repeat(50);
    let tokens = Tokenizer::O200k.count(&text);
    assert!(tokens * 3 < text.len() as u64);
    let input = counted(&body(&text));
    assert_eq!((input.bound, input.likely), (tokens + 8 + 8, tokens + 8 + 8));
    let mut other = chat(&body("hi")).expect("a request");
    let before = other.scan.input;
    other.count_input(b"no json", Tokenizer::O200k);
    assert_eq!(other.scan.input, before, "another body changes nothing");
}

#[test]
fn a_completion_is_charged_for_every_prompt_and_every_candidate() {
    let scanned = |prompt: &str| {
        let body = format!(r#"{{"model":"m","prompt":{prompt},"max_tokens":10,"best_of":2}}"#);
        scan(Endpoint::Completions, body.as_bytes()).expect("a request").scan
    };
    for (prompt, bound, output) in [
        (r#""four""#, 4, 20),
        (r#"["four","five!"]"#, 9, 40),
        ("[1,22,333]", 3, 20),
        ("[[1,2],[3]]", 3, 40),
        ("null", 0, 20),
        ("[]", 0, 20),
    ] {
        let scan = scanned(prompt);
        assert_eq!((scan.input.bound, scan.output_bound()), (bound, Some(output)), "{prompt}");
    }
}

#[test]
fn embeddings_make_no_tokens() {
    for (input, bound) in [(r#""four""#, 4), (r#"["ab","c"]"#, 3), ("[7,8]", 2), ("[[7],[8,9]]", 3)]
    {
        let body = format!(r#"{{"model":"e","input":{input},"stream":true}}"#);
        let request = scan(Endpoint::Embeddings, body.as_bytes()).expect("a request");
        assert_eq!((request.scan.input.bound, request.scan.output_bound()), (bound, Some(0)));
        assert!(!request.scan.stream, "there is no stream of embeddings");
    }
}

#[test]
fn a_body_that_could_be_read_in_two_ways_is_refused() {
    let ambiguous = |member| Err(ScanError::Ambiguous(member));
    assert_eq!(chat_with(r#","model":"other""#), ambiguous("model"));
    assert_eq!(chat_with(r#","mod\u0065l":"other""#), ambiguous("model"));
    assert_eq!(chat_with(r#","MODEL":"other""#), ambiguous("model"));
    assert_eq!(chat_with(r#","ſtream":true"#), ambiguous("stream"));
    assert_eq!(chat_with(r#","max_toKens":9"#), ambiguous("max_tokens"));
    assert_eq!(chat_with(r#","n":1,"n":1"#), ambiguous("n"));
    let twice = r#","stream":true,"stream_options":{"include_usage":false,"Include_Usage":true}"#;
    assert_eq!(chat_with(twice), ambiguous("include_usage"));
    assert!(chat_with(r#","user":"a","user":"b""#).is_ok(), "what is not charged may occur twice");
}

#[test]
fn what_is_wrong_is_said_in_one_sentence() {
    let messages = r#""messages":[]"#;
    for (body, sentence) in [
        ("{}", "The request body names no model; set `model` to a non-empty string."),
        (r#"{"model":""}"#, "The request body names no model; set `model` to a non-empty string."),
        (
            r#"{"model":null}"#,
            "The request body names no model; set `model` to a non-empty string.",
        ),
        (r#"{"model":["m"]}"#, "`model` must be a string."),
        (r#"{"model":"m","stream":"yes"}"#, "`stream` must be true or false."),
        (r#"{"model":"m","n":0}"#, "`n` must be between 1 and 128."),
        (r#"{"model":"m","n":129}"#, "`n` must be between 1 and 128."),
        (r#"{"model":"m","n":"1"}"#, "`n` must be a whole number."),
        (r#"{"model":"m","max_tokens":0}"#, "`max_tokens` must be between 1 and 1000000000."),
        (r#"{"model":"m","max_tokens":-5}"#, "`max_tokens` must be between 1 and 1000000000."),
        (r#"{"model":"m","max_tokens":1.5}"#, "`max_tokens` must be a whole number."),
        (
            r#"{"model":"m","max_completion_tokens":99999999999999999999999999}"#,
            "`max_completion_tokens` must be between 1 and 1000000000.",
        ),
        (
            r#"{"model":"m","stream":true,"stream_options":true}"#,
            "`stream_options` must be an object.",
        ),
        (
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":1}}"#,
            "`include_usage` must be true or false.",
        ),
        (
            "{\"model\":\"a\\nb\"}",
            "The name of the model is longer than 256 bytes or holds control characters.",
        ),
    ] {
        let body = body.replacen('{', &format!("{{{messages},"), 1).replace(",}", "}");
        assert_eq!(
            chat(&body).map_err(|e| e.to_string()).err().as_deref(),
            Some(sentence),
            "{body}"
        );
    }
    assert_eq!(chat(r#"{"model":"m"}"#), Err(ScanError::Missing("messages")));
    for endpoint in [CHAT, Endpoint::Completions, Endpoint::Embeddings] {
        let body =
            r#"{"model":"m","messages":{"secret":1},"prompt":{"secret":1},"input":{"secret":1}}"#;
        let error = scan(endpoint, body.as_bytes()).expect_err("an error");
        assert!(matches!(error, ScanError::WrongType { .. }), "{error}");
    }
}

#[test]
fn no_body_is_repeated_in_an_error() {
    for body in [
        r#""secret""#,
        r#"["secret"]"#,
        r#"{"model":"m","messages":"secret"}"#,
        r#"{"model":"m","messages":["secret",}"#,
        r#"{"model":{"secret":1},"messages":[]}"#,
        r#"{"model":"m","messages":[{"content":"secret\ud800"}]}"#,
        r#"{"model":"m","messages":[],"stream":"secret"}"#,
        "secret",
        "",
    ] {
        let error = chat(body).expect_err(body).to_string();
        assert!(!error.contains("secret") && error.ends_with('.'), "{error}");
    }
    assert_eq!(scan(CHAT, b"{\"a\":\"\xff\"}"), Err(ScanError::NotText(6)));
}

#[test]
fn a_depth_bomb_is_an_error_or_passes_but_never_overflows() {
    let deep = |open: &str, close: &str| open.repeat(2_000_000) + &close.repeat(2_000_000);
    let bomb = deep("[", "]");
    assert!(chat_with(&format!(r#","metadata":{bomb}"#)).is_ok());
    assert!(chat(&bomb).is_err());
    assert!(chat(&format!(r#"{{"model":"m","messages":{bomb}}}"#)).is_err());
    let objects = deep(r#"{"content":"#, "}").replacen("\"content\":}", "\"content\":1}", 1);
    assert!(chat(&format!(r#"{{"model":"m","messages":[{objects}]}}"#)).is_err());
    assert!(chat_with(&format!(r#","stream":true,"stream_options":{bomb}"#)).is_err());
}

#[test]
fn a_stream_asks_for_its_usage_and_nothing_else_changes() {
    let start = r#"  { "model" : "m", "messages":[],"stream":true"#;
    for (options, expected) in [
        (r#", "stream_options": null }"#, r#", "stream_options": {"include_usage":true} }"#),
        (r#", "stream_options":{}}"#, r#", "stream_options":{"include_usage":true}}"#),
        (
            r#", "stream_options": { "a" : 1 } } "#,
            r#", "stream_options": {"include_usage":true, "a" : 1 } } "#,
        ),
        (
            r#", "stream_options":{"include_usage" : false }}"#,
            r#", "stream_options":{"include_usage" : true }}"#,
        ),
        (
            r#", "stream_options":{"a":{},"include_usage":null}}"#,
            r#", "stream_options":{"a":{},"include_usage":true}}"#,
        ),
    ] {
        assert_eq!(upstream(&format!("{start}{options}")), format!("{start}{expected}"));
    }
    assert_eq!(
        upstream(&format!("{start}}}")),
        r#"  {"stream_options":{"include_usage":true}, "model" : "m", "messages":[],"stream":true}"#
    );
}

#[test]
fn a_body_that_needs_nothing_is_not_even_copied() {
    for body in [
        r#"{"model":"m","messages":[]}"#,
        r#"{"model":"m","messages":[],"stream_options":null}"#,
        r#"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#,
    ] {
        let request = chat(body).expect("a request");
        let body = Bytes::copy_from_slice(body.as_bytes());
        assert_eq!(request.upstream_body(body.clone()).as_ptr(), body.as_ptr());
        assert_eq!(request.usage_asked, request.scan.stream);
    }
}

#[test]
fn the_endpoint_is_told_by_the_end_of_the_path() {
    for (path, endpoint) in [
        ("/openai/v1/chat/completions", Some(CHAT)),
        ("/openai/deployments/d/chat/completions/", Some(CHAT)),
        ("/v1/completions", Some(Endpoint::Completions)),
        ("/v1/embeddings", Some(Endpoint::Embeddings)),
        ("/v1/models", None),
        ("/v1/chat/completions/chatcmpl-1", None),
        ("/v1/mycompletions", None),
    ] {
        assert_eq!(Endpoint::of(path), endpoint, "{path}");
    }
}

/// JSON of any shape, with the names that matter among its own.
fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 4.0)),
        ".{0,12}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("model"),
        Just("stream"),
        Just("stream_options"),
        Just("include_usage"),
        Just("messages"),
        Just("content"),
        Just("text"),
        Just("input"),
        Just("prompt"),
        Just("n"),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(name.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_that_is_sent_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for endpoint in [CHAT, Endpoint::Completions, Endpoint::Embeddings] {
            let _ = scan(endpoint, &body);
        }
    }

    #[test]
    fn what_goes_upstream_is_the_same_object_with_its_usage_asked(
        mut body in json(), options in prop::option::of(json()), spaces in " {0,3}",
    ) {
        if let Some(body) = body.as_object_mut() {
            body.insert("model".into(), "m".into());
            body.insert("messages".into(), serde_json::json!([]));
            body.insert("stream".into(), true.into());
            body.remove("n");
            body.remove("stream_options");
            body.extend(options.map(|options| ("stream_options".into(), options)));
        }
        let text = format!("{spaces}{body:#}{spaces}");
        if let Ok(request) = chat(&text) {
            let sent = request.upstream_body(text.into());
            let sent: serde_json::Value = serde_json::from_slice(&sent).expect("JSON");
            prop_assert_eq!(&sent["stream_options"]["include_usage"], &serde_json::Value::Bool(true));
            if !body["stream_options"].is_object() {
                body["stream_options"] = serde_json::json!({});
            }
            body["stream_options"]["include_usage"] = true.into();
            prop_assert_eq!(sent, body);
        }
    }

    #[test]
    fn no_text_has_more_tokens_than_its_bound(text in ".{0,200}") {
        let body = serde_json::json!({"model": "m", "messages": [{"role": "user", "content": text}]});
        let bound = chat(&body.to_string()).expect("a request").scan.input.bound;
        prop_assert!(bound >= text.len() as u64 && bound <= text.len() as u64 + 16);
    }
}
