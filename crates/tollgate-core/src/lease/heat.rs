//! Which accounts are leased: those that are asked often.

use std::time::Duration;

use crate::Time;

/// When an account is hot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeatSettings {
    /// It becomes hot when a node asks so often in a second.
    pub hot: u32,
    /// It stays hot until a node asks less often than this.
    pub cool: u32,
    /// How often it is looked.
    pub every: Duration,
}

impl Default for HeatSettings {
    fn default() -> Self {
        Self { hot: 40, cool: 10, every: Duration::from_millis(500) }
    }
}

/// Counters; a power of two.
const COUNTERS: usize = 4096;

/// How often accounts are asked, in a table whose size does not depend on how many there are.
///
/// Accounts that share a counter are taken for as hot as both together. That makes one leased that
/// need not be, which costs a call now and then, and none exact that is hot.
#[derive(Debug)]
pub struct Heat {
    settings: HeatSettings,
    counts: Box<[u32]>,
    hot: Box<[bool]>,
    since: Time,
}

impl Heat {
    /// Everything is cool.
    pub fn new(settings: HeatSettings) -> Self {
        Self {
            settings,
            counts: vec![0; COUNTERS].into(),
            hot: vec![false; COUNTERS].into(),
            since: Time::ZERO,
        }
    }

    /// Counts a request to the account of this hash, and says whether it is hot.
    pub fn asked(&mut self, hash: u64, now: Time) -> bool {
        if now.since(self.since) >= self.settings.every {
            self.look(now);
        }
        let place = hash as usize % COUNTERS;
        self.counts[place] = self.counts[place].saturating_add(1);
        // Who is asked so often within one look need not wait for its end.
        self.hot[place] |= self.counts[place] >= self.least(self.settings.hot);
        self.hot[place]
    }

    /// Whether the account of this hash was hot when it was looked last.
    pub fn is_hot(&self, hash: u64) -> bool {
        self.hot[hash as usize % COUNTERS]
    }

    fn look(&mut self, now: Time) {
        let cool = self.least(self.settings.cool);
        // After a time in which nobody asked anything, nothing is hot.
        let is_next = now.since(self.since) < 2 * self.settings.every;
        for (count, hot) in self.counts.iter_mut().zip(&mut self.hot) {
            *hot &= is_next && *count >= cool;
            *count = 0;
        }
        self.since = now;
    }

    /// How many within one look are so many in a second.
    fn least(&self, per_second: u32) -> u32 {
        ((f64::from(per_second) * self.settings.every.as_secs_f64()).ceil() as u32).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_becomes_hot_at_once_and_cool_only_below_the_lower_mark() {
        let mut heat = Heat::new(HeatSettings::default());
        let mut now = 1_000;
        // So many requests within one look, evenly; whether the last one found it hot.
        let mut play = |heat: &mut Heat, asked: u64| {
            let hot =
                (0..asked).map(|nth| heat.asked(7, Time::from_millis(now + nth * 500 / asked)));
            let hot = hot.last();
            now += 500;
            hot
        };
        assert_eq!(play(&mut heat, 19), Some(false));
        assert_eq!(play(&mut heat, 20), Some(true), "forty in a second");
        assert_eq!(play(&mut heat, 5), Some(true), "ten in a second keep it hot");
        assert_eq!(play(&mut heat, 4), Some(true));
        assert_eq!(play(&mut heat, 4), Some(false));
        assert!(!heat.is_hot(8));
    }

    #[test]
    fn an_account_that_nobody_asked_for_a_while_is_cool() {
        let mut heat = Heat::new(HeatSettings::default());
        (0..100).for_each(|_| _ = heat.asked(7, Time::from_millis(1_000)));
        assert!(heat.is_hot(7));
        assert!(!heat.asked(7, Time::from_millis(2_000)));
    }
}
