//! What the events of a streamed response mean.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Tool,
    calls::{CALLS, Distinct, READS},
    json,
    openai::usage,
    sse::Event,
    stream::{Events, Fate},
    tally::Tally,
    text::{Holds, Text},
};

/// The events of a response.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// Containers that code ran in.
    containers: Distinct,
    /// Calls that named none.
    uncontained: u64,
}

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
    #[serde(default, borrow)]
    container_id: Option<Cow<'a, str>>,
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
            "response.output_item.added" => self.begun(data.item, tally),
            "response.output_item.done" => done(data.item, tally),
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

impl Parts {
    /// An item has begun, which may be a call of a tool.
    fn begun(&mut self, item: Option<&RawValue>, tally: &mut Tally) {
        let Some(Item { kind, container_id, .. }) = read(item) else { return };
        let [search, file_search, code_interpreter] = CALLS;
        let tool = match &*kind {
            kind if kind == search => Tool::Search,
            kind if kind == file_search => Tool::FileSearch,
            kind if kind == code_interpreter => {
                match container_id.filter(|id| !id.is_empty()) {
                    Some(id) => self.containers.insert(id.as_bytes()),
                    None => self.uncontained += 1,
                }
                let containers = self.containers.count().saturating_add(self.uncontained);
                tally.called_so_often(Tool::CodeInterpreter, containers);
                return;
            }
            _ => return,
        };
        tally.called_so_often(tool, tally.calls()[tool] + 1);
    }
}

/// An item is done. Only now it is known what a search did: reading a page is free.
fn done(item: Option<&RawValue>, tally: &mut Tally) {
    let [search, ..] = CALLS;
    let Some(Item { kind, action: Some(Action { kind: action }), .. }) = read(item) else { return };
    if kind == search && READS.contains(&&*action) {
        let searches = tally.calls()[Tool::Search].saturating_sub(1);
        tally.called_so_often(Tool::Search, searches);
    }
}

fn read(item: Option<&RawValue>) -> Option<Item<'_>> {
    json::object(item?.get().as_bytes())
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
