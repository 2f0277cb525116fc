//! What the events of a streamed response mean.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    calls::{CALL, READS},
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
    #[serde(default, borrow)]
    item: Option<&'a RawValue>,
}

/// An item that is made.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(default, rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    action: Option<Action<'a>>,
}

/// What a call of a tool does.
#[derive(Deserialize)]
struct Action<'a> {
    #[serde(default, rename = "type", borrow)]
    kind: Cow<'a, str>,
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
            "response.output_item.added" if is_call(data.item, |_| true) => {
                tally.searched(tally.searches() + 1);
            }
            // Only now it is known what it did.
            "response.output_item.done" if is_call(data.item, |action| READS.contains(&action)) => {
                tally.searched(tally.searches().saturating_sub(1));
            }
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

/// Whether an item is a call of the tool that searches, which does such a thing.
fn is_call(item: Option<&RawValue>, does: impl Fn(&str) -> bool) -> bool {
    let item = item.and_then(|item| json::object::<Item<'_>>(item.get().as_bytes()));
    item.is_some_and(|Item { kind, action }| {
        kind == CALL && does(action.as_ref().map_or("", |action| &action.kind))
    })
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
