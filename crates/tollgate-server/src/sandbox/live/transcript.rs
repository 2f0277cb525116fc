//! What a live session says: results by the length of what was heard, and its summary.

use serde_json::json;

use super::{
    super::{answer::with, audio::Millis, content, plan::Report},
    Asked, Version,
};

/// What was heard, and how much of it was told.
#[derive(Debug)]
pub(super) struct Transcript {
    asked: Asked,
    id: String,
    /// Bytes of a second, once something was heard.
    rate: Option<u64>,
    bytes: u64,
    /// Up to where it was told for good, and at all.
    told: u64,
    shown: u64,
    /// Turns that were told.
    turns: u64,
}

/// What is told for good, and what meanwhile.
const FINAL_MILLIS: u64 = 3_000;
const INTERIM_MILLIS: u64 = 1_000;

const WORDS_PER_SECOND: u64 = 2;

/// The most words of a message, whatever the query says of samples.
const MAX_WORDS: u64 = 1_000;

/// How a result came to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Interim,
    Heard,
    Finalize,
}

impl Transcript {
    pub(super) const fn new(asked: Asked, id: String) -> Self {
        Self { asked, id, rate: None, bytes: 0, told: 0, shown: 0, turns: 0 }
    }

    /// What it says before it has heard anything.
    pub(super) fn greeting(&self) -> Option<String> {
        let greeting = json!({"type": "Connected", "request_id": self.id, "sequence_id": 0});
        (self.asked.version == Version::Two).then(|| greeting.to_string())
    }

    /// Hears a piece; what it says to it.
    pub(super) fn hear(&mut self, audio: &[u8]) -> Vec<String> {
        self.rate.get_or_insert_with(|| self.asked.rate(audio));
        self.bytes += audio.len() as u64;
        let millis = self.millis();
        if millis - self.told >= FINAL_MILLIS {
            self.results(Cause::Heard)
        } else if self.asked.interim && millis - self.shown >= INTERIM_MILLIS {
            self.results(Cause::Interim)
        } else {
            Vec::new()
        }
    }

    /// What is left, for good.
    pub(super) fn rest(&mut self) -> Vec<String> {
        self.results(Cause::Heard)
    }

    /// What is left, for good, since somebody asked for it.
    pub(super) fn finalize(&mut self) -> Vec<String> {
        self.results(Cause::Finalize)
    }

    /// The summary, where it is told.
    pub(super) fn metadata(&self, report: Report) -> Option<String> {
        if self.asked.version == Version::Two {
            return None;
        }
        let duration = match report {
            Report::Exact => Millis(self.millis()).seconds(),
            Report::Lie => json!(-1),
            Report::Omit => return None,
        };
        let summary = json!({
            "type": "Metadata", "transaction_key": "deprecated", "request_id": self.id,
            "sha256": "0".repeat(64), "created": "1970-01-01T00:00:00.000Z",
            "duration": duration, "channels": self.asked.channels,
        });
        Some(summary.to_string())
    }

    fn millis(&self) -> u64 {
        self.rate.map_or(0, |rate| self.bytes.saturating_mul(1000).div_ceil(rate.max(1)))
    }

    /// One for each channel that is transcribed by itself.
    fn results(&mut self, cause: Cause) -> Vec<String> {
        let (start, end) = (self.told, self.millis());
        self.shown = end;
        if cause != Cause::Interim {
            self.told = end;
        }
        if self.asked.version == Version::Two {
            return vec![self.turn((start, end), cause)];
        }
        let channels = if self.asked.by_channel { self.asked.channels } else { 1 };
        (0..channels).map(|channel| self.result((start, end), (channel, channels), cause)).collect()
    }

    /// What was said in a turn, each of which is told once.
    fn turn(&mut self, (start, end): (u64, u64), cause: Cause) -> String {
        self.turns += 1;
        let event = if cause == Cause::Interim { "Update" } else { "EndOfTurn" };
        let turn = json!({
            "type": "TurnInfo", "request_id": self.id, "sequence_id": self.turns,
            "event": event, "turn_index": self.turns - 1,
            "audio_window_start": Millis(start).seconds(),
            "audio_window_end": Millis(end).seconds(),
            "transcript": text(start, end), "words": [], "end_of_turn_confidence": 0.99,
        });
        turn.to_string()
    }

    fn result(&self, (start, end): (u64, u64), channel: (u64, u64), cause: Cause) -> String {
        let model = &self.asked.model;
        let is_final = cause != Cause::Interim;
        let result = json!({
            "type": "Results", "channel_index": [channel.0, channel.1],
            "start": Millis(start).seconds(), "duration": Millis(end - start).seconds(),
            "is_final": is_final, "speech_final": is_final,
            "channel": {"alternatives": [
                {"transcript": text(start, end), "confidence": 0.99, "words": []},
            ]},
            "metadata": {
                "request_id": self.id, "model_uuid": self.id,
                "model_info": {"name": model, "version": "sandbox", "arch": model},
            },
        });
        with(result, "from_finalize", Some((cause == Cause::Finalize).into())).to_string()
    }
}

/// What is said from here to there.
fn text(start: u64, end: u64) -> String {
    let words = ((end - start).saturating_mul(WORDS_PER_SECOND) / 1000).min(MAX_WORDS);
    content::text(usize::try_from(words).unwrap_or(0)).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_short_however_long_its_audio_is_said_to_be() {
        let asked = Asked::of(Version::One, "model=m&encoding=mulaw&sample_rate=1");
        let asked = asked.unwrap_or_else(|_| panic!("a query"));
        let mut transcript = Transcript::new(asked, String::new());
        let said = transcript.hear(&vec![0; 1 << 20]);
        assert!(said.len() == 1 && said[0].len() < 16 * 1024, "{}", said[0].len());
    }
}
