//! `invoke`: bodies as the model's own API has them, for Claude, Nova and Llama, whose shape all
//! other models have here too.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{converse, frames};
use crate::sandbox::{
    answer::{Answer, Told, with},
    anthropic::{self, Message},
    asked::{json, missing, tokens_of_bytes},
    content,
    dialect::{Asked, Shape, TextRequest, Whole},
    events::{Events, Script},
    failure::Failure,
};

/// How an answer looks, by the family of the model.
enum Family {
    Claude(Message),
    Nova,
    Llama,
}

#[derive(Deserialize)]
struct LlamaBody {
    prompt: Option<String>,
    max_gen_len: Option<u32>,
}

/// Reads the body of an invocation.
pub(super) fn read(model: String, body: &[u8], stream: bool) -> Result<Asked, Failure> {
    let request = if model.contains("anthropic.") {
        let wrap = |message| Box::new(Family::Claude(message)) as Box<dyn Shape>;
        TextRequest { stream, ..anthropic::message(body, Some(model), wrap)? }
    } else if model.contains("amazon.nova") {
        converse::request(model, body, stream, Box::new(Family::Nova))?
    } else {
        let body: LlamaBody = json(body)?;
        let prompt = body.prompt.ok_or_else(|| missing("prompt"))?;
        TextRequest {
            model,
            choices: 1,
            max_tokens: body.max_gen_len,
            stream,
            input_tokens: tokens_of_bytes(prompt.len()),
            shape: Box::new(Family::Llama),
        }
    };
    Ok(Asked::Text(request))
}

impl Shape for Family {
    fn plain(&self, answer: &Answer) -> Whole {
        let mut whole = match self {
            Self::Claude(message) => message.plain(answer),
            Self::Nova => Whole::json(converse::whole(answer).to_string()),
            Self::Llama => {
                let said = generation(&answer.text(), answer.told(), Some(stop(answer)));
                Whole::json(said.to_string())
            }
        };
        if let Some(Told { input, output, .. }) = answer.told() {
            whole.headers = vec![
                ("x-amzn-bedrock-input-token-count", input.to_string()),
                ("x-amzn-bedrock-output-token-count", output.to_string()),
            ];
        }
        whole
    }

    fn stream(&self, answer: Answer) -> (&'static str, Box<dyn Events>) {
        let [opening, mut closing] = self.around(&answer);
        if let Some(last) = closing.pop() {
            closing.push(with(last, "amazon-bedrock-invocationMetrics", metrics(&answer)));
        }
        let all = |said: Vec<Value>| said.iter().map(|said| chunk(&said.to_string())).collect();
        let (opening, closing, tokens) = (all(opening), all(closing), answer.tokens());
        let error = frames::exception();
        let script = match self {
            Self::Claude(message) => {
                let [before, after] = message.delta();
                let write = move |place: usize, out: &mut Vec<u8>| {
                    let said = format!("{before}{}{after}", content::token(place));
                    out.extend_from_slice(&chunk(&said));
                };
                Script::new(opening, tokens, write, closing, error)
            }
            Self::Nova => {
                let write = |place: usize, out: &mut Vec<u8>| {
                    out.extend_from_slice(&chunk(&wrapped(converse::delta(place)).to_string()));
                };
                Script::new(opening, tokens, write, closing, error)
            }
            Self::Llama => {
                let write = move |place: usize, out: &mut Vec<u8>| {
                    let told = answer.told_at(place + 1);
                    let said = generation(content::token(place), told, None);
                    out.extend_from_slice(&chunk(&said.to_string()));
                };
                Script::new(opening, tokens, write, closing, error)
            }
        };
        (frames::EVENT_STREAM, script)
    }
}

impl Family {
    /// What the model says around the deltas.
    fn around(&self, answer: &Answer) -> [Vec<Value>; 2] {
        match self {
            Self::Claude(message) => message.around(answer),
            Self::Nova => {
                converse::around(answer).map(|events| events.into_iter().map(wrapped).collect())
            }
            Self::Llama => [Vec::new(), vec![generation("", answer.told(), Some(stop(answer)))]],
        }
    }
}

/// What the model says, in an event of Bedrock's.
fn chunk(said: &str) -> Bytes {
    frames::event("chunk", &json!({"bytes": STANDARD.encode(said)}))
}

/// An event as Nova says it.
fn wrapped((name, data): (&'static str, Value)) -> Value {
    with(json!({}), name, Some(data))
}

fn generation(text: &str, told: Option<Told>, stop: Option<&str>) -> Value {
    let said = json!({"generation": text, "stop_reason": stop});
    let Some(Told { input, output, .. }) = told else { return said };
    with(with(said, "prompt_token_count", Some(input)), "generation_token_count", Some(output))
}

const fn stop(answer: &Answer) -> &'static str {
    if answer.is_full { "length" } else { "stop" }
}

fn metrics(answer: &Answer) -> Option<Value> {
    let Told { input, output, .. } = answer.told()?;
    Some(json!({
        "inputTokenCount": input,
        "outputTokenCount": output,
        "invocationLatency": 0,
        "firstByteLatency": 0,
    }))
}
