//! One chunk of a streamed completion, read for what is charged and for nothing else.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Tokenizer, json,
    text::{Holds, Text},
};

/// What a chunk tells.
#[derive(Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(default, borrow)]
    choices: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) error: Option<&'a RawValue>,
}

impl<'a> Chunk<'a> {
    /// Reads the data of an event; nothing if it is no chunk.
    pub(super) fn read(data: &'a [u8]) -> Option<Self> {
        json::object(data)
    }

    /// The text that it brings, counted by a vocabulary if there is one.
    pub(super) fn text(&self, tokenizer: Option<Tokenizer>) -> Text {
        self.choices.map_or_else(Text::default, |all| Text::read(all.get(), words, tokenizer))
    }

    /// Whether it is the extra chunk that tells the usage and holds no choice.
    pub(super) fn is_usage_alone(&self) -> bool {
        self.usage.is_some()
            && self.choices.is_some_and(|choices| choices.get().starts_with('['))
            && self.text(None).items == 0
    }
}

/// What the members of a choice hold.
fn words(name: &str) -> Holds {
    match name {
        "delta" | "message" | "content" | "text" | "refusal" | "reasoning"
        | "reasoning_content" | "tool_calls" | "function" | "function_call" | "name"
        | "arguments" | "audio" | "transcript" | "custom" | "input" => Holds::Text,
        _ => Holds::Nothing,
    }
}
