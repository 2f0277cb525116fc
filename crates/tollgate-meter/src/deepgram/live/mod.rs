//! A live session: audio goes out piece by piece, messages come back, and what is charged is
//! how long the audio was.
//!
//! The promise: what is to be reserved before a piece passes is no less than what it can be
//! heard as, and what is charged at the end is what the provider told in its `Metadata`. Where
//! that did not come, it is the later of what was transcribed and what was sent.

mod extras;
mod message;
mod sent;
#[cfg(test)]
mod tests;

use self::{message::Heard, sent::Sent};
use super::Target;
use crate::{Basis, Counts, Ending, Metered, told::Told};

pub(super) use extras::Extras;
pub use message::CLOSE_STREAM;

impl Target {
    /// The names whose prices a live session of this model costs by the second, all together:
    /// the model's own first, then what the query asks for beside it.
    pub fn live_names(&self, model: &str) -> Vec<String> {
        self.extras.names(model)
    }
}

/// The meter of one live session.
#[derive(Debug, Clone)]
pub struct Live {
    by_channel: bool,
    sent: Sent,
    /// Whether the caller has asked for the end: no audio is heard after that.
    is_closing: bool,
    /// The end of what was transcribed, in milliseconds of one channel.
    end_millis: u64,
    /// What the provider told of the whole, and how many bytes it had been sent by then.
    told: Option<(Told, u64)>,
}

impl Live {
    /// The meter of what a query asks for.
    pub fn new(target: &Target) -> Self {
        Self {
            by_channel: target.by_channel,
            sent: Sent::new(target),
            is_closing: false,
            end_millis: 0,
            told: None,
        }
    }

    /// Milliseconds to be reserved before this piece of audio passes, those before it included:
    /// the most that it is heard as, every channel that is transcribed by itself. Codes that say
    /// silence in next to no bytes are longer than any bound by bytes: what was transcribed is
    /// reserved with the next piece at the latest.
    pub fn needs(&mut self, audio: &[u8]) -> u64 {
        self.sent.look(audio);
        self.of_channels(self.sent.bound_millis(audio.len()).max(self.end_millis))
    }

    /// A piece of audio passes. An empty one asks for the end, as `CloseStream` does.
    pub fn send(&mut self, audio: &[u8]) {
        self.sent.look(audio);
        self.sent.pass(audio.len());
        self.is_closing |= audio.is_empty();
    }

    /// A message of the caller's passes.
    pub fn say(&mut self, message: &str) {
        self.is_closing |= message::closes(message);
    }

    /// A message of the provider's comes.
    pub fn hear(&mut self, message: &str) {
        match message::heard(message, self.by_channel) {
            Heard::Until(millis) => self.end_millis = self.end_millis.max(millis),
            Heard::Whole(told) => self.told = Some((told, self.sent.bytes())),
            Heard::Other => {}
        }
    }

    /// Whether no audio is heard any more.
    pub const fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// Bytes of audio that passed.
    pub const fn sent_bytes(&self) -> u64 {
        self.sent.bytes()
    }

    /// Whether the provider has told all that will be charged.
    pub fn is_whole(&self) -> bool {
        self.is_closing && self.told_of_all().is_some()
    }

    /// What was used, where it ends so. What the provider told is the whole, however it ends.
    pub fn metered(&self, ending: Ending) -> Metered {
        let estimate = self.of_channels(self.sent.likely_millis(self.end_millis));
        let told = self.told_of_all().unwrap_or_default();
        let (counts, basis) = told.or(Counts { millis: estimate, ..Counts::default() });
        let ending = if basis == Basis::Told { Ending::Complete } else { ending };
        Metered { counts, basis, ending, text_bytes: 0 }
    }

    /// What was told once all had been sent.
    fn told_of_all(&self) -> Option<Told> {
        self.told.filter(|(_, bytes)| *bytes == self.sent.bytes()).map(|(told, _)| told)
    }

    fn of_channels(&self, millis: u64) -> u64 {
        let channels = if self.by_channel { self.sent.channels() } else { 1 };
        millis.saturating_mul(channels)
    }
}
