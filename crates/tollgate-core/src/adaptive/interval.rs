//! How far apart requests begin: longer after failures, shorter after successes.

use std::time::Duration;

use super::IntervalSettings;
use crate::Time;

/// The interval between the beginnings of requests to one provider.
#[derive(Debug)]
pub struct Interval {
    settings: IntervalSettings,
    length: Duration,
    last: Option<Time>,
}

impl Interval {
    /// At its shortest.
    pub fn new(settings: IntervalSettings) -> Self {
        Self { length: settings.min, last: None, settings }
    }

    /// Other settings. It stays as long as it is, as far as they allow it.
    pub fn reconfigure(&mut self, settings: IntervalSettings) {
        self.length = self.length.max(settings.min).min(settings.max);
        self.settings = settings;
    }

    /// Begins a request now.
    ///
    /// # Errors
    /// The instant at which one may begin, where it is too early; nothing has begun then.
    pub fn begin(&mut self, now: Time) -> Result<(), Time> {
        let earliest = self.last.map_or(Time::ZERO, |last| last.after(self.length));
        if now < earliest {
            return Err(earliest);
        }
        self.last = Some(now);
        Ok(())
    }

    /// A request failed, or was too much for the provider.
    pub fn failed(&mut self) {
        self.length = self.length.mul_f64(self.settings.backoff).min(self.settings.max);
    }

    /// A request succeeded.
    pub fn succeeded(&mut self) {
        self.length = self.length.div_f64(self.settings.backoff).max(self.settings.min);
    }

    /// The interval as it is now.
    pub const fn length(&self) -> Duration {
        self.length
    }
}
