//! Usage as Deepgram tells it: how long the audio was.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Counts, audio, json, told::Told};

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(default, borrow)]
    duration: Option<&'a RawValue>,
    #[serde(default)]
    channels: Option<u64>,
}

/// Reads the value of a `metadata` member.
pub(super) fn read(metadata: &[u8]) -> Told {
    told(metadata, false)
}

/// The same, where each channel is transcribed by itself.
pub(super) fn read_channels(metadata: &[u8]) -> Told {
    told(metadata, true)
}

fn told(metadata: &[u8], by_channel: bool) -> Told {
    let Some(Metadata { duration, channels }) = json::object(metadata) else {
        return Told::Implausible;
    };
    let Some(duration) = duration else { return Told::Nothing };
    let Some(millis) = audio::millis(duration.get()) else { return Told::Implausible };
    let channels = if by_channel { channels.unwrap_or(1).max(1) } else { 1 };
    Told::counts(Counts { millis: millis.saturating_mul(channels), ..Counts::default() })
}
