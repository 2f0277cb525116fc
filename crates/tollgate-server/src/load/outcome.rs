//! How one request ended.

use std::{error::Error, time::Duration};

use serde::Serialize;

use crate::net::UpstreamError;

/// How one request ended, and how long that took from its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) ending: Ending,
    pub(crate) took: Duration,
}

/// Where a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The answer arrived whole, with this status.
    Answered(u16),
    /// No whole answer came: why, and what happened in detail.
    Failed(Failure, String),
}

/// Why no whole answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Failure {
    /// No connection came about.
    Connect,
    /// The answer was not whole in time.
    Timeout,
    /// The connection ended before the answer was whole.
    Cut,
    /// What came is not HTTP.
    Protocol,
    /// The host has addresses only that are never connected to: those of cloud metadata.
    Blocked,
}

/// The longest detail that is kept.
const MAX_DETAIL_CHARS: usize = 200;

impl Failure {
    /// In a few words.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Connect => "no connection",
            Self::Timeout => "timed out",
            Self::Cut => "cut off",
            Self::Protocol => "not HTTP",
            Self::Blocked => "address never connected to",
        }
    }
}

impl From<UpstreamError> for Ending {
    fn from(error: UpstreamError) -> Self {
        let failure = match &error {
            UpstreamError::Connect(_) | UpstreamError::Busy => Failure::Connect,
            UpstreamError::Timeout(_) => Failure::Timeout,
            // The body is in memory, so it breaks only with the connection.
            UpstreamError::Cut(_) | UpstreamError::Request(_) => Failure::Cut,
            UpstreamError::Protocol(_) => Failure::Protocol,
            UpstreamError::Blocked => Failure::Blocked,
        };
        Self::Failed(failure, detail(&error))
    }
}

/// The innermost cause: what the system said.
fn detail(error: &UpstreamError) -> String {
    let causes = std::iter::successors(error.source(), |error: &&dyn Error| (*error).source());
    let detail = causes.last().map(ToString::to_string).unwrap_or_default();
    detail.chars().take(MAX_DETAIL_CHARS).collect()
}
