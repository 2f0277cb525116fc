//! Whether and when what failed is tried again.

use std::time::Duration;

use super::RetrySettings;
use crate::Time;

/// A retry, in the parts that its budget is counted in: a request's share is exact in 1e-9, and
/// so is a minute's.
const ONE: u64 = 60_000_000_000;

/// The retries of all requests to one provider. Each request pays in its share of a retry and
/// time some more, and each retry takes one out. So in any stretch of time there are no more
/// retries than `burst + share × requests + per_minute × minutes`.
#[derive(Debug)]
pub struct RetryBudget {
    balance: u64,
    most: u64,
    share: u64,
    per_minute: u64,
    paid_until: Time,
}

/// How long to wait before a retry.
#[derive(Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    factor: f64,
}

impl RetryBudget {
    /// Full.
    pub fn new(settings: &RetrySettings, now: Time) -> Self {
        let most = u64::from(settings.burst) * ONE;
        Self {
            balance: most,
            most,
            // Rounded to millionths, which whole parts are: no float is added up.
            share: (settings.share.value() * 1e6).round() as u64 * (ONE / 1_000_000),
            per_minute: settings.per_minute.into(),
            paid_until: now,
        }
    }

    /// Other settings. What was paid in stays, as far as there may be so much.
    pub fn reconfigure(&mut self, settings: &RetrySettings, now: Time) {
        self.pay(now);
        let balance = self.balance;
        *self = Self::new(settings, self.paid_until);
        self.balance = self.balance.min(balance);
    }

    /// A request began that is no retry.
    pub fn request(&mut self, now: Time) {
        self.pay(now);
        self.balance = self.balance.saturating_add(self.share);
    }

    /// Takes a retry out, if there is one left.
    #[must_use]
    pub fn retry(&mut self, now: Time) -> bool {
        self.pay(now);
        let left = self.balance.checked_sub(ONE);
        self.balance = left.unwrap_or(self.balance);
        left.is_some()
    }

    /// What time pays in, and no more than there may be: a nanosecond of a minute is so many parts of a retry.
    fn pay(&mut self, now: Time) {
        let nanos = u64::try_from(now.since(self.paid_until).as_nanos()).unwrap_or(u64::MAX);
        let paid = nanos.saturating_mul(self.per_minute);
        self.balance = self.balance.saturating_add(paid).min(self.most);
        self.paid_until = self.paid_until.max(now);
    }
}

impl Backoff {
    /// As the settings have it.
    pub const fn new(settings: &RetrySettings) -> Self {
        Self { min: settings.min, max: settings.max, factor: settings.backoff }
    }

    /// How long to wait before the retry that `attempt` retries went before. Its most is
    /// `min × backoff^attempt`, `max` at most; `random`, any number of 64 bits, chooses
    /// between half of that and all of it. What the provider asks for is waited for in any
    /// case, and a random part of `min` beyond, so that not all come back at once.
    pub fn wait(&self, attempt: u32, random: u64, retry_after: Option<Duration>) -> Duration {
        let part = random as f64 / u64::MAX as f64;
        let grown = self.factor.powi(i32::try_from(attempt).unwrap_or(i32::MAX));
        let most = self.min.as_secs_f64() * grown;
        // Also where it is not finite.
        let most = Duration::try_from_secs_f64(most).map_or(self.max, |most| most.min(self.max));
        let wait = most.mul_f64(0.5 + part / 2.0);
        retry_after.map_or(wait, |told| wait.max(told.saturating_add(self.min.mul_f64(part))))
    }
}
