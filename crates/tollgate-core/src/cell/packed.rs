//! Accounts in machine words: first a directory of ids and heads, then their states.
//!
//! The directory of a user with four limits is one cache line, and it says where every
//! state is; so the states are fetched side by side and not one after the other.

use serde::{Deserialize, Serialize};

use super::{
    Ending,
    head::{Head, Shape},
};
use crate::{
    Kind, LimitId, Now, Retry, Rule, Time,
    limit::{Bucket, Exact, MAX_EXACT_CAP, Period, Ring, Times, Window, period},
};

/// Words of a directory entry: the limit's id and the head.
const ENTRY: usize = 2;

/// The accounts of a cell but for its sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Packed {
    words: Box<[u64]>,
}

/// One account, unpacked for use; its head is written back when it goes.
pub(crate) struct Account<'a> {
    head: Head,
    head_word: &'a mut u64,
    state: &'a mut [u64],
}

impl Packed {
    /// The account of a limit, if it was ever used, laid out for the rule of today.
    pub(crate) fn account(&mut self, limit: LimitId, rule: Rule, now: Now) -> Option<Account<'_>> {
        let entry = self.find(limit)?;
        if !self.fits(entry, rule) {
            self.reshape(entry, rule, now);
        }
        Some(self.open(entry))
    }

    pub(crate) fn hold(&mut self, limit: LimitId, rule: Rule, amount: u64, now: Now) {
        let entry = match self.find(limit) {
            Some(entry) if self.fits(entry, rule) => entry,
            Some(entry) => self.reshape(entry, rule, now),
            None => self.append(limit, rule),
        };
        self.take(entry, rule, amount, now);
    }

    pub(crate) fn settle(&mut self, limit: LimitId, rule: Rule, ending: Ending, now: Now) {
        let counted_later = !matches!(rule.kind, Kind::Period { .. } | Kind::Concurrency);
        if counted_later && ending.used == ending.held {
            return;
        }
        // An account that is gone was idle: there is nothing to give back, and an overrun
        // is counted in a new one.
        let Some(entry) = self.find(limit) else {
            if ending.used > ending.held {
                self.hold(limit, rule, ending.used - ending.held, now);
            }
            return;
        };
        if !self.same_kind(entry, rule) {
            return;
        }
        self.open(entry).settle(rule, ending, now);
        if counted_later && ending.used > ending.held {
            self.hold(limit, rule, ending.used - ending.held, now);
        }
    }

    /// The start and end of the period that a period account is in.
    pub(crate) fn period(&self, limit: LimitId) -> Option<(u64, u64)> {
        Some(period::bounds(self.state(self.find(limit)?)))
    }

    pub(crate) fn is_idle(&self, now: Now) -> bool {
        (0..self.accounts()).all(|entry| self.head(entry).is_idle(self.state(entry), now))
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.words)
    }

    /// How many accounts there are: the first state begins where the directory ends.
    fn accounts(&self) -> usize {
        if self.words.is_empty() { 0 } else { usize::from(self.head(0).place) / ENTRY }
    }

    fn find(&self, limit: LimitId) -> Option<usize> {
        (0..self.accounts()).find(|entry| self.words[entry * ENTRY] == limit.0)
    }

    fn head(&self, entry: usize) -> Head {
        Head::unpack(self.words[entry * ENTRY + 1])
    }

    fn state(&self, entry: usize) -> &[u64] {
        let head = self.head(entry);
        &self.words[usize::from(head.place)..][..usize::from(head.len)]
    }

    fn open(&mut self, entry: usize) -> Account<'_> {
        let head = self.head(entry);
        let (directory, states) = self.words.split_at_mut(self.accounts() * ENTRY);
        let state =
            &mut states[usize::from(head.place) - directory.len()..][..usize::from(head.len)];
        Account { head, head_word: &mut directory[entry * ENTRY + 1], state }
    }

    /// Whether the state of an account can be read by `rule` as it is. A ring may be longer
    /// than the cap, and a large window may serve a cap that was lowered below its size
    /// until few enough units are left for a ring.
    fn fits(&self, entry: usize, rule: Rule) -> bool {
        let head = self.head(entry);
        match (head.shape, rule.kind) {
            (Shape::Exact, Kind::Window { .. }) => rule.cap < u64::from(head.len),
            (Shape::Window { .. }, Kind::Window { length_ns }) => {
                let state = self.state(entry);
                Window::length(state) == length_ns
                    && (rule.cap > MAX_EXACT_CAP || Window::counted(state) > MAX_EXACT_CAP)
            }
            _ => self.same_kind(entry, rule),
        }
    }

    fn same_kind(&self, entry: usize, rule: Rule) -> bool {
        matches!(
            (self.head(entry).shape, rule.kind),
            (Shape::Bucket, Kind::Bucket { .. })
                | (Shape::Exact | Shape::Window { .. }, Kind::Window { .. })
                | (Shape::Period, Kind::Period { .. })
                | (Shape::Slots, Kind::Concurrency)
        )
    }

    /// Adds an account that was never used.
    fn append(&mut self, limit: LimitId, rule: Rule) -> usize {
        let head = Head::of(rule);
        let mut state = vec![0; usize::from(head.len)];
        if let Some(window) = window(head, rule) {
            window.clear(&mut state);
        }
        let entry = self.accounts();
        self.rebuild(Some((limit, head, &state)), None);
        entry
    }

    /// Takes an account out.
    fn remove(&mut self, entry: usize) -> (Head, Vec<u64>) {
        let (head, state) = (self.head(entry), self.state(entry).to_vec());
        self.rebuild(None, Some(entry));
        (head, state)
    }

    /// Lays all accounts out again: without one of them, or with one more.
    fn rebuild(&mut self, more: Option<(LimitId, Head, &[u64])>, less: Option<usize>) {
        let kept = (0..self.accounts()).filter(|entry| Some(*entry) != less);
        let kept = kept
            .map(|entry| (LimitId(self.words[entry * ENTRY]), self.head(entry), self.state(entry)));
        let all: Vec<_> = kept.chain(more).collect();
        let states: usize = all.iter().map(|(_, head, _)| usize::from(head.len)).sum();
        let mut words = Vec::with_capacity(all.len() * ENTRY + states);
        let mut place = all.len() * ENTRY;
        for (limit, head, _) in &all {
            let head_word = Head { place: place as u16, ..*head }.pack();
            words.extend([limit.0, head_word]);
            place += usize::from(head.len);
        }
        for (_, _, state) in &all {
            words.extend_from_slice(state);
        }
        self.words = words.into();
    }

    /// Lays an account out anew because its limit was changed. What had been counted is
    /// counted on wherever the kinds agree, each unit no earlier than it really was.
    fn reshape(&mut self, entry: usize, rule: Rule, now: Now) -> usize {
        let limit = LimitId(self.words[entry * ENTRY]);
        let same_kind = self.same_kind(entry, rule);
        let (head, state) = self.remove(entry);
        let Kind::Window { .. } = rule.kind else { return self.append(limit, rule) };
        let units = if same_kind { head.dated(&state) } else { Vec::new() };
        let counted = units.iter().map(|(_, amount)| amount).sum::<u64>();
        let room = match rule.cap {
            cap if counted <= cap || cap > MAX_EXACT_CAP => cap,
            _ => counted.max(MAX_EXACT_CAP),
        };
        let entry = self.append(limit, Rule { cap: room, ..rule });
        for (at, amount) in units {
            let at = Now::at(at.min(now.time));
            self.take(entry, Rule { cap: room, ..rule }, amount, at);
        }
        entry
    }

    fn widen(&mut self, entry: usize, rule: Rule, bits: u8) -> usize {
        let limit = LimitId(self.words[entry * ENTRY]);
        let (head, state) = self.remove(entry);
        let entry = self.append_window(limit, rule, bits);
        for (at, amount) in head.dated(&state) {
            // Sub-buckets are the same, so each count goes where it was.
            let at = Now::at(Time::from_nanos(at.as_nanos() - 1));
            let _ = self.open(entry).hold(rule, amount, at);
        }
        entry
    }

    fn append_window(&mut self, limit: LimitId, rule: Rule, bits: u8) -> usize {
        let wide = Rule { cap: u64::MAX >> (64 - bits), ..rule };
        self.append(limit, wide)
    }

    /// Takes `amount`, in wider counts if it does not fit into those that are there.
    fn take(&mut self, entry: usize, rule: Rule, amount: u64, now: Now) {
        let taken = self.open(entry).hold(rule, amount, now);
        if let Err(bits) = taken {
            let entry = self.widen(entry, rule, bits);
            // As wide as it asked for, it does not ask again.
            let _ = self.open(entry).hold(rule, amount, now);
        }
    }
}

