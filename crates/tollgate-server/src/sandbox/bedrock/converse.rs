//! `converse`, whose shape is the same for all models.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::frames;
use crate::sandbox::{
    answer::{Answer, Told, with},
    asked::{bad, json, missing, text_bytes, tokens_of_bytes},
    content,
    dialect::{Asked, Shape, TextRequest, Whole},
    events::{Events, Script},
    failure::Failure,
};

/// How the answer of a conversation looks.
struct Conversation;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    messages: Option<Vec<Value>>,
    system: Option<Value>,
    inference_config: Option<Config>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(alias = "max_new_tokens")]
    max_tokens: Option<u32>,
}

/// Reads the body of a conversation.
pub(super) fn read(model: String, body: &[u8], stream: bool) -> Result<Asked, Failure> {
    request(model, body, stream, Box::new(Conversation)).map(Asked::Text)
}

/// The same, whose answer looks otherwise.
pub(super) fn request(
    model: String,
    body: &[u8],
    stream: bool,
    shape: Box<dyn Shape>,
) -> Result<TextRequest, Failure> {
    let body: Body = json(body)?;
    let messages = body.messages.filter(|messages| !messages.is_empty());
    let messages = messages.ok_or_else(|| missing("messages"))?;
    let max_tokens = body.inference_config.and_then(|config| config.max_tokens);
    if max_tokens == Some(0) {
        return Err(bad("maxTokens must be at least 1.", "inferenceConfig"));
    }
    let system = body.system.as_ref().map_or(0, text_bytes);
    let input_tokens = tokens_of_bytes(messages.iter().map(text_bytes).sum::<usize>() + system);
    Ok(TextRequest { model, choices: 1, max_tokens, stream, input_tokens, shape })
}

impl Shape for Conversation {
    fn plain(&self, answer: &Answer) -> Whole {
        Whole::json(with(whole(answer), "metrics", Some(metrics())).to_string())
    }

    fn stream(&self, answer: Answer) -> (&'static str, Box<dyn Events>) {
        let named = |events: Vec<(&str, Value)>| {
            events.iter().map(|(name, data)| frames::event(name, data)).collect::<Vec<Bytes>>()
        };
        let [opening, closing] = around(&answer);
        let write = |place: usize, out: &mut Vec<u8>| {
            let (name, data) = delta(place);
            out.extend_from_slice(&frames::event(name, &data));
        };
        let (opening, closing) = (named(opening), named(closing));
        let script = Script::new(opening, answer.tokens(), write, closing, frames::exception());
        (frames::EVENT_STREAM, script)
    }
}

/// The answer in one piece.
pub(super) fn whole(answer: &Answer) -> Value {
    let message = json!({"role": "assistant", "content": [{"text": answer.text()}]});
    let whole = json!({"output": {"message": message}, "stopReason": stop(answer)});
    with(whole, "usage", answer.told().map(usage))
}

/// The events around the deltas, by name.
pub(super) fn around(answer: &Answer) -> [Vec<(&'static str, Value)>; 2] {
    let metadata = json!({"metrics": metrics()});
    let closing = vec![
        ("contentBlockStop", json!({"contentBlockIndex": 0})),
        ("messageStop", json!({"stopReason": stop(answer)})),
        ("metadata", with(metadata, "usage", answer.told().map(usage))),
    ];
    [vec![("messageStart", json!({"role": "assistant"}))], closing]
}

/// The event of a token.
pub(super) fn delta(place: usize) -> (&'static str, Value) {
    let delta = json!({"text": content::token(place)});
    ("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": delta}))
}

const fn stop(answer: &Answer) -> &'static str {
    if answer.is_full { "max_tokens" } else { "end_turn" }
}

/// The sandbox does not look at its clock for this.
fn metrics() -> Value {
    json!({"latencyMs": 0})
}

fn usage(Told { input, output, total }: Told) -> Value {
    json!({"inputTokens": input, "outputTokens": output, "totalTokens": total})
}
