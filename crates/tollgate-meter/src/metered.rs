//! What a response turned out to have used, whatever dialect it spoke.

use tollgate_core::{NanoUsd, Usage};

use crate::{Calls, Price};

/// What was used, in as much detail as a price needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Every token sent to the model, cached or not.
    pub input_tokens: u64,
    /// Of the input tokens, those read from the provider's cache.
    pub cached_tokens: u64,
    /// Of the input tokens, those written to the provider's cache.
    pub cache_write_tokens: u64,
    /// Of those written to the cache, those kept for an hour, which some charge more for.
    pub cache_write_hour_tokens: u64,
    /// Of the input tokens, those of audio.
    pub input_audio_tokens: u64,
    /// Every token made by the model, shown or not.
    pub output_tokens: u64,
    /// Of the output tokens, those of audio.
    pub output_audio_tokens: u64,
    /// Of the output tokens, those spent on reasoning.
    pub reasoning_tokens: u64,
    /// Audio, in milliseconds.
    pub millis: u64,
    /// Calls of the provider's own tools, those that are charged by the call.
    pub calls: Calls,
}

/// The end of a response, as it was metered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metered {
    /// What was used.
    pub counts: Counts,
    /// How that is known.
    pub basis: Basis,
    /// How the response ended.
    pub ending: Ending,
    /// Bytes of text that the model made, where they are told apart from all others.
    pub text_bytes: u64,
}

/// How a usage is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The provider told it.
    Told,
    /// The provider told what was sent, and not yet all that was made; that is estimated.
    Begun,
    /// The provider told nothing; estimated from the bytes that flowed.
    Missing,
    /// What the provider told cannot be true; estimated from the bytes that flowed.
    Implausible,
}

/// How a response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Properly, by its dialect's own mark.
    Complete,
    /// With an error that the provider reported inside it.
    Failed,
    /// Without its mark: the provider or the connection died, or nobody read on.
    Cut,
}

impl Metered {
    /// Whether the counts are an estimate.
    pub const fn is_estimated(&self) -> bool {
        !matches!(self.basis, Basis::Told)
    }
}

impl Counts {
    /// So many tokens, of no special kind.
    pub const fn tokens(input: u64, output: u64) -> Self {
        Self {
            input_tokens: input,
            cached_tokens: 0,
            cache_write_tokens: 0,
            cache_write_hour_tokens: 0,
            input_audio_tokens: 0,
            output_tokens: output,
            output_audio_tokens: 0,
            reasoning_tokens: 0,
            millis: 0,
            calls: Calls::NONE,
        }
    }

    /// As one request's usage, at this price; without a price its cost is 0.
    pub fn usage(&self, price: Option<&Price>) -> Usage {
        Usage {
            requests: 1,
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            cost: price.map_or(NanoUsd(0), |price| price.of_request(self)),
            millis: self.millis,
        }
    }
}
