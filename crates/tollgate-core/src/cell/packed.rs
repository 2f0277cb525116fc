//! Accounts in machine words: first a directory of ids and heads, then their states.
//!
//! The directory of a user with four limits is one cache line, and it says where every
//! state is; so the states are fetched side by side and not one after the other.

use serde::{Deserialize, Serialize};

use super::{
    Ending,
    account::{Account, AccountMut, window},
    head::Head,
};
use crate::{
    Kind, LimitId, Now, Rule, Time,
    limit::{MAX_EXACT_CAP, period},
};

/// Words of a directory entry: the limit's id and the head.
const ENTRY: usize = 2;

/// The accounts of a cell but for its sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Packed {
    words: Box<[u64]>,
}

impl Packed {
    /// The account of a limit, if it was ever used, laid out for the rule of today.
    #[inline]
    pub(super) fn account(&mut self, limit: LimitId, rule: Rule, now: Now) -> Option<Account<'_>> {
        let mut entry = self.find(limit)?;
        if !self.look(entry).fits(rule) {
            entry = self.reshape(entry, rule, now);
        }
        Some(self.look(entry))
    }

    /// Takes `amount`. For a period, in which one it was taken.
    #[inline]
    pub(super) fn hold(
        &mut self,
        limit: LimitId,
        rule: Rule,
        amount: u64,
        now: Now,
    ) -> Option<(u64, u64)> {
        let entry = match self.find(limit) {
            Some(entry) if self.look(entry).fits(rule) => entry,
            Some(entry) => self.reshape(entry, rule, now),
            None => self.append(limit, rule),
        };
        self.take(entry, rule, amount, now);
        let is_period = matches!(rule.kind, Kind::Period { .. });
        is_period.then(|| period::bounds(self.look(entry).state))
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
        if !self.look(entry).is_kind_of(rule) {
            return;
        }
        self.change(entry, |account| account.settle(rule, ending, now));
        if counted_later && ending.used > ending.held {
            self.hold(limit, rule, ending.used - ending.held, now);
        }
    }

    pub(crate) fn is_idle(&self, now: Now) -> bool {
        (0..self.accounts()).all(|entry| {
            let account = self.look(entry);
            account.head.is_idle(account.state, now)
        })
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.words)
    }

    /// How many accounts there are: the first state begins where the directory ends.
    fn accounts(&self) -> usize {
        self.words.get(1).map_or(0, |first| Head::unpack(*first).range().start / ENTRY)
    }

    #[inline]
    fn find(&self, limit: LimitId) -> Option<usize> {
        let directory = &self.words[..self.accounts() * ENTRY];
        directory.chunks_exact(ENTRY).position(|entry| entry[0] == limit.0)
    }

    #[inline]
    fn head(&self, entry: usize) -> Head {
        Head::unpack(self.words[entry * ENTRY + 1])
    }

    #[inline]
    fn look(&self, entry: usize) -> Account<'_> {
        let head = self.head(entry);
        Account { head, state: &self.words[head.range()] }
    }

    /// Changes an account, its head with it.
    #[inline]
    fn change<T>(&mut self, entry: usize, change: impl FnOnce(&mut AccountMut<'_>) -> T) -> T {
        let before = self.head(entry);
        let mut head = before;
        let state = &mut self.words[before.range()];
        let changed = change(&mut AccountMut { head: &mut head, state });
        if head != before {
            self.words[entry * ENTRY + 1] = head.pack();
        }
        changed
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
        let (head, state) = (self.head(entry), self.look(entry).state.to_vec());
        self.rebuild(None, Some(entry));
        (head, state)
    }

    /// Lays all accounts out again: without one of them, or with one more.
    fn rebuild(&mut self, more: Option<(LimitId, Head, &[u64])>, less: Option<usize>) {
        let kept = (0..self.accounts()).filter(|entry| Some(*entry) != less);
        let kept = kept.map(|entry| {
            (LimitId(self.words[entry * ENTRY]), self.head(entry), self.look(entry).state)
        });
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
        let same_kind = self.look(entry).is_kind_of(rule);
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
            let _ = self.change(entry, |account| account.hold(rule, amount, at));
        }
        entry
    }

    fn append_window(&mut self, limit: LimitId, rule: Rule, bits: u8) -> usize {
        let wide = Rule { cap: u64::MAX >> (64 - bits), ..rule };
        self.append(limit, wide)
    }

    /// Takes `amount`, in wider counts if it does not fit into those that are there.
    fn take(&mut self, entry: usize, rule: Rule, amount: u64, now: Now) {
        let taken = self.change(entry, |account| account.hold(rule, amount, now));
        if let Err(bits) = taken {
            let entry = self.widen(entry, rule, bits);
            // As wide as it asked for, it does not ask again.
            let _ = self.change(entry, |account| account.hold(rule, amount, now));
        }
    }
}
