//! Families of models: whose shape a body of `invoke` has.

use crate::{anthropic, openai, told::Told};

/// A family of models, by the shape of what they are sent and answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Messages as in Anthropic's own API.
    Anthropic,
    /// Messages as `converse` has them.
    Nova,
    /// Texts turned into vectors.
    Embedding,
    /// Anything else.
    Other,
}

impl Family {
    /// The family of a model, by its id, the id of a profile or the name of either.
    pub(super) fn of(model: &str) -> Self {
        if model.contains("anthropic.") {
            Self::Anthropic
        } else if model.contains("amazon.nova") && !model.contains("embed") {
            Self::Nova
        } else if model.contains("embed") {
            Self::Embedding
        } else {
            Self::Other
        }
    }

    /// Reads the `usage` of an answer in one piece; models that have none leave it to the
    /// answer's headers.
    pub(super) fn usage(self) -> fn(&[u8]) -> Told {
        match self {
            Self::Anthropic => anthropic::read_usage,
            Self::Nova => super::usage::read,
            Self::Embedding | Self::Other => openai::read_usage,
        }
    }
}
