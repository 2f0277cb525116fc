//! What the pieces of a streamed answer mean.

use std::borrow::Cow;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::usage;
use crate::{
    calls::Grounded,
    json,
    sse::Event,
    stream::{Events, Fate},
    tally::Tally,
    text::{Holds, Text},
    told::Told,
};

/// The pieces of an answer.
#[derive(Debug)]
pub(super) struct Pieces {
    /// How many candidates were asked for.
    candidates: u64,
    /// How many have said why they ended.
    ended: u64,
    /// What its sources are so far. A later piece repeats what an earlier one told.
    grounded: Grounded,
    /// Whether an answer that has sources is charged, and not each of its queries.
    by_answer: bool,
    told: Told,
}

/// What a piece tells.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Piece<'a> {
    #[serde(default, borrow)]
    candidates: Option<&'a RawValue>,
    #[serde(default, borrow)]
    usage_metadata: Option<&'a RawValue>,
    #[serde(default, borrow)]
    prompt_feedback: Option<&'a RawValue>,
    #[serde(default, borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(default, borrow)]
    finish_reason: Option<&'a RawValue>,
    #[serde(default, borrow)]
    grounding_metadata: Option<&'a RawValue>,
}

/// What was searched for an answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Grounding<'a> {
    #[serde(default, borrow)]
    web_search_queries: Option<&'a RawValue>,
    #[serde(default, borrow)]
    grounding_chunks: Option<&'a RawValue>,
}

/// A source, by the member that it is.
#[derive(Deserialize)]
struct Source {
    #[serde(default)]
    web: Option<IgnoredAny>,
    #[serde(default)]
    maps: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback<'a> {
    #[serde(default, borrow)]
    block_reason: Option<&'a RawValue>,
}

impl Pieces {
    pub(super) fn new(candidates: u64, by_answer: bool) -> Self {
        let grounded = Grounded::default();
        Self { candidates, ended: 0, grounded, by_answer, told: Told::Nothing }
    }
}

impl Events for Pieces {
    fn read(&mut self, event: &Event, tally: &mut Tally) -> Fate {
        let Some(piece) = json::object::<Piece<'_>>(&event.data) else {
            tally.count_unknown(&event.data);
            return Fate::Pass;
        };
        if let Some(candidates) = piece.candidates {
            tally.count(Text::read(candidates.get(), holds, tally.tokenizer()));
            // What cannot be read has not ended.
            let _ = json::each(candidates.get(), |candidate: Candidate<'_>| {
                self.ended += u64::from(candidate.finish_reason.is_some());
                candidate
                    .grounding_metadata
                    .into_iter()
                    .for_each(|it| learn(it, &mut self.grounded));
            });
            tally.called(self.grounded.count(self.by_answer));
        }
        let feedback = piece.prompt_feedback.and_then(|all| json::object(all.get().as_bytes()));
        if feedback.is_some_and(|Feedback { block_reason }| block_reason.is_some()) {
            self.ended = self.candidates;
        }
        if piece.error.is_some() {
            tally.fail();
        }
        if let Some(usage) = piece.usage_metadata {
            self.told = usage::read(usage.get().as_bytes());
        }
        let is_last = self.ended >= self.candidates;
        tally.tell(if is_last { self.told } else { self.told.so_far() });
        Fate::Pass
    }

    /// A later piece may bring usage after the reason of the end, so only now it is complete.
    fn ended(&mut self, tally: &mut Tally) {
        if self.ended > 0 {
            tally.tell(self.told);
            tally.complete();
        }
    }
}

/// Takes note of what the sources are of.
fn learn(grounding: &RawValue, grounded: &mut Grounded) {
    let Some(Grounding { web_search_queries, grounding_chunks }) =
        json::object(grounding.get().as_bytes())
    else {
        return;
    };
    let queries = web_search_queries.map_or("[]", RawValue::get);
    let _ = json::each(queries, |query: Cow<'_, str>| grounded.queries.insert(query.as_bytes()));
    let _ = json::each(grounding_chunks.map_or("[]", RawValue::get), |source: Source| {
        grounded.web |= source.web.is_some();
        grounded.maps |= source.maps.is_some();
    });
}

/// What the members of a candidate hold. What code printed the model did not write.
fn holds(name: &str) -> Holds {
    match name {
        "content" | "parts" | "text" => Holds::Text,
        "functionCall" | "executableCode" => Holds::Json,
        _ => Holds::Nothing,
    }
}
