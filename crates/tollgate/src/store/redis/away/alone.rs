//! One outage, as this node lives through it by itself.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tollgate_core::{Decision, Now, ReservationId, Time, Usage};

use super::{Members, known::Outage, terms::Buckets};
use crate::{Memory, StoreError, store::memory::End};

/// What an outage began with, and the buckets that this node has for itself in it.
#[derive(Debug)]
pub(in crate::store::redis) struct Alone {
    pub(in crate::store::redis) outage: Outage,
    pub(in crate::store::redis) buckets: Memory,
}

impl Alone {
    /// Takes what an order asks of this node's own buckets; the answer, where they have no room.
    pub(in crate::store::redis) fn take_buckets(
        &self,
        Buckets { own, used }: &Buckets<'_>,
        now: Now,
    ) -> Result<Option<Decision>, StoreError> {
        for used in used {
            self.buckets.take_now(used, now)?;
        }
        let decision = match self.buckets.holding(own.id) {
            Some(_) => self.buckets.extend_now(own.id, &own.demand, now)?,
            None => self.buckets.reserve_now(own, now)?,
        };
        Ok(Some(decision).filter(|decision| !matches!(decision, Decision::Admit(_))))
    }

    /// Gives back what a reservation held and did not use.
    pub(in crate::store::redis) fn end(
        &self,
        id: ReservationId,
        (how, usage): (End, &Usage),
        now: Now,
    ) {
        // Most have no buckets here.
        let _ = match how {
            End::Void => self.buckets.void_now(id, now),
            End::Settle | End::Estimate | End::Expire => self.buckets.settle_now(id, usage, now),
        };
    }
}

/// The outage that goes on, or was the last one.
#[derive(Debug, Default)]
pub(in crate::store::redis) struct Outages(Mutex<Option<(Arc<Alone>, Time)>>);

/// Calls that fail within so long are of one outage: each begins with what was left, and one
/// that began anew with each lost call would have it many times.
const ONE: Duration = Duration::from_secs(10);

impl Outages {
    /// The outage at `now`, in which `members` share if it begins with this.
    pub(in crate::store::redis) fn at(&self, now: Now, members: Members) -> Arc<Alone> {
        let mut last = self.0.lock();
        match &mut *last {
            Some((alone, seen))
                if now.time.since(*seen) < ONE
                    // Once it is known who shares, those do.
                    && (members.are_unknown() || !alone.outage.members.are_unknown()) =>
            {
                *seen = now.time.max(*seen);
                Arc::clone(alone)
            }
            _ => {
                let outage = Outage { since: now.time, members };
                let alone = Arc::new(Alone { outage, buckets: Memory::default() });
                *last = Some((Arc::clone(&alone), now.time));
                alone
            }
        }
    }

    /// A reservation has ended: its buckets get back what it did not use.
    pub(in crate::store::redis) fn end(&self, id: ReservationId, how: (End, &Usage), now: Now) {
        let alone = self.0.lock().as_ref().map(|(alone, _)| Arc::clone(alone));
        if let Some(alone) = alone {
            alone.end(id, how, now);
        }
    }

    /// It goes on, even if nobody asks anything.
    pub(in crate::store::redis) fn goes_on(&self, now: Now) {
        if let Some((_, seen)) = &mut *self.0.lock() {
            *seen = now.time.max(*seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_fail_one_after_the_other_are_of_one_outage() {
        let outages = Outages::default();
        let at = |millis| Now::at(Time::from_millis(millis));
        let first = outages.at(at(1_000), Members::ALONE);
        assert!(Arc::ptr_eq(&first, &outages.at(at(10_999), Members::ALONE)));
        outages.goes_on(at(20_000));
        assert!(Arc::ptr_eq(&first, &outages.at(at(29_000), Members::ALONE)));
        assert!(!Arc::ptr_eq(&first, &outages.at(at(39_000), Members::ALONE)));
    }
}
