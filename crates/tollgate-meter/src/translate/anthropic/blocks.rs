//! The blocks of messages, read.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::translate::{
    conversation::{Call, Image, Outcome, Part, Role},
    error::{Read, Untranslatable},
    object::{self, Object, flag, text, verbatim},
};

/// Reads a content: a text, or blocks of what this role may send.
pub(super) fn content(value: &RawValue, role: Role) -> Read<Vec<Part<'_>>> {
    if value.get().starts_with('"') {
        return Ok(vec![Part::Text(text(value)?)]);
    }
    if !value.get().starts_with('[') {
        return Err(Untranslatable::wrong("a string or an array of blocks"));
    }
    object::items(value, |value| {
        let mut block = Object::of(value)?;
        let kind = block.need("type", text)?;
        let part = match (&*kind, role) {
            ("text", _) => said(&mut block)?,
            ("image", Role::User) => Part::Image(image(&mut block)?),
            ("tool_use", Role::Assistant) => Part::Call(call(&mut block)?),
            ("tool_result", Role::User) => Part::Outcome(outcome(&mut block)?),
            ("thinking" | "redacted_thinking", _) => {
                let reason = "thoughts can be shown to the model that had them alone";
                return Err(Untranslatable::because(reason));
            }
            _ => return Err(Untranslatable::because("there is no such block").within("type")),
        };
        block.drop_hints(&["cache_control"]);
        block.end()?;
        Ok(part)
    })
}

fn said<'a>(block: &mut Object<'a>) -> Read<Part<'a>> {
    block.only("citations", &["[]"], "citations cannot be told there")?;
    Ok(Part::Text(block.need("text", text)?))
}

/// Reads a call.
pub(super) fn call<'a>(block: &mut Object<'a>) -> Read<Call<'a>> {
    // Who else than the model could call it has tools of its own, which are refused.
    block.drop_hints(&["caller"]);
    Ok(Call {
        id: Some(block.need("id", text)?),
        name: block.need("name", text)?,
        input: Cow::Borrowed(block.need("input", verbatim)?),
    })
}

fn outcome<'a>(block: &mut Object<'a>) -> Read<Outcome<'a>> {
    Ok(Outcome {
        call_id: block.need("tool_use_id", text)?,
        parts: block.read("content", shown)?.unwrap_or_default(),
        failed: block.read("is_error", flag)?.unwrap_or(false),
    })
}

/// What a tool may show.
fn shown(value: &RawValue) -> Read<Vec<Part<'_>>> {
    let parts = content(value, Role::User)?;
    match parts.iter().position(|part| !matches!(part, Part::Text(_) | Part::Image(_))) {
        Some(index) => {
            let reason = "only texts and images can be shown by a tool";
            Err(Untranslatable::because(reason).at(index))
        }
        None => Ok(parts),
    }
}

fn image<'a>(block: &mut Object<'a>) -> Read<Image<'a>> {
    block.need("source", |value| {
        let mut source = Object::of(value)?;
        let kind = source.need("type", text)?;
        let image = match &*kind {
            "base64" => Image::Data {
                media_type: source.need("media_type", text)?,
                base64: source.need("data", text)?,
            },
            "url" => Image::Link(source.need("url", text)?),
            _ => {
                let reason = "only data and links can be shown there";
                return Err(Untranslatable::because(reason).within("type"));
            }
        };
        source.end()?;
        Ok(image)
    })
}
