//! Requests for a message, written.
//!
//! Texts of blanks alone are left out, since Anthropic refuses them. Roles take turns: what
//! one side says in a row becomes one message. System messages before the first turn become
//! `system`; later ones follow what the user says beside them, where alone models take them.

use std::{borrow::Cow, collections::BTreeMap};

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::ids::Ids;
use crate::{
    json,
    translate::{
        Target,
        conversation::{Choice, Conversation, Image, Part, Role, Tool, unusual},
        error::{Read, Untranslatable},
    },
};

/// The kinds of images that are taken.
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    max_tokens: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<ChoiceForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [Cow<'a, str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<Config<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

/// A block, as requests and answers have it.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text {
        text: &'a str,
    },
    Image {
        source: Source<'a>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: &'a RawValue,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<Block<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        is_error: Option<bool>,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Source<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Url { url: &'a str },
}

#[derive(Serialize)]
struct ToolForm<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: Schema<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Schema<'a> {
    Given(&'a RawValue),
    /// There must be one even where there is no input.
    NoInput {
        #[serde(rename = "type")]
        kind: &'static str,
        properties: BTreeMap<(), ()>,
    },
}

#[derive(Serialize)]
struct ChoiceForm<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_parallel_tool_use: Option<bool>,
}

#[derive(Serialize)]
struct Config<'a> {
    format: Format<'a>,
}

#[derive(Serialize)]
struct Format<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: &'a RawValue,
}

#[derive(Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

/// Writes a request.
pub(in crate::translate) fn write(
    conversation: &Conversation<'_>,
    target: &Target<'_>,
) -> Read<Bytes> {
    if let Some(blank) = conversation.stop.iter().position(|stop| stop.trim().is_empty()) {
        let reason = "a text of blanks alone stops nobody there";
        return Err(Untranslatable::because(reason).at(blank).within("stop"));
    }
    let (system, messages) = turns(conversation)?;
    Ok(json::written(&Request {
        model: target.model,
        max_tokens: conversation.max_tokens.unwrap_or(target.max_tokens),
        system,
        messages,
        tools: conversation.tools.iter().map(tool).collect(),
        tool_choice: choice(conversation),
        temperature: unusual(conversation.temperature.map(|all| all.min(1.0))),
        top_p: unusual(conversation.top_p),
        stop_sequences: &conversation.stop,
        output_config: conversation
            .schema
            .map(|schema| Config { format: Format { kind: "json_schema", schema } }),
        metadata: conversation.user.as_deref().map(|user_id| Metadata { user_id }),
        stream: conversation.stream.then_some(true),
    }))
}

/// The system's texts before the first turn, and the messages.
fn turns<'a>(conversation: &'a Conversation<'a>) -> Read<(Vec<Block<'a>>, Vec<Message<'a>>)> {
    let mut ids = Ids::default();
    let turns = &conversation.turns;
    let first = turns.iter().take_while(|turn| turn.role == Role::System).count();
    let mut system = blocks(&conversation.system, &mut ids)?;
    let mut messages: Vec<Message<'a>> = Vec::new();
    // What the system says within the conversation, until the model's next turn.
    let mut later = Vec::new();
    for (index, turn) in turns.iter().enumerate() {
        let blocks = blocks(&turn.parts, &mut ids);
        let blocks = blocks.map_err(|e| e.within("content").at(index).within("messages"))?;
        match turn.role {
            Role::System if index < first => system.extend(blocks),
            Role::System => later.extend(blocks),
            Role::User => add(&mut messages, "user", blocks),
            Role::Assistant => {
                add(&mut messages, "system", std::mem::take(&mut later));
                add(&mut messages, "assistant", blocks);
            }
        }
    }
    add(&mut messages, "system", later);
    Ok((system, messages))
}

fn add<'a>(messages: &mut Vec<Message<'a>>, role: &'static str, content: Vec<Block<'a>>) {
    match messages.last_mut() {
        _ if content.is_empty() => {}
        Some(last) if last.role == role => last.content.extend(content),
        _ => messages.push(Message { role, content }),
    }
}

fn blocks<'a>(parts: &'a [Part<'a>], ids: &mut Ids<'a>) -> Read<Vec<Block<'a>>> {
    let mut blocks = Vec::new();
    for part in parts {
        blocks.push(match part {
            Part::Text(text) if text.trim().is_empty() => continue,
            Part::Text(text) => Block::Text { text },
            Part::Image(image) => Block::Image { source: source(image)? },
            Part::Call(call) => Block::ToolUse {
                id: ids.fit(call.id.as_deref().unwrap_or_default()),
                name: &call.name,
                input: &call.input,
            },
            Part::Outcome(outcome) => Block::ToolResult {
                tool_use_id: ids.fit(&outcome.call_id),
                content: self::blocks(&outcome.parts, ids)?,
                is_error: outcome.failed.then_some(true),
            },
        });
    }
    Ok(blocks)
}

fn source<'a>(image: &'a Image<'a>) -> Read<Source<'a>> {
    match image {
        Image::Link(url) => Ok(Source::Url { url }),
        Image::Data { media_type, base64 } if IMAGES.contains(&&**media_type) => {
            Ok(Source::Base64 { media_type, data: base64 })
        }
        Image::Data { .. } => {
            Err(Untranslatable::because("only JPEG, PNG, GIF and WebP images are taken there"))
        }
    }
}

fn tool<'a>(tool: &'a Tool<'a>) -> ToolForm<'a> {
    let no_input = Schema::NoInput { kind: "object", properties: BTreeMap::new() };
    ToolForm {
        name: &tool.name,
        description: tool.description.as_deref(),
        input_schema: tool.schema.map_or(no_input, Schema::Given),
        strict: tool.strict,
    }
}

fn choice<'a>(conversation: &'a Conversation<'a>) -> Option<ChoiceForm<'a>> {
    let one_call = conversation.one_call.then_some(true);
    let default = conversation.one_call.then_some(&Choice::Auto);
    let choice = conversation.choice.as_ref().or(default);
    let form =
        |kind, name, one_call| ChoiceForm { kind, name, disable_parallel_tool_use: one_call };
    Some(match choice.filter(|_| !conversation.tools.is_empty())? {
        Choice::Auto => form("auto", None, one_call),
        Choice::Never => form("none", None, None),
        Choice::Any => form("any", None, one_call),
        Choice::One(name) => form("tool", Some(&**name), one_call),
    })
}
