use bytes::Bytes;
use proptest::prelude::*;

use super::{Gauge, StreamMeter};
use crate::{
    Basis, Counts, Ending, Metered, Tokenizer,
    openai::{DONE, Endpoint, Error, Request, scan},
};

const ROLE: &str = r#"data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"usage":null}

"#;
const HELLO: &str = r#"data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hello wörld"}}],"usage":null}

"#;
const USAGE: &str = r#"data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":2},"completion_tokens_details":{"reasoning_tokens":1}}}

"#;
const DONE_TEXT: &str = "data: [DONE]\n\n";

fn request(members: &str) -> Request {
    let body = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],"stream":true{members}}}"#
    );
    scan(Endpoint::ChatCompletions, body.as_bytes()).expect("a request")
}

fn silent() -> StreamMeter {
    StreamMeter::new(&request(""), Gauge::Bytes)
}

fn asking() -> StreamMeter {
    StreamMeter::new(&request(r#","stream_options":{"include_usage":true}"#), Gauge::Bytes)
}

fn pass(meter: &mut StreamMeter, bytes: &[u8]) -> Vec<u8> {
    meter.push(&Bytes::copy_from_slice(bytes));
    std::iter::from_fn(|| meter.pop()).flatten().collect()
}

/// Passes a stream in chunks of one size.
fn run(mut meter: StreamMeter, stream: &[u8], chunk_bytes: usize) -> (Vec<u8>, Metered) {
    let mut passed = Vec::new();
    for chunk in stream.chunks(chunk_bytes) {
        passed.extend(pass(&mut meter, chunk));
    }
    let metered = meter.finish();
    passed.extend(std::iter::from_fn(|| meter.pop()).flatten());
    (passed, metered)
}

fn told() -> Counts {
    Counts { cached_tokens: 2, reasoning_tokens: 1, ..Counts::tokens(3, 4) }
}

#[test]
fn the_extra_chunk_goes_only_to_those_who_asked() {
    let stream = [ROLE, HELLO, USAGE, DONE_TEXT].concat();
    let without = [ROLE, HELLO, DONE_TEXT].concat();
    for ends in ["\n", "\r\n", "\r"] {
        let (stream, without) = (stream.replace('\n', ends), without.replace('\n', ends));
        for chunk_bytes in 1..stream.len() {
            let (passed, metered) = run(silent(), stream.as_bytes(), chunk_bytes);
            assert_eq!(passed, without.as_bytes());
            let complete = Metered {
                counts: told(),
                basis: Basis::Told,
                ending: Ending::Complete,
                text_bytes: 12,
            };
            assert_eq!(metered, complete);
            assert_eq!(
                run(asking(), stream.as_bytes(), chunk_bytes),
                (stream.clone().into(), complete)
            );
        }
    }
}

#[test]
fn an_event_passes_with_its_last_byte() {
    let mut meter = silent();
    let (most, last) = HELLO.as_bytes().split_at(HELLO.len() - 1);
    assert_eq!(pass(&mut meter, most), b"");
    assert_eq!(pass(&mut meter, last), HELLO.as_bytes());
}

#[test]
fn events_of_one_chunk_pass_as_one_and_uncopied() {
    let mut meter = silent();
    let chunk = Bytes::from([ROLE, HELLO, HELLO, USAGE, DONE_TEXT].concat());
    meter.push(&chunk);
    let passed: Vec<Bytes> = std::iter::from_fn(|| meter.pop()).collect();
    assert_eq!(passed, [[ROLE, HELLO, HELLO].concat(), DONE_TEXT.to_owned()]);
    assert_eq!(passed[0].as_ptr(), chunk.as_ptr());
}

#[test]
fn chunks_that_only_resemble_the_extra_one_pass() {
    for kept in [
        r#"data: {"choices":[],"prompt_filter_results":[]}"#,
        r#"data: {"choices":[],"usage":null}"#,
        r#"data: {"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#,
        r#"data: {"usage":{"prompt_tokens":1,"completion_tokens":1}}"#,
        r#"data: {"choices":[],"usage":{"#,
        "data: [[],{\"prompt_tokens\":1,\"completion_tokens\":1}]",
        ": choices [] usage",
    ] {
        let stream = format!("{kept}\n\n{DONE_TEXT}");
        assert_eq!(run(silent(), stream.as_bytes(), 10).0, stream.as_bytes(), "{kept}");
    }
}

#[test]
fn the_last_usage_counts_wherever_it_stands() {
    let stream = [
        r#"data: {"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#,
        "\n\n",
        r#"data: {"choices":[{"delta":{"content":"b"}}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#,
    ];
    let (_, metered) = run(silent(), stream.concat().as_bytes(), 7);
    let counts = Counts::tokens(3, 2);
    assert_eq!(metered, Metered { counts, basis: Basis::Told, ending: Ending::Cut, text_bytes: 2 });
}

#[test]
fn without_usage_the_text_is_estimated() {
    let stream = [ROLE, HELLO, HELLO, DONE_TEXT].concat();
    let (_, metered) = run(silent(), stream.as_bytes(), 50);
    // The input is 2 bytes of text with 16 for the marks around it; 24 bytes came back.
    let counts = Counts::tokens(17, 8);
    let (basis, ending) = (Basis::Missing, Ending::Complete);
    assert_eq!(metered, Metered { counts, basis, ending, text_bytes: 24 });
    let bounded = StreamMeter::new(&request(r#","max_tokens":5"#), Gauge::Bytes);
    assert_eq!(run(bounded, stream.as_bytes(), 50).1.counts, Counts::tokens(17, 5));
}

#[test]
fn what_is_known_of_the_model_makes_the_estimate_better() {
    let stream = [ROLE, HELLO, HELLO, DONE_TEXT].concat();
    let estimate = |gauge| {
        let meter = StreamMeter::new(&request(""), gauge);
        run(meter, stream.as_bytes(), 50).1.counts.output_tokens
    };
    assert_eq!(estimate(Gauge::Density(4 * 16)), 6, "four bytes to a token");
    assert_eq!(estimate(Gauge::Density(0)), 24 * 16, "nonsense does not divide by zero");
    assert_eq!(estimate(Gauge::Density(1_000)), 2, "an event is at least one token");
    let each = Tokenizer::O200k.count("Hello wörld");
    assert_eq!(estimate(Gauge::Vocabulary(Tokenizer::O200k)), 2 * each);
}

#[test]
fn every_kind_of_text_is_estimated() {
    for delta in [
        r#"{"content":"sixsix"}"#,
        r#"{"refusal":"sixsix"}"#,
        r#"{"reasoning_content":"sixsix"}"#,
        r#"{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"six","arguments":"{}1"}}]}"#,
        r#"{"function_call":{"name":"six","arguments":"six"}}"#,
        r#"{"audio":{"data":"AAAAAAAAAAAA","transcript":"sixsix"}}"#,
    ] {
        let mut meter = silent();
        pass(&mut meter, format!("data: {{\"choices\":[{{\"delta\":{delta}}}]}}\n\n").as_bytes());
        assert_eq!(meter.output_estimate(), 2, "{delta}");
    }
    let mut meter = silent();
    for _ in 0..10 {
        pass(&mut meter, b"data: {\"choices\":[{\"text\":\"a\"}]}\n\n");
    }
    assert_eq!(meter.output_estimate(), 10, "each event has a token at least");
}

#[test]
fn usage_that_cannot_be_true_is_not_believed() {
    let long = format!(r#"data: {{"choices":[{{"delta":{{"content":"{}"}}}}]}}"#, "x".repeat(3000));
    for usage in [
        r#"{"prompt_tokens":-3,"completion_tokens":20}"#,
        r#"{"prompt_tokens":3.5,"completion_tokens":20}"#,
        r#"{"prompt_tokens":"3","completion_tokens":20}"#,
        r#"{"prompt_tokens":3,"completion_tokens":1e400}"#,
        r#"{"prompt_tokens":18446744073709551615,"completion_tokens":18446744073709551615}"#,
        r#"{"prompt_tokens":99999999999999999999,"completion_tokens":20}"#,
        r#"{"prompt_tokens":3}"#,
        r#"{"prompt_tokens":3,"completion_tokens":0}"#,
        r#"{"prompt_tokens":3,"completion_tokens":20,"completion_tokens":30}"#,
        "[3,4]",
        "\"usage\"",
    ] {
        let extra = format!("data: {{\"choices\":[],\"usage\":{usage}}}\n\n");
        let stream = format!("{long}\n\n{extra}{DONE_TEXT}");
        let (_, metered) = run(silent(), stream.as_bytes(), 1000);
        let known = (metered.basis, metered.counts);
        assert_eq!(known, (Basis::Implausible, Counts::tokens(17, 1000)), "{usage}");
    }
}

#[test]
fn an_error_within_the_stream_is_seen() {
    let error = "data: {\"error\":{\"message\":\"no\",\"type\":\"server_error\"}}\n\n";
    for end in ["", DONE_TEXT] {
        let stream = [ROLE, HELLO, error, end].concat();
        let (passed, metered) = run(silent(), stream.as_bytes(), 30);
        assert_eq!((passed, metered.ending), (stream.into(), Ending::Failed));
    }
}

#[test]
fn a_stream_without_its_end_is_cut_and_passes_to_its_last_byte() {
    for stream in [&HELLO[..20], HELLO, "", "data: [DON"] {
        let (passed, metered) = run(silent(), stream.as_bytes(), 8);
        assert_eq!((passed, metered.ending), (stream.into(), Ending::Cut), "{stream}");
    }
    let (_, metered) = run(silent(), DONE.trim_ascii_end(), 5);
    assert_eq!(metered.ending, Ending::Complete, "a blank line is not missed");
}

#[test]
fn a_cut_is_an_event_of_its_own() {
    let error = Error { message: "spent", kind: "insufficient_quota", param: None, code: None };
    let event = crate::openai::error_event(&error);
    let mut meter = silent();
    let passed = pass(&mut meter, [HELLO, &HELLO[..30]].concat().as_bytes());
    assert_eq!((passed.as_slice(), meter.cut(&error)), (HELLO.as_bytes(), event.clone()));
    assert_eq!((meter.pop(), meter.metered().ending), (None, Ending::Cut));
    assert_eq!(meter.finish().counts.output_tokens, 4, "what is cut off is not told any more");

    let mut within = silent();
    pass(&mut within, format!("data: {}", "x".repeat(2 << 20)).as_bytes());
    assert_eq!(within.cut(&error), [b"\n\n", &event[..]].concat());
}

fn streams() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(ROLE.to_owned()),
        Just(HELLO.to_owned()),
        Just(HELLO.replace('\n', "\r\n")),
        Just(USAGE.to_owned()),
        Just(USAGE.replace('\n', "\r\n")),
        Just(USAGE.replace('\n', "\r")),
        Just(DONE_TEXT.to_owned()),
        Just("\n".to_owned()),
        Just(": ping\n\n".to_owned()),
        "[ -~\\r\\n]{0,12}",
    ];
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn splits_do_not_matter(stream in streams(), chunk_bytes in 1_usize..40) {
        let whole = run(silent(), stream.as_bytes(), stream.len().max(1));
        prop_assert_eq!(run(silent(), stream.as_bytes(), chunk_bytes), whole);
        let (passed, _) = run(asking(), stream.as_bytes(), chunk_bytes);
        prop_assert_eq!(passed, stream.as_bytes());
    }
}
