//! What the messages of a stream mean.

use std::borrow::Cow;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{families::Family, usage};
use crate::{
    anthropic::Messages,
    json,
    sse::Event,
    stream::{Events, Fate},
    tally::Tally,
    text::{Holds, Text},
};

/// The messages of `converse-stream`.
#[derive(Debug)]
pub(super) struct Converse;

/// The messages of `invoke-with-response-stream`: chunks with what the model itself says.
#[derive(Debug)]
pub(super) struct Invoke {
    family: Family,
    messages: Messages,
}

/// What a message of `converse-stream` tells.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(default, borrow)]
    start: Option<&'a RawValue>,
    #[serde(default, borrow)]
    delta: Option<&'a RawValue>,
    #[serde(default, borrow)]
    usage: Option<&'a RawValue>,
}

/// A chunk, in base64.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    bytes: Cow<'a, str>,
}

/// What the model said, of whatever family, with what Bedrock adds at the end.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(default, borrow, rename = "amazon-bedrock-invocationMetrics")]
    metrics: Option<&'a RawValue>,
}

impl Events for Converse {
    fn read(&mut self, event: &Event, tally: &mut Tally) -> Fate {
        if event.is_error {
            tally.fail();
            return Fate::Pass;
        }
        let Some(part) = json::object::<Part<'_>>(&event.data) else {
            tally.count_unknown(&event.data);
            return Fate::Pass;
        };
        match &*event.name {
            b"contentBlockStart" => count(part.start, tally),
            b"contentBlockDelta" => count(part.delta, tally),
            b"metadata" => {
                if let Some(usage) = part.usage {
                    tally.tell(usage::read(usage.get().as_bytes()));
                }
                tally.complete();
            }
            _ => {}
        }
        Fate::Pass
    }
}

impl Invoke {
    pub(super) fn new(family: Family) -> Self {
        Self { family, messages: Messages::default() }
    }

    fn take(&mut self, data: &[u8], tally: &mut Tally) {
        let metrics = json::object::<Said<'_>>(data).and_then(|said| said.metrics);
        if let Some(metrics) = metrics {
            tally.tell(usage::metrics(metrics));
        }
        if self.family == Family::Anthropic {
            // What the model says is told in more detail.
            self.messages.take(data, tally);
        } else {
            let text = std::str::from_utf8(data).unwrap_or_default();
            tally.count(Text::read(text, said, tally.tokenizer()));
        }
        if metrics.is_some() {
            tally.complete();
        }
    }
}

impl Events for Invoke {
    fn read(&mut self, event: &Event, tally: &mut Tally) -> Fate {
        if event.is_error {
            tally.fail();
            return Fate::Pass;
        }
        let chunk = json::object::<Chunk<'_>>(&event.data);
        match chunk.and_then(|Chunk { bytes }| BASE64_STANDARD.decode(&*bytes).ok()) {
            Some(data) => self.take(&data, tally),
            None => tally.count_unknown(&event.data),
        }
        Fate::Pass
    }
}

fn count(made: Option<&RawValue>, tally: &mut Tally) {
    if let Some(made) = made {
        tally.count(Text::read(made.get(), holds, tally.tokenizer()));
    }
}

/// What the members of a block hold.
fn holds(name: &str) -> Holds {
    match name {
        "text" | "toolUse" | "name" | "input" | "reasoningContent" => Holds::Text,
        _ => Holds::Nothing,
    }
}

/// What the members of a chunk hold, in the words of all families.
fn said(name: &str) -> Holds {
    match name {
        "generation" | "outputText" | "completion" | "outputs" | "generations" | "choices"
        | "message" | "contentBlockStart" | "contentBlockDelta" | "start" | "delta" | "content"
        | "text" | "reasoning_content" | "reasoningContent" | "toolUse" | "tool_calls"
        | "function" | "name" | "arguments" | "input" => Holds::Text,
        _ => Holds::Nothing,
    }
}
