//! What a provider tells about usage, believed only where it can be true.

use crate::{Basis, Counts, MAX_TOLD_CALLS};

/// More tokens than any request has: a provider that tells more is not believed.
pub const MAX_TOLD_TOKENS: u64 = 1_000_000_000;

/// More audio than any request has, in milliseconds: thirty days.
pub const MAX_TOLD_MILLIS: u64 = 30 * 24 * 60 * 60 * 1000;

/// What a provider has told about usage so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Told {
    /// Nothing.
    #[default]
    Nothing,
    /// Something that cannot be true.
    Implausible,
    /// These counts, of an answer that goes on: its input is known, its output is not.
    Partly(Counts),
    /// These counts.
    Counts(Counts),
}

impl Told {
    /// These counts, if they can be true.
    pub(crate) fn counts(counts: Counts) -> Self {
        let can_be_true = counts.input_tokens <= MAX_TOLD_TOKENS
            && counts.output_tokens <= MAX_TOLD_TOKENS
            && counts.millis <= MAX_TOLD_MILLIS
            && counts.calls.at_most(MAX_TOLD_CALLS) == counts.calls;
        if can_be_true { Self::Counts(counts) } else { Self::Implausible }
    }

    /// The same of an answer that goes on.
    pub(crate) const fn so_far(self) -> Self {
        match self {
            Self::Counts(counts) => Self::Partly(counts),
            told => told,
        }
    }

    /// The counts, if they are told; else the estimate; and the basis of what is answered.
    pub(crate) fn or(self, estimate: Counts) -> (Counts, Basis) {
        match self {
            Self::Counts(counts) => (counts, Basis::Told),
            Self::Partly(counts) => {
                let output_tokens = counts.output_tokens.max(estimate.output_tokens);
                (Counts { output_tokens, ..counts }, Basis::Begun)
            }
            Self::Nothing => (estimate, Basis::Missing),
            Self::Implausible => (estimate, Basis::Implausible),
        }
    }
}

/// A part that is larger than its whole is none.
pub(crate) fn part(part: Option<u64>, whole: u64) -> u64 {
    part.filter(|part| *part <= whole).unwrap_or(0)
}
