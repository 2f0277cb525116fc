//! How many requests at once: a gradient on how slow a provider has become.
//!
//! It is Gradient2 of Netflix's [concurrency-limits], on the provider's pace instead of the
//! time that whole answers take. A window lasts a second and [`MIN_SAMPLES`] answers at least;
//! `short` is its mean pace, `long` the usual one. At its end
//!
//! ```text
//! gradient = 1.5 long / short, no less than 0.5 and no more than 1
//! limit    = 0.8 limit + 0.2 (gradient limit + sqrt(limit))
//! ```
//!
//! so that it grows while the pace is usual, by a queue of `sqrt(limit)`, and shrinks by a
//! tenth at most. Where less than half of it was in use, it stays: nothing was tried. An overload
//! is answered as AIMD does, by a tenth, once in a second.
//!
//! The usual pace follows a quicker one by an eighth in each window. Netflix lets it follow a
//! slower one too, by a 600th, so that under lasting load the slowness that the load makes
//! becomes usual and the limit creeps to its most. Here a slower pace is usual only once half as
//! many requests are sent and it is as slow as before: then it is not they who make it slow.
//! What is met at first is taken for usual, so begin with few.
//!
//! [concurrency-limits]: https://github.com/Netflix/concurrency-limits

use std::time::Duration;

use super::{ConcurrencySettings, Signal};
use crate::Time;

/// A window has so many answers at least.
pub const MIN_SAMPLES: u32 = 8;

/// An answer of fewer tokens says nothing about the pace of tokens.
pub const MIN_TOKENS: u64 = 16;

const WINDOW: Duration = Duration::from_secs(1);
const TOLERANCE: f64 = 1.5;
const SMOOTHING: f64 = 0.2;
const QUICKER: f64 = 1.0 / 8.0;
/// Half as many requests make it quicker than so many times what it was, or it is not they.
const BETTER: f64 = 0.8;
const OVERLOADED: f64 = 0.9;

/// The pace of an answer that came whole and well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// From the request's last byte to the answer's first token.
    FirstToken(Duration),
    /// How long all of its output tokens took.
    Tokens {
        /// From the first token to the last, or the whole answer where it is no stream.
        took: Duration,
        /// How many.
        tokens: u64,
    },
}

/// How many requests a provider is sent at once.
#[derive(Debug)]
pub struct Concurrency {
    settings: ConcurrencySettings,
    limit: f64,
    /// The usual pace, in nanoseconds.
    long: Option<f64>,
    window: Option<Window>,
    /// The limit and the pace when it was slower than usual, and became no worse since.
    slow: Option<(f64, f64)>,
    overloaded_at: Option<Time>,
}

#[derive(Debug)]
struct Window {
    began: Time,
    sum: f64,
    samples: u32,
    most_in_flight: u32,
}

impl Concurrency {
    /// At its initial limit.
    pub fn new(settings: ConcurrencySettings) -> Self {
        let limit = f64::from(settings.initial);
        Self { settings, limit, long: None, window: None, slow: None, overloaded_at: None }
    }

    /// Other settings. The limit stays as far as they allow it; the usual pace too, unless it is
    /// of another measure.
    pub fn reconfigure(&mut self, settings: ConcurrencySettings) {
        if settings.signal != self.settings.signal {
            (self.long, self.window, self.slow) = (None, None, None);
        }
        self.settings = settings;
        self.set(self.limit);
    }

    /// How many may be on their way at once.
    pub fn limit(&self) -> u32 {
        // As a whole number it is between two that are.
        (self.limit as u32).clamp(self.settings.min, self.settings.max)
    }

    /// An answer came whole and well; `in_flight` were on their way with it. Failures are not
    /// told here: they may be quick because nothing was done.
    pub fn succeeded(&mut self, pace: Pace, in_flight: u32, now: Time) {
        let Some(nanos) = self.nanos(pace) else { return };
        let empty = || Window { began: now, sum: 0.0, samples: 0, most_in_flight: 0 };
        let window = self.window.get_or_insert_with(empty);
        window.sum += nanos;
        window.samples += 1;
        window.most_in_flight = window.most_in_flight.max(in_flight);
        if window.samples >= MIN_SAMPLES && now.since(window.began) >= WINDOW {
            let (short, most) = (window.sum / f64::from(window.samples), window.most_in_flight);
            self.window = None;
            self.adapt(short, most);
        }
    }

    /// The provider said that it is overloaded (503, 529), or did not answer in time. A 429 is
    /// for [`Quota`](crate::quota::Quota).
    pub fn overloaded(&mut self, now: Time) {
        if self.overloaded_at.is_some_and(|last| now.since(last) < WINDOW) {
            return;
        }
        self.overloaded_at = Some(now);
        self.set(self.limit * OVERLOADED);
    }

    fn adapt(&mut self, short: f64, most_in_flight: u32) {
        let long = self.long.get_or_insert(short);
        if short < *long {
            *long += (short - *long) * QUICKER;
        }
        if f64::from(most_in_flight) < self.limit / 2.0 {
            return;
        }
        let gradient = (TOLERANCE * *long / short).clamp(0.5, 1.0);
        if gradient < 1.0 {
            let no_worse = |(_, pace): &(f64, f64)| short * BETTER <= *pace;
            let (limit, pace) = self.slow.filter(no_worse).unwrap_or((self.limit, short));
            self.slow = Some((limit, pace));
            if self.limit <= limit / 2.0 {
                self.slow = None;
                if short >= pace * BETTER {
                    *long = short;
                    return;
                }
            }
        } else {
            self.slow = None;
        }
        let wanted = self.limit * gradient + self.limit.sqrt();
        self.set(self.limit * (1.0 - SMOOTHING) + wanted * SMOOTHING);
    }

    fn set(&mut self, limit: f64) {
        self.limit = limit.clamp(f64::from(self.settings.min), f64::from(self.settings.max));
    }

    /// The sample, if it says anything.
    fn nanos(&self, pace: Pace) -> Option<f64> {
        let nanos = match (pace, self.settings.signal) {
            (Pace::FirstToken(took), Signal::FirstToken) => took.as_nanos() as f64,
            (Pace::Tokens { took, tokens }, Signal::PerToken) if tokens >= MIN_TOKENS => {
                took.as_nanos() as f64 / tokens as f64
            }
            _ => return None,
        };
        // Below a nanosecond is no pace; a gradient needs one.
        Some(nanos.max(1.0))
    }
}
