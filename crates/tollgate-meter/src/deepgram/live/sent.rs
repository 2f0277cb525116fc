//! How long the audio is that was sent, as far as its bytes say.

use super::super::{Target, request};
use crate::audio::{self, Samples, Wav};

/// The audio that was sent.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    /// What the query says about samples without a head of their own.
    samples: Option<Samples>,
    /// What takes the longest for its bytes of all that it may be.
    slowest: Samples,
    channels: Option<u64>,
    /// How it begins, up to [`HEAD_BYTES`].
    head: Vec<u8>,
    bytes: u64,
}

/// Bytes at the beginning by which a container is told from samples. Before they are there,
/// nothing that is said of samples is believed: somebody may send the head in pieces.
const HEAD_BYTES: usize = 256;

impl Sent {
    pub(super) const fn new(target: &Target) -> Self {
        let Target { samples, slowest, channels, .. } = target;
        Self {
            samples: *samples,
            slowest: *slowest,
            channels: *channels,
            head: Vec::new(),
            bytes: 0,
        }
    }

    /// Looks at a piece that comes next; the same again changes nothing unless it passed.
    pub(super) fn look(&mut self, audio: &[u8]) {
        let seen = usize::try_from(self.bytes).unwrap_or(usize::MAX);
        if seen < HEAD_BYTES {
            self.head.truncate(seen);
            self.head.extend_from_slice(&audio[..audio.len().min(HEAD_BYTES - seen)]);
        }
    }

    /// So many bytes of what was looked at pass.
    pub(super) const fn pass(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many channels there may be.
    pub(super) fn channels(&self) -> u64 {
        request::channels(self.channels, &self.head)
    }

    /// The longest that it may be with so many bytes more, in milliseconds of one channel.
    pub(super) fn bound_millis(&self, more: usize) -> u64 {
        let bytes = self.bytes.saturating_add(more as u64);
        let samples = self.known().unwrap_or(self.slowest);
        samples.millis(bytes)
    }

    /// How long it was, where nobody told, and so much of it was transcribed. Samples say it
    /// themselves. What is coded is taken for what most is; where nothing was transcribed it
    /// is taken for the middle of that and the most.
    pub(super) fn likely_millis(&self, transcribed: u64) -> u64 {
        if let Some(samples) = self.known() {
            return samples.millis(self.bytes).max(transcribed);
        }
        let likely = audio::coded(self.bytes);
        if transcribed == 0 {
            likely.middle_millis()
        } else {
            likely.likely_millis.max(transcribed)
        }
    }

    /// The samples, where their size is known for sure.
    fn known(&self) -> Option<Samples> {
        if self.head.len() < HEAD_BYTES {
            return None;
        }
        if audio::is_contained(&self.head) { Wav::of(&self.head)?.samples } else { self.samples }
    }
}
