//! All accounts that share their `per` values, packed in a few machine words.
//!
//! One look-up finds them all, and a user with a dozen limits costs a few hundred bytes.
//! Nothing here locks: a store brings a cell under its lock, checks every charge of an
//! order on every cell it needs, and only then commits them, so that a refused order
//! leaves no trace.

mod account;
mod bytes;
mod head;
mod packed;
mod sessions;
mod states;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use bytes::NotACell;
use packed::Packed;
pub use sessions::Sessions;
pub use states::State;

use crate::{Charge, Crossed, Kind, LimitId, Now, Retry, Standing, Time};

/// The accounts of one scope and one combination of its values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The latest instant committed here: time never runs backwards within a cell.
    latest: Time,
    packed: Packed,
    /// Boxed, since few cells have any.
    #[allow(clippy::box_collection, reason = "a word in each of a million cells, not three")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sessions: Option<Box<Vec<(LimitId, Sessions)>>>,
}

/// How what was held on one account ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// What had been held, or counted as used when it expired.
    pub held: u64,
    /// What was really used; more than `held` is an overrun.
    pub used: u64,
    /// When it was held.
    pub at: Now,
    /// Whether it had expired before, so that slots are free and `held` is settled.
    pub expired: bool,
}

/// What is settled in one period of an account: it only grows, but for late settlements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// The account's limit.
    pub limit: LimitId,
    /// First nanosecond of the period on the wall clock.
    pub start: u64,
    /// First nanosecond of the next one; `u64::MAX` where none ever begins.
    pub end: u64,
    /// How much, in the limit's unit.
    pub settled: u64,
}

impl Cell {
    /// The latest instant committed here. A store decides no earlier than this.
    pub const fn latest(&self) -> Time {
        self.latest
    }

    /// Asks for its memory ahead of the checks, so that they wait for it together.
    #[inline]
    pub fn fetch(&self) {
        self.packed.fetch();
    }

    /// Whether a charge, the `nth` of its order for this cell, has room at `now`, and if not
    /// when it will. Takes nothing, and forgets nothing that counts at an earlier instant.
    ///
    /// # Errors
    /// When to ask again, if it has no room.
    #[inline]
    pub fn check(
        &mut self,
        nth: usize,
        charge: &Charge,
        session: &str,
        now: Now,
    ) -> Result<(), Retry> {
        if let Kind::Sessions { .. } = charge.rule.kind {
            return match self.sessions_mut(charge.limit) {
                Some(sessions) => sessions.check(session, charge.rule.cap, now.time),
                None => charge.check_empty(),
            };
        }
        self.packed.check(nth, charge, now)
    }

    /// Takes a charge, whether or not it has room. A period charge is told in which period
    /// it was taken: not an earlier one than has begun, even if the wall clock was set back.
    #[inline]
    pub fn hold(&mut self, nth: usize, charge: &mut Charge, session: &str, now: Now) {
        self.latest = self.latest.max(now.time);
        if let Kind::Sessions { idle_ns } = charge.rule.kind {
            self.sessions_or_new(charge.limit).touch(session, idle_ns, now.time);
            return;
        }
        let held_in = self.packed.hold(nth, charge.limit, &charge.rule, charge.amount, now);
        if let (Kind::Period { start, end }, Some(held_in)) = (&mut charge.rule.kind, held_in) {
            (*start, *end) = held_in;
        }
    }

    /// Ends what was held for a charge, and says which thresholds of a budget that crosses.
    #[inline]
    pub fn settle(
        &mut self,
        nth: usize,
        charge: &Charge,
        ending: &Ending,
        now: Now,
    ) -> Option<Crossed> {
        self.latest = self.latest.max(now.time);
        // A session lives on; what counts since it was held, and was all used, stays as it is.
        let kind = charge.rule.kind;
        if matches!(kind, Kind::Sessions { .. })
            || kind.counts_at_once() && ending.used == ending.held
        {
            return None;
        }
        self.packed.settle(nth, charge, ending, now)
    }

    /// Where the account of a charge stands.
    pub fn standing(&mut self, nth: usize, charge: &Charge, now: Now) -> Standing {
        let mut standing = Standing::unused(charge, now.time);
        if let Kind::Sessions { .. } = charge.rule.kind {
            if let Some(sessions) = self.sessions_mut(charge.limit) {
                let live = sessions.live(now.time);
                standing.remaining = standing.cap.saturating_sub(live);
                standing.reset = sessions.next_expiry(now.time).unwrap_or(now.time);
            }
            return standing;
        }
        self.packed.standing(nth, charge, now).unwrap_or(standing)
    }

    /// Whether nothing here would be missed: every account is as if never used.
    pub fn is_idle(&self, now: Now) -> bool {
        self.packed.is_idle(now)
            && self.sessions.iter().flat_map(|all| all.iter()).all(|(_, s)| s.is_idle(now.time))
    }

    /// The sessions of a limit, if any was registered.
    pub fn sessions_mut(&mut self, limit: LimitId) -> Option<&mut Sessions> {
        let all = self.sessions.as_mut()?;
        all.iter_mut().find(|(id, _)| *id == limit).map(|(_, sessions)| sessions)
    }

    fn sessions_or_new(&mut self, limit: LimitId) -> &mut Sessions {
        let all = self.sessions.get_or_insert_default();
        let place = all.iter().position(|(id, _)| *id == limit).unwrap_or_else(|| {
            all.push((limit, Sessions::default()));
            all.len() - 1
        });
        &mut all[place].1
    }

    /// What is settled in the accounts of periods.
    pub fn spent(&self) -> impl Iterator<Item = Spent> {
        self.packed.spent()
    }

    /// Bytes of the packed accounts, for reports.
    pub fn packed_bytes(&self) -> usize {
        self.packed.bytes()
    }
}
