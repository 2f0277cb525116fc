//! How long ago something was changed, whatever becomes of the wall clock meanwhile.

use std::collections::BTreeMap;

use tollgate_core::Time;

use crate::roster::{Untold, When};

/// When changes were seen first that are not told yet, and how long ago they had been made then.
#[derive(Debug, Default)]
pub(super) struct Ages(BTreeMap<i64, (Time, i64)>);

/// So many are kept; of more the wall clock is believed.
const MOST: usize = 4_096;

impl Ages {
    /// The instant of a change by a clock that all have, which shows `now` at `time`. What was
    /// changed here after another change that all know is later than it.
    pub(super) fn at(&mut self, untold: &Untold, now: i64, time: Time) -> i64 {
        let (micros, after) = match untold.when {
            When::At(at) => return at,
            When::Ago { micros, after } => (micros, after),
        };
        let (seen, age) = match untold.seq {
            Some(seq) if self.0.len() < MOST || self.0.contains_key(&seq) => {
                *self.0.entry(seq).or_insert((time, micros))
            }
            _ => (time, micros),
        };
        let meanwhile = i64::try_from(time.since(seen).as_micros()).unwrap_or(i64::MAX);
        let at = now.saturating_sub(age.saturating_add(meanwhile));
        at.max(after.saturating_add(1))
    }

    /// It is told.
    pub(super) fn told(&mut self, untold: &Untold) {
        if let Some(seq) = untold.seq {
            self.0.remove(&seq);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::Item;

    fn untold(when: When) -> Untold {
        Untold { item: Item::Emergency, state: None, change: None, when, seq: Some(1) }
    }

    #[test]
    fn a_change_is_as_old_as_it_was_seen_to_be_though_the_wall_clock_is_set() {
        let (mut ages, at) = (Ages::default(), Time::from_millis);
        let ago = |micros| untold(When::Ago { micros, after: 0 });
        assert_eq!(ages.at(&ago(2_000), 1_000_000, at(10)), 998_000);
        // The wall clock was set forward by an hour; ten milliseconds have passed.
        assert_eq!(ages.at(&ago(3_600_000_000), 1_010_000, at(20)), 998_000);
        ages.told(&ago(0));
        assert_eq!(ages.at(&ago(5_000), 1_020_000, at(30)), 1_015_000);
    }

    #[test]
    fn whoever_knew_of_a_change_is_later_than_it() {
        let mut ages = Ages::default();
        let ago = untold(When::Ago { micros: 500, after: 900 });
        assert_eq!(ages.at(&ago, 1_000, Time::ZERO), 901);
        assert_eq!(ages.at(&untold(When::At(7)), 1_000, Time::ZERO), 7);
    }
}
