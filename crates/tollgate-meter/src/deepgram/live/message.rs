//! The messages of a live session that decide what is charged, both ways.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::usage;
use crate::{audio, json, told::Told};

/// Asks the provider for the end: it transcribes what it has, tells how long it was, and closes.
pub const CLOSE_STREAM: &str = r#"{"type":"CloseStream"}"#;

/// What a provider says that is of interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// It has transcribed up to here, in milliseconds.
    Until(u64),
    /// How much it was in all.
    Whole(Told),
    Other,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    start: Option<&'a RawValue>,
    #[serde(default, borrow)]
    duration: Option<&'a RawValue>,
    /// Where a message of the second version ends.
    #[serde(default, borrow)]
    audio_window_end: Option<&'a RawValue>,
}

/// Whether a message of the caller's asks for the end.
pub(super) fn closes(message: &str) -> bool {
    json::object(message.as_bytes()).is_some_and(|Message { kind, .. }| kind == "CloseStream")
}

/// What a message of the provider's says.
pub(super) fn heard(message: &str, by_channel: bool) -> Heard {
    let bytes = message.as_bytes();
    let Some(Message { kind, start, duration, audio_window_end }) = json::object(bytes) else {
        return Heard::Other;
    };
    let millis = |value: Option<&RawValue>| audio::millis(value?.get());
    match &*kind {
        "Metadata" if by_channel => Heard::Whole(usage::read_channels(bytes)),
        "Metadata" => Heard::Whole(usage::read(bytes)),
        "Results" => match (millis(start), millis(duration)) {
            (Some(start), Some(length)) => Heard::Until(start.saturating_add(length)),
            _ => Heard::Other,
        },
        "TurnInfo" => millis(audio_window_end).map_or(Heard::Other, Heard::Until),
        _ => Heard::Other,
    }
}
