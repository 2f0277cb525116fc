//! Responses: one message, plain and as events, each with its number.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::sandbox::{
    answer::{Answer, Told, with},
    asked::{bad, json, missing, named, text_bytes, tokens_of_bytes},
    content,
    dialect::{Asked, EVENT_STREAM, Shape, TextRequest, Whole},
    events::{self, Events, Script},
    failure::Failure,
};

/// How a response looks.
#[derive(Debug, Clone, Copy)]
struct Response {
    max_tokens: Option<u32>,
}

#[derive(Deserialize)]
struct Body {
    model: Option<String>,
    input: Option<Value>,
    instructions: Option<Value>,
    max_output_tokens: Option<u32>,
    stream: Option<bool>,
}

/// How far a response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begun,
    Ended,
}

/// Reads the body of a request.
pub(super) fn read(body: &[u8]) -> Result<Asked, Failure> {
    let body: Body = json(body)?;
    let input_tokens = body.tokens()?;
    if body.max_output_tokens == Some(0) {
        return Err(bad("max_output_tokens must be at least 1.", "max_output_tokens"));
    }
    Ok(Asked::Text(TextRequest {
        model: named(body.model)?,
        choices: 1,
        max_tokens: body.max_output_tokens,
        stream: body.stream.unwrap_or(false),
        input_tokens,
        shape: Box::new(Response { max_tokens: body.max_output_tokens }),
    }))
}

/// Reads the body of a request to count what another one would send.
pub(super) fn count(body: &[u8]) -> Result<Asked, Failure> {
    let tokens = json::<Body>(body)?.tokens()?;
    Ok(Asked::free(move |plan| {
        let tokens = plan.input_tokens.unwrap_or(tokens);
        json!({"object": "response.input_tokens", "input_tokens": tokens}).to_string()
    }))
}

impl Body {
    fn tokens(&self) -> Result<u32, Failure> {
        let input = self.input.as_ref().ok_or_else(|| missing("input"))?;
        let instructions = self.instructions.as_ref().map_or(0, text_bytes);
        Ok(tokens_of_bytes(text_bytes(input) + instructions))
    }
}

impl Shape for Response {
    fn plain(&self, answer: &Answer) -> Whole {
        Whole::json(self.response(answer, Stage::Ended).to_string())
    }

    fn stream(&self, answer: Answer) -> (&'static str, Box<dyn Events>) {
        let [opening, closing] = self.around(&answer);
        let (first, tokens) = (opening.len(), answer.tokens());
        let item = item_id(&answer);
        let write = move |place: usize, out: &mut Vec<u8>| {
            let (word, number) = (content::token(place), first + place);
            let event = format!(
                "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"sequence_number\":{number},\"item_id\":\"{item}\",\"output_index\":0,\"content_index\":0,\"delta\":\"{word}\",\"logprobs\":[]}}\n\n"
            );
            out.extend_from_slice(event.as_bytes());
        };
        let failure = Failure::broken();
        // Clients look for the member `error`, and pass on an event without it.
        let error = json!({
            "type": "error", "code": "server_error", "message": failure.message, "param": null,
            "sequence_number": first + tokens, "error": super::error(&failure),
        });
        let numbered = |from: usize, events: Vec<(&str, Value)>| {
            let event = |(place, (kind, data)): (usize, (&str, Value))| {
                let data = with(data, "type", Some(kind.into()));
                events::named(kind, with(data, "sequence_number", Some((from + place).into())))
            };
            events.into_iter().enumerate().map(event).collect()
        };
        let script = Script::new(
            numbered(0, opening),
            tokens,
            write,
            numbered(first + tokens, closing),
            events::named("error", error),
        );
        (EVENT_STREAM, script)
    }
}

impl Response {
    /// The events around the deltas, each with its type.
    fn around(&self, answer: &Answer) -> [Vec<(&'static str, Value)>; 2] {
        let item_id = item_id(answer);
        let begun = self.response(answer, Stage::Begun);
        let ended = self.response(answer, Stage::Ended);
        let (item, part) = (ended["output"][0].clone(), ended["output"][0]["content"][0].clone());
        let empty = with(item.clone(), "content", Some(json!([])));
        let empty = with(empty, "status", Some("in_progress".into()));
        let at = |data: Value| {
            with(with(data, "output_index", Some(0.into())), "item_id", Some(json!(item_id)))
        };
        let within = |data: Value| with(at(data), "content_index", Some(0.into()));
        let no_part = json!({"type": "output_text", "text": "", "annotations": [], "logprobs": []});
        let opening = vec![
            ("response.created", json!({"response": begun})),
            ("response.in_progress", json!({"response": begun})),
            ("response.output_item.added", json!({"output_index": 0, "item": empty})),
            ("response.content_part.added", within(json!({"part": no_part}))),
        ];
        let text = part["text"].clone();
        let is_full = answer.is_full;
        let closing = vec![
            ("response.output_text.done", within(json!({"text": text, "logprobs": []}))),
            ("response.content_part.done", within(json!({"part": part}))),
            ("response.output_item.done", json!({"output_index": 0, "item": item})),
            (
                if is_full { "response.incomplete" } else { "response.completed" },
                json!({"response": ended}),
            ),
        ];
        [opening, closing]
    }

    fn response(self, answer: &Answer, stage: Stage) -> Value {
        let (status, why) = match stage {
            Stage::Begun => ("in_progress", Value::Null),
            Stage::Ended if answer.is_full => {
                ("incomplete", json!({"reason": "max_output_tokens"}))
            }
            Stage::Ended => ("completed", Value::Null),
        };
        let part = json!({
            "type": "output_text", "text": answer.text(), "annotations": [], "logprobs": [],
        });
        let item = json!({
            "type": "message", "id": item_id(answer), "status": status, "role": "assistant",
            "content": [part],
        });
        let has_ended = stage == Stage::Ended;
        let response = json!({
            "id": format!("resp_{}", answer.id),
            "object": "response",
            "created_at": answer.created_secs(),
            "status": status,
            "error": null,
            "incomplete_details": why,
            "instructions": null,
            "max_output_tokens": self.max_tokens,
            "metadata": {},
            "model": answer.model,
            "output": if has_ended { json!([item]) } else { json!([]) },
            "parallel_tool_calls": true,
            "previous_response_id": null,
            "reasoning": {"effort": null, "summary": null},
            "store": true,
            "temperature": 1.0,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "truncation": "disabled",
        });
        with(response, "usage", answer.told().filter(|_| has_ended).map(usage))
    }
}

fn item_id(answer: &Answer) -> String {
    format!("msg_{}", answer.id)
}

fn usage(Told { input, output, total }: Told) -> Value {
    json!({
        "input_tokens": input,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": total,
    })
}
