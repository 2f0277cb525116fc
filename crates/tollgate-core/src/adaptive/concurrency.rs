//! How many requests at once: as many as a provider bears without becoming slower.
//!
//! It is a gradient on the provider's pace, like Gradient2 and Vegas of Netflix's
//! [concurrency-limits], but not on the time that whole answers take. A [window](super::window)
//! is a second and some answers. At its end
//!
//! ```text
//! slower = pace / usual pace, less what may be chance
//! limit += 0.2 sqrt(limit)                      where slower <= 1.05
//! limit -= 0.2 (1 - 1.15 / slower) limit        where slower >  1.15, by a tenth at most
//! ```
//!
//! so that it comes to rest where one or two in ten are too many. Where less than half of it was
//! in use, it stays: nothing was tried. An overload is answered as AIMD does, by a tenth, once in
//! a second.
//!
//! What is usual is found by **probing down**: once in [`APART`] windows, and as soon as the
//! limit has shrunk by a quarter, it is 0.7 of itself for one window. If that is markedly quicker,
//! it is the requests that make it slow: the limit becomes what was probed, and it is probed again
//! soon. If not, the pace is the provider's own, and is usual from now on. So neither a slowness
//! that the load makes becomes usual and lets the limit creep to its most, nor is a limit held
//! down by what it has nothing to do with.
//!
//! [concurrency-limits]: https://github.com/Netflix/concurrency-limits

use std::time::Duration;

use super::{
    ConcurrencySettings, Signal,
    window::{Seen, Window},
};
use crate::Time;

/// An answer of fewer tokens says nothing about the pace of tokens.
pub const MIN_TOKENS: u64 = 16;

/// Slower than usual by less, it grows; by more, it shrinks.
const ROOM: f64 = 1.05;
const TOLERANCE: f64 = 1.15;

const SMOOTHING: f64 = 0.2;
/// The usual pace follows one that is surely quicker by so much of it.
const QUICKER: f64 = 1.0 / 8.0;
/// By how many times of its likely error something is surely so.
const SURELY: f64 = 2.0;
const OVERLOADED: f64 = 0.9;
const OVERLOADS_APART: Duration = Duration::from_secs(1);

/// What is probed of a limit.
const PROBED: f64 = 0.7;
/// So much of its pace is markedly quicker: where all are too many, it is as much as is probed.
const MARKEDLY: f64 = 0.8;
/// Windows from one probe to the next; from the start, or a probe that was quicker, to the next.
const APART: u32 = 30;
const SOON: u32 = 3;
/// What has shrunk to so much of what it was at the last probe is probed at once.
const SHRUNK: f64 = 0.75;

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
    window: Option<Window>,
    /// Answers that are passed over at first, since the quickest of all come first.
    early: u32,
    usual: Option<Seen>,
    probing: Option<Probe>,
    /// Windows until the next probe, and the limit at the last one.
    until_probe: u32,
    probed_at: f64,
    overloaded_at: Option<Time>,
}

/// A window of fewer.
#[derive(Debug, Clone, Copy)]
struct Probe {
    limit: f64,
    /// What was seen at the whole limit.
    before: Seen,
}

impl Concurrency {
    /// At its initial limit.
    pub fn new(settings: ConcurrencySettings) -> Self {
        let (limit, early) = (f64::from(settings.initial), settings.initial);
        Self {
            settings,
            limit,
            window: None,
            early,
            usual: None,
            probing: None,
            until_probe: SOON,
            probed_at: limit,
            overloaded_at: None,
        }
    }

    /// Other settings. The limit stays as far as they allow it; the usual pace too, unless it is
    /// of another measure.
    pub fn reconfigure(&mut self, settings: ConcurrencySettings) {
        if settings.signal != self.settings.signal {
            (self.usual, self.window, self.probing) = (None, None, None);
        }
        self.settings = settings;
        self.set(self.limit);
    }

    /// How many may be on their way at once.
    pub fn limit(&self) -> u32 {
        // As a whole number it is between two that are.
        let limit = self.probing.map_or(self.limit, |probe| probe.limit);
        (limit as u32).clamp(self.settings.min, self.settings.max)
    }

    /// An answer came whole and well; `in_flight` were on their way with it. Failures are not
    /// told here: they may be quick because nothing was done.
    pub fn succeeded(&mut self, pace: Pace, in_flight: u32, now: Time) {
        let Some(nanos) = self.nanos(pace) else { return };
        if self.passes_over(in_flight) {
            return;
        }
        let window = self.window.get_or_insert_with(|| Window::at(now));
        window.add(nanos, in_flight);
        if window.is_over(now) {
            let (seen, most) = (window.seen(), window.most_in_flight());
            self.window = None;
            match self.probing.take() {
                Some(probe) => self.probed(probe, seen),
                None => self.adapt(seen, most),
            }
        }
    }

    /// The provider said that it is overloaded (503, 529), or did not answer in time. A 429 is
    /// for [`Quota`](crate::quota::Quota).
    pub fn overloaded(&mut self, now: Time) {
        if self.overloaded_at.is_some_and(|last| now.since(last) < OVERLOADS_APART) {
            return;
        }
        self.overloaded_at = Some(now);
        self.set(self.limit * OVERLOADED);
        if let Some(probe) = &mut self.probing {
            probe.limit = probe.limit.min(self.limit);
        }
    }

    /// Whether an answer says nothing about as many as are allowed now: it was sent when there
    /// were more, or came before those that take longer.
    fn passes_over(&mut self, in_flight: u32) -> bool {
        if self.probing.is_some() && in_flight > self.limit() {
            return true;
        }
        let is_early = self.early > 0;
        self.early = self.early.saturating_sub(1);
        is_early
    }

    fn adapt(&mut self, seen: Seen, most_in_flight: u32) {
        let usual = self.usual.get_or_insert(seen);
        if seen.slower_than(usual, -SURELY) < 1.0 {
            usual.follow(&seen, QUICKER);
        }
        let slower = seen.slower_than(usual, 1.0);
        if f64::from(most_in_flight) < self.limit / 2.0 {
            return;
        }
        if slower <= ROOM {
            self.set(self.limit + SMOOTHING * self.limit.sqrt());
        } else if slower > TOLERANCE {
            let gradient = (TOLERANCE / slower).max(0.5);
            self.set(self.limit * (1.0 - SMOOTHING * (1.0 - gradient)));
        }
        self.until_probe = self.until_probe.saturating_sub(1);
        if self.until_probe == 0 || self.limit <= self.probed_at * SHRUNK {
            self.probing = Some(Probe { limit: self.limit * PROBED, before: seen });
            self.early = self.limit();
            self.until_probe = APART;
            self.probed_at = self.limit;
        }
    }

    fn probed(&mut self, probe: Probe, seen: Seen) {
        if seen.slower_than(&probe.before, -1.0) >= MARKEDLY {
            self.usual = Some(seen);
            return;
        }
        self.until_probe = SOON;
        self.set(probe.limit.min(self.limit));
        self.probed_at = self.limit;
        if self.usual.is_none_or(|usual| seen.slower_than(&usual, 0.0) < 1.0) {
            self.usual = Some(seen);
        }
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
