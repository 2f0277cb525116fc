//! Both directions of every translation.

mod answers;
mod faults;
mod hostile;
mod properties;
mod requests;
mod streams;
mod untranslatable;

use bytes::Bytes;
use serde_json::Value;

use super::{Answers, Dialect, Stamp, Target, request};
use crate::{AnyRequest, Ending, anthropic, openai, sse};

const CLAUDE: Target<'static> = Target { model: "claude-x", max_tokens: 1000 };
const GPT: Target<'static> = Target { model: "gpt-4o", max_tokens: 1000 };

impl Dialect {
    fn other(self) -> Self {
        match self {
            Self::ChatCompletions => Self::Messages,
            Self::Messages => Self::ChatCompletions,
        }
    }

    /// A target that speaks the other dialect.
    fn target(self) -> Target<'static> {
        match self {
            Self::ChatCompletions => CLAUDE,
            Self::Messages => GPT,
        }
    }

    /// A request in this dialect that the meters understand.
    fn asking(self, stream: bool) -> Box<dyn AnyRequest> {
        let body = format!(
            r#"{{"model":"m","max_tokens":9,"messages":[],"stream":{stream},"stream_options":{{"include_usage":true}}}}"#
        );
        let body = body.as_bytes();
        match self {
            Self::ChatCompletions => {
                let endpoint = openai::Endpoint::ChatCompletions;
                Box::new(openai::scan(endpoint, body).expect("a request"))
            }
            Self::Messages => {
                let endpoint = anthropic::Endpoint::Messages;
                Box::new(anthropic::scan(endpoint, body).expect("a request"))
            }
        }
    }
}

fn stamp() -> Stamp {
    Stamp { id: "7".into(), created: 1_700_000_000 }
}

/// How answers come back to who asked in this dialect.
fn answers(caller: Dialect) -> Answers {
    let body = br#"{"messages":[],"stream":true,"stream_options":{"include_usage":true}}"#;
    let body = match caller {
        Dialect::ChatCompletions => &body[..],
        Dialect::Messages => br#"{"messages":[],"stream":true}"#,
    };
    request(caller, body, &caller.target()).expect("a request").answers
}

/// A request, translated.
fn translated(caller: Dialect, body: &Value) -> Value {
    let body = body.to_string();
    let request = request(caller, body.as_bytes(), &caller.target());
    parsed(&request.expect(&body).body)
}

/// Passes a stream in chunks of one size: what comes out, and how it ended.
fn streamed(answers: &Answers, stream: &[u8], chunk_bytes: usize) -> (Vec<u8>, Option<Ending>) {
    let mut translator = answers.stream(stamp());
    let mut out = Vec::new();
    for chunk in stream.chunks(chunk_bytes.max(1)) {
        out.extend_from_slice(&translator.push(&Bytes::copy_from_slice(chunk)));
    }
    out.extend_from_slice(&translator.finish());
    (out, translator.ending())
}

/// The events of a stream: their names and data. OpenAI's mark of the end is a string.
fn events(stream: &[u8]) -> Vec<(String, Value)> {
    let mut reader = sse::Reader::default();
    let mut rest = Bytes::copy_from_slice(stream);
    let blocks = std::iter::from_fn(|| reader.next(&mut rest));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let events = blocks.map(|block| block.event.expect("an event"));
    events
        .map(|event| {
            let data = serde_json::from_slice(&event.data);
            (text(&event.name), data.unwrap_or_else(|_| text(&event.data).into()))
        })
        .collect()
}

fn parsed(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("JSON")
}
