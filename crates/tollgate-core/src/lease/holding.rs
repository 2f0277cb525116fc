//! A node's side: what it holds of one account, by which it decides alone.

use smallvec::SmallVec;

use super::{Ask, Back, Grant, Terms, pace::Pace};
use crate::{Rule, Time};

/// What a node holds of one account.
///
/// It takes from leases that have not come to their fence, and plans what to ask the store for.
/// One ask is on its way at a time: after [`plan`](Self::plan) has made one, either
/// [`granted`](Self::granted) or [`lost`](Self::lost) is called with it.
#[derive(Debug, Clone)]
pub struct Holding {
    /// Whether what is taken is held until it is settled, as of periods and slots.
    holds: bool,
    /// Leases, the oldest first. Of what is held there is one.
    leases: SmallVec<[Lease; 2]>,
    back: SmallVec<[Back; 2]>,
    over: u64,
    held: Held,
    /// What the store knows of what is held, if that is known.
    told: Option<Told>,
    number: u64,
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

/// Of what is held: what is in use, what was settled since the period began, and which it is.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    in_use: u64,
    spent: u64,
    period: Time,
}

/// What a store is told of that: what is kept, in use or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Told {
    keep: u64,
    spent: u64,
    period: Time,
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

/// Leases of what counts at once: what is in use, and the next one.
const MAX_LEASES: usize = 2;

/// How many looks ahead a node holds what it will need.
const AHEAD: u32 = 2;

