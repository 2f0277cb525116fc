//! How requests come out.

use tollgate_core::NanoUsd;
use tollgate_meter::{Ending, Metered};

/// How a request came out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    /// Its provider got nothing of it.
    Unsent,
    /// It was answered, and the answer used no tokens: an error, a list, a deletion.
    Answered,
    /// It was answered, and the application told what that cost.
    Cost(NanoUsd),
    /// A stream was metered.
    Stream(Metered),
    /// An answer in one piece was metered.
    Plain(Metered),
    /// Nobody knows what its provider did.
    Unknown,
}

impl Outcome {
    /// Whether an answer was made and came to its end.
    pub(super) const fn is_whole(self) -> bool {
        matches!(
            self,
            Self::Stream(Metered { ending: Ending::Complete, .. })
                | Self::Plain(Metered { ending: Ending::Complete, .. })
        )
    }

    /// Whether what is charged is known rather than estimated.
    pub(super) const fn is_known(self) -> bool {
        match self {
            Self::Unsent | Self::Answered | Self::Cost(_) => true,
            Self::Stream(metered) | Self::Plain(metered) => !metered.is_estimated(),
            Self::Unknown => false,
        }
    }
}
