//! Completions in one piece, read and written.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{compose, finish_reason, id, messages, stop};
use crate::{
    Counts, json, openai,
    told::Told,
    translate::{
        Stamp,
        answer::{Answer, Stop},
        conversation::{Call, Part},
        error::{Read, Untranslatable},
        object::{Object, text},
    },
};

/// Reads an answer. It may have members that are not known: only some of them make it another
/// answer.
pub(in crate::translate) fn read(body: &[u8]) -> Read<Answer<'_>> {
    let mut all = Object::parse(body)?;
    let mut choices = all.each("choices", choice)?;
    let (true, Some((parts, stop))) = (choices.len() <= 1, choices.pop()) else {
        return Err(Untranslatable::wrong("an array of one choice").within("choices"));
    };
    Ok(Answer {
        model: all.read("model", text)?,
        parts,
        stop,
        usage: all.take("usage").and_then(usage),
    })
}

fn choice(value: &RawValue) -> Read<(Vec<Part<'_>>, Stop)> {
    let mut choice = Object::of(value)?;
    let reason = choice.read("finish_reason", text)?.unwrap_or_default();
    choice.need("message", |value| {
        let mut message = Object::of(value)?;
        let said = message.read("content", text)?;
        let refused = message.read("refusal", text)?;
        let is_refusal = refused.is_some();
        let texts = [said, refused].into_iter().flatten().filter(|text| !text.is_empty());
        let mut parts: Vec<_> = texts.map(Part::Text).collect();
        let mut calls = message.each("tool_calls", |value| call(value, &reason))?;
        let has_calls = !calls.is_empty();
        parts.extend(calls.drain(..).flatten().map(Part::Call));
        message.only("audio", &[], "only text can be told there")?;
        message.only("function_call", &[], "it is out of use")?;
        Ok((parts, stop(&reason, has_calls, is_refusal)))
    })
}

/// Reads a call; none where the model was cut within it.
fn call<'a>(value: &'a RawValue, reason: &str) -> Read<Option<Call<'a>>> {
    let mut call = Object::of(value)?;
    call.only("custom", &[], "only functions are tools there")?;
    let id = call.read("id", text)?.filter(|id| !id.is_empty());
    let (name, input) = call.need("function", |value| {
        let mut function = Object::of(value)?;
        let name = function.need("name", text)?;
        let arguments = function.read("arguments", text)?.unwrap_or_default();
        match messages::arguments(&arguments) {
            Err(_) if reason == "length" => Ok((name, None)),
            read => Ok((name, Some(read.map_err(|error| error.within("arguments"))?))),
        }
    })?;
    Ok(input.map(|input| Call { id, name, input: Cow::Owned(input) }))
}

/// What a usage says, where it can be true.
pub(super) fn usage(value: &RawValue) -> Option<Counts> {
    match openai::read_usage(value.get().as_bytes()) {
        Told::Counts(counts) => Some(counts),
        _ => None,
    }
}

/// Writes an answer.
pub(in crate::translate) fn write(answer: &Answer<'_>, model: &str, stamp: &Stamp) -> Bytes {
    let texts = answer.parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(&**text),
        _ => None,
    });
    let content: String = texts.collect();
    let tool_calls: Vec<_> = compose::calls(&answer.parts, &stamp.id).collect();
    let has_content = !content.is_empty() || tool_calls.is_empty();
    let mut message = serde_json::json!({
        "role": "assistant",
        "content": has_content.then_some(content),
        "refusal": null,
    });
    if !tool_calls.is_empty() {
        message["tool_calls"] = serde_json::json!(tool_calls);
    }
    let mut all = serde_json::json!({
        "id": id(&stamp.id),
        "object": "chat.completion",
        "created": stamp.created,
        "model": model,
        "choices": [{
            "index": 0,
            "message": message,
            "logprobs": null,
            "finish_reason": finish_reason(answer.stop),
        }],
    });
    if let Some(counts) = &answer.usage {
        all["usage"] = written_usage(counts);
    }
    json::written(&all)
}

/// A usage in OpenAI's words: what was cached is counted with the rest.
pub(super) fn written_usage(counts: &Counts) -> serde_json::Value {
    serde_json::json!({
        "prompt_tokens": counts.input_tokens,
        "completion_tokens": counts.output_tokens,
        "total_tokens": counts.input_tokens.saturating_add(counts.output_tokens),
        "prompt_tokens_details": {
            "cached_tokens": counts.cached_tokens,
            "cache_write_tokens": counts.cache_write_tokens,
        },
        "completion_tokens_details": { "reasoning_tokens": counts.reasoning_tokens },
    })
}
