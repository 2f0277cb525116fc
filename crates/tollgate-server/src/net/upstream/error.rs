//! What goes wrong with an upstream, in one sentence each.

use std::{error::Error, io, time::Duration};

use super::{
    connector::{Forbidden, Late},
    link::Broken,
};
use crate::net::{BoxError, Stalled};

/// Why an upstream gave no answer, or no whole one.
///
/// The sentence is for the caller and names neither host nor path nor key. What happened in
/// detail is in the [source](Error::source), for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// No connection came about: nothing was sent.
    #[error("the provider cannot be reached")]
    Connect(#[source] BoxError),
    /// All connections that the policy allows are in use: nothing was sent.
    #[error("all connections to the provider are in use")]
    Busy,
    /// It took longer than the policy allows.
    #[error("the provider {0}")]
    Timeout(TooLong),
    /// It ended the connection in the middle.
    #[error("the provider ended the connection before its answer was complete")]
    Cut(#[source] BoxError),
    /// What it sent is not HTTP.
    #[error("the provider's answer is not valid HTTP")]
    Protocol(#[source] BoxError),
    /// It lives at an address that is never connected to: nothing was sent.
    #[error("the provider's address is one that Tollgate never connects to")]
    Blocked,
    /// The caller's own body broke while it was sent on; the source says how.
    #[error("the request's body ended before it was complete")]
    Request(#[source] BoxError),
}

/// What an upstream took too long for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooLong {
    /// To connect, TLS included: nothing was sent.
    #[error("did not accept a connection in time")]
    Connect,
    /// To begin its answer once it had the request.
    #[error("did not begin its answer in time")]
    Head,
    /// To go on with its answer.
    #[error("stopped in the middle of its answer")]
    Body,
    /// To answer as a whole, by the limit of time of its task.
    #[error("did not answer within the time limit of {} seconds", .0.as_secs_f64())]
    Task(Duration),
}

impl UpstreamError {
    /// Whether the upstream got nothing of the request, so that nothing was used.
    pub(crate) const fn is_unsent(&self) -> bool {
        matches!(
            self,
            Self::Connect(_) | Self::Busy | Self::Blocked | Self::Timeout(TooLong::Connect)
        )
    }

    /// What it means that no connection came about.
    pub(super) fn from_connecting(error: BoxError) -> Self {
        if find::<Forbidden>(&*error).is_some() {
            Self::Blocked
        } else if find::<Late>(&*error).is_some() {
            Self::Timeout(TooLong::Connect)
        } else {
            Self::Connect(error)
        }
    }

    /// What the failure of an answer's body means.
    pub(super) fn from_body(error: BoxError) -> Self {
        if error.is::<Stalled>() { Self::Timeout(TooLong::Body) } else { Self::of_message(error) }
    }

    /// What it means that there was no whole answer.
    pub(super) fn of_message(error: BoxError) -> Self {
        if find::<Broken>(&*error).is_some() {
            return Self::Request(error);
        }
        let is_bad_head = find::<hyper::Error>(&*error).is_some_and(hyper::Error::is_parse);
        // hyper tells of a bad chunk by an error of input.
        let is_bad_chunk = find::<io::Error>(&*error).is_some_and(|it| {
            matches!(it.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
        });
        if is_bad_head || is_bad_chunk { Self::Protocol(error) } else { Self::Cut(error) }
    }
}

/// The first error of this type, from the outermost to its last source.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
