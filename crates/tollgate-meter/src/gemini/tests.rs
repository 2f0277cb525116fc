use bytes::Bytes;
use proptest::prelude::*;

use super::{Method, Request, Target, refusal, scan};
use crate::{
    AnyRequest, Basis, Counts, Ending, Gauge, ScanError,
    refusal::{Reason, Refusal},
    testing::{every_plain_split, every_split, run, run_plain, split_alike},
};

/// A recorded stream: thoughts, text and a call of a function.
const SSE: &str = include_str!("../../fixtures/gemini_stream.txt");
const ANSWER: &str = r#"{"candidates":[{"content":{"parts":[{"text":"usageMetadata: {}"}],"role":"model"},"finishReason":"STOP"}],
  "usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"totalTokenCount":5,
  "promptTokensDetails":[{"modality":"TEXT","tokenCount":1},{"modality":"AUDIO","tokenCount":2}]},"modelVersion":"gemini-2.5-flash"}"#;

/// The same stream as a JSON array.
fn array() -> String {
    let items: Vec<_> = SSE.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    format!("[{}\n]\n", items.join("\n,\r\n"))
}

fn target(method: Method) -> Target {
    Target { model: "gemini-2.5-flash".into(), method }
}

fn generate(members: &str) -> Result<Request, ScanError> {
    let body = format!(r#"{{"contents":[{{"role":"user","parts":[{{"text":"hi"}}]}}]{members}}}"#);
    scan(&target(Method::Generate), body.as_bytes())
}

fn streaming(sse: bool) -> Request {
    scan(&target(Method::Stream { sse }), br#"{"contents":[]}"#).expect("a request")
}

#[test]
fn the_path_tells_model_and_method() {
    for (path, query, expected) in [
        ("/gemini/v1beta/models/gemini-2.5-flash:generateContent", None, Some(Method::Generate)),
        (
            "/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-flash:streamGenerateContent",
            Some("key=a&alt=sse"),
            Some(Method::Stream { sse: true }),
        ),
        (
            "/v1beta/models/gemini-2.5-flash:streamGenerateContent/",
            Some("alt=json"),
            Some(Method::Stream { sse: false }),
        ),
        ("/v1beta/models/gemini%2D2.5-flash:embedContent", None, Some(Method::Embed)),
        ("/v1beta/models/gemini-2.5-flash:countTokens", None, None),
        ("/v1beta/models/gemini-2.5-flash", None, None),
        ("/v1beta/models/%ff:generateContent", None, None),
    ] {
        assert_eq!(Target::of(path, query), expected.map(target), "{path}");
    }
}

#[test]
fn a_request_tells_what_it_asks_for() {
    let scan = generate(r#","generationConfig":{"maxOutputTokens":100,"candidateCount":2}"#)
        .expect("a request")
        .scan;
    assert_eq!((scan.model.as_str(), scan.stream), ("gemini-2.5-flash", false));
    assert_eq!((scan.output_bound(), scan.input.is_open), (Some(200), false));
    let snake = generate(r#","generation_config":{"max_output_tokens":7}"#).expect("a request");
    assert_eq!(snake.scan.output_bound(), Some(7));
    let bound = |members: &str| generate(members).expect("a request").scan.input.bound;
    assert_eq!(bound(""), 8 + 8 + 8 + 2);
    assert_eq!(bound(r#","systemInstruction":{"parts":[{"text":"be kind"}]}"#), 26 + 16 + 7);
    let one = scan_of(r#"{"contents":{"parts":{"text":"hi"}}}"#);
    assert_eq!(one.scan.input.bound, 8 + 8 + 8 + 2, "one content needs no array");
    let thinking = generate(r#","generationConfig":{"thinkingConfig":{"thinkingLevel":"low"}}"#);
    assert!(thinking.expect("a request").scan.thinks && !scan.thinks);
}

fn scan_of(body: &str) -> Request {
    scan(&target(Method::Generate), body.as_bytes()).expect("a request")
}

#[test]
fn input_is_open_where_nobody_can_foresee_it() {
    for (members, is_open) in [
        (r#","tools":[{"functionDeclarations":[{"name":"f"}]}]"#, false),
        (r#","tools":[{"functionDeclarations":[]},{"googleSearch":{}}]"#, true),
        (r#","tools":[{"url_context":{}}]"#, true),
        (r#","cachedContent":"cachedContents/1""#, true),
        (r#","cached_content":null"#, false),
    ] {
        assert_eq!(generate(members).expect("a request").scan.input.is_open, is_open, "{members}");
    }
    let file = r#"{"contents":[{"parts":[{"fileData":{"mimeType":"video/mp4","fileUri":"f"}}]}]}"#;
    assert!(scan_of(file).scan.input.is_open);
    let image =
        r#"{"contents":[{"parts":[{"inlineData":{"data":"AAAA","mimeType":"image/png"}}]}]}"#;
    assert_eq!(scan_of(image).scan.input.fixed, 5_000);
    let call = r#"{"contents":[{"parts":[{"functionResponse":{"name":"f","response":{"role":"0123456789012345678901234567890123456789"}}}]}]}"#;
    assert!(scan_of(call).scan.input.bound > 50);
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    for (members, member) in [
        (r#","generationConfig":{},"generation_config":{}"#, "generationConfig"),
        (r#","generationconfig":{}"#, "generationConfig"),
        (r#","generationConfig":{"maxOutputTokens":1,"max_output_tokens":9}"#, "maxOutputTokens"),
        (r#","generationConfig":{"maxOutputTokens":1,"MaxOutputTokens":9}"#, "maxOutputTokens"),
        (r#","contents":[]"#, "contents"),
    ] {
        assert_eq!(generate(members), Err(ScanError::Ambiguous(member)), "{members}");
    }
    let error = scan(&target(Method::Generate), b"{}").expect_err("no contents");
    assert_eq!(error, ScanError::Missing("contents"));
    assert!(generate(r#","generationConfig":[9]"#).is_err());
    assert!(scan(&target(Method::Generate), br#"{"contents":"secret"}"#).is_err());
}

#[test]
fn a_maximum_is_lowered_or_set() {
    let request = generate("").expect("a request");
    for (body, expected) in [
        ("{}", r#"{"generationConfig":{"maxOutputTokens":5}}"#),
        (r#"{"a":1}"#, r#"{"generationConfig":{"maxOutputTokens":5},"a":1}"#),
        (r#"{"generationConfig": {} }"#, r#"{"generationConfig": {"maxOutputTokens":5} }"#),
        (r#"{"generationConfig":null}"#, r#"{"generationConfig":{"maxOutputTokens":5}}"#),
        (
            r#"{"generation_config":{"topK":1}}"#,
            r#"{"generation_config":{"maxOutputTokens":5,"topK":1}}"#,
        ),
        (
            r#"{"generationConfig":{"max_output_tokens":9}}"#,
            r#"{"generationConfig":{"max_output_tokens":5}}"#,
        ),
        (
            r#"{"generationConfig":{"maxOutputTokens":4}}"#,
            r#"{"generationConfig":{"maxOutputTokens":4}}"#,
        ),
        (
            r#"{"generationConfig":null,"generation_config":{}}"#,
            r#"{"generationConfig":null,"generation_config":{"maxOutputTokens":5}}"#,
        ),
        ("no json", "no json"),
    ] {
        assert_eq!(request.clamped_body(&Bytes::from(body), 5), expected);
    }
}

#[test]
fn a_whole_answer_is_metered() {
    let metered = every_plain_split(&generate("").expect("a request"), ANSWER.as_bytes());
    let counts = Counts { input_audio_tokens: 2, ..Counts::tokens(3, 2) };
    assert_eq!(
        (metered.counts, metered.basis, metered.ending),
        (counts, Basis::Told, Ending::Complete)
    );
}

#[test]
fn a_stream_is_metered_in_both_of_its_forms() {
    let counts = Counts { cached_tokens: 4, reasoning_tokens: 9, ..Counts::tokens(12, 20) };
    let made =
        "Hello wörld".len() + r#"{"name":"f","args":{"city":"Oslo"}}"#.len() + "A thought".len();
    for (asked, stream) in [(true, SSE.to_owned()), (false, array()), (true, array())] {
        let metered = every_split(&streaming(asked), stream.as_bytes());
        assert_eq!((metered.counts, metered.basis), (counts, Basis::Told));
        assert_eq!((metered.ending, metered.text_bytes), (Ending::Complete, made as u64));
    }
}

#[test]
fn a_stream_that_is_cut_knows_its_input_and_estimates_its_output() {
    let end = SSE
        .find("data: {\"candidates\":[{\"finishReason\"")
        .or(SSE.rfind("data: "))
        .expect("an end");
    let metered = every_split(&streaming(true), &SSE.as_bytes()[..end]);
    assert_eq!((metered.basis, metered.ending), (Basis::Begun, Ending::Cut));
    assert_eq!((metered.counts.input_tokens, metered.counts.output_tokens), (12, 19));
    let blocked = r#"data: {"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":6,"totalTokenCount":6}}"#;
    let metered = every_split(&streaming(true), blocked.as_bytes());
    assert_eq!((metered.counts, metered.ending), (Counts::tokens(6, 0), Ending::Complete));
}

#[test]
fn an_error_within_the_stream_is_seen() {
    let error = r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}"#;
    for stream in [format!("data: {error}\n\n"), format!("[{error}]"), error.to_owned()] {
        let metered = every_split(&streaming(true), stream.as_bytes());
        assert_eq!(metered.ending, Ending::Failed, "{stream}");
    }
}

#[test]
fn output_that_only_the_total_counts_is_charged_and_nonsense_is_not_believed() {
    let of = |usage: &str| {
        let answer = format!(r#"{{"usageMetadata":{usage}}}"#);
        run_plain(generate("").expect("a request").plain_meter(), answer.as_bytes(), 9)
    };
    let hidden = of(r#"{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":40}"#);
    assert_eq!(hidden.counts, Counts::tokens(10, 30));
    let tools = of(
        r#"{"promptTokenCount":10,"toolUsePromptTokenCount":7,"candidatesTokenCount":5,"totalTokenCount":22}"#,
    );
    assert_eq!(tools.counts, Counts::tokens(17, 5));
    let thoughts = of(r#"{"promptTokenCount":10,"candidatesTokenCount":5,"thoughtsTokenCount":7}"#);
    assert_eq!(thoughts.counts.output_tokens, 12, "thoughts are told beside the answer");
    for usage in [
        r#"{"promptTokenCount":-1}"#,
        r#"{"promptTokenCount":"3"}"#,
        r#"{"candidatesTokenCount":3}"#,
        r#"{"promptTokenCount":1,"candidatesTokenCount":18446744073709551615,"thoughtsTokenCount":9}"#,
        "7",
    ] {
        assert_eq!(of(usage).basis, Basis::Implausible, "{usage}");
    }
    assert_eq!(of("{}").basis, Basis::Missing);
}

#[test]
fn a_cut_is_an_error_in_the_form_that_flows() {
    let native = refusal(&Refusal { wait_ms: Some(1_500), ..Refusal::new(Reason::Tokens, "No.") });
    let mut meter = streaming(true).stream_meter(Gauge::Bytes);
    let event = meter.cut(&native);
    assert!(
        event.starts_with(b"data: {\"error\":{\"code\":429,"),
        "the client looks for exactly this"
    );
    let text = array();
    let mut meter = streaming(false).stream_meter(Gauge::Bytes);
    meter.push(&Bytes::from(text.as_bytes()[..text.len() / 2].to_vec()));
    let mut passed: Vec<u8> = std::iter::from_fn(|| meter.pop()).flatten().collect();
    passed.extend_from_slice(&meter.cut(&native));
    let items: Vec<serde_json::Value> = serde_json::from_slice(&passed).expect("an array");
    assert_eq!(items.last().expect("an item")["error"]["details"][1]["retryDelay"], "1.500s");
    let mut meter = streaming(false).stream_meter(Gauge::Bytes);
    meter.push(&Bytes::from(text));
    let cut = meter.cut(&native);
    assert_eq!(meter.pop(), None, "what has not passed yet never will");
    assert!(
        serde_json::from_slice::<serde_json::Value>(&cut).is_ok(),
        "and nothing goes on from it"
    );
}

#[test]
fn refusals_say_which_quota_and_when_to_come_back() {
    let all = Refusal {
        limit: Some("user-minute"),
        model: Some("m"),
        wait_ms: Some(47_000),
        ..Refusal::new(Reason::Requests, "Too many.")
    };
    assert_eq!(
        refusal(&all).body,
        r#"{"error":{"code":429,"message":"Too many.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"requests","quotaId":"user-minute","quotaDimensions":{"model":"m"}}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"47s"}]}}"#
    );
    let spent = refusal(&Refusal { reason: Reason::Spent, ..all });
    assert!(!String::from_utf8_lossy(&spent.body).contains("RetryInfo"));
    assert_eq!(
        refusal(&Refusal::new(Reason::Overloaded, "Full.")).body,
        r#"{"error":{"code":503,"message":"Full.","status":"UNAVAILABLE"}}"#
    );
}

fn streams() -> impl Strategy<Value = Vec<u8>> {
    let events: Vec<String> = SSE.split_inclusive("\n\n").map(str::to_owned).collect();
    let sse =
        prop::collection::vec(prop::sample::select(events), 0..8).prop_map(|all| all.concat());
    let noise = prop::collection::vec(any::<u8>(), 0..30);
    let broken = "[\\[\\]{},:\"\\\\ \n]{0,20}(\"usageMetadata\":\\{[a-zA-Z0-9\":,]{0,30}\\})?";
    (prop_oneof![sse, Just(array()), broken.prop_map(|text| text)], noise)
        .prop_map(|(text, noise)| [text.as_bytes(), &noise].concat())
}

proptest! {
    #[test]
    fn splits_do_not_matter(stream in streams(), chunk_bytes in 1_usize..60) {
        prop_assert!(split_alike(&streaming(true), &stream, chunk_bytes));
    }

    #[test]
    fn nothing_that_comes_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), path in ".{0,40}") {
        let request = streaming(true);
        let _ = scan(&target(Method::Generate), &bytes);
        let _ = Target::of(&path, Some(&path));
        let whole = run_plain(request.plain_meter(), &bytes, bytes.len());
        prop_assert_eq!(run_plain(request.plain_meter(), &bytes, 3), whole);
        let (passed, _) = run(request.stream_meter(Gauge::Bytes), &bytes, 3);
        prop_assert_eq!(&passed, &bytes);
        let _ = request.clamped_body(&bytes.into(), 5);
    }
}
