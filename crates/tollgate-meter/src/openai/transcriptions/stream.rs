//! What the events of a streamed transcription mean.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::usage;
use crate::{
    json,
    sse::Event,
    stream::{Events, Fate},
    tally::Tally,
    text::{Holds, Text},
};

/// The events of a transcription.
#[derive(Debug)]
pub(super) struct Words;

/// What an event tells.
#[derive(Deserialize)]
struct Data<'a> {
    #[serde(default, borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    delta: Option<&'a RawValue>,
    #[serde(default, borrow)]
    usage: Option<&'a RawValue>,
    #[serde(default, borrow)]
    error: Option<&'a RawValue>,
}

impl Events for Words {
    fn read(&mut self, event: &Event, tally: &mut Tally) -> Fate {
        let Some(data) = json::object::<Data<'_>>(&event.data) else {
            if event.data != crate::openai::DONE_DATA {
                tally.count_unknown(&event.data);
            }
            return Fate::Pass;
        };
        if data.error.is_some() || data.kind == "error" {
            tally.fail();
        }
        match &*data.kind {
            "transcript.text.delta" => {
                if let Some(delta) = data.delta {
                    tally.count(Text::read(delta.get(), |_| Holds::Nothing, tally.tokenizer()));
                }
            }
            "transcript.text.done" => {
                if let Some(usage) = data.usage {
                    tally.tell(usage::read(usage.get().as_bytes()));
                }
                tally.complete();
            }
            _ => {}
        }
        Fate::Pass
    }
}
