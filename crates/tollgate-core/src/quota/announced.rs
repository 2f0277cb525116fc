//! What an answer tells about limits, whatever the dialect.

use std::time::Duration;

use crate::Time;

/// What one answer told. Nothing is a valid announcement: [`Announced::default`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Announced {
    /// Of requests.
    pub requests: Option<Reading>,
    /// Of input and output tokens together.
    pub tokens: Option<Reading>,
    /// Of input tokens.
    pub input_tokens: Option<Reading>,
    /// Of output tokens.
    pub output_tokens: Option<Reading>,
    /// Whether the request was refused for having been too much: 429.
    pub throttled: bool,
    /// How long the provider asks to be left alone, from when the answer came.
    pub retry_after: Option<Duration>,
}

/// What it told about one unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// The most in a window.
    pub limit: Option<u64>,
    /// What is left of it, after this request.
    pub remaining: Option<u64>,
    /// When all of it is there again; rounded up, since nothing is sent before.
    pub reset_at: Option<Time>,
}

impl Announced {
    /// As [`UNITS`](super::UNITS) are ordered.
    pub(super) const fn readings(&self) -> [Option<Reading>; 4] {
        [self.requests, self.tokens, self.input_tokens, self.output_tokens]
    }
}
