//! What a request reserves before anybody knows what it will use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::values::Share;

/// What a request reserves where money or tokens are counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Estimates {
    /// The share of answers that the first slice of a stream is large enough for, as far as
    /// they are known of the caller and the model; longer ones ask for more as they come.
    pub first_slice: Share,
    /// What happens to a request without a stream whose most does not fit.
    pub plain: Plain,
    /// What is held for a request whose provider reads more than the body has: a kept
    /// conversation, a file, a link, what a tool of its own finds.
    pub open_input: OpenInput,
}

/// What is held for input that nobody can tell from the body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OpenInput {
    /// Twice the most that such requests of the caller and the model read of late; the model's
    /// maximum while that is not known. A limit smaller than that gives half of what it has left.
    #[default]
    Learned,
    /// The model's maximum: what a limit could never give is refused.
    Maximum,
    /// The body's bytes, and five minutes of audio that is not seen; what is read beyond them is
    /// told as an overrun.
    Bytes,
    /// It is refused where money, tokens or seconds are counted.
    Refuse,
}

/// What happens to a request without a stream, which cannot be metered while it is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Plain {
    /// It reserves the most that it may use, or is refused.
    #[default]
    Bound,
    /// Where that does not fit, its own maximum is lowered to what is left.
    Clamp,
}

impl Default for Estimates {
    fn default() -> Self {
        Self {
            first_slice: Share::of_hundred(90),
            plain: Plain::default(),
            open_input: OpenInput::default(),
        }
    }
}
