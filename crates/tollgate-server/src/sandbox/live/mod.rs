//! Deepgram live: audio comes piece by piece over a WebSocket, and what it says goes back.
//!
//! It hears how long the audio is by its bytes, and says two words for each second. Faults are
//! those of other answers: what is cut dies in its middle, what ends closes without its
//! `Metadata`, what stalls says nothing.

mod session;
mod transcript;

use super::{
    Plan,
    asked::named,
    audio::{BYTES_PER_MILLI, Millis},
    deepgram::{MAX_CHANNELS, parameter, uuid},
    failure::Failure,
};
use crate::net::Tunnel;
use session::Session;
use transcript::Transcript;

/// Which messages it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// Results, and a summary at the end.
    One,
    /// Turns, and no summary.
    Two,
}

/// What a query asks for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    version: Version,
    pub(super) model: String,
    interim: bool,
    channels: u64,
    by_channel: bool,
    /// Bytes of a second, where the query says it.
    rate: Option<u64>,
}

impl Version {
    /// That of a path, if it is where sessions are.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "/v1/listen" => Some(Self::One),
            "/v2/listen" => Some(Self::Two),
            _ => None,
        }
    }
}

impl Asked {
    /// Reads it.
    pub(super) fn of(version: Version, query: &str) -> Result<Self, Failure> {
        let is_set = |name| parameter(query, name).is_some_and(|flag| flag == "true");
        let number = |name| parameter(query, name)?.parse::<u64>().ok().filter(|it| *it > 0);
        let channels = number("channels").unwrap_or(1).min(MAX_CHANNELS);
        let sample = match parameter(query, "encoding").as_deref() {
            Some("linear16") => Some(2),
            Some("linear32") => Some(4),
            Some("mulaw" | "alaw") => Some(1),
            _ => None,
        };
        let samples = sample.zip(number("sample_rate"));
        Ok(Self {
            version,
            model: named(parameter(query, "model"))?,
            interim: is_set("interim_results"),
            channels,
            by_channel: is_set("multichannel"),
            rate: samples.map(|(bytes, rate)| rate.saturating_mul(bytes * channels)),
        })
    }

    /// What goes on after the handshake.
    pub(super) fn session(self, id: &str, plan: &Plan) -> Tunnel {
        let transcript = Transcript::new(self, uuid(id));
        let session = Session { transcript, report: plan.report, fault: plan.fault };
        Tunnel::new(move |line, _| session.run(line))
    }

    /// Bytes of a second, as the query says or else the first piece.
    fn rate(&self, first: &[u8]) -> u64 {
        let own = Millis::wav_bytes_per_second(first);
        self.rate.or(own).unwrap_or(BYTES_PER_MILLI * 1000)
    }
}
