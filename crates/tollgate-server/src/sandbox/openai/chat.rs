//! Chat completions and legacy completions: what is asked for, and the plain answer.

use std::fmt::Write as _;

use super::{
    events::ChatEvents,
    request::{self, Style},
};
use crate::sandbox::{
    answer::{Answer, Told, quoted},
    content,
    dialect::{Asked, EVENT_STREAM, Shape, Whole},
    events::Events,
    failure::Failure,
};

/// How an answer of these endpoints looks.
#[derive(Debug, Clone, Copy)]
struct Choices {
    style: Style,
    /// Whether a stream ends with its usage.
    include_usage: bool,
}

/// Reads the body of a request; of a `deployment` it need not name the model.
pub(super) fn read(style: Style, body: &[u8], deployment: Option<&str>) -> Result<Asked, Failure> {
    let shape = |include_usage| Box::new(Choices { style, include_usage }) as Box<dyn Shape>;
    request::text(style, body, deployment, shape).map(Asked::Text)
}

impl Shape for Choices {
    fn plain(&self, answer: &Answer) -> Whole {
        Whole::json(json(self.style, answer))
    }

    fn stream(&self, answer: Answer) -> (&'static str, Box<dyn Events>) {
        (EVENT_STREAM, Box::new(ChatEvents::new(self.style, &answer, self.include_usage)))
    }
}

fn json(style: Style, answer: &Answer) -> String {
    let text_bytes = answer.tokens() * content::TOKEN_BYTES;
    let mut json = String::with_capacity(text_bytes + 512 + 160 * answer.choices.len());
    open(&mut json, style, style.object(), answer);
    let finish = finish(answer);
    for (index, tokens) in answer.choices.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let text = content::text(*tokens);
        // Writing to a string cannot fail.
        let _ = match style {
            Style::Chat => write!(
                json,
                r#"{comma}{{"index":{index},"message":{{"role":"assistant","content":"{text}","refusal":null,"annotations":[]}},"logprobs":null,"finish_reason":"{finish}"}}"#
            ),
            Style::Completion => write!(
                json,
                r#"{comma}{{"text":"{text}","index":{index},"logprobs":null,"finish_reason":"{finish}"}}"#
            ),
        };
    }
    json.push(']');
    if let Some(usage) = usage(answer) {
        json.push_str(r#","usage":"#);
        json.push_str(&usage);
    }
    json.push('}');
    json
}

/// The members that the plain answer and all chunks begin with, up to the choices.
pub(super) fn open(json: &mut String, style: Style, object: &str, answer: &Answer) {
    let (prefix, id, created) = (style.id_prefix(), &answer.id, answer.created_secs());
    let model = quoted(&answer.model);
    let _ = write!(
        json,
        r#"{{"id":"{prefix}-{id}","object":"{object}","created":{created},"model":{model},"system_fingerprint":"fp_sandbox","choices":["#
    );
}

/// Why each choice ends.
pub(super) const fn finish(answer: &Answer) -> &'static str {
    if answer.is_full { "length" } else { "stop" }
}

/// The usage as a JSON object, where it is told.
pub(super) fn usage(answer: &Answer) -> Option<String> {
    let Told { input, output, total } = answer.told()?;
    Some(format!(
        r#"{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{total},"prompt_tokens_details":{{"cached_tokens":0,"audio_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}}"#
    ))
}

impl Style {
    const fn object(self) -> &'static str {
        match self {
            Self::Chat => "chat.completion",
            Self::Completion => "text_completion",
        }
    }

    /// What the ids of this style begin with.
    const fn id_prefix(self) -> &'static str {
        match self {
            Self::Chat => "chatcmpl",
            Self::Completion => "cmpl",
        }
    }
}
