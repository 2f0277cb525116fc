//! What `/v1` remembers of the permits that it gave: what they were asked for, what their
//! tokens cost, and how they ended.
//!
//! The store decides; this knows what a store has no use for. It forgets the ended ones in
//! the order in which they ended, and after a restart it knows none.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tollgate::Present;
use tollgate_core::{Amounts, Attributes, Demand, ReservationId, Time};

use super::deadlines::Deadlines;
use crate::prices::Rate;

/// The permits of `/v1`.
#[derive(Debug, Default)]
pub(super) struct HeldPermits(Mutex<Table>);

/// One permit.
#[derive(Debug)]
pub(super) struct Held {
    /// Tells apart what was asked for under its id.
    pub(super) fingerprint: u64,
    /// Who asked for what.
    pub(super) attributes: Attributes,
    /// What it reserved in all.
    pub(super) demand: Demand,
    /// What its tokens cost.
    pub(super) rate: Option<Rate>,
    /// When it expires unless it is renewed.
    pub(super) expires: Time,
    /// How long the task may take that it is for.
    pub(super) deadlines: Deadlines,
    /// What was answered when it was given.
    pub(super) answer: Bytes,
    /// It runs until it ends or expires.
    pub(super) running: Option<Present>,
}

/// What is known of a permit.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// Who asked for what.
    pub(super) attributes: Attributes,
    /// What it reserved in all.
    pub(super) demand: Demand,
    /// What its tokens cost.
    pub(super) rate: Option<Rate>,
    /// How long the task may take that it is for.
    pub(super) deadlines: Deadlines,
    /// How it ended, if it did.
    pub(super) ended: Option<How>,
}

/// How a permit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// With what was used.
    Settled,
    /// With nothing used.
    Voided,
}

/// Whether an id has been used before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Before {
    /// For the same: this was answered.
    Same(Bytes),
    /// For something else.
    Other,
}

#[derive(Debug, Default)]
struct Table {
    permits: HashMap<ReservationId, Entry>,
    /// Live permits by a time no later than their expiry.
    due: BinaryHeap<Reverse<(Time, ReservationId)>>,
    /// Ended and expired permits in the order in which they will be forgotten.
    oldest: VecDeque<ReservationId>,
}

#[derive(Debug)]
struct Entry {
    held: Held,
    ended: Option<How>,
    /// Whether it is among those that will be forgotten.
    is_over: bool,
}

/// Ended permits that are remembered. Live ones are bounded by the store's reservations.
const MAX_ENDED: usize = 32_768;

/// Ended permits that may stand among the live ones before they are cleared away.
const SLACK: usize = 1_024;

impl HeldPermits {
    /// What was asked for under an id before.
    pub(super) fn before(&self, id: ReservationId, fingerprint: u64) -> Option<Before> {
        self.0.lock().permits.get(&id).map(|entry| entry.before(fingerprint))
    }

    /// Remembers a permit; what was asked for before if another was quicker.
    pub(super) fn insert(&self, id: ReservationId, held: Held, now: Time) -> Option<Before> {
        let mut table = self.0.lock();
        table.expire(now);
        if let Some(entry) = table.permits.get(&id) {
            return Some(entry.before(held.fingerprint));
        }
        if table.due.len() > 2 * table.permits.len() + SLACK {
            table.forget_ended();
        }
        table.due.push(Reverse((held.expires, id)));
        table.permits.insert(id, Entry { held, ended: None, is_over: false });
        None
    }

    /// What is known of a permit.
    pub(super) fn known(&self, id: ReservationId) -> Option<Known> {
        let table = self.0.lock();
        let Entry { held, ended, .. } = table.permits.get(&id)?;
        Some(Known {
            attributes: held.attributes.clone(),
            demand: held.demand,
            rate: held.rate.clone(),
            deadlines: held.deadlines,
            ended: *ended,
        })
    }

    /// Notes that a permit got more.
    pub(super) fn extended(&self, id: ReservationId, more: &Amounts) {
        if let Some(entry) = self.0.lock().permits.get_mut(&id) {
            entry.held.demand = entry.held.demand.plus(more);
        }
    }

