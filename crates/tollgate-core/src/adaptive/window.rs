//! What some answers show together of a provider's pace, and how much of it may be chance.
//!
//! Times of answers are spread over orders of magnitude, a few of them far above the others. So
//! their logarithms are looked at: the mean of those is hardly moved by a few, and a provider
//! that is twice as slow moves all of them alike.

use std::time::Duration;

use crate::Time;

/// A window has so many answers at least.
pub const MIN_SAMPLES: u32 = 8;

/// It lasts so long at least, and for longer only until what it shows is this exact.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(3);
const EXACT: f64 = 0.1;

/// The answers of some time.
#[derive(Debug)]
pub(super) struct Window {
    began: Time,
    samples: u32,
    mean: f64,
    /// The sum of the squares of what each differs from the mean.
    squares: f64,
    most_in_flight: u32,
}

/// What they showed: the mean logarithm, and its likely error.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    log: f64,
    error: f64,
}

impl Window {
    pub(super) const fn at(now: Time) -> Self {
        Self { began: now, samples: 0, mean: 0.0, squares: 0.0, most_in_flight: 0 }
    }

    pub(super) fn add(&mut self, nanos: f64, in_flight: u32) {
        self.samples += 1;
        let differs = nanos.ln() - self.mean;
        self.mean += differs / f64::from(self.samples);
        self.squares += differs * (nanos.ln() - self.mean);
        self.most_in_flight = self.most_in_flight.max(in_flight);
    }

    pub(super) fn is_over(&self, now: Time) -> bool {
        let lasts = now.since(self.began);
        self.samples >= MIN_SAMPLES
            && lasts >= SHORTEST
            && (lasts >= LONGEST || self.seen().error <= EXACT)
    }

    pub(super) fn seen(&self) -> Seen {
        let samples = f64::from(self.samples.max(2));
        Seen { log: self.mean, error: (self.squares / (samples - 1.0) / samples).sqrt() }
    }

    pub(super) const fn most_in_flight(&self) -> u32 {
        self.most_in_flight
    }
}

impl Seen {
    /// How many times as slow it is as another one, less so many times what is likely to be
    /// chance: less than none makes it slower.
    pub(super) fn slower_than(&self, other: &Self, errors: f64) -> f64 {
        (self.log - other.log - errors * self.error.hypot(other.error)).exp()
    }

    /// Becomes more like another one, by so much of the difference.
    pub(super) fn follow(&mut self, other: &Self, share: f64) {
        self.log += (other.log - self.log) * share;
    }
}
