//! Requests for a message, read.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::blocks;
use crate::translate::{
    conversation::{Choice, Conversation, Role, Tool, Turn},
    error::{Read, Untranslatable},
    object::{self, Object, count, flag, number, text, verbatim},
};

/// What asks for no other answer: how fast, how dear, what is kept, what is told beside it.
const HINTS: [&str; 4] = ["cache_control", "diagnostics", "service_tier", "speed"];

/// What helps the model or the provider with a tool, and is no part of what the tool is.
const TOOL_HINTS: [&str; 4] =
    ["cache_control", "defer_loading", "eager_input_streaming", "input_examples"];

/// Members that have an equivalent only where they ask for nothing.
const ONLY: [(&str, &[&str], &str); 5] = [
    ("top_k", &[], "so few tokens cannot be demanded there"),
    ("container", &[], "there are no containers there"),
    ("mcp_servers", &["[]"], "the provider's own tools are not the other's"),
    ("context_management", &[], "the other provider does not manage the context"),
    ("inference_geo", &[], "the place of the work cannot be chosen there"),
];

/// Reads a request. The model that it names is for somebody else to choose.
pub(in crate::translate) fn read(body: &[u8]) -> Read<Conversation<'_>> {
    let mut all = Object::parse(body)?;
    let _ = all.take("model");
    let system = all.read("system", |value| blocks::content(value, Role::System))?;
    let (choice, one_call) = all.read("tool_choice", choice)?.unzip();
    let conversation = Conversation {
        system: system.unwrap_or_default(),
        turns: all.need("messages", |value| object::items(value, turn))?,
        tools: all.each("tools", tool)?,
        choice,
        one_call: one_call.unwrap_or(false),
        max_tokens: all.read("max_tokens", count)?,
        temperature: all.read("temperature", number)?,
        top_p: all.read("top_p", number)?,
        stop: all.each("stop_sequences", text)?,
        schema: all.read("output_config", schema)?.flatten(),
        stream: all.read("stream", flag)?.unwrap_or(false),
        include_usage: true,
        user: all.read("metadata", user)?.flatten(),
    };
    let _ = all.read("thinking", thinking)?;
    for (name, nothing, reason) in ONLY {
        all.only(name, nothing, reason)?;
    }
    all.drop_hints(&HINTS);
    all.end()?;
    Ok(conversation)
}

fn turn(value: &RawValue) -> Read<Turn<'_>> {
    let mut message = Object::of(value)?;
    let role = match &*message.need("role", text)? {
        "system" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        _ => return Err(Untranslatable::because("nobody else has this role").within("role")),
    };
    let parts = message.need("content", |value| blocks::content(value, role))?;
    message.end()?;
    Ok(Turn { role, parts })
}

fn tool(value: &RawValue) -> Read<Tool<'_>> {
    let mut tool = Object::of(value)?;
    tool.only("type", &[r#""custom""#], "the provider's own tools are not the other's")?;
    let callers = "only the model itself can call tools there";
    tool.only("allowed_callers", &["[]", r#"["direct"]"#], callers)?;
    let read = Tool {
        name: tool.need("name", text)?,
        description: tool.read("description", text)?,
        schema: Some(tool.need("input_schema", verbatim)?),
        strict: tool.read("strict", flag)?,
    };
    tool.drop_hints(&TOOL_HINTS);
    tool.end()?;
    Ok(read)
}

/// Which tools, and whether at most one.
fn choice(value: &RawValue) -> Read<(Choice<'_>, bool)> {
    let mut choice = Object::of(value)?;
    let kind = choice.need("type", text)?;
    let one_call = choice.read("disable_parallel_tool_use", flag)?.unwrap_or(false);
    let which = match &*kind {
        "auto" => Choice::Auto,
        "none" => Choice::Never,
        "any" => Choice::Any,
        "tool" => Choice::One(choice.need("name", text)?),
        _ => return Err(Untranslatable::wrong("`auto`, `any`, `tool` or `none`").within("type")),
    };
    choice.end()?;
    Ok((which, one_call))
}

/// The schema of the answer, where it must have one.
fn schema(value: &RawValue) -> Read<Option<&RawValue>> {
    let mut config = Object::of(value)?;
    config.drop_hints(&["effort"]);
    let schema = config.read("format", |value| {
        let mut format = Object::of(value)?;
        let reason = "only a JSON schema can be demanded there";
        format.only("type", &[r#""json_schema""#], reason)?;
        let schema = format.need("schema", verbatim)?;
        format.end()?;
        Ok(schema)
    })?;
    config.end()?;
    Ok(schema)
}

fn user(value: &RawValue) -> Read<Option<Cow<'_, str>>> {
    let mut metadata = Object::of(value)?;
    let user = metadata.read("user_id", text)?;
    metadata.end()?;
    Ok(user)
}

/// Where the model thinks as it likes, it does so elsewhere too.
fn thinking(value: &RawValue) -> Read<()> {
    let mut thinking = Object::of(value)?;
    let as_it_likes = [r#""adaptive""#, r#""disabled""#];
    thinking.only("type", &as_it_likes, "thoughts cannot be demanded there")?;
    thinking.drop_hints(&["display"]);
    thinking.end()
}
