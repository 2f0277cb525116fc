use bytes::Bytes;
use proptest::prelude::*;

use super::{Error, Operation, Request, Target, refusal, scan};
use crate::{
    AnyRequest, Basis, Counts, Ending, Gauge, ScanError,
    refusal::{Reason, Refusal},
    testing::{every_plain_split, every_split, run, run_plain, split_alike},
};

/// Recorded streams, in frames that AWS's own client reads: a thought, text, a call of a tool.
const CONVERSE: &[u8] = include_bytes!("../../fixtures/bedrock_converse.bin");
const ANTHROPIC: &[u8] = include_bytes!("../../fixtures/bedrock_invoke_anthropic.bin");
const LLAMA: &[u8] = include_bytes!("../../fixtures/bedrock_invoke_llama.bin");

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const META: &str = "meta.llama3-1-8b-instruct-v1:0";

fn target(model: &str, operation: Operation) -> Target {
    Target { model: model.to_owned(), operation }
}

fn ask(model: &str, operation: Operation, body: &str) -> Result<Request, ScanError> {
    scan(&target(model, operation), body.as_bytes())
}

fn converse(members: &str) -> Result<Request, ScanError> {
    let body =
        format!(r#"{{"messages":[{{"role":"user","content":[{{"text":"hi"}}]}}]{members}}}"#);
    ask(CLAUDE, Operation::Converse, &body)
}

fn streaming(model: &str, operation: Operation) -> Request {
    ask(model, operation, r#"{"messages":[],"max_tokens":1000}"#).expect("a request")
}

#[test]
fn the_path_tells_model_and_operation() {
    let arn = "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude";
    for (path, expected) in [
        (
            "/bedrock/model/meta.llama3-1-8b-instruct-v1%3A0/converse",
            Some((META, Operation::Converse)),
        ),
        (
            "/model/meta.llama3-1-8b-instruct-v1:0/converse-stream",
            Some((META, Operation::ConverseStream)),
        ),
        (
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.anthropic.claude/invoke",
            Some((arn, Operation::Invoke)),
        ),
        (
            "/model/arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude/invoke-with-response-stream",
            Some((arn, Operation::InvokeStream)),
        ),
        ("/model/m/count-tokens", None),
        ("/model/m/invoke-with-bidirectional-stream", None),
        ("/async-invoke", None),
        ("/model/%ff/invoke", None),
    ] {
        let expected = expected.map(|(model, operation)| target(model, operation));
        assert_eq!(Target::of(path), expected, "{path}");
    }
}

#[test]
fn a_conversation_tells_what_it_asks_for() {
    let scan = converse(r#","inferenceConfig":{"maxTokens":100}"#).expect("a request").scan;
    assert_eq!((scan.model.as_str(), scan.stream, scan.output_bound()), (CLAUDE, false, Some(100)));
    assert_eq!((scan.input.bound, scan.input.is_open), (8 + 8 + 8 + 2, false));
    let more =
        r#","inferenceConfig":{"maxTokens":100},"additionalModelRequestFields":{"max_tokens":700}"#;
    assert_eq!(
        converse(more).expect("a request").scan.output_bound(),
        Some(700),
        "any may be obeyed"
    );
    let bound = |members: &str| converse(members).expect("a request").scan.input.bound;
    assert_eq!(bound(r#","system":[{"text":"be kind"}]"#), 26 + 8 + 7);
    let input = |content: &str| {
        let body = format!(r#"{{"messages":[{{"role":"user","content":[{content}]}}]}}"#);
        ask(CLAUDE, Operation::Converse, &body).expect("a request").scan.input
    };
    assert_eq!(input(r#"{"image":{"format":"png","source":{"bytes":"AAAA"}}}"#).fixed, 5_000);
    let video = r#"{"video":{"format":"mp4","source":{"s3Location":{"uri":"s3://b/k"}}}}"#;
    assert!(input(video).is_open, "nobody knows how long it is");
    assert!(input(r#"{"toolUse":{"toolUseId":"t","name":"f","input":{"role":"0123456789012345678901234567890123456789"}}}"#).bound > 60);
    let prompt = "arn:aws:bedrock:us-east-1:1:prompt/P";
    assert!(
        ask(prompt, Operation::Converse, r#"{"promptVariables":{}}"#)
            .expect("one")
            .scan
            .input
            .is_open
    );
    assert_eq!(ask(CLAUDE, Operation::Converse, "{}"), Err(ScanError::Missing("messages")));
}

#[test]
fn an_invocation_is_read_by_the_family_of_its_model() {
    let of =
        |model: &str, body: &str| ask(model, Operation::Invoke, body).map(|request| request.scan);
    let claude = r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}"#;
    let scan = of(CLAUDE, claude).expect("a request");
    assert_eq!((scan.input.bound, scan.output_bound()), (18, Some(50)));
    assert_eq!(of(CLAUDE, r#"{"messages":[]}"#), Err(ScanError::Missing("max_tokens")));
    let nova = r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"inferenceConfig":{"max_new_tokens":60}}"#;
    let scan = of("amazon.nova-lite-v1:0", nova).expect("a request");
    assert_eq!((scan.input.bound, scan.output_bound()), (26, Some(60)));
    let llama = r#"{"prompt":"hi","max_gen_len":70}"#;
    let scan = of(META, llama).expect("a request");
    assert_eq!((scan.input.bound, scan.output_bound()), (llama.len() as u64, Some(70)));
    let titan = of(
        "amazon.titan-text-lite-v1",
        r#"{"inputText":"hi","textGenerationConfig":{"maxTokenCount":80}}"#,
    );
    assert_eq!(titan.expect("a request").output_bound(), Some(80));
    let embedding = of("amazon.titan-embed-text-v2:0", r#"{"inputText":"hi"}"#).expect("a request");
    assert_eq!(embedding.output_bound(), Some(0));
}

#[test]
fn a_dearer_tier_is_seen_in_a_body_of_every_family() {
    let tier = r#""service_tier":"priority""#;
    for (model, operation, body, member) in [
        (
            "m",
            Operation::Converse,
            r#"{"messages":[],"performanceConfig":{"latency":"optimized"}}"#.to_owned(),
            "performanceConfig",
        ),
        (
            "amazon.nova-pro-v1:0",
            Operation::Invoke,
            r#"{"messages":[],"serviceTier":{"type":"priority"}}"#.to_owned(),
            "serviceTier",
        ),
        (
            "anthropic.claude",
            Operation::Invoke,
            r#"{"messages":[],"max_tokens":1,"speed":"fast"}"#.to_owned(),
            "speed",
        ),
        ("openai.gpt-oss-20b-1:0", Operation::Invoke, format!("{{{tier}}}"), "service_tier"),
    ] {
        let request = ask(model, operation, &body).expect(model);
        assert_eq!(request.scan.dearer, Some(member), "{model}");
    }
}

#[test]
fn thinking_is_seen_in_a_body_of_every_family() {
    let thinks = |model, operation, members: &str| {
        let body = format!(r#"{{"messages":[],"max_tokens":1{members}}}"#);
        ask(model, operation, &body).expect(model).scan.thinks
    };
    let thinking = r#","thinking":{"type":"adaptive"}"#;
    for (model, operation, members) in [
        (
            "m",
            Operation::Converse,
            r#","additionalModelRequestFields":{"thinking":{"type":"adaptive"}}"#,
        ),
        (
            "amazon.nova-2-lite-v1:0",
            Operation::Invoke,
            r#","additionalModelRequestFields":{"reasoningConfig":{"type":"enabled"}}"#,
        ),
        (CLAUDE, Operation::Invoke, thinking),
        (META, Operation::Invoke, thinking),
    ] {
        assert!(thinks(model, operation, members), "{model}");
        assert!(!thinks(model, operation, ""), "{model}");
    }
}

#[test]
fn a_maximum_is_lowered_or_set() {
    let request = converse("").expect("a request");
    for (body, expected) in [
        ("{}", r#"{"inferenceConfig":{"maxTokens":5}}"#),
        (r#"{"a":1}"#, r#"{"inferenceConfig":{"maxTokens":5},"a":1}"#),
        (r#"{"inferenceConfig":null}"#, r#"{"inferenceConfig":{"maxTokens":5}}"#),
        (r#"{"inferenceConfig":{"topP":1}}"#, r#"{"inferenceConfig":{"maxTokens":5,"topP":1}}"#),
        (r#"{"inferenceConfig":{"maxTokens":4}}"#, r#"{"inferenceConfig":{"maxTokens":4}}"#),
        (
            r#"{"inferenceConfig":{"maxTokens":9},"additionalModelRequestFields":{"max_tokens":90}}"#,
            r#"{"inferenceConfig":{"maxTokens":5},"additionalModelRequestFields":{"max_tokens":5}}"#,
        ),
    ] {
        assert_eq!(request.clamped_body(&Bytes::from(body), 5), expected);
    }
    let claude = streaming(CLAUDE, Operation::Invoke);
    assert_eq!(claude.clamped_body(&Bytes::from(r#"{"max_tokens":9}"#), 5), r#"{"max_tokens":5}"#);
    assert!(request.is_clampable() && claude.is_clampable());
    let llama = streaming(META, Operation::Invoke);
    assert_eq!(llama.clamped_body(&Bytes::from(r#"{"max_tokens":9}"#), 5), r#"{"max_tokens":9}"#);
    assert!(!llama.is_clampable(), "which member it obeys is not known");
}

#[test]
fn a_conversation_is_metered_whole_and_streamed() {
    let counts = Counts {
        cached_tokens: 20,
        cache_write_tokens: 10,
        cache_write_hour_tokens: 4,
        ..Counts::tokens(41, 9)
    };
    let metered = every_split(&streaming(CLAUDE, Operation::ConverseStream), CONVERSE);
    assert_eq!(
        (metered.counts, metered.basis, metered.ending),
        (counts, Basis::Told, Ending::Complete)
    );
    let made = "I think so.".len() + "Hello wörld".len() + "f".len() + r#"{"a":1}"#.len();
    assert_eq!(metered.text_bytes, made as u64, "padding and signatures are no text");
    let answer = r#"{"output":{"message":{"role":"assistant","content":[{"text":"hi"}]}},"stopReason":"end_turn",
        "usage":{"inputTokens":11,"outputTokens":9,"totalTokens":50,"cacheReadInputTokens":20,"cacheWriteInputTokens":10,
        "cacheDetails":[{"ttl":"1h","inputTokens":4}]},"metrics":{"latencyMs":1}}"#;
    let metered = every_plain_split(&converse("").expect("a request"), answer.as_bytes());
    assert_eq!(
        (metered.counts, metered.basis, metered.ending),
        (counts, Basis::Told, Ending::Complete)
    );
}

#[test]
fn an_invocation_is_metered_in_its_models_words_or_in_bedrocks() {
    let metered = every_split(&streaming(CLAUDE, Operation::InvokeStream), ANTHROPIC);
    let counts = Counts { cached_tokens: 10, ..Counts::tokens(16, 337) };
    assert_eq!(
        (metered.counts, metered.basis, metered.ending),
        (counts, Basis::Told, Ending::Complete)
    );
    let metered = every_split(&streaming(META, Operation::InvokeStream), LLAMA);
    assert_eq!((metered.counts, metered.basis), (Counts::tokens(16, 337), Basis::Told));
    assert_eq!((metered.ending, metered.text_bytes), (Ending::Complete, 5));
}

#[test]
fn the_head_of_an_answer_tells_what_its_body_does_not() {
    let answer = |model, told: &[(&str, &str)], body: &str| {
        let mut meter = streaming(model, Operation::Invoke).plain_meter();
        for (name, value) in told {
            meter.header(name, value.as_bytes());
        }
        let metered = run_plain(meter, body.as_bytes(), 9);
        (metered.counts, metered.basis)
    };
    let head =
        [("x-amzn-bedrock-input-token-count", "12"), ("x-amzn-bedrock-output-token-count", " 5 ")];
    let llama = r#"{"generation":"hi","prompt_token_count":12}"#;
    assert_eq!(answer(META, &head, llama), (Counts::tokens(12, 5), Basis::Told));
    assert_eq!(answer(META, &head[..1], llama).1, Basis::Missing, "half is not enough");
    assert_eq!(answer(META, &[(head[0].0, "-1"), head[1]], llama).1, Basis::Missing);
    let claude = r#"{"usage":{"input_tokens":2,"cache_read_input_tokens":10,"output_tokens":5}}"#;
    assert_eq!(answer(CLAUDE, &head, claude).0.cached_tokens, 10, "the body tells more");
    assert_eq!(
        answer("cohere.embed-english-v3", &head[..1], "{}"),
        (Counts::tokens(12, 0), Basis::Told)
    );
}

#[test]
fn what_goes_wrong_in_a_stream_is_seen() {
    let request = streaming(CLAUDE, Operation::ConverseStream);
    let error = Error { kind: "modelStreamErrorException", message: "m" };
    let exception = request.stream_meter(Gauge::Bytes).cut(&error);
    let stream = [&CONVERSE[..CONVERSE.len() / 2], &[]].concat();
    let cut = every_split(&request, &stream);
    assert_eq!((cut.ending, cut.basis), (Ending::Cut, Basis::Missing));
    assert_eq!(every_split(&request, &exception).ending, Ending::Failed);
    let mut broken = CONVERSE.to_vec();
    broken[20] ^= 1;
    assert_eq!(
        every_split(&request, &broken).ending,
        Ending::Cut,
        "what follows is not understood"
    );
}

#[test]
fn a_cut_is_an_exception_in_a_frame_of_its_own() {
    let request = streaming(CLAUDE, Operation::ConverseStream);
    let mut meter = request.stream_meter(Gauge::Bytes);
    meter.push(&Bytes::from_static(&CONVERSE[..CONVERSE.len() - 7]));
    let mut passed: Vec<u8> = std::iter::from_fn(|| meter.pop()).flatten().collect();
    let native = refusal(&Refusal::new(Reason::Tokens, "Too many tokens."));
    passed.extend_from_slice(&meter.cut(&native));
    let (again, metered) = run(request.stream_meter(Gauge::Bytes), &passed, 11);
    assert_eq!((again.as_ref(), metered.ending), (passed.as_slice(), Ending::Failed));
}

#[test]
fn refusals_name_their_exception_in_a_header() {
    let said = |reason| refusal(&Refusal { wait_ms: Some(1_500), ..Refusal::new(reason, "No.") });
    let native = said(Reason::Requests);
    assert_eq!((native.status, native.body), (429, Bytes::from(r#"{"message":"No."}"#)));
    assert_eq!(
        native.headers,
        [
            ("x-amzn-errortype", "ThrottlingException".to_owned()),
            ("x-amz-retry-after", "1500".to_owned())
        ]
    );
    let spent = said(Reason::Spent);
    assert_eq!((spent.status, spent.headers.len()), (400, 1), "clients do not try it again");
    let streams_have = [
        "throttlingException",
        "serviceUnavailableException",
        "validationException",
        "internalServerException",
        "modelStreamErrorException",
    ];
    for reason in [
        Reason::Spent,
        Reason::Overloaded,
        Reason::TooSlow,
        Reason::BadGateway,
        Reason::GatewayTimeout,
    ] {
        let name = said(reason).event.name.expect("a name");
        assert!(streams_have.contains(&name), "of another, clients lose the message");
    }
    assert_eq!(said(Reason::Overloaded).status, 503, "529 is not tried again");
}

proptest! {
    #[test]
    fn splits_do_not_matter(
        which in 0_usize..3, flip in any::<prop::sample::Index>(), bit in 0_u8..16,
        noise in prop::collection::vec(any::<u8>(), 0..20), chunk_bytes in 1_usize..90,
    ) {
        let mut stream = [CONVERSE, ANTHROPIC, LLAMA][which].to_vec();
        let at = flip.index(stream.len());
        if bit < 8 {
            stream[at] ^= 1 << bit;
        }
        stream.extend_from_slice(&noise);
        for (model, operation) in [(CLAUDE, Operation::ConverseStream), (CLAUDE, Operation::InvokeStream), (META, Operation::InvokeStream)] {
            prop_assert!(split_alike(&streaming(model, operation), &stream, chunk_bytes));
        }
    }

    #[test]
    fn nothing_that_comes_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), path in ".{0,40}") {
        let _ = Target::of(&format!("/model/{path}/invoke"));
        for model in [CLAUDE, META, "amazon.nova-lite-v1:0", "cohere.embed-v4"] {
            for operation in [Operation::Converse, Operation::Invoke] {
                let _ = scan(&target(model, operation), &bytes);
                let request = streaming(model, operation);
                let whole = run_plain(request.plain_meter(), &bytes, bytes.len());
                prop_assert_eq!(run_plain(request.plain_meter(), &bytes, 3), whole);
                let _ = request.clamped_body(&bytes.clone().into(), 5);
            }
        }
    }
}