impl Account<'_> {
    pub(crate) fn check(&self, rule: Rule, amount: u64, now: Now) -> Result<(), Retry> {
        let Rule { kind, cap } = rule;
        match kind {
            Kind::Bucket { .. } => bucket_of(rule).check(self.state, amount, now.time),
            Kind::Window { length_ns } => match window(self.head, rule) {
                Some(window) => window.check(self.state, amount, now.time),
                None => Exact { cap, length_ns }.check(&self.times(), amount, now.time),
            },
            Kind::Period { start, end } => {
                Period { cap, start, end }.check(self.state, amount, now)
            }
            Kind::Concurrency if amount > cap => Err(Retry::Never),
            Kind::Concurrency if self.state[0].saturating_add(amount) > cap => {
                Err(Retry::NotBefore(now.time))
            }
            Kind::Concurrency | Kind::Sessions { .. } => Ok(()),
        }
    }

    fn times(&self) -> Times<'_> {
        self.head.times(self.state)
    }

    /// The ring of an exact window, which remembers the window's length of today.
    fn ring(&mut self, length_ns: u64) -> Ring<'_> {
        let (length, state) = self.state.split_at_mut(1);
        length[0] = length_ns;
        Ring { state, start: &mut self.head.start, count: &mut self.head.count }
    }

    /// Takes `amount`; a window whose counts are too narrow answers with the width it needs.
    fn hold(&mut self, rule: Rule, amount: u64, now: Now) -> Result<(), u8> {
        let Rule { kind, cap } = rule;
        match kind {
            Kind::Bucket { .. } => bucket_of(rule).take(self.state, amount, now.time),
            Kind::Window { length_ns } => match window(self.head, rule) {
                Some(window) => window.take(self.state, amount, now.time)?,
                None => Exact { cap, length_ns }.take(&mut self.ring(length_ns), amount, now.time),
            },
            Kind::Period { start, end } => Period { cap, start, end }.hold(self.state, amount),
            Kind::Concurrency => self.state[0] = self.state[0].saturating_add(amount),
            Kind::Sessions { .. } => {}
        }
        Ok(())
    }

    /// Ends a hold; an overrun of a bucket or window is left to be taken at `now`.
    fn settle(&mut self, rule: Rule, ending: Ending, now: Now) {
        let Rule { kind, cap } = rule;
        let Ending { held, used, at, expired } = ending;
        let back = held.saturating_sub(used);
        match kind {
            Kind::Bucket { .. } => {
                bucket_of(rule).give_back(self.state, held, used.min(held), at.time, now.time);
            }
            Kind::Window { .. } if back == 0 => {}
            Kind::Window { length_ns } => match window(self.head, rule) {
                Some(window) => window.give_back(self.state, back, at.time, now.time),
                None => {
                    Exact { cap, length_ns }.give_back(&mut self.ring(length_ns), back, at.time)
                }
            },
            Kind::Period { start, end } if expired => {
                Period { cap, start, end }.resettle(self.state, held, used);
            }
            Kind::Period { start, end } => {
                Period { cap, start, end }.settle(self.state, held, used);
            }
            Kind::Concurrency if !expired => self.state[0] = self.state[0].saturating_sub(held),
            Kind::Concurrency | Kind::Sessions { .. } => {}
        }
    }

    pub(crate) fn standing(&self, rule: Rule, now: Now) -> (u64, Time) {
        let Rule { kind, cap } = rule;
        match kind {
            Kind::Bucket { .. } => {
                let bucket = bucket_of(rule);
                (bucket.remaining(self.state, now.time), bucket.next_unit(self.state, now.time))
            }
            Kind::Window { length_ns } => match window(self.head, rule) {
                Some(window) => {
                    let remaining = window.remaining(self.state, now.time);
                    (remaining, window.next_unit(self.state, now.time))
                }
                None => {
                    let (exact, times) = (Exact { cap, length_ns }, self.times());
                    (exact.remaining(&times, now.time), exact.next_unit(&times, now.time))
                }
            },
            Kind::Period { start, end } => {
                let period = Period { cap, start, end };
                (period.remaining(self.state), period.ends(self.state, now))
            }
            Kind::Concurrency => (cap.saturating_sub(self.state[0]), now.time),
            Kind::Sessions { .. } => (cap, now.time),
        }
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        *self.head_word = self.head.pack();
    }
}

const fn bucket_of(rule: Rule) -> Bucket {
    match rule.kind {
        Kind::Bucket { rate, per_ns } => Bucket { rate, per_ns, burst: rule.cap },
        _ => Bucket { rate: 1, per_ns: 1, burst: rule.cap },
    }
}

/// The large window that a head and a rule describe, if they do.
const fn window(head: Head, rule: Rule) -> Option<Window> {
    match (head.shape, rule.kind) {
        (Shape::Window { bits }, Kind::Window { length_ns }) => {
            Some(Window { cap: rule.cap, length_ns, bits })
        }
        _ => None,
    }
}
