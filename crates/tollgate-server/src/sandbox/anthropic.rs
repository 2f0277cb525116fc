//! Anthropic: messages, plain and as named events, and their tokens counted.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tollgate_core::Time;

use super::{
    answer::{Answer, Told, with},
    asked::{bad, json, missing, named, text_bytes, tokens_of_bytes},
    content,
    dialect::{Asked, Call, Dialect, EVENT_STREAM, Shape, TextRequest, Whole, set},
    events::{self, Events, Script},
    failure::{Failure, Why},
    quotas::{Standing, Standings},
};

/// What Anthropic speaks.
pub(crate) struct Anthropic;

/// How the answer to a message looks.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// The tool that the model was told to use, if it was.
    tool: Option<String>,
}

#[derive(Deserialize)]
struct Body {
    model: Option<String>,
    messages: Option<Vec<Value>>,
    system: Option<Value>,
    max_tokens: Option<u32>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    tools: Vec<Tool>,
    tool_choice: Option<ToolChoice>,
}

#[derive(Deserialize)]
struct Tool {
    name: String,
}

#[derive(Deserialize)]
struct ToolChoice {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
}

/// What the input of a tool begins and ends with; the words of the answer are between.
const TOOL_INPUT: [&str; 2] = [r#"{"words":""#, r#""}"#];

/// What remaining tokens are rounded to.
const TOLD_TOKENS: u64 = 1_000;

impl Dialect for Anthropic {
    fn read(&self, call: &Call<'_>) -> Result<Asked, Failure> {
        match (call.method, call.path) {
            (&Method::POST, "/v1/messages") => {
                message(call.body, None, |message| Box::new(message)).map(Asked::Text)
            }
            (&Method::POST, "/v1/messages/count_tokens") => {
                let body: Body = json(call.body)?;
                let tokens = input_tokens(&body)?;
                Ok(Asked::free(move |plan| {
                    let tokens = plan.input_tokens.unwrap_or(tokens);
                    json!({"input_tokens": tokens}).to_string()
                }))
            }
            _ => Err(Failure::unknown_url(call.method, call.path)),
        }
    }

    fn error(&self, failure: &Failure, id: &str, headers: &mut HeaderMap) -> Bytes {
        if let Some(wait) = failure.wait() {
            set(headers, "retry-after", &super::failure::seconds(wait));
        }
        let request_id = format!("req_{id}");
        with(error(failure), "request_id", Some(request_id.into())).to_string().into()
    }

    fn status(&self, failure: &Failure) -> StatusCode {
        match failure.why {
            Why::Overloaded => StatusCode::from_u16(529).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            _ => failure.status(),
        }
    }

    fn announce(&self, id: &str, standings: Option<&Standings>, headers: &mut HeaderMap) {
        set(headers, "request-id", &format_args!("req_{id}"));
        let Some(Standings { wall, requests, tokens }) = standings else { return };
        if let Some(Standing { limit, remaining, reset_after }) = requests {
            set(headers, "anthropic-ratelimit-requests-limit", &limit);
            set(headers, "anthropic-ratelimit-requests-remaining", &remaining);
            let reset = rfc3339(wall.after(*reset_after));
            set(headers, "anthropic-ratelimit-requests-reset", &reset);
        }
        if let Some(Standing { limit, remaining, reset_after }) = tokens {
            set(headers, "anthropic-ratelimit-tokens-limit", &limit);
            let rounded = (remaining + TOLD_TOKENS / 2) / TOLD_TOKENS * TOLD_TOKENS;
            set(headers, "anthropic-ratelimit-tokens-remaining", &rounded.min(*limit));
            let reset = rfc3339(wall.after(*reset_after));
            set(headers, "anthropic-ratelimit-tokens-reset", &reset);
        }
    }
}

/// Reads a request for a message, whose answer looks as `shape` says. Its model may be named
/// elsewhere than in the body.
pub(crate) fn message(
    body: &[u8],
    model: Option<String>,
    shape: impl FnOnce(Message) -> Box<dyn Shape>,
) -> Result<TextRequest, Failure> {
    let body: Body = json(body)?;
    let input_tokens = input_tokens(&body)?;
    let max_tokens = body.max_tokens.ok_or_else(|| missing("max_tokens"))?;
    if max_tokens == 0 {
        return Err(bad("max_tokens must be at least 1.", "max_tokens"));
    }
    let tool = match body.tool_choice {
        Some(ToolChoice { kind, name }) if kind == "tool" => name,
        Some(ToolChoice { kind, .. }) if kind == "any" => {
            body.tools.into_iter().next().map(|tool| tool.name)
        }
        _ => None,
    };
    Ok(TextRequest {
        model: named(model.or(body.model))?,
        choices: 1,
        max_tokens: Some(max_tokens),
        stream: body.stream,
        input_tokens,
        shape: shape(Message { tool }),
    })
}

fn input_tokens(body: &Body) -> Result<u32, Failure> {
    let messages = body.messages.as_ref().filter(|messages| !messages.is_empty());
    let messages = messages.ok_or_else(|| missing("messages"))?;
    let system = body.system.as_ref().map_or(0, text_bytes);
    Ok(tokens_of_bytes(messages.iter().map(text_bytes).sum::<usize>() + system))
}

impl Shape for Message {
    fn plain(&self, answer: &Answer) -> Whole {
        let text = answer.text();
        let block = match &self.tool {
            Some(name) => {
                let id = format!("toolu_{}", answer.id);
                json!({"type": "tool_use", "id": id, "name": name, "input": {"words": text}})
            }
            None => json!({"type": "text", "text": text}),
        };
        let message = self.message(answer, &json!([block]), Some(self.stop(answer)));
        Whole::json(with(message, "usage", answer.told().map(usage)).to_string())
    }

    fn stream(&self, answer: Answer) -> (&'static str, Box<dyn Events>) {
        let event = |data: &Value| events::named(data["type"].as_str().unwrap_or_default(), data);
        let [opening, closing] = self.around(&answer);
        let [before, after] = self.delta();
        let write = move |place: usize, out: &mut Vec<u8>| {
            let parts = [before, content::token(place), after];
            out.extend_from_slice(b"event: content_block_delta\ndata: ");
            parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
            out.extend_from_slice(b"\n\n");
        };
        let error = events::named("error", error(&Failure::broken()));
        let all = |events: Vec<Value>| events.iter().map(event).collect();
        let script = Script::new(all(opening), answer.tokens(), write, all(closing), error);
        (EVENT_STREAM, script)
    }
}

impl Message {
    /// The events around the deltas, by their data.
    pub(crate) fn around(&self, answer: &Answer) -> [Vec<Value>; 2] {
        let first = answer.told_at(1).map(usage);
        let message = with(self.message(answer, &json!([]), None), "usage", first);
        let block = match &self.tool {
            Some(name) => {
                let id = format!("toolu_{}", answer.id);
                json!({"type": "tool_use", "id": id, "name": name, "input": {}})
            }
            None => json!({"type": "text", "text": ""}),
        };
        let mut opening = vec![
            json!({"type": "message_start", "message": message}),
            json!({"type": "content_block_start", "index": 0, "content_block": block}),
            json!({"type": "ping"}),
        ];
        let mut closing = Vec::new();
        if self.tool.is_some() {
            let [begin, end] = TOOL_INPUT.map(|part| {
                let delta = json!({"type": "input_json_delta", "partial_json": part});
                json!({"type": "content_block_delta", "index": 0, "delta": delta})
            });
            opening.push(begin);
            closing.push(end);
        }
        closing.push(json!({"type": "content_block_stop", "index": 0}));
        let delta = json!({"stop_reason": self.stop(answer), "stop_sequence": null});
        let last = answer.told().map(|told| json!({"output_tokens": told.output}));
        closing.push(with(json!({"type": "message_delta", "delta": delta}), "usage", last));
        closing.push(json!({"type": "message_stop"}));
        [opening, closing]
    }

    /// What stands around a token in the data of its event.
    pub(crate) const fn delta(&self) -> [&'static str; 2] {
        let before = match self.tool {
            Some(_) => {
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":""#
            }
            None => {
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""#
            }
        };
        [before, r#""}}"#]
    }

    fn message(&self, answer: &Answer, content: &Value, stop: Option<&str>) -> Value {
        json!({
            "id": format!("msg_{}", answer.id),
            "type": "message",
            "role": "assistant",
            "model": answer.model,
            "content": content,
            "stop_reason": stop,
            "stop_sequence": null,
        })
    }

    const fn stop(&self, answer: &Answer) -> &'static str {
        match self.tool {
            _ if answer.is_full => "max_tokens",
            Some(_) => "tool_use",
            None => "end_turn",
        }
    }
}

fn usage(Told { input, output, .. }: Told) -> Value {
    json!({
        "input_tokens": input,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output,
        "service_tier": "standard",
    })
}

fn error(failure: &Failure) -> Value {
    let kind = match failure.why {
        Why::Invalid => "invalid_request_error",
        Why::NotFound => "not_found_error",
        Why::TooLarge => "request_too_large",
        Why::Broken => "api_error",
        Why::Overloaded => "overloaded_error",
        Why::Limited(_) => "rate_limit_error",
    };
    json!({"type": "error", "error": {"type": kind, "message": failure.message}})
}

fn rfc3339(at: Time) -> Timestamp {
    // Whole seconds, as the provider tells it, and never too early.
    let seconds = at.as_nanos().div_ceil(1_000_000_000);
    Timestamp::from_second(i64::try_from(seconds).unwrap_or_default()).unwrap_or_default()
}
