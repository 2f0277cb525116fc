//! What a breaker answers, and what it is told.

use std::time::Duration;

use crate::Time;

/// Whether a call may be sent. What passes is [recorded](super::Breaker::record) when it ends.
#[derive(Debug)]
#[must_use]
pub enum Admission {
    /// Send it.
    Pass(Ticket),
    /// Send it: it shows whether the provider is well again.
    Probe(Ticket),
    /// Send it; but a breaker that does not only observe would have refused it until then.
    Observe {
        /// To record it with, though its result changes nothing.
        ticket: Ticket,
        /// As in [`Admission::Refuse`].
        until: Time,
    },
    /// Do not send it.
    Refuse {
        /// The first instant at which one is admitted, if nothing else happens;
        /// [`Time::MAX`] where an operator has forced it open.
        until: Time,
        /// Whether all probes are on their way, whose results may decide much sooner.
        probing: bool,
    },
}

/// The handle of a call that was let pass. It is given back once; one that is lost counts for
/// nothing, but that of a probe as a failure when its lease ends.
#[derive(Debug)]
#[must_use]
pub struct Ticket {
    /// In which the call began.
    pub(super) generation: u64,
    /// The lease, if it is a probe.
    pub(super) probe: Option<u64>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The provider did what it was asked.
    Success,
    /// It did not: 5xx, a connection refused or broken, nothing in time.
    Failure {
        /// How long it asks to be left alone, from now.
        retry_after: Option<Duration>,
    },
    /// It has had enough of this caller for now: 429.
    Throttled {
        /// How long it asks to be left alone, from now.
        retry_after: Option<Duration>,
    },
    /// Nothing that tells about the provider: 400, 401, cancelled.
    Ignored,
}

/// The recent calls of a breaker's window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that counted.
    pub calls: u64,
    /// Of these, those that failed.
    pub failures: u64,
    /// Of these, those that took too long, whether they failed or not.
    pub slow: u64,
}

impl Ticket {
    /// Whether the call is a probe, whose lease may need to be
    /// [renewed](super::Breaker::renew).
    pub const fn is_probe(&self) -> bool {
        self.probe.is_some()
    }
}
