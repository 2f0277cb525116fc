//! Completions in chunks, read.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{answer, stop};
use crate::{
    Counts, json, openai,
    translate::{
        answer::{Step, Stop},
        fault::Fault,
        stream::Reading,
    },
};

const UNREADABLE: &str = "The provider sent a chunk that cannot be read.";

/// Understands the chunks of a completion.
#[derive(Debug, Default)]
pub(in crate::translate) struct Reader {
    is_started: bool,
    /// The call whose arguments may go on, by its index.
    open: Option<u64>,
    /// The calls that have begun.
    calls: u64,
    is_refused: bool,
    stop: Option<Stop>,
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(default, borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    choices: Option<&'a RawValue>,
    #[serde(default, borrow)]
    usage: Option<&'a RawValue>,
    #[serde(default, borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: u64,
    #[serde(default, borrow)]
    delta: Option<Delta<'a>>,
    #[serde(default, borrow)]
    finish_reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(default, borrow)]
    content: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    refusal: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    tool_calls: Option<&'a RawValue>,
    #[serde(default, borrow)]
    function_call: Option<&'a RawValue>,
    #[serde(default, borrow)]
    audio: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct CallDelta<'a> {
    #[serde(default)]
    index: Option<u64>,
    #[serde(default, borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    function: Option<FunctionDelta<'a>>,
}

#[derive(Deserialize)]
struct FunctionDelta<'a> {
    #[serde(default, borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    arguments: Option<Cow<'a, str>>,
}

impl Reading for Reader {
    fn read<'a>(&mut self, data: &'a [u8], steps: &mut Vec<Step<'a>>) {
        if data == openai::DONE_DATA {
            let ended = if self.calls > 0 { Stop::Calls } else { Stop::Ended };
            steps.push(Step::End { stop: self.stop.unwrap_or(ended), usage: self.usage });
            return;
        }
        let Some(chunk) = json::object::<Chunk<'_>>(data) else {
            steps.push(Step::Lose(UNREADABLE));
            return;
        };
        if chunk.error.is_some() {
            steps.push(Step::Fail(Fault::read(None, data)));
            return;
        }
        if !std::mem::replace(&mut self.is_started, true) {
            steps.push(Step::Start { model: chunk.model });
        }
        if let Some(choices) = chunk.choices
            && json::each(choices.get(), |choice| self.choice(choice, steps)).is_err()
        {
            steps.push(Step::Lose(UNREADABLE));
        }
        self.usage = chunk.usage.and_then(answer::usage).or(self.usage);
    }
}

impl Reader {
    fn choice<'a>(&mut self, choice: Choice<'a>, steps: &mut Vec<Step<'a>>) {
        if choice.index != 0 {
            steps.push(Step::Lose("The provider sent more than one choice."));
            return;
        }
        if let Some(delta) = choice.delta {
            if delta.function_call.is_some() || delta.audio.is_some() {
                steps.push(Step::Lose("The provider sent what cannot be translated."));
                return;
            }
            self.is_refused |= delta.refusal.is_some();
            for text in [delta.content, delta.refusal].into_iter().flatten() {
                if !text.is_empty() {
                    self.open = None;
                    steps.push(Step::Text(text));
                }
            }
            if let Some(calls) = delta.tool_calls
                && json::each(calls.get(), |call| self.call(call, steps)).is_err()
            {
                steps.push(Step::Lose(UNREADABLE));
            }
        }
        if let Some(reason) = choice.finish_reason {
            self.stop = Some(stop(&reason, self.calls > 0, self.is_refused));
        }
    }

    /// Calls come one after the other: the one before is complete when the next begins.
    fn call<'a>(&mut self, call: CallDelta<'a>, steps: &mut Vec<Step<'a>>) {
        let (name, arguments) = call.function.map_or((None, None), |f| (f.name, f.arguments));
        let id = call.id.filter(|id| !id.is_empty());
        // Some compatible providers do not number calls, but each begins with its id.
        let begins = self.calls == 0 || id.is_some();
        let index = call.index.unwrap_or(if begins { self.calls } else { self.calls - 1 });
        if self.open != Some(index) {
            if index < self.calls {
                steps.push(Step::Lose("The provider sent the parts of two calls by turns."));
                return;
            }
            let Some(name) = name else {
                steps.push(Step::Lose("The provider sent a call without a name."));
                return;
            };
            self.calls = index.saturating_add(1);
            self.open = Some(index);
            steps.push(Step::Call { id, name });
        }
        steps.extend(arguments.filter(|all| !all.is_empty()).map(Step::Arguments));
    }
}
