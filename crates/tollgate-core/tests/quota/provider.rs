//! A provider that counts requests and tokens, refuses what is too much, and announces.

use std::time::Duration;

use tollgate_core::{
    Time,
    quota::{Announced, Reading},
};

/// How it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In windows that begin at multiples of their length.
    Windows,
    /// In buckets that refill evenly and hold as much as a window has.
    Buckets,
}

#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) kind: Kind,
    pub(crate) window: Duration,
    /// Of requests and of tokens.
    pub(crate) limits: [u64; 2],
    /// What was used, in units times the window's nanoseconds, at that instant.
    used: [u128; 2],
    at: Time,
    pub(crate) admitted: u64,
}

impl Provider {
    pub(crate) fn new(kind: Kind, window: Duration, limits: [u64; 2]) -> Self {
        Self { kind, window, limits, used: [0; 2], at: Time::ZERO, admitted: 0 }
    }

    /// A request of so many tokens arrives.
    pub(crate) fn arrive(&mut self, tokens: u64, at: Time) -> Announced {
        self.pass(at);
        let want = [1, tokens].map(|amount| u128::from(amount) * self.window.as_nanos());
        let full = self.limits.map(|limit| u128::from(limit) * self.window.as_nanos());
        let fits = (0..2).all(|unit| self.used[unit] + want[unit] <= full[unit]);
        if fits {
            self.admitted += 1;
            self.used = std::array::from_fn(|unit| self.used[unit] + want[unit]);
        }
        let [requests, tokens] = std::array::from_fn(|unit| self.reading(unit));
        let (requests, tokens) = (Some(requests), Some(tokens));
        Announced { requests, tokens, throttled: !fits, ..Announced::default() }
    }

    fn pass(&mut self, at: Time) {
        let passed = match self.kind {
            Kind::Windows if self.window_of(at) == self.window_of(self.at) => [0; 2],
            Kind::Windows => [u128::MAX; 2],
            Kind::Buckets => {
                self.limits.map(|limit| u128::from(limit) * at.since(self.at).as_nanos())
            }
        };
        self.used = std::array::from_fn(|unit| self.used[unit].saturating_sub(passed[unit]));
        self.at = at;
    }

    fn reading(&self, unit: usize) -> Reading {
        let (limit, window) = (self.limits[unit], self.window.as_nanos());
        let remaining = u128::from(limit) - self.used[unit].div_ceil(window);
        let reset = match self.kind {
            Kind::Windows => (self.window_of(self.at) + 1) * window as u64,
            Kind::Buckets => {
                self.at.as_nanos() + self.used[unit].div_ceil(u128::from(limit)) as u64
            }
        };
        let reset_at = Some(Time::from_nanos(reset));
        Reading { limit: Some(limit), remaining: Some(remaining as u64), reset_at }
    }

    fn window_of(&self, at: Time) -> u64 {
        at.as_nanos() / self.window.as_nanos() as u64
    }
}
