//! What was told lately: a failover may have lost it, and it is told again then.

use std::{collections::VecDeque, time::Duration};

use parking_lot::Mutex;
use tollgate_core::{ReservationId, Time, Usage};

use crate::store::memory::End;

/// How reservations ended lately.
#[derive(Debug, Default)]
pub(in crate::store::redis) struct Lately(Mutex<VecDeque<(Time, Told)>>);

/// An end that the shared store has acknowledged.
pub(in crate::store::redis) type Told = (ReservationId, End, Usage);

/// How long it is remembered. A replica that lags further behind takes over only where there is
/// no better one; what it still holds of older ones is given back when it expires.
const KEPT: Duration = Duration::from_secs(10);

/// How many are remembered at most.
const MAX_KEPT: usize = 65_536;

impl Lately {
    /// Takes note of an end; what is old is forgotten if it `may_forget`: not while a loss is still
    /// to be repaired, however long that takes.
    pub(in crate::store::redis) fn note(&self, told: Told, now: Time, may_forget: bool) {
        let mut kept = self.0.lock();
        let is_old = |(at, _): &(Time, Told)| may_forget && now.since(*at) > KEPT;
        while kept.len() >= MAX_KEPT || kept.front().is_some_and(is_old) {
            kept.pop_front();
        }
        kept.push_back((now, told));
    }

    /// Takes all of them out, the oldest first: when they are told again, they are noted again.
    pub(in crate::store::redis) fn take(&self) -> Vec<Told> {
        std::mem::take(&mut *self.0.lock()).into_iter().map(|(_, told)| told).collect()
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_is_forgotten_and_they_are_bounded() {
        let lately = Lately::default();
        let told = |nth: u64| (ReservationId(u128::from(nth)), End::Settle, Usage::default());
        for nth in 0..MAX_KEPT as u64 + 5 {
            lately.note(told(nth), Time::from_millis(1), true);
        }
        assert_eq!(lately.len(), MAX_KEPT);
        lately.note(told(9), Time::from_millis(10_001), true);
        assert_eq!(lately.len(), MAX_KEPT);
        lately.note(told(9), Time::from_millis(10_002), false);
        assert_eq!(lately.len(), MAX_KEPT, "a loss is still to be repaired");
        lately.note(told(9), Time::from_millis(10_002), true);
        assert_eq!((lately.len(), lately.take(), lately.len()), (3, vec![told(9); 3], 0));
    }
}
