use bytes::Bytes;
use proptest::prelude::*;

use super::{Request, error_event, is_path, refusal, scan};
use crate::{
    AnyRequest, Basis, Counts, Ending, Gauge, ScanError, Tokenizer,
    openai::Error,
    refusal::{Reason, Refusal},
    testing::{every_plain_split, every_split, run_plain, split_alike},
};

/// A recorded stream: text, a call of a function, sound.
const STREAM: &str = include_str!("../../../fixtures/responses_stream.txt");

fn response(members: &str) -> Result<Request, ScanError> {
    scan(format!(r#"{{"model":"gpt-5-mini"{members}}}"#).as_bytes())
}

fn request() -> Request {
    response(r#","input":"hi""#).expect("a request")
}

fn told() -> Counts {
    let (cached_tokens, cache_write_tokens, reasoning_tokens) = (8, 4, 5);
    Counts { cached_tokens, cache_write_tokens, reasoning_tokens, ..Counts::tokens(37, 11) }
}

#[test]
fn a_request_tells_what_it_asks_for() {
    let scan =
        response(r#","input":"four","stream":true,"max_output_tokens":90"#).expect("one").scan;
    assert_eq!(
        (scan.model.as_str(), scan.stream, scan.output_bound()),
        ("gpt-5-mini", true, Some(90))
    );
    assert_eq!((scan.input.bound, scan.input.is_open), (4, false));
    let bound = |members: &str| response(members).expect("a request").scan.input.bound;
    let items = r#","input":[{"role":"user","content":[{"type":"input_text","text":"hi"}]}]"#;
    assert_eq!(bound(items), 8 + 8 + 8 + 2);
    assert_eq!(bound(&format!(r#"{items},"instructions":"be kind""#)), 26 + 7);
    let image = r#","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]}]"#;
    assert_eq!(bound(image), 8 + 8 + 8 + 50_000);
    let mut counted = response(r#","input":"What is the capital of France?""#).expect("a request");
    let body = br#"{"model":"gpt-5-mini","input":"What is the capital of France?"}"#;
    assert!(response(r#","input":"hi","reasoning":{"effort":"low"}"#).expect("one").scan.thinks);
    assert!(!counted.scan.thinks);
    counted.count_input(body, Tokenizer::O200k);
    assert_eq!(counted.scan.input.bound, Tokenizer::O200k.count("What is the capital of France?"));
}

#[test]
fn input_is_open_where_nobody_can_foresee_it() {
    for (members, is_open) in [
        (r#","input":"a","tools":[{"type":"function","name":"f"}]"#, false),
        (r#","input":"a","tools":[{"type":"custom","name":"f"}]"#, false),
        (r#","input":"a","tools":[{"type":"web_search"}]"#, true),
        (r#","input":"a","tools":[{"type":"mcp"}]"#, true),
        (r#","input":"a","previous_response_id":"resp_1""#, true),
        (r#","input":"a","previous_response_id":null"#, false),
        (r#","prompt":{"id":"pmpt_1"}"#, true),
        (r#","input":[{"type":"item_reference","id":"msg_1"}]"#, true),
        (r#","input":[{"role":"user","content":[{"type":"input_file","file_id":"f"}]}]"#, true),
        (
            r#","input":[{"role":"user","content":[{"type":"input_file","file_data":"AAAA"}]}]"#,
            false,
        ),
    ] {
        assert_eq!(response(members).expect("a request").scan.input.is_open, is_open, "{members}");
    }
}

#[test]
fn what_is_wrong_is_said_in_one_sentence() {
    for (members, sentence) in [
        ("", "The request body lacks `input`."),
        (r#","input":7"#, "`input` must be an array of objects."),
        (
            r#","input":"a","background":true"#,
            "What `background` asks for cannot be metered; leave it out.",
        ),
        (
            r#","input":"a","max_output_tokens":0"#,
            "`max_output_tokens` must be between 1 and 1000000000.",
        ),
        (r#","input":"a","tools":{}"#, "`tools` must be an array of tools."),
    ] {
        assert_eq!(response(members).expect_err(members).to_string(), sentence);
    }
}

#[test]
fn a_maximum_is_lowered_or_set() {
    let clamped = |body: &'static str| request().clamped_body(&Bytes::from(body), 50);
    assert_eq!(
        clamped(r#"{"max_output_tokens":90,"model":"m"}"#),
        r#"{"max_output_tokens":50,"model":"m"}"#
    );
    assert_eq!(clamped(r#"{"model":"m"}"#), r#"{"max_output_tokens":50,"model":"m"}"#);
}

#[test]
fn answers_are_metered_whole_and_streamed() {
    let metered = every_split(&request(), STREAM.as_bytes());
    assert_eq!(
        (metered.counts, metered.basis, metered.ending),
        (told(), Basis::Told, Ending::Complete)
    );
    let made = "Hello wörld".len() + r#"{"city":"Oslo"}"#.len();
    assert_eq!(metered.text_bytes, made as u64, "sound, padding and repetitions are no text");
    let answer = STREAM.rsplit_once("\"response\":").expect("a last event").1;
    let answer = answer.strip_suffix(",\"sequence_number\":6}\n\n").expect("its end");
    let metered = every_plain_split(&request(), answer.as_bytes());
    assert_eq!(
        (metered.counts, metered.basis, metered.ending),
        (told(), Basis::Told, Ending::Complete)
    );
}

#[test]
fn other_endings_are_seen() {
    let end = STREAM.find("event: response.completed").expect("an end");
    let metered = every_split(&request(), &STREAM.as_bytes()[..end]);
    assert_eq!((metered.basis, metered.ending), (Basis::Missing, Ending::Cut));
    assert_eq!(metered.counts.output_tokens, 27_u64.div_ceil(3));
    let incomplete = STREAM.replace("response.completed", "response.incomplete");
    assert_eq!(every_split(&request(), incomplete.as_bytes()).ending, Ending::Complete);
    let failed = STREAM.replace("response.completed", "response.failed");
    let metered = every_split(&request(), failed.as_bytes());
    assert_eq!((metered.ending, metered.counts), (Ending::Failed, told()));
    let error = "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"m\",\"param\":null}\n\n";
    assert_eq!(every_split(&request(), error.as_bytes()).ending, Ending::Failed);
}

#[test]
fn usage_in_an_event_larger_than_most_is_still_read() {
    let long = STREAM
        .replace("\"status\":\"completed\"", &format!("\"status\":\"{}\"", "x".repeat(3 << 20)));
    let mut meter = request().stream_meter(Gauge::Bytes);
    meter.push(&Bytes::from(long));
    assert_eq!(meter.finish().counts, told());
}

#[test]
fn an_error_in_a_stream_is_an_event_of_this_api_that_others_raise_too() {
    let error =
        Error { message: "Spent.", kind: "insufficient_quota", param: None, code: Some("c") };
    let mut meter = request().stream_meter(Gauge::Bytes);
    assert_eq!(
        meter.cut(&error_event(&error)),
        "event: error\ndata: {\"type\":\"error\",\"code\":\"c\",\"message\":\"Spent.\",\"param\":null,\"sequence_number\":0,\"error\":{\"message\":\"Spent.\",\"type\":\"insufficient_quota\",\"param\":null,\"code\":\"c\"}}\n\n"
    );
    let native = refusal(&Refusal::new(Reason::Tokens, "Too many."));
    assert_eq!(native.status, 429);
    assert_eq!(
        native.body,
        r#"{"error":{"message":"Too many.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#
    );
    assert_eq!(native.event.name, Some("error"));
}

#[test]
fn the_path_is_told_by_its_end() {
    assert!(is_path("/openai/v1/responses") && is_path("/v1/responses/"));
    assert!(!is_path("/v1/responses/resp_1") && !is_path("/v1/responses/input_tokens"));
}

fn streams() -> impl Strategy<Value = Vec<u8>> {
    let events: Vec<String> = STREAM.split_inclusive("\n\n").map(str::to_owned).collect();
    let piece = prop_oneof![
        6 => prop::sample::select(events).prop_map(String::into_bytes),
        1 => "data: \\{\"type\":\"response.completed\",\"response\":[0-9a-z{}\\[\\]\":,]{0,30}\\}\n\n".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ];
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn splits_do_not_matter(stream in streams(), chunk_bytes in 1_usize..60) {
        prop_assert!(split_alike(&request(), &stream, chunk_bytes));
    }

    #[test]
    fn nothing_that_comes_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = scan(&bytes);
        let whole = run_plain(request().plain_meter(), &bytes, bytes.len());
        prop_assert_eq!(run_plain(request().plain_meter(), &bytes, 3), whole);
        let _ = request().clamped_body(&bytes.into(), 5);
    }
}
