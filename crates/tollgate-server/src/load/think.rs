//! How long a user thinks between an answer and the next request.

use std::{fmt, str::FromStr, time::Duration};

use jiff::fmt::friendly::SpanParser;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A time, or two between which each user's dice decide: `2s`, `0s..5s`, `30s±10s`.
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

    /// A part of the next time to think: what is left of it for somebody who is met thinking.
    pub(crate) fn part(self, dice: &mut Dice) -> Duration {
        let whole = self.next(dice);
        dice.0.random_range(Duration::ZERO..=whole)
    }

    /// The longest.
    pub(crate) const fn most(self) -> Duration {
        self.most
    }
}

impl Dice {
    /// Those of the user of that number: the same seed gives the same times.
    pub(crate) fn new(seed: u64, user: u32) -> Self {
        Self::of_stream(seed, user.into())
    }

    /// Those of anything else that has a number.
    pub(crate) fn of_stream(seed: u64, stream: u64) -> Self {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        dice.set_stream(stream);
        Self(dice)
    }
}

impl fmt::Display for Think {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = (self.least.as_secs_f64(), self.most.as_secs_f64());
        if self.least == self.most {
            write!(f, "{least} s")
        } else {
            write!(f, "{least} s to {most} s")
        }
    }
}

impl FromStr for Think {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((middle, around)) = text.split_once('±').or_else(|| text.split_once("+-")) {
            let (middle, around) = (parse_span(middle)?, parse_span(around)?);
            let least = middle.checked_sub(around);
            let least = least.ok_or_else(|| "nobody thinks for less than no time".to_owned())?;
            if middle + around > LONGEST {
                return Err("it is longer than a day".to_owned());
            }
            return Ok(Self { least, most: middle + around });
        }
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
