//! How one request ended.

use std::{fmt, time::Duration};

use super::{deal::Deal, price::Tokens};

/// How one request ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The row's number in the trace, from 0 on.
    pub(crate) row: usize,
    pub(crate) deal: Deal,
    /// When it was due, from the start of the replay.
    pub(crate) due: Duration,
    /// When its answer was whole or its fate was known, from the start of the replay.
    pub(crate) ended: Duration,
    /// The most that it can have used.
    pub(crate) most: Tokens,
    pub(crate) ending: Ending,
    /// The status of the response head, where one came.
    pub(crate) status: Option<u16>,
    /// The gateway's id for the request, where it gave one.
    pub(crate) id: Option<String>,
    /// Nothing where no response head came.
    pub(crate) timing: Option<Timing>,
}

/// Where a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Admitted, and its answer arrived whole; the usage is the answer's own.
    Admitted { used: Option<Tokens> },
    /// Refused by that limit.
    Refused { limit: String },
    /// Answered by an error that is no refusal.
    Error,
    /// Neither answered nor refused, so nobody told whether it was charged.
    Lost(Loss),
    /// Never sent: too many were in flight.
    Unsent,
}

/// Why an answer did not arrive whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// No connection, or it broke before the response head.
    NoAnswer,
    /// The body broke off.
    Cut,
    /// A stream ended without its terminator, or with an error in it.
    Unterminated,
    /// What arrived is no answer of the API.
    Unreadable,
    /// It took longer than the replay waits.
    TimedOut,
}

/// When the response head came, and how much of that the provider itself took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timing {
    /// From the instant the request was due to its response head.
    pub(crate) from_due: Duration,
    /// From the instant it left to its response head.
    pub(crate) from_sent: Duration,
    /// What the provider says it took; nothing where it does not say.
    pub(crate) service: Option<Duration>,
}

impl Ending {
    /// One word for logs.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Admitted { .. } => "admitted",
            Self::Refused { .. } => "refused",
            Self::Error => "error",
            Self::Lost(_) => "lost",
            Self::Unsent => "unsent",
        }
    }

    /// Whether its answer arrived whole.
    pub(crate) const fn acknowledged(&self) -> bool {
        matches!(self, Self::Admitted { .. } | Self::Refused { .. } | Self::Error)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAnswer => "no answer",
            Self::Cut => "cut off",
            Self::Unterminated => "stream not terminated",
            Self::Unreadable => "unreadable answer",
            Self::TimedOut => "timed out",
        })
    }
}
