//! What is played: who asks how often for how much, and what of the policy holds.

use std::{str::FromStr, sync::Arc, time::Duration};

use serde::Serialize;

use crate::{
    load::Think,
    replay::{Tokens, Trace},
};

/// What all runs of one simulation have in common.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    /// Who asks.
    pub(crate) crowding: Crowding,
    /// How long a model takes for an answer.
    pub(crate) answer: Think,
    /// The model that is asked for, where somebody said which.
    pub(crate) model: Option<String>,
    /// How long users are ready to wait, where that is less than the policy lets them.
    pub(crate) patience: Option<Duration>,
    /// The limits that each model of each provider has of its own, where they are not those of
    /// the policy's sandbox.
    pub(crate) requests_per_minute: Option<u32>,
    pub(crate) tokens_per_minute: Option<u32>,
    /// What decides everything that is left to chance.
    pub(crate) seed: u64,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) enum Crowding {
    /// Users of whom each thinks, asks and waits for the answer, for so long.
    Users { think: Think, size: Size, lasts: Duration },
    /// What was recorded, whenever it was, dealt over users.
    Trace(Arc<Trace>),
}

/// How much a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) Tokens);

/// What of the policy holds in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Variation {
    /// All of it.
    Whole,
    /// Whoever does not find room at its first model waits there.
    WithoutFallback,
    /// Nobody waits.
    WithoutWaiting,
    /// Neither.
    WithoutBoth,
    /// No limit at all, neither the policy's nor the models': what the users would take.
    Unlimited,
}

/// Of a number of tokens that is not told apart, one in so many is made by the model.
const OUTPUT_SHARE: u64 = 6;

/// As many as a request of a trace has, so that no body takes more memory than there is.
const MAX_TOKENS: u64 = 1_000_000;

impl Variation {
    /// All that are compared, from the whole policy on.
    pub(crate) const ALL: [Self; 4] =
        [Self::Whole, Self::WithoutFallback, Self::WithoutWaiting, Self::WithoutBoth];

    /// As people say it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Whole => "the policy",
            Self::WithoutFallback => "no fallback",
            Self::WithoutWaiting => "no waiting",
            Self::WithoutBoth => "neither",
            Self::Unlimited => "no limits",
        }
    }

    /// Whether those who find no room may wait.
    pub(super) const fn waits(self) -> bool {
        !matches!(self, Self::WithoutWaiting | Self::WithoutBoth)
    }

    /// Whether there is more than the first model.
    pub(super) const fn falls_back(self) -> bool {
        matches!(self, Self::Whole | Self::WithoutWaiting)
    }
}

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "write whole tokens like 6000, or those sent and those made like 5000+1000; each at most 1000000";
        let number = |text: &str| {
            let number = text.trim().parse().ok();
            number.filter(|number| *number <= MAX_TOKENS).ok_or(WRONG)
        };
        let (input, output) = match text.split_once('+') {
            Some((input, output)) => (number(input)?, number(output)?),
            None => {
                let all = number(text)?;
                (all - all / OUTPUT_SHARE, all / OUTPUT_SHARE)
            }
        };
        if input == 0 { Err(WRONG) } else { Ok(Self(Tokens { input, output })) }
    }
}
