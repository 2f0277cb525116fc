//! A node's side: what it holds of one account, by which it decides alone.

use smallvec::SmallVec;

use super::{Ask, Back, Grant, Terms, pace::Pace};
use crate::Time;

/// What a node holds of one account.
///
/// It takes from leases that have not come to their fence, and plans what to ask the store for.
/// One ask is on its way at a time: after [`plan`](Self::plan) has made one, either
/// [`granted`](Self::granted) or [`lost`](Self::lost) is called with it.
#[derive(Debug, Clone)]
pub struct Holding {
    /// Leases, the oldest first.
    leases: SmallVec<[Lease; 2]>,
    back: SmallVec<[Back; 2]>,
    over: u64,
    waiting: Waiting,
    is_asking: bool,
    /// No ask before this: what was granted last had come to its end already.
    later: Time,
    /// Nobody is waited for until then: the store has just said that there is no room.
    rests: Time,
    pace: Pace,
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    stamp: Time,
    until: Time,
    free: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Waiting {
    need: u64,
    least: u64,
}

/// What was taken is counted by this at the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    stamp: Time,
}

/// The lease that is in use, and the next one.
const MAX_LEASES: usize = 2;

/// Leases of which something is to be given back; what is beyond counts as used.
const MAX_BACK: usize = 64;

/// How many looks ahead a node holds what it will need.
const AHEAD: u32 = 2;

impl Holding {
    /// Nothing of an account.
    pub fn new(now: Time) -> Self {
        let mut pace = Pace::default();
        pace.observe(now);
        Self {
            leases: SmallVec::new(),
            back: SmallVec::new(),
            over: 0,
            waiting: Waiting::default(),
            is_asking: false,
            later: Time::ZERO,
            rests: Time::ZERO,
            pace,
        }
    }

    /// Takes `amount`, if there is a lease that has it and has not come to its fence.
    pub fn take(&mut self, amount: u64, now: Time) -> Option<Taken> {
        let has_it = |lease: &&mut Lease| now < lease.until && lease.free >= amount;
        let lease = self.leases.iter_mut().find(has_it)?;
        lease.free -= amount;
        self.pace.took(amount);
        Some(Taken { stamp: lease.stamp })
    }

    /// Notes that somebody waits for `amount`, which the next plan asks for. False where that
    /// is of no use: the store has said a moment ago, no longer than [`Terms::every`], that there
    /// is no room. So where many are refused, each node asks for them by its looks alone.
    pub fn wait_for(&mut self, amount: u64, now: Time) -> bool {
        if now < self.rests {
            self.pace.took(amount);
            return false;
        }
        let Waiting { need, least } = &mut self.waiting;
        *least = if *need == 0 { amount } else { amount.min(*least) };
        *need = need.saturating_add(amount);
        true
    }

    /// Something was given back elsewhere: it may be of use again to wait.
    pub const fn freed(&mut self) {
        self.rests = Time::ZERO;
    }

    /// Ends what was taken; `used` of it may be more than was `held`.
    pub fn settle(&mut self, taken: Taken, held: u64, used: u64, now: Time) {
        let (unused, mut over) = (held.saturating_sub(used), used.saturating_sub(held));
        if let Some(lease) = self.leases.iter_mut().find(|lease| lease.stamp == taken.stamp)
            && now < lease.until
        {
            lease.free += unused;
        } else {
            self.give_back(taken.stamp, unused);
        }
        for lease in self.leases.iter_mut().filter(|lease| now < lease.until) {
            let covered = over.min(lease.free);
            lease.free -= covered;
            over -= covered;
        }
        self.over += over;
    }

    /// What to ask the store for, if anything is to be asked or told. While one ask is on its
    /// way there is no other, and none before [`later`](Self::later).
    pub fn plan(&mut self, terms: &Terms, now: Time) -> Option<Ask> {
        if self.is_asking || now < self.later {
            return None;
        }
        self.pace.observe(now);
        self.fence(now);
        let ahead = terms.every * AHEAD;
        let expected = self.pace.expected(ahead.as_secs_f64());
        let soon = now.after(terms.every);
        let usable = self.leases.iter().filter(|l| soon < l.until).map(|l| l.free).sum::<u64>();
        if usable > 2 * expected {
            self.shrink(usable - expected);
        }
        let Waiting { need, least } = self.missing();
        let more = if usable <= expected / 2 { expected - usable } else { 0 };
        let want = need.saturating_add(more);
        let is_due = want > 0 || !self.back.is_empty() || self.over > 0;
        is_due.then(|| self.ask(need, least, want))
    }