    /// Notes that a permit lives longer.
    pub(super) fn renewed(&self, id: ReservationId, expires: Time) {
        if let Some(entry) = self.0.lock().permits.get_mut(&id) {
            entry.held.expires = expires;
        }
    }

    /// Notes how a permit ended; whether this was the first to say so. Permits that are not
    /// known ended for the first time as far as can be told.
    pub(super) fn ended(&self, id: ReservationId, how: How) -> bool {
        let mut table = self.0.lock();
        let Some(entry) = table.permits.get_mut(&id) else { return true };
        let is_first = entry.ended.is_none();
        entry.ended.get_or_insert(how);
        table.over(id);
        is_first
    }

    /// Lets go of the permits whose time is over; they may still be settled late.
    pub(super) fn expire(&self, now: Time) {
        self.0.lock().expire(now);
    }
}

impl Entry {
    fn before(&self, fingerprint: u64) -> Before {
        if self.held.fingerprint == fingerprint {
            Before::Same(self.held.answer.clone())
        } else {
            Before::Other
        }
    }
}

impl Table {
    fn expire(&mut self, now: Time) {
        while let Some(Reverse((at, id))) = self.due.peek().copied()
            && at <= now
        {
            self.due.pop();
            match self.permits.get(&id) {
                Some(entry) if !entry.is_over && entry.held.expires > now => {
                    self.due.push(Reverse((entry.held.expires, id)));
                }
                Some(_) => self.over(id),
                None => {}
            }
        }
    }

    fn forget_ended(&mut self) {
        let permits = &self.permits;
        let is_live =
            |id: &ReservationId| permits.get(id).is_some_and(|entry: &Entry| !entry.is_over);
        self.due.retain(|Reverse((_, id))| is_live(id));
    }

    fn over(&mut self, id: ReservationId) {
        let Some(entry) = self.permits.get_mut(&id).filter(|entry| !entry.is_over) else { return };
        entry.is_over = true;
        entry.held.running = None;
        self.oldest.push_back(id);
        if self.oldest.len() > MAX_ENDED
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.permits.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn held(expires: Time) -> Held {
        Held {
            fingerprint: 1,
            attributes: Attributes::new(),
            demand: Demand::ONE_REQUEST,
            rate: None,
            expires,
            deadlines: Deadlines::default(),
            answer: Bytes::new(),
            running: None,
        }
    }

    #[test]
    fn what_has_ended_is_forgotten_beyond_the_maximum() {
        let permits = HeldPermits::default();
        let (now, expires) = (Time::ZERO, Time::MAX);
        let count = 2 * MAX_ENDED as u128;
        for id in 0..count {
            assert_eq!(permits.insert(ReservationId(id), held(expires), now), None);
            assert!(permits.ended(ReservationId(id), How::Settled));
        }
        assert!(permits.known(ReservationId(0)).is_none(), "the oldest is forgotten");
        assert!(permits.known(ReservationId(count - 1)).is_some());
        let table = permits.0.lock();
        assert_eq!((table.permits.len(), table.oldest.len()), (MAX_ENDED, MAX_ENDED));
        assert!(table.due.len() <= 2 * MAX_ENDED + SLACK + 1, "{}", table.due.len());
    }

    #[test]
    fn a_renewed_permit_is_let_go_when_its_new_time_is_over() {
        let permits = HeldPermits::default();
        let at = |seconds| Time::ZERO.after(Duration::from_secs(seconds));
        let id = ReservationId(7);
        permits.insert(id, held(at(10)), at(0));
        permits.renewed(id, at(20));
        let is_over = || permits.0.lock().permits[&id].is_over;
        permits.expire(at(10));
        assert!(!is_over());
        permits.expire(at(19));
        assert!(!is_over());
        permits.expire(at(20));
        assert!(is_over());
        assert!(permits.ended(id, How::Settled), "it may still be settled late, once");
        assert!(!permits.ended(id, How::Settled));
    }
}
