//! Messages in one piece, read and written.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{blocks, compose::Block, id, stop, stop_reason};
use crate::{
    Counts, anthropic, json,
    told::Told,
    translate::{
        Stamp,
        answer::Answer,
        conversation::Part,
        error::{Read, Untranslatable},
        object::{self, Object, text},
    },
};

/// Reads an answer. It may have members that are not known, but no unknown blocks.
pub(in crate::translate) fn read(body: &[u8]) -> Read<Answer<'_>> {
    let mut all = Object::parse(body)?;
    let parts = all.need("content", |value| object::items(value, part))?;
    let reason = all.read("stop_reason", text)?.unwrap_or_default();
    Ok(Answer {
        model: all.read("model", text)?,
        parts: parts.into_iter().flatten().collect(),
        stop: stop(&reason),
        usage: all.take("usage").and_then(|value| {
            match anthropic::read_usage(value.get().as_bytes()) {
                Told::Counts(counts) => Some(counts),
                _ => None,
            }
        }),
    })
}

/// Reads a block; none where it is a thought, which others do not show.
fn part(value: &RawValue) -> Read<Option<Part<'_>>> {
    let mut block = Object::of(value)?;
    let kind = block.need("type", text)?;
    match &*kind {
        "text" => Ok(Some(Part::Text(block.need("text", text)?))),
        "tool_use" => Ok(Some(Part::Call(blocks::call(&mut block)?))),
        "thinking" | "redacted_thinking" => Ok(None),
        _ => Err(Untranslatable::because("there is no such block").within("type")),
    }
}

#[derive(Serialize)]
struct Message<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Block<'a>>,
    stop_reason: &'static str,
    stop_sequence: Option<&'static str>,
    usage: serde_json::Value,
}

/// Writes an answer.
pub(in crate::translate) fn write(answer: &Answer<'_>, model: &str, stamp: &Stamp) -> Bytes {
    let mut content = Vec::new();
    for part in &answer.parts {
        content.push(match part {
            Part::Text(text) => Block::Text { text },
            Part::Call(call) => {
                let made = || Cow::Owned(format!("call_{}_{}", stamp.id, content.len()));
                Block::ToolUse {
                    id: call.id.as_deref().map_or_else(made, Cow::Borrowed),
                    name: &call.name,
                    input: &call.input,
                }
            }
            Part::Image(_) | Part::Outcome(_) => continue,
        });
    }
    json::written(&Message {
        id: id(&stamp.id),
        kind: "message",
        role: "assistant",
        model,
        content,
        stop_reason: stop_reason(answer.stop),
        stop_sequence: None,
        usage: written_usage(&answer.usage.unwrap_or_default()),
    })
}

/// A usage in Anthropic's words: what was cached is counted apart from the rest.
pub(super) fn written_usage(counts: &Counts) -> serde_json::Value {
    let (read, written) = (counts.cached_tokens, counts.cache_write_tokens);
    let mut usage = serde_json::json!({
        "input_tokens": counts.input_tokens.saturating_sub(read).saturating_sub(written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": counts.output_tokens,
    });
    if counts.reasoning_tokens > 0 {
        let details = serde_json::json!({ "thinking_tokens": counts.reasoning_tokens });
        usage["output_tokens_details"] = details;
    }
    usage
}
