//! Every dialect, given what nobody should send: nothing panics, everything passes as it came,
//! and work stays linear.

use bytes::Bytes;

use crate::{
    AnyRequest, Ending, Gauge, ScanError, anthropic, bedrock, deepgram, gemini, openai,
    testing::{run, run_plain},
};

const TYPE: &str = "multipart/form-data; boundary=B";

const FORM: &[u8] = b"--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--B\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nabc\r\n--B--";

type Scanned = Result<Box<dyn AnyRequest>, ScanError>;

type Scan = fn(&[u8]) -> Scanned;

/// A scan of a body, and a body that it understands.
struct Dialect {
    name: &'static str,
    scan: Scan,
    good: &'static [u8],
}

fn boxed<R: AnyRequest + 'static>(request: Result<R, ScanError>) -> Scanned {
    request.map(|request| Box::new(request) as Box<dyn AnyRequest>)
}

fn gemini(method: gemini::Method, body: &[u8]) -> Scanned {
    boxed(gemini::scan(&gemini::Target { model: "m".into(), method }, body))
}

fn bedrock(model: &str, operation: bedrock::Operation, body: &[u8]) -> Scanned {
    boxed(bedrock::scan(&bedrock::Target { model: model.into(), operation }, body))
}

fn dialects() -> [Dialect; 9] {
    use bedrock::Operation::{ConverseStream, InvokeStream};
    let all: [(&'static str, Scan, &'static [u8]); 9] = [
        (
            "chat",
            |body| boxed(openai::scan(openai::Endpoint::ChatCompletions, body)),
            br#"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#,
        ),
        ("responses", |body| boxed(openai::responses::scan(body)), br#"{"model":"m","input":"a"}"#),
        ("transcriptions", |body| boxed(openai::transcriptions::scan(TYPE, body)), FORM),
        (
            "anthropic",
            |body| boxed(anthropic::scan(anthropic::Endpoint::Messages, body)),
            br#"{"model":"m","max_tokens":9,"messages":[]}"#,
        ),
        (
            "gemini",
            |body| gemini(gemini::Method::Stream { sse: true }, body),
            br#"{"contents":[]}"#,
        ),
        ("gemini embeddings", |body| gemini(gemini::Method::Embed, body), br#"{"content":{}}"#),
        ("converse", |body| bedrock("m", ConverseStream, body), br#"{"messages":[]}"#),
        (
            "invoke",
            |body| bedrock("anthropic.claude", InvokeStream, body),
            br#"{"max_tokens":9,"messages":[]}"#,
        ),
        (
            "listen",
            |body| {
                let target = deepgram::Target::of("/listen", Some("model=m"))?;
                boxed(deepgram::scan(&target.expect("a path that is metered"), None, body))
            },
            b"sound",
        ),
    ];
    all.map(|(name, scan, good)| Dialect { name, scan, good })
}

fn bodies() -> Vec<Vec<u8>> {
    let deep = |open: &str, close: &str| open.repeat(50_000) + &close.repeat(50_000);
    let bomb = deep("[", "]");
    let members = [
        "messages",
        "contents",
        "content",
        "input",
        "system",
        "tools",
        "usage",
        "inferenceConfig",
        "generationConfig",
    ];
    let mut all: Vec<Vec<u8>> = members
        .iter()
        .map(|member| {
            let rest = r#""model":"m","max_tokens":1,"messages":[],"contents":[],"content":{},"input":"a""#;
            let rest = rest.replace(&format!("\"{member}\":"), "\"x\":");
            format!(r#"{{"{member}":{bomb},{rest}}}"#).into_bytes()
        })
        .collect();
    all.push(bomb.into_bytes());
    all.push(deep(r#"{"a":"#, "}").into_bytes());
    all.push(deep(r#"{"error":"#, "}").into_bytes());
    all.push("x".repeat(100_000).into_bytes());
    all.push(format!("data: {}\n\n", "x".repeat((1 << 20) + 1)).into_bytes());
    all.push(vec![0; 100_000]);
    all.push(vec![0xff; 100_000]);
    all.push(b" \r\n".repeat(10_000));
    all.push(b"{\"usage\":".repeat(10_000));
    all
}

#[test]
fn no_body_and_no_answer_panics_or_changes_on_its_way() {
    for Dialect { name, scan, good } in dialects() {
        let request = scan(good).expect(name);
        for body in bodies() {
            if let Ok(request) = scan(&body) {
                let _ = request.clamped_body(&Bytes::from(body.clone()), 5);
            }
            for chunk_bytes in [4_096, body.len()] {
                let (passed, metered) = run(request.stream_meter(Gauge::Bytes), &body, chunk_bytes);
                assert!(passed == body, "{name}");
                assert_ne!(metered.ending, Ending::Complete, "{name}");
                run_plain(request.plain_meter(), &body, chunk_bytes);
            }
        }
    }
}

#[test]
fn an_answer_that_breaks_off_anywhere_passes_to_its_last_byte() {
    let recorded: [&[u8]; 6] = [
        include_bytes!("../fixtures/anthropic_stream.txt"),
        include_bytes!("../fixtures/gemini_stream.txt"),
        include_bytes!("../fixtures/responses_stream.txt"),
        include_bytes!("../fixtures/bedrock_converse.bin"),
        include_bytes!("../fixtures/bedrock_invoke_anthropic.bin"),
        include_bytes!("../fixtures/anthropic_answer.json"),
    ];
    for Dialect { name, scan, good } in dialects() {
        let request = scan(good).expect(name);
        for stream in recorded {
            for end in (0..stream.len()).step_by(7) {
                let (passed, _) = run(request.stream_meter(Gauge::Bytes), &stream[..end], 100);
                assert_eq!(passed, &stream[..end], "{name}");
            }
        }
    }
}

#[test]
fn work_is_linear_in_the_input_however_small_its_chunks() {
    // Were what is held scanned again with each chunk, this would look at terabytes.
    let text = "x".repeat(7 << 20);
    let item = format!("[{{\"a\":\"{text}\"}}]");
    let mut frame = Vec::new();
    let length = u32::try_from(text.len() + 16).expect("a length");
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame.extend_from_slice(text.as_bytes());
    for (which, stream) in [(4, item.as_bytes()), (6, &frame[..])] {
        let Dialect { name, scan, good } = &dialects()[which];
        let request = scan(good).expect(name);
        assert!(run(request.stream_meter(Gauge::Bytes), stream, 16).0 == stream, "{name}");
    }
}

#[test]
fn no_text_has_more_tokens_than_its_bound() {
    for text in ["", "hi", "h\u{e9}\n\"\\", "日本語のテキスト", "\u{1f600}\u{1f600}"] {
        let content =
            serde_json::json!([{"role": "user", "content": [{"type": "text", "text": text}]}]);
        let contents = serde_json::json!([{"role": "user", "parts": [{"text": text}]}]);
        let body = serde_json::json!({
            "model": "m", "max_tokens": 1, "messages": content, "contents": contents,
            "content": contents[0], "input": content,
        });
        for Dialect { name, scan, .. } in dialects() {
            if let Ok(request) = scan(body.to_string().as_bytes())
                && request.scan().audio.is_none()
            {
                let bound = request.scan().input.bound;
                assert!(
                    (text.len()..text.len() + 40).contains(&(bound as usize)),
                    "{name}: {bound}"
                );
            }
        }
    }
}