impl Holding {
    /// Nothing of an account of this limit.
    pub fn new(rule: &Rule, now: Time) -> Self {
        let mut pace = Pace::default();
        pace.observe(now);
        Self {
            holds: !rule.kind.counts_at_once(),
            leases: SmallVec::new(),
            back: SmallVec::new(),
            over: 0,
            held: Held::default(),
            told: Some(Told::default()),
            number: 0,
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
        if self.holds {
            self.held.in_use += amount;
        }
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
        if self.holds {
            if taken.stamp != self.held.period {
                // Its period is over; an overrun is spent now.
                self.held.spent += over;
                return;
            }
            self.held.in_use = self.held.in_use.saturating_sub(held);
            self.held.spent += used;
        }
        if let Some(lease) = self.leases.iter_mut().find(|lease| lease.stamp == taken.stamp)
            && (now < lease.until || self.holds)
        {
            lease.free += unused;
        } else if unused > 0 && !self.holds {
            self.give_back(taken.stamp, unused);
        }
        for lease in self.leases.iter_mut().filter(|lease| now < lease.until) {
            let covered = over.min(lease.free);
            lease.free -= covered;
            over -= covered;
        }
        self.over += if self.holds { 0 } else { over };
    }

    /// Ends a slot, of which nothing is spent.
    pub fn release(&mut self, taken: Taken, held: u64, now: Time) {
        self.settle(taken, held, 0, now);
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
        let is_due =
            want > 0 || !self.back.is_empty() || self.over > 0 || self.must_tell(terms, now);
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
        let is_due = !self.back.is_empty() || self.over > 0 || self.told != Some(self.to_tell());
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
        if self.holds {
            self.hold_on(ask, grant, until);
            return;
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
    pub fn lost(&mut self, ask: &Ask) {
        self.is_asking = false;
        self.over += ask.over;
        if self.holds {
            self.told = None;
        }
    }

    /// Whether who waited for an ask and finds no room after it may find it by the next one:
    /// there was room for all who waited, and somebody else was faster, or something has ended
    /// here since. Else the store has said that there is none.
    pub fn may_find_more(&self, ask: &Ask, grant: &Grant) -> bool {
        let has_ended = !self.back.is_empty() || self.told != Some(self.to_tell());
        grant.amount >= ask.need || has_ended
    }

    /// When it is worth asking next, where that is later than now: what is granted until then
    /// ends too soon to be used, as just before a window's sub-bucket ends.
    pub fn later(&self, now: Time) -> Option<Time> {
        (now < self.later).then_some(self.later)
    }

    /// Whether nothing is held, in use or left to tell.
    pub fn is_idle(&self) -> bool {
        let nothing_free = self.leases.iter().all(|lease| lease.free == 0);
        let told = self.told == Some(self.to_tell());
        nothing_free && self.held.in_use == 0 && self.back.is_empty() && self.over == 0 && told
    }

    /// What could be taken now.
    pub fn free(&self, now: Time) -> u64 {
        self.leases.iter().filter(|lease| now < lease.until).map(|lease| lease.free).sum()
    }

    /// What those who wait need beside what is there. Of what is held that makes one with what is
    /// granted; else what is too little for any of them is given back first, and asked for anew.
    fn missing(&mut self) -> Waiting {
        let Waiting { need, least } = self.waiting;
        let free: u64 = self.leases.iter().map(|lease| lease.free).sum();
        if self.holds {
            return Waiting { need: need.saturating_sub(free), least: least.saturating_sub(free) };
        }
        if need > 0 && free < least {
            self.shrink(free);
        }
        self.waiting
    }

    fn ask(&mut self, need: u64, least: u64, want: u64) -> Ask {
        self.waiting = Waiting::default();
        self.is_asking = true;
        self.number += 1;
        let Told { keep, spent, period } = self.to_tell();
        Ask {
            need,
            least,
            want,
            keep,
            spent,
            back: std::mem::take(&mut self.back),
            over: std::mem::take(&mut self.over),
            period,
            number: self.number,
        }
    }

    /// The store holds what the ask kept and what was granted on it; of a new period that alone.
    fn hold_on(&mut self, ask: &Ask, grant: &Grant, until: Time) {
        let mut told = Told { keep: ask.keep, spent: ask.spent, period: grant.stamp };
        if grant.stamp != self.held.period {
            self.held = Held { period: grant.stamp, ..Held::default() };
            self.leases.clear();
        }
        if grant.stamp != ask.period {
            (told.keep, told.spent) = (0, 0);
        }
        match self.leases.first_mut() {
            Some(lease) => {
                lease.free += grant.amount;
                lease.until = lease.until.max(until);
            }
            None => {
                self.leases.push(Lease { stamp: grant.stamp, until, free: grant.amount });
            }
        }
        told.keep += grant.amount;
        self.told = Some(told);
    }

    /// Gives up leases that have come to their fence.
    fn fence(&mut self, now: Time) {
        for nth in (0..self.leases.len()).rev() {
            let Lease { stamp, until, free } = self.leases[nth];
            if now < until && (free > 0 || self.holds) {
                continue;
            }
            if self.holds {
                self.leases[nth].free = 0;
            } else {
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
            if !self.holds {
                self.give_back(stamp, amount);
            }
        }
    }

    fn give_back(&mut self, stamp: Time, amount: u64) {
        if amount == 0 {
            return;
        }
        match self.back.iter_mut().find(|back| back.stamp == stamp) {
            Some(back) => back.amount += amount,
            None => self.back.push(Back { stamp, amount }),
        }
    }

    fn to_tell(&self) -> Told {
        if !self.holds {
            return Told::default();
        }
        let Held { in_use, spent, period } = self.held;
        let free: u64 = self.leases.iter().map(|lease| lease.free).sum();
        Told { keep: in_use + free, spent, period }
    }

    /// Whether the store has to hear of what is held: it knows something else, or it would not
    /// know whether this node lives.
    fn must_tell(&self, terms: &Terms, now: Time) -> bool {
        if !self.holds {
            return false;
        }
        let told = self.to_tell();
        let until = self.leases.iter().map(|lease| lease.until).max();
        let ends_soon = until.is_none_or(|until| until <= now.after(terms.term / 2));
        self.told != Some(told) || told.keep > 0 && ends_soon
    }
}
