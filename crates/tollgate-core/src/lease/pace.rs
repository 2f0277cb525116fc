//! How much of an account a node is asked for in a second, of late.

use crate::Time;

/// Over how many seconds it is averaged, about.
const MEMORY: f64 = 0.5;

/// A moving average of what was taken, or would have been.
#[derive(Debug, Clone, Default)]
pub(super) struct Pace {
    per_second: f64,
    taken: u64,
    since: Time,
}

impl Pace {
    pub(super) const fn took(&mut self, amount: u64) {
        self.taken = self.taken.saturating_add(amount);
    }

    /// Averages what was taken since it was called before.
    pub(super) fn observe(&mut self, now: Time) {
        let elapsed = now.since(self.since).as_secs_f64();
        if elapsed > 0.0 {
            let weight = elapsed / (elapsed + MEMORY);
            self.per_second += (self.taken as f64 / elapsed - self.per_second) * weight;
            (self.taken, self.since) = (0, now);
        }
    }

    /// What will be taken in so many seconds, if it goes on like this. Less than one is none, so
    /// that who is idle keeps nothing.
    pub(super) fn expected(&self, seconds: f64) -> u64 {
        (self.per_second * seconds) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_what_is_taken_and_forgets_it() {
        let mut pace = Pace::default();
        let mut now = 1_000;
        let mut step = |pace: &mut Pace, amount| {
            pace.took(amount);
            now += 50;
            pace.observe(Time::from_millis(now));
        };
        pace.observe(Time::from_millis(1_000));
        (0..60).for_each(|_| step(&mut pace, 10));
        let expected = pace.expected(1.0);
        assert!((190..=200).contains(&expected), "{expected}");
        (0..80).for_each(|_| step(&mut pace, 0));
        assert_eq!(pace.expected(1.0), 0);
    }
}
