//! Messages in events, read.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::stop;
use crate::{
    anthropic::Usage,
    json,
    told::Told,
    translate::{
        answer::{Step, Stop},
        fault::Fault,
        stream::Reading,
    },
};

/// Understands the events of a message.
#[derive(Debug, Default)]
pub(in crate::translate) struct Reader {
    open: Open,
    stop: Option<Stop>,
    usage: Usage,
}

/// The block that may go on.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Open {
    #[default]
    Nothing,
    Text,
    Call {
        /// No input has come yet.
        empty: bool,
    },
    Thought,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    message: Option<Start<'a>>,
    #[serde(default, borrow)]
    content_block: Option<Block<'a>>,
    #[serde(default, borrow)]
    delta: Option<Delta<'a>>,
    #[serde(default, borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Start<'a> {
    #[serde(default, borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    input: Option<&'a RawValue>,
}

/// What an event adds to a block, or to the message at its end.
#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(default, borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    partial_json: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    stop_reason: Option<Cow<'a, str>>,
}

impl Reading for Reader {
    fn read<'a>(&mut self, data: &'a [u8], steps: &mut Vec<Step<'a>>) {
        let Some(event) = json::object::<Data<'_>>(data) else {
            steps.push(Step::Lose("The provider sent an event that cannot be read."));
            return;
        };
        match &*event.kind {
            "message_start" => {
                let (model, usage) = event.message.map_or((None, None), |m| (m.model, m.usage));
                self.learn(usage);
                steps.push(Step::Start { model });
            }
            "content_block_start" => self.start(event.content_block, steps),
            "content_block_delta" => self.go_on(event.delta, steps),
            "content_block_stop" => self.close(steps),
            "message_delta" => {
                let reason = event.delta.and_then(|delta| delta.stop_reason);
                self.stop = reason.map(|reason| stop(&reason)).or(self.stop);
                self.learn(event.usage);
            }
            "message_stop" => {
                let stop = self.stop.unwrap_or(Stop::Ended);
                let usage = match self.usage.told() {
                    Told::Counts(counts) => Some(counts),
                    _ => None,
                };
                steps.push(Step::End { stop, usage });
            }
            "error" => steps.push(Step::Fail(Fault::read(None, data))),
            // New kinds of events may come at any time; what makes up the answer is in blocks.
            _ => {}
        }
    }
}

impl Reader {
    fn learn(&mut self, usage: Option<&RawValue>) {
        if let Some(usage) = usage.and_then(Usage::parse) {
            self.usage = usage.over(self.usage);
        }
    }

    fn start<'a>(&mut self, block: Option<Block<'a>>, steps: &mut Vec<Step<'a>>) {
        // A provider may forget to close the block before.
        self.close(steps);
        let Some(block) = block else {
            steps.push(Step::Lose("The provider sent a block that cannot be read."));
            return;
        };
        match (&*block.kind, block.name) {
            ("text", _) => {
                self.open = Open::Text;
                let text = block.text.filter(|text| !text.is_empty());
                steps.extend(text.map(Step::Text));
            }
            ("tool_use", Some(name)) => {
                let input = block.input.map(RawValue::get).filter(|all| says_something(all));
                self.open = Open::Call { empty: input.is_none() };
                let id = block.id.filter(|id| !id.is_empty());
                steps.push(Step::Call { id, name });
                steps.extend(input.map(|input| Step::Arguments(input.into())));
            }
            ("thinking" | "redacted_thinking", _) => self.open = Open::Thought,
            _ => steps.push(Step::Lose("The provider sent a block that cannot be translated.")),
        }
    }

    fn go_on<'a>(&mut self, delta: Option<Delta<'a>>, steps: &mut Vec<Step<'a>>) {
        let Some(delta) = delta else { return };
        let kind = delta.kind.as_deref().unwrap_or_default();
        match (kind, self.open, delta.text, delta.partial_json) {
            ("text_delta", Open::Text, Some(text), _) if !text.is_empty() => {
                steps.push(Step::Text(text));
            }
            ("input_json_delta", Open::Call { .. }, _, Some(part)) if !part.is_empty() => {
                self.open = Open::Call { empty: false };
                steps.push(Step::Arguments(part));
            }
            ("text_delta", Open::Text, ..) | ("input_json_delta", Open::Call { .. }, ..) => {}
            // Where a text was found is told beside it.
            (_, Open::Thought, ..) | ("citations_delta", Open::Text, ..) => {}
            _ => steps.push(Step::Lose("The provider sent a part that cannot be translated.")),
        }
    }

    fn close(&mut self, steps: &mut Vec<Step<'_>>) {
        if std::mem::take(&mut self.open) == (Open::Call { empty: true }) {
            steps.push(Step::Arguments("{}".into()));
        }
    }
}

/// Whether an input has members; where it comes in parts, it begins without.
fn says_something(input: &str) -> bool {
    input != "null"
        && input.bytes().any(|byte| !matches!(byte, b'{' | b'}') && !byte.is_ascii_whitespace())
}
