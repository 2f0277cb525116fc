//! What a request asks for, in no dialect.
//!
//! What it cannot hold, no dialect's reader lets pass.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::error::{Read, Untranslatable};

/// A request for one answer.
#[derive(Debug)]
pub(super) struct Conversation<'a> {
    /// What the system says beside the turns, before all of them.
    pub(super) system: Vec<Part<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
    pub(super) tools: Vec<Tool<'a>>,
    /// Which tools may or must be called, where that is said.
    pub(super) choice: Option<Choice<'a>>,
    /// Whether several calls at once are forbidden.
    pub(super) one_call: bool,
    pub(super) max_tokens: Option<u64>,
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    /// Texts at which the model stops.
    pub(super) stop: Vec<Cow<'a, str>>,
    /// The JSON schema that the answer must keep to.
    pub(super) schema: Option<&'a RawValue>,
    pub(super) stream: bool,
    /// Whether the caller wants a stream to tell its usage.
    pub(super) include_usage: bool,
    /// The person whom the request is for, as providers know it.
    pub(super) user: Option<Cow<'a, str>>,
}

impl Conversation<'_> {
    /// Refuses what not all providers take alike.
    pub(super) fn check(&self) -> Read<()> {
        let last = self.turns.iter().rfind(|turn| turn.role != Role::System);
        if last.is_some_and(|turn| turn.role == Role::Assistant) {
            let reason = "an answer that has begun is continued by one provider alone";
            return Err(Untranslatable::because(reason).within("messages"));
        }
        let demands_tool = matches!(self.choice, Some(Choice::Any | Choice::One(_)));
        if demands_tool && self.tools.is_empty() {
            return Err(Untranslatable::because("there are no tools").within("tool_choice"));
        }
        Ok(())
    }
}

/// A setting whose default is 1, where it is anything else.
pub(super) fn unusual(value: Option<f64>) -> Option<f64> {
    value.filter(|value| *value != 1.0)
}

/// What one side says. The turns of one side may follow each other.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) role: Role,
    pub(super) parts: Vec<Part<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    System,
    User,
    Assistant,
}

#[derive(Debug)]
pub(super) enum Part<'a> {
    Text(Cow<'a, str>),
    Image(Image<'a>),
    Call(Call<'a>),
    Outcome(Outcome<'a>),
}

#[derive(Debug)]
pub(super) enum Image<'a> {
    Data { media_type: Cow<'a, str>, base64: Cow<'a, str> },
    Link(Cow<'a, str>),
}

/// The model calls a tool.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// Missing where a provider forgot it.
    pub(super) id: Option<Cow<'a, str>>,
    pub(super) name: Cow<'a, str>,
    /// A JSON object, as the model wrote it.
    pub(super) input: Cow<'a, RawValue>,
}

/// What a tool answered.
#[derive(Debug)]
pub(super) struct Outcome<'a> {
    pub(super) call_id: Cow<'a, str>,
    /// Texts and images.
    pub(super) parts: Vec<Part<'a>>,
    pub(super) failed: bool,
}

#[derive(Debug)]
pub(super) struct Tool<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) description: Option<Cow<'a, str>>,
    /// The JSON schema of its input; missing where it takes none.
    pub(super) schema: Option<&'a RawValue>,
    /// Whether its input must keep to the schema.
    pub(super) strict: Option<bool>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice<'a> {
    Auto,
    Never,
    Any,
    One(Cow<'a, str>),
}
