//! How far servers' clocks are ahead of this node's.
//!
//! An answer tells the server's clock some time after the node's was read. So the least
//! difference of late is the nearest to the truth, and never too small: what a server promises is
//! shown no earlier than it is, but for what its clock is set.

use parking_lot::Mutex;
use tollgate_core::Time;

use super::micros::Shown;

/// For so long, in microseconds, a difference is remembered, and once more.
const SPAN: u64 = 10_000_000;

/// The differences, by tag.
#[derive(Debug)]
pub(super) struct Ahead(Vec<Mutex<Least>>);

#[derive(Debug, Clone, Copy, Default)]
struct Least {
    since: u64,
    lately: i128,
    before: i128,
}

impl Ahead {
    pub(super) fn new(tags: u16) -> Self {
        Self((0..tags).map(|_| Mutex::default()).collect())
    }

    /// What a server's clock shows at `now`, as far as is known; no earlier than it is.
    pub(super) fn clock(&self, tag: u8, now: Time) -> Option<u64> {
        let least = *self.0[usize::from(tag)].lock();
        let ahead = i128::from(now.as_nanos()) + least.lately.min(least.before);
        (least.since > 0).then(|| u64::try_from(ahead.div_euclid(1_000) + 1).unwrap_or(0))
    }

    /// Notes what a server's clock showed for a node that asked at `asked`.
    pub(super) fn note(&self, tag: u8, clock: u64, asked: Time) -> Shown {
        let ahead = i128::from(clock) * 1_000 - i128::from(asked.as_nanos());
        let mut least = self.0[usize::from(tag)].lock();
        let is_old = clock < least.since || clock - least.since >= 2 * SPAN;
        if is_old {
            *least = Least { since: clock, lately: ahead, before: ahead };
        } else if clock - least.since >= SPAN {
            *least = Least { since: clock, lately: ahead, before: least.lately };
        } else {
            least.lately = least.lately.min(ahead);
        }
        Shown { ahead_ns: least.lately.min(least.before) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_difference_of_late_is_taken() {
        let ahead = Ahead::new(1);
        let seen = |clock: u64, lag_ns: u64| {
            ahead.note(0, clock, Time::from_nanos(clock * 1_000 - lag_ns)).ahead_ns
        };
        let start = 1_000_000_000;
        assert_eq!(seen(start, 500), 500);
        assert_eq!(seen(start + 1, 300), 300);
        assert_eq!(seen(start + 2, 900), 300);
        assert_eq!(seen(start + SPAN, 700), 300, "the span before counts");
        assert_eq!(seen(start + 2 * SPAN, 800), 700);
        assert_eq!(seen(start + 9 * SPAN, 950), 950, "nothing is known of late");
        assert_eq!(seen(start, 20), 20, "the clock was set back");
        assert_eq!(ahead.clock(0, Time::from_nanos(start * 1_000)), Some(start + 1));
        assert_eq!(Ahead::new(1).clock(0, Time::from_nanos(start * 1_000)), None);
    }
}
