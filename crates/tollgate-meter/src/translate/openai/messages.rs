//! The messages of a request, read.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::translate::{
    conversation::{Call, Image, Outcome, Part, Role, Turn},
    error::{Read, Untranslatable},
    object::{self, Object, text},
};

/// Reads one message.
pub(super) fn turn(value: &RawValue) -> Read<Turn<'_>> {
    let mut message = Object::of(value)?;
    let role = message.need("role", text)?;
    let turn = match &*role {
        "system" | "developer" => Turn {
            role: Role::System,
            parts: message.need("content", |value| content(value, said))?,
        },
        "user" => Turn {
            role: Role::User,
            parts: message.need("content", |value| content(value, shown))?,
        },
        "assistant" => assistant(&mut message)?,
        "tool" => tool(&mut message)?,
        _ => return Err(Untranslatable::because("nobody else has this role").within("role")),
    };
    message.end()?;
    Ok(turn)
}

fn assistant<'a>(message: &mut Object<'a>) -> Read<Turn<'a>> {
    let mut parts = message.read("content", |value| content(value, said))?.unwrap_or_default();
    parts.extend(message.read("refusal", text)?.map(Part::Text));
    parts.extend(message.each("tool_calls", call)?.into_iter().map(Part::Call));
    message.only("audio", &[], "only text can be sent")?;
    message.only("function_call", &[], "it is out of use; send `tool_calls`")?;
    message.only("annotations", &["[]"], "the provider's own search is no tool of the other's")?;
    // What some compatible providers tell of the model's thoughts, and none wants back.
    message.drop_hints(&["reasoning", "reasoning_content"]);
    Ok(Turn { role: Role::Assistant, parts })
}

fn tool<'a>(message: &mut Object<'a>) -> Read<Turn<'a>> {
    // The call has the tool's name already.
    message.drop_hints(&["name"]);
    let outcome = Outcome {
        call_id: message.need("tool_call_id", text)?,
        parts: message.need("content", |value| content(value, said))?,
        failed: false,
    };
    Ok(Turn { role: Role::User, parts: vec![Part::Outcome(outcome)] })
}

fn call(value: &RawValue) -> Read<Call<'_>> {
    let mut call = Object::of(value)?;
    call.drop_hints(&["index"]);
    call.only("type", &[r#""function""#], "only functions are tools there")?;
    let id = Some(call.need("id", text)?);
    let (name, input) = call.need("function", |value| {
        let mut function = Object::of(value)?;
        let name = function.need("name", text)?;
        let input = function.need("arguments", |value| arguments(&text(value)?))?;
        function.end()?;
        Ok((name, input))
    })?;
    call.end()?;
    Ok(Call { id, name, input: Cow::Owned(input) })
}

/// The arguments of a call; an empty string says that there are none.
pub(super) fn arguments(text: &str) -> Read<Box<RawValue>> {
    let text = if text.trim().is_empty() { "{}" } else { text.trim() };
    let is_object = text.starts_with('{');
    let raw = RawValue::from_string(text.to_owned()).ok().filter(|_| is_object);
    raw.ok_or(Untranslatable::wrong("a JSON object in a string"))
}

/// Reads a content: a text, or parts of it.
fn content<'a>(
    value: &'a RawValue,
    part: fn(&str, &mut Object<'a>) -> Read<Part<'a>>,
) -> Read<Vec<Part<'a>>> {
    if value.get().starts_with('"') {
        return Ok(vec![Part::Text(text(value)?)]);
    }
    if !value.get().starts_with('[') {
        return Err(Untranslatable::wrong("a string or an array of parts"));
    }
    object::items(value, |value| {
        let mut object = Object::of(value)?;
        let kind = object.need("type", text)?;
        let part = part(&kind, &mut object)?;
        object.drop_hints(&["prompt_cache_breakpoint"]);
        object.end()?;
        Ok(part)
    })
}

/// A part that anybody may send.
fn said<'a>(kind: &str, part: &mut Object<'a>) -> Read<Part<'a>> {
    match kind {
        "text" | "refusal" => Ok(Part::Text(part.need(kind, text)?)),
        _ => Err(Untranslatable::because("only text can be sent here").within("type")),
    }
}

/// A part that a user may send.
fn shown<'a>(kind: &str, part: &mut Object<'a>) -> Read<Part<'a>> {
    match kind {
        "text" => said(kind, part),
        "image_url" => Ok(Part::Image(part.need("image_url", image)?)),
        _ => Err(Untranslatable::because("only text and images can be sent").within("type")),
    }
}

fn image(value: &RawValue) -> Read<Image<'_>> {
    let mut image = Object::of(value)?;
    image.drop_hints(&["detail"]);
    let image_read = image.need("url", |value| source(text(value)?))?;
    image.end()?;
    Ok(image_read)
}

fn source(url: Cow<'_, str>) -> Read<Image<'_>> {
    if !url.starts_with("data:") {
        return Ok(Image::Link(url));
    }
    let wanted = Untranslatable::wrong("a link, or `data:image/…;base64,` with the image");
    let at = url.find(";base64,").ok_or(wanted)?;
    let media_type = part(&url, "data:".len(), at);
    let base64 = part(&url, at + ";base64,".len(), url.len());
    Ok(Image::Data { media_type, base64 })
}

/// A part of a text, copied only where the text is.
fn part<'a>(text: &Cow<'a, str>, from: usize, to: usize) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[from..to]),
        Cow::Owned(text) => Cow::Owned(text[from..to].to_owned()),
    }
}
