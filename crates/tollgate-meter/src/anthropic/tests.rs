use bytes::Bytes;
use proptest::prelude::*;

use super::{Endpoint, Error, Request, refusal, scan};
use crate::{
    AnyRequest, Basis, Counts, Ending, Gauge, PriceTable, ScanError,
    refusal::{Reason, Refusal},
    testing::{every_plain_split, every_split, run, run_plain, split_alike},
};

/// A recorded stream: a thought, text, a call of a tool, cache use and a ping.
const STREAM: &str = include_str!("../../fixtures/anthropic_stream.txt");
const ANSWER: &str = include_str!("../../fixtures/anthropic_answer.json");

fn message_with(members: &str) -> Result<Request, ScanError> {
    let body = format!(
        r#"{{"model":"claude-sonnet-4-5","max_tokens":1000,"messages":[{{"role":"user","content":"hi"}}]{members}}}"#
    );
    scan(Endpoint::Messages, body.as_bytes())
}

fn request() -> Request {
    message_with("").expect("a request")
}

#[test]
fn a_request_tells_what_it_asks_for() {
    let scan = message_with(r#","stream":true"#).expect("a request").scan;
    assert_eq!((scan.model.as_str(), scan.stream), ("claude-sonnet-4-5", true));
    assert_eq!(scan.output_bound(), Some(1000));
    assert_eq!((scan.input.bound, scan.input.is_open), (8 + 8 + 2, false));
    let bound = |members: &str| message_with(members).expect("a request").scan.input.bound;
    assert_eq!(bound(r#","system":"be kind""#), 18 + 7);
    assert_eq!(bound(r#","system":[{"type":"text","text":"be kind"}]"#), 18 + 7 + 8);
    let tools = r#"[{"name":"f","input_schema":{}}]"#;
    assert_eq!(bound(&format!(r#","tools":{tools}"#)), 18 + tools.len() as u64 + 1_000);
    let thinking = message_with(r#","thinking":{"type":"enabled","budget_tokens":9}"#);
    assert!(thinking.expect("a request").scan.thinks && !scan.thinks);
}

#[test]
fn images_and_files_have_their_allowance_and_tool_input_counts_whole() {
    let input = |content: &str| {
        let body = format!(
            r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":[{content}]}}]}}"#
        );
        scan(Endpoint::Messages, body.as_bytes()).expect("a request").scan.input
    };
    let image =
        r#"{"type":"image","source":{"type":"base64","data":"AAAA","media_type":"image/png"}}"#;
    assert_eq!((input(image).bound, input(image).fixed), (8 + 8 + 8 + 5_000, 5_000));
    let document = r#"{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"}}"#;
    assert!(input(document).bound >= 10_004 && !input(document).is_open);
    let linked = r#"{"type":"document","source":{"type":"url","url":"https://example.com/a.pdf"}}"#;
    assert!(input(linked).is_open, "nobody knows how long it is");
    let call = r#"{"type":"tool_use","id":"t","name":"f","input":{"type":"0123456789012345678901234567890123456789"}}"#;
    assert!(
        input(call).bound > 40 + 24,
        "members of a tool's input are text, whatever their names"
    );
}

#[test]
fn tools_of_the_providers_own_make_the_input_open() {
    for (kind, is_open) in [
        ("custom", false),
        ("bash_20250124", false),
        ("web_search_20250305", true),
        ("code_execution_20250825", true),
        ("unheard_of", true),
    ] {
        let tools = format!(r#","tools":[{{"type":"{kind}","name":"t"}}]"#);
        assert_eq!(message_with(&tools).expect("a request").scan.input.is_open, is_open, "{kind}");
    }
    assert!(message_with(r#","mcp_servers":[]"#).expect("a request").scan.input.is_open);
}

#[test]
fn what_is_wrong_is_said_in_one_sentence() {
    for (body, sentence) in [
        (r#"{"model":"m","messages":[]}"#, "The request body lacks `max_tokens`."),
        (r#"{"model":"m","max_tokens":1}"#, "The request body lacks `messages`."),
        (
            r#"{"model":"m","max_tokens":1,"messages":"secret"}"#,
            "`messages` must be an array of objects.",
        ),
        (r#"{"model":"m","max_tokens":"9","messages":[]}"#, "`max_tokens` must be a whole number."),
        (
            r#"{"max_tokens":1,"messages":[]}"#,
            "The request body names no model; set `model` to a non-empty string.",
        ),
        (
            r#"{"model":"m","max_tokens":1,"Max_Tokens":2,"messages":[]}"#,
            "The request body has the member `max_tokens` more than once or in another spelling; send it exactly once.",
        ),
        (
            r#"{"model":"m","max_tokens":1,"messages":[],"tools":"secret"}"#,
            "`tools` must be an array of tools.",
        ),
    ] {
        let error = scan(Endpoint::Messages, body.as_bytes()).expect_err(body);
        assert_eq!(error.to_string(), sentence);
    }
}

#[test]
fn a_maximum_is_lowered_and_thought_with_it() {
    let request = request();
    let clamped = |body: &str, most| {
        let body = request.clamped_body(&Bytes::copy_from_slice(body.as_bytes()), most);
        String::from_utf8(body.to_vec()).expect("text")
    };
    assert_eq!(
        clamped(r#"{"max_tokens": 900, "thinking":{"budget_tokens":800},"model":"m"}"#, 500),
        r#"{"max_tokens": 500, "thinking":{"budget_tokens":499},"model":"m"}"#
    );
    assert_eq!(clamped(r#"{"max_tokens":9}"#, 500), r#"{"max_tokens":9}"#);
    assert_eq!(clamped("no json", 500), "no json");
}

#[test]
fn a_whole_answer_is_metered() {
    let metered = every_plain_split(&request(), ANSWER.as_bytes());
    let counts = Counts {
        cached_tokens: 1_000,
        cache_write_tokens: 300,
        cache_write_hour_tokens: 100,
        ..Counts::tokens(1_331, 7)
    };
    assert_eq!((metered.counts, metered.basis), (counts, Basis::Told));
    assert_eq!(metered.ending, Ending::Complete);
    let price = PriceTable::builtin().price("anthropic", "claude-sonnet-4-5");
    let parts = 31 * 3_000 + 1_000 * 300 + 200 * 3_750 + 100 * 6_000 + 7 * 15_000;
    assert_eq!(counts.usage(price).cost.0, parts, "to the nano-dollar");
}

#[test]
fn a_stream_is_metered_by_what_it_tells_last() {
    let metered = every_split(&request(), STREAM.as_bytes());
    let counts = Counts { cached_tokens: 20, reasoning_tokens: 12, ..Counts::tokens(31, 40) };
    assert_eq!((metered.counts, metered.basis), (counts, Basis::Told));
    assert_eq!(metered.ending, Ending::Complete);
    let made = "I think so.".len()
        + "Hello wörld".len()
        + "get_weather".len()
        + r#"{"city":"Oslo"}"#.len();
    assert_eq!(metered.text_bytes, made as u64);
}

#[test]
fn a_stream_that_is_cut_knows_its_input_and_estimates_its_output() {
    let end = STREAM.find("event: message_delta").expect("an end");
    let metered = every_split(&request(), &STREAM.as_bytes()[..end]);
    assert_eq!((metered.basis, metered.ending), (Basis::Begun, Ending::Cut));
    assert_eq!((metered.counts.input_tokens, metered.counts.cached_tokens), (31, 20));
    assert_eq!(metered.counts.output_tokens, 50_u64.div_ceil(3));
    let silent = every_split(&request(), b"event: ping\ndata: {\"type\":\"ping\"}\n\n");
    assert_eq!((silent.basis, silent.counts), (Basis::Missing, Counts::tokens(17, 0)));
}

#[test]
fn an_error_within_the_stream_is_seen() {
    let start = &STREAM[..STREAM.find("event: content_block_start").expect("a block")];
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let metered = every_split(&request(), [start, error].concat().as_bytes());
    assert_eq!(metered.ending, Ending::Failed);
    assert_eq!(metered.counts.input_tokens, 31);
}

#[test]
fn usage_that_cannot_be_true_is_not_believed() {
    for usage in [
        r#"{"input_tokens":-1,"output_tokens":2}"#,
        r#"{"input_tokens":1.5,"output_tokens":2}"#,
        r#"{"input_tokens":99999999999,"output_tokens":2}"#,
        r#"{"input_tokens":18446744073709551615,"cache_read_input_tokens":18446744073709551615,"output_tokens":2}"#,
        r#"{"output_tokens":2}"#,
        "[1,2]",
    ] {
        let answer = format!(r#"{{"type":"message","usage":{usage}}}"#);
        let metered = run_plain(request().plain_meter(), answer.as_bytes(), 7);
        assert_eq!(metered.basis, Basis::Implausible, "{usage}");
        let stream = format!(
            "data: {{\"type\":\"message_start\",\"message\":{{\"usage\":{usage}}}}}\n\ndata: {{\"type\":\"message_stop\"}}\n\n"
        );
        let (_, metered) = run(request().stream_meter(Gauge::Bytes), stream.as_bytes(), 9);
        assert_eq!(metered.basis, Basis::Implausible, "{usage}");
    }
    let long = format!(
        "data: {{\"type\":\"content_block_delta\",\"delta\":{{\"text\":\"{}\"}}}}\n\n",
        "x".repeat(3000)
    );
    let stop = "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"input_tokens\":3,\"output_tokens\":0}}\n\n";
    let (_, metered) =
        run(request().stream_meter(Gauge::Bytes), [&long, stop].concat().as_bytes(), 99);
    assert_eq!((metered.basis, metered.counts.output_tokens), (Basis::Implausible, 1000));
}

#[test]
fn a_cut_is_an_error_event_that_clients_raise() {
    let error = Error {
        kind: "rate_limit_error",
        message: "Spent.",
        code: Some("enforced_spend_limit_reached"),
        request_id: None,
    };
    let mut meter = request().stream_meter(Gauge::Bytes);
    meter.push(&Bytes::copy_from_slice(&STREAM.as_bytes()[..20]));
    assert_eq!(
        meter.cut(&error),
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"Spent.\",\"details\":{\"error_code\":\"enforced_spend_limit_reached\"}}}\n\n"
    );
    assert_eq!(meter.pop(), None);
}

#[test]
fn refusals_have_the_status_and_type_that_choose_the_clients_class() {
    let said = |reason| {
        let native = refusal(&Refusal { request_id: Some("req_1"), ..Refusal::new(reason, "No.") });
        let body: serde_json::Value = serde_json::from_slice(&native.body).expect("JSON");
        assert_eq!(native.headers, [("request-id", "req_1".to_owned())]);
        assert_eq!(
            (body["type"].as_str(), body["request_id"].as_str()),
            (Some("error"), Some("req_1"))
        );
        let error = &body["error"];
        (
            native.status,
            error["type"].as_str().map(str::to_owned),
            error["details"]["error_code"].as_str().map(str::to_owned),
        )
    };
    let of = |status, kind: &str| (status, Some(kind.to_owned()), None);
    assert_eq!(said(Reason::Tokens), of(429, "rate_limit_error"));
    assert_eq!(said(Reason::Overloaded), of(529, "overloaded_error"));
    assert_eq!(said(Reason::Unauthorized), of(401, "authentication_error"));
    assert_eq!(said(Reason::Spent).2.as_deref(), Some("enforced_spend_limit_reached"));
}

#[test]
fn the_endpoint_is_told_by_the_end_of_the_path() {
    assert_eq!(Endpoint::of("/anthropic/v1/messages"), Some(Endpoint::Messages));
    assert_eq!(Endpoint::of("/v1/messages/count_tokens"), None);
    assert_eq!(Endpoint::of("/v1/messages/batches"), None);
}

fn streams() -> impl Strategy<Value = Vec<u8>> {
    let events: Vec<String> = STREAM.split_inclusive("\n\n").map(str::to_owned).collect();
    let piece = prop_oneof![
        6 => prop::sample::select(events.clone()).prop_map(String::into_bytes),
        1 => prop::sample::select(events).prop_map(|event| event.replace('\n', "\r\n").into_bytes()),
        1 => "data: \\{\"type\":\"message_(start|delta)\",\"(usage|message|delta)\":[0-9a-z{}\\[\\]\":,]{0,30}\\}\n\n".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn splits_do_not_matter(stream in streams(), chunk_bytes in 1_usize..60) {
        prop_assert!(split_alike(&request(), &stream, chunk_bytes));
    }

    #[test]
    fn nothing_that_comes_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = scan(Endpoint::Messages, &bytes);
        let whole = run_plain(request().plain_meter(), &bytes, bytes.len());
        prop_assert_eq!(run_plain(request().plain_meter(), &bytes, 3), whole);
        let _ = request().clamped_body(&bytes.into(), 5);
    }

    #[test]
    fn no_text_has_more_tokens_than_its_bound(text in ".{0,200}", system in ".{0,50}") {
        let body = serde_json::json!({"model": "m", "max_tokens": 1, "system": system,
            "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]});
        let bound = scan(Endpoint::Messages, body.to_string().as_bytes()).expect("a request").scan.input.bound;
        prop_assert!(bound >= (text.len() + system.len()) as u64);
    }
}
