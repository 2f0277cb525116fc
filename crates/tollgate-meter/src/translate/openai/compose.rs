//! Requests for a completion, written.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    Tokenizer, json,
    translate::{
        Target,
        conversation::{Call, Choice, Conversation, Image, Part, Role, Tool, Turn, unusual},
        error::{Read, Untranslatable},
    },
};

/// The most texts at which a model stops.
const MAX_STOPS: usize = 4;

/// The longest name of a user.
const MAX_USER_BYTES: usize = 64;

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<ChoiceForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [Cow<'a, str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Format<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum Message<'a> {
    System {
        content: Content<'a>,
    },
    User {
        content: Content<'a>,
    },
    Assistant {
        content: Option<Content<'a>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<CallForm<'a>>,
    },
    Tool {
        tool_call_id: &'a str,
        content: Content<'a>,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<Piece<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Piece<'a> {
    Text { text: Cow<'a, str> },
    ImageUrl { image_url: Link<'a> },
}

#[derive(Serialize)]
struct Link<'a> {
    url: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(tag = "type", content = "function", rename_all = "lowercase")]
enum ToolForm<'a> {
    Function(Definition<'a>),
}

#[derive(Serialize)]
struct Definition<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ChoiceForm<'a> {
    Word(&'static str),
    One(Named<'a>),
}

#[derive(Serialize)]
#[serde(tag = "type", content = "function", rename_all = "lowercase")]
enum Named<'a> {
    Function { name: &'a str },
}

/// A call of a tool, as requests and answers have it.
#[derive(Serialize)]
pub(super) struct CallForm<'a> {
    id: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Called<'a>,
}

#[derive(Serialize)]
struct Called<'a> {
    name: &'a str,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Format<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    json_schema: Schema<'a>,
}

#[derive(Serialize)]
struct Schema<'a> {
    name: &'static str,
    schema: &'a RawValue,
    strict: bool,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// Writes a request.
pub(in crate::translate) fn write(
    conversation: &Conversation<'_>,
    target: &Target<'_>,
) -> Read<Bytes> {
    if conversation.stop.len() > MAX_STOPS {
        let reason = "there are at most four there";
        return Err(Untranslatable::because(reason).within("stop_sequences"));
    }
    let mut messages = Vec::new();
    if !conversation.system.is_empty() {
        messages.push(Message::System { content: content(&conversation.system, false)? });
    }
    for (index, turn) in conversation.turns.iter().enumerate() {
        write_turn(turn, &mut messages).map_err(|error| error.at(index).within("messages"))?;
    }
    let has_tools = !conversation.tools.is_empty();
    let max = conversation.max_tokens;
    // Models that think know the newer member alone, compatible providers the older one.
    let is_openai = Tokenizer::of_model(target.model).is_some();
    Ok(json::written(&Request {
        model: target.model,
        messages,
        tools: conversation.tools.iter().map(tool).collect(),
        tool_choice: conversation.choice.as_ref().filter(|_| has_tools).map(choice),
        parallel_tool_calls: (has_tools && conversation.one_call).then_some(false),
        max_tokens: max.filter(|_| !is_openai),
        max_completion_tokens: max.filter(|_| is_openai),
        temperature: unusual(conversation.temperature),
        top_p: unusual(conversation.top_p),
        stop: &conversation.stop,
        response_format: conversation.schema.map(|schema| Format {
            kind: "json_schema",
            json_schema: Schema { name: "answer", schema, strict: true },
        }),
        user: conversation.user.as_deref().filter(|user| user.len() <= MAX_USER_BYTES),
        stream: conversation.stream.then_some(true),
        stream_options: conversation.stream.then_some(StreamOptions { include_usage: true }),
    }))
}

/// Writes a turn: what tools answered first, each by itself.
fn write_turn<'a>(turn: &'a Turn<'a>, messages: &mut Vec<Message<'a>>) -> Read<()> {
    for part in &turn.parts {
        if let Part::Outcome(outcome) = part {
            let mut content = content(&outcome.parts, false)?;
            if outcome.failed {
                content = content.marked("Error: ");
            }
            messages.push(Message::Tool { tool_call_id: &outcome.call_id, content });
        }
    }
    let is_user = turn.role == Role::User;
    let content = content(&turn.parts, is_user)?;
    let tool_calls: Vec<_> = calls(&turn.parts, "").collect();
    messages.extend(match turn.role {
        Role::System => Some(Message::System { content }),
        Role::User if content.is_empty() => None,
        Role::User => Some(Message::User { content }),
        Role::Assistant => Some(Message::Assistant {
            content: (!content.is_empty() || tool_calls.is_empty()).then_some(content),
            tool_calls,
        }),
    });
    Ok(())
}

/// The texts and images of a turn.
fn content<'a>(parts: &'a [Part<'a>], may_show: bool) -> Read<Content<'a>> {
    let mut pieces = Vec::new();
    for part in parts {
        pieces.push(match part {
            Part::Text(text) => Piece::Text { text: Cow::Borrowed(text) },
            Part::Image(_) if !may_show => {
                let reason = "only users can show images there";
                return Err(Untranslatable::because(reason).within("content"));
            }
            Part::Image(image) => Piece::ImageUrl { image_url: Link { url: url(image) } },
            Part::Call(_) | Part::Outcome(_) => continue,
        });
    }
    Ok(match &mut pieces[..] {
        [] => Content::Text("".into()),
        [Piece::Text { text }] => Content::Text(std::mem::take(text)),
        _ => Content::Parts(pieces),
    })
}

impl Content<'_> {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    fn marked(self, mark: &'static str) -> Self {
        match self {
            Self::Text(text) => Self::Text(format!("{mark}{text}").into()),
            Self::Parts(mut pieces) => {
                pieces.insert(0, Piece::Text { text: mark.into() });
                Self::Parts(pieces)
            }
        }
    }
}

fn url<'a>(image: &'a Image<'a>) -> Cow<'a, str> {
    match image {
        Image::Link(url) => Cow::Borrowed(url),
        Image::Data { media_type, base64 } => format!("data:{media_type};base64,{base64}").into(),
    }
}

/// The calls among these parts; one without an id has it from the stamp.
pub(super) fn calls<'a>(
    parts: &'a [Part<'a>],
    stamp: &'a str,
) -> impl Iterator<Item = CallForm<'a>> {
    let calls = parts.iter().filter_map(|part| match part {
        Part::Call(call) => Some(call),
        _ => None,
    });
    calls.enumerate().map(move |(index, Call { id, name, input })| CallForm {
        id: id.as_deref().map_or_else(|| format!("call_{stamp}_{index}").into(), Cow::Borrowed),
        kind: "function",
        function: Called { name, arguments: input.get() },
    })
}

fn tool<'a>(tool: &'a Tool<'a>) -> ToolForm<'a> {
    ToolForm::Function(Definition {
        name: &tool.name,
        description: tool.description.as_deref(),
        parameters: tool.schema,
        strict: tool.strict,
    })
}

fn choice<'a>(choice: &'a Choice<'a>) -> ChoiceForm<'a> {
    match choice {
        Choice::Auto => ChoiceForm::Word("auto"),
        Choice::Never => ChoiceForm::Word("none"),
        Choice::Any => ChoiceForm::Word("required"),
        Choice::One(name) => ChoiceForm::One(Named::Function { name }),
    }
}
