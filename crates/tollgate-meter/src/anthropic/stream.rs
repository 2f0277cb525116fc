//! What the events of a streamed message mean.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::usage::Usage;
use crate::{
    Tool, json,
    sse::Event,
    stream::{Events, Fate},
    tally::Tally,
    text::{Holds, Text},
    told::Told,
};

/// The events of a message.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    usage: Usage,
    /// Something about usage could not be read, so nothing of it is believed.
    is_garbled: bool,
    /// The output has been told, not only its beginning.
    is_whole: bool,
}

/// What an event tells.
#[derive(Deserialize)]
struct Data<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    message: Option<&'a RawValue>,
    #[serde(default, borrow)]
    content_block: Option<&'a RawValue>,
    #[serde(default, borrow)]
    delta: Option<&'a RawValue>,
    #[serde(default, borrow)]
    usage: Option<&'a RawValue>,
}

/// The message as it is when it starts.
#[derive(Deserialize)]
struct Start<'a> {
    #[serde(default, borrow)]
    usage: Option<&'a RawValue>,
}

/// A block as it is when it starts.
#[derive(Deserialize)]
struct Block<'a> {
    #[serde(default, rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    name: Cow<'a, str>,
}

/// What a message's delta says about its end.
#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(default, borrow)]
    stop_reason: Option<&'a RawValue>,
}

impl Events for Messages {
    fn read(&mut self, event: &Event, tally: &mut Tally) -> Fate {
        self.take(&event.data, tally);
        Fate::Pass
    }
}

impl Messages {
    /// Takes note of the data of one event.
    pub(crate) fn take(&mut self, data: &[u8], tally: &mut Tally) {
        let Some(data) = json::object::<Data<'_>>(data) else {
            tally.count_unknown(data);
            return;
        };
        match &*data.kind {
            "message_start" => {
                let start = data.message.and_then(|all| json::object(all.get().as_bytes()));
                self.learn(start.and_then(|Start { usage }| usage), tally);
            }
            "content_block_start" => {
                if searches(data.content_block) {
                    tally.called_so_often(Tool::Search, tally.calls()[Tool::Search] + 1);
                }
                count(data.content_block, tally);
            }
            "content_block_delta" => count(data.delta, tally),
            "message_delta" => {
                let delta = data.delta.and_then(|all| json::object(all.get().as_bytes()));
                self.is_whole |= delta.is_some_and(|Delta { stop_reason }| stop_reason.is_some());
                self.learn(data.usage, tally);
            }
            "message_stop" => {
                self.is_whole = true;
                self.learn(None, tally);
                tally.complete();
            }
            "error" => tally.fail(),
            _ => {}
        }
    }

    fn learn(&mut self, usage: Option<&RawValue>, tally: &mut Tally) {
        if let Some(usage) = usage {
            match Usage::parse(usage) {
                Some(usage) => self.usage = usage.over(self.usage),
                None => self.is_garbled = true,
            }
        }
        if let Some(searches) = self.usage.searches().filter(|_| self.is_whole) {
            // Those that failed cost nothing.
            tally.called_so_often(Tool::Search, searches);
        }
        let told = if self.is_garbled { Told::Implausible } else { self.usage.told() };
        tally.tell(if self.is_whole { told } else { told.so_far() });
    }
}

/// Whether a block is a call of the provider's own tool that searches.
fn searches(block: Option<&RawValue>) -> bool {
    let block = block.and_then(|block| json::object::<Block<'_>>(block.get().as_bytes()));
    block.is_some_and(|Block { kind, name }| kind == "server_tool_use" && name == "web_search")
}

fn count(made: Option<&RawValue>, tally: &mut Tally) {
    if let Some(made) = made {
        tally.count(Text::read(made.get(), holds, tally.tokenizer()));
    }
}

/// What the members of a block or of a delta hold. Signatures, and what the provider's own
/// tools found, the model did not write.
fn holds(name: &str) -> Holds {
    match name {
        "text" | "thinking" | "partial_json" | "name" => Holds::Text,
        "input" => Holds::Json,
        _ => Holds::Nothing,
    }
}
