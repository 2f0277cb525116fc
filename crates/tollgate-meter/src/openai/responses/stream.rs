//! What the events of a streamed response mean.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    json,
    openai::usage,
    sse::Event,
    stream::{Events, Fate},
    tally::Tally,
    text::{Holds, Text},
};

/// The events of a response.
#[derive(Debug)]
pub(super) struct Parts;

/// What an event tells.
#[derive(Deserialize)]
struct Data<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    delta: Option<&'a RawValue>,
    #[serde(default, borrow)]
    response: Option<&'a RawValue>,
}

/// The response as it is at its end.
#[derive(Deserialize)]
struct Response<'a> {
    #[serde(default, borrow)]
    usage: Option<&'a RawValue>,
}

/// Deltas that the model did not write as text: sound, whose transcript comes too, and what a
/// command printed.
const NO_TEXT: [&str; 2] = ["response.audio.delta", "response.shell_call_output_content.delta"];

impl Events for Parts {
    fn read(&mut self, event: &Event, tally: &mut Tally) -> Fate {
        let Some(data) = json::object::<Data<'_>>(&event.data) else {
            tally.count_unknown(&event.data);
            return Fate::Pass;
        };
        let kind = &*data.kind;
        match kind {
            "response.completed" | "response.incomplete" => {
                learn(data.response, tally);
                tally.complete();
            }
            "response.failed" => {
                learn(data.response, tally);
                tally.fail();
            }
            "error" => tally.fail(),
            _ if kind.ends_with(".delta") && !NO_TEXT.contains(&kind) => {
                if let Some(delta) = data.delta {
                    tally.count(Text::read(delta.get(), holds, tally.tokenizer()));
                }
            }
            _ => {}
        }
        Fate::Pass
    }
}

fn learn(response: Option<&RawValue>, tally: &mut Tally) {
    let response = response.and_then(|all| json::object(all.get().as_bytes()));
    if let Some(usage) = response.and_then(|Response { usage }| usage) {
        tally.tell(usage::read(usage.get().as_bytes()));
    }
}

/// A delta is nearly always a string; where it is an object, all of it was written.
fn holds(_: &str) -> Holds {
    Holds::Text
}
