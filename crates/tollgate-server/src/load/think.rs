//! How long a user thinks between an answer and the next request.

use std::{str::FromStr, time::Duration};

use jiff::fmt::friendly::SpanParser;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A time, or two between which each user's dice decide: `2s`, `0s..5s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Think {
    least: Duration,
    most: Duration,
}

/// What decides one user's times.
#[derive(Debug)]
pub(crate) struct Dice(ChaCha8Rng);

/// Longer than any user thinks.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

impl Think {
    /// The next time to think.
    pub(crate) fn next(self, dice: &mut Dice) -> Duration {
        if self.least == self.most {
            return self.least;
        }
        dice.0.random_range(self.least..=self.most)
    }
}

impl Dice {
    /// Those of the user of that number: the same seed gives the same times.
    pub(crate) fn new(seed: u64, user: u32) -> Self {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        dice.set_stream(user.into());
        Self(dice)
    }
}

impl FromStr for Think {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (least, most) = text.split_once("..").unwrap_or((text, text));
        let think = Self { least: parse_span(least)?, most: parse_span(most)? };
        if think.least > think.most {
            return Err("the longer time comes last, like 1s..5s".to_owned());
        }
        Ok(think)
    }
}

/// A length of time of at most a day.
///
/// # Errors
/// When the text is none.
pub(crate) fn parse_span(text: &str) -> Result<Duration, String> {
    let span = SpanParser::new().parse_unsigned_duration(text.trim());
    match span {
        Ok(span) if span <= LONGEST => Ok(span),
        Ok(_) => Err("it is longer than a day".to_owned()),
        Err(_) => Err("write it like 500ms, 30s or 2m".to_owned()),
    }
}
