//! Usage as Google tells it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Counts, json,
    told::{Told, part},
};

/// A `usageMetadata`. What is 0 may be left out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Usage<'a> {
    #[serde(default)]
    prompt_token_count: Option<u64>,
    #[serde(default)]
    candidates_token_count: Option<u64>,
    #[serde(default)]
    thoughts_token_count: Option<u64>,
    #[serde(default)]
    cached_content_token_count: Option<u64>,
    #[serde(default)]
    tool_use_prompt_token_count: Option<u64>,
    #[serde(default)]
    total_token_count: Option<u64>,
    #[serde(default, borrow)]
    prompt_tokens_details: Option<&'a RawValue>,
    #[serde(default, borrow)]
    candidates_tokens_details: Option<&'a RawValue>,
}

/// How many tokens are of one kind.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    #[serde(default, borrow)]
    modality: Cow<'a, str>,
    #[serde(default)]
    token_count: u64,
}

/// Reads the value of a `usageMetadata` member.
pub(super) fn read(usage: &[u8]) -> Told {
    match usage.trim_ascii() {
        b"null" => Told::Nothing,
        object => json::object::<Usage<'_>>(object).map_or(Told::Implausible, |u| u.told()),
    }
}

impl Usage<'_> {
    fn told(&self) -> Told {
        if self.prompt_token_count.is_none() && self.total_token_count.is_none() {
            let nothing = self.candidates_token_count.is_none();
            return if nothing { Told::Nothing } else { Told::Implausible };
        }
        let count = |told: Option<u64>| told.unwrap_or(0);
        let input =
            count(self.prompt_token_count).saturating_add(count(self.tool_use_prompt_token_count));
        let thoughts = count(self.thoughts_token_count);
        let beyond = count(self.total_token_count).saturating_sub(input);
        // Models have left their thoughts out of all counts but the total.
        let output = count(self.candidates_token_count).saturating_add(thoughts).max(beyond);
        Told::counts(Counts {
            cached_tokens: part(self.cached_content_token_count, input),
            input_audio_tokens: part(Some(audio(self.prompt_tokens_details)), input),
            output_audio_tokens: part(Some(audio(self.candidates_tokens_details)), output),
            reasoning_tokens: part(Some(thoughts), output),
            ..Counts::tokens(input, output)
        })
    }
}

/// The tokens of sound among the details; details that cannot be read tell of none.
fn audio(details: Option<&RawValue>) -> u64 {
    let mut tokens = 0_u64;
    let read = details.map(|all| {
        json::each(all.get(), |Detail { modality, token_count }: Detail<'_>| {
            if modality == "AUDIO" {
                tokens = tokens.saturating_add(token_count);
            }
        })
    });
    if matches!(read, Some(Ok(()))) { tokens } else { 0 }
}
