//! Usage of a transcription: a duration, or tokens.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Counts, audio, json, openai::usage, told::Told};

#[derive(Deserialize)]
struct Duration<'a> {
    #[serde(default, borrow)]
    seconds: Option<&'a RawValue>,
}

/// Reads the value of a `usage` member.
pub(super) fn read(told: &[u8]) -> Told {
    let Some(Duration { seconds: Some(seconds) }) = json::object(told) else {
        return usage::read(told);
    };
    audio::millis(seconds.get())
        .map_or(Told::Implausible, |millis| Told::counts(Counts { millis, ..Counts::default() }))
}