    /// Gives back all that is not in use, as when a node stops or an account is decided exactly
    /// again. What is left to ask or tell, if anything.
    pub fn let_go(&mut self, now: Time) -> Option<Ask> {
        if self.is_asking {
            return None;
        }
        self.fence(now);
        self.shrink(u64::MAX);
        let is_due = !self.back.is_empty() || self.over > 0;
        is_due.then(|| self.ask(0, 0, 0))
    }

    /// Takes what was granted for an ask that was sent at `sent`.
    pub fn granted(&mut self, ask: &Ask, grant: &Grant, terms: &Terms, (sent, now): (Time, Time)) {
        self.is_asking = false;
        if !self.may_find_more(ask, grant) {
            self.rests = now.after(terms.every);
        }
        let until = terms.fence(sent, grant.lasts);
        if until <= now {
            self.later = now.after(grant.lasts);
        }
        if grant.amount == 0 {
            return;
        }
        if until <= now {
            self.give_back(grant.stamp, grant.amount);
            return;
        }
        if let Some(lease) = self.leases.iter_mut().find(|lease| lease.stamp == grant.stamp) {
            lease.free += grant.amount;
            lease.until = lease.until.max(until);
            return;
        }
        if self.leases.len() == MAX_LEASES {
            let oldest = self.leases.remove(0);
            self.give_back(oldest.stamp, oldest.free);
        }
        self.leases.push(Lease { stamp: grant.stamp, until, free: grant.amount });
    }

    /// An ask came to nothing, or nobody knows what it came to. What it gave back is given up,
    /// since it must not be given back twice.
    pub const fn lost(&mut self, ask: &Ask) {
        self.is_asking = false;
        self.over += ask.over;
    }

    /// Whether who waited for an ask and finds no room after it may find it by the next one:
    /// there was room for all who waited, and somebody else was faster, or something has ended
    /// here since. Else the store has said that there is none.
    pub fn may_find_more(&self, ask: &Ask, grant: &Grant) -> bool {
        let has_ended = !self.back.is_empty() || self.leases.iter().any(|lease| lease.free > 0);
        grant.amount >= ask.need || has_ended
    }

    /// When it is worth asking next, where that is later than now: what is granted until then
    /// ends too soon to be used, as just before a window's sub-bucket ends.
    pub fn later(&self, now: Time) -> Option<Time> {
        (now < self.later).then_some(self.later)
    }

    /// Whether nothing is leased or left to tell.
    pub fn is_idle(&self) -> bool {
        let nothing_free = self.leases.iter().all(|lease| lease.free == 0);
        nothing_free && !self.is_asking && self.back.is_empty() && self.over == 0
    }

    /// What could be taken now.
    pub fn free(&self, now: Time) -> u64 {
        self.leases.iter().filter(|lease| now < lease.until).map(|lease| lease.free).sum()
    }

    /// What those who wait need. Where no lease has it all, what is there is given back first and
    /// asked for anew, since nobody can take a part of one lease and a part of the next.
    fn missing(&mut self) -> Waiting {
        let largest = self.leases.iter().map(|lease| lease.free).max().unwrap_or(0);
        if largest < self.waiting.need {
            self.shrink(u64::MAX);
        }
        self.waiting
    }

    fn ask(&mut self, need: u64, least: u64, want: u64) -> Ask {
        self.waiting = Waiting::default();
        self.is_asking = true;
        Ask {
            need,
            least,
            want,
            back: std::mem::take(&mut self.back),
            over: std::mem::take(&mut self.over),
        }
    }

    /// Gives up leases that have come to their fence.
    fn fence(&mut self, now: Time) {
        for nth in (0..self.leases.len()).rev() {
            let Lease { stamp, until, free } = self.leases[nth];
            if now >= until || free == 0 {
                self.leases.remove(nth);
                self.give_back(stamp, free);
            }
        }
    }

    /// Gives back so much of what is free, the oldest last.
    fn shrink(&mut self, mut surplus: u64) {
        for nth in (0..self.leases.len()).rev() {
            let lease = &mut self.leases[nth];
            let (stamp, amount) = (lease.stamp, surplus.min(lease.free));
            lease.free -= amount;
            surplus -= amount;
            self.give_back(stamp, amount);
        }
    }

    fn give_back(&mut self, stamp: Time, amount: u64) {
        if amount == 0 {
            return;
        }
        if let Some(back) = self.back.iter_mut().find(|back| back.stamp == stamp) {
            back.amount += amount;
        } else if self.back.len() < MAX_BACK {
            self.back.push(Back { stamp, amount });
        }
    }
}
