//! Sessions between their requests: whether they live, and their end.

use tollgate_core::{Kind, Now, Order, Time};

use super::{
    Memory,
    journal::{Journal, Record},
};

impl<J: Journal> Memory<J> {
    /// [`Store::session`](crate::Store::session), which never waits here.
    pub fn session_now(&self, order: &Order<'_>, now: Now) -> Option<Time> {
        let mut locked = self.lock(order);
        let now = locked.no_earlier(now);
        let mut soonest: Option<Time> = None;
        for (nth, (_, charges)) in order.parts().enumerate() {
            for charge in charges {
                let Kind::Sessions { .. } = charge.rule.kind else { continue };
                let sessions = locked.slot_mut(nth)?.cell.sessions_mut(charge.limit)?;
                let at = sessions.expiry(order.session()).filter(|at| *at > now.time)?;
                soonest = Some(soonest.map_or(at, |before| before.min(at)));
            }
        }
        soonest
    }

    /// [`Store::end_session`](crate::Store::end_session), which never waits here.
    pub fn end_session_now(&self, order: &Order<'_>, now: Now) -> bool {
        let mut locked = self.lock(order);
        let mut ended = false;
        for (nth, (_, charges)) in order.parts().enumerate() {
            let Some(slot) = locked.slot_mut(nth) else { continue };
            let cell = slot.number();
            for charge in charges {
                let Kind::Sessions { .. } = charge.rule.kind else { continue };
                let session = order.session();
                if slot.cell.sessions_mut(charge.limit).is_some_and(|s| s.end(session)) {
                    ended = true;
                    slot.set_dirty(true);
                    let limit = charge.limit;
                    self.journal.record(Record::EndSession { cell, limit, session, now });
                }
            }
        }
        ended
    }
}
