//! Accounts in machine words: first a directory of ids and heads, then their states.
//!
//! The directory of a user with four limits is one cache line, and it says where every
//! state is; so the states are fetched side by side and not one after the other.

use serde::{Deserialize, Serialize, Serializer};

use super::{
    Ending, Spent,
    account::{Account, AccountMut, Left, window},
    head::{Head, Shape},
};
use crate::{
    Charge, Crossed, Kind, LimitId, Now, Retry, Rule, Standing,
    limit::{MAX_EXACT_CAP, Window, period},
};

/// Words of a directory entry: the limit's id and the head.
const ENTRY: usize = 2;

/// Words of a cache line.
const WORDS_PER_LINE: usize = 8;

/// Lines that are asked for at once: about as many as a core waits for at the same time.
const MAX_FETCHED: usize = 16;

/// The accounts of a cell but for its sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Box<[u64]>")]
pub(crate) struct Packed {
    words: Box<[u64]>,
}

/// Words that are no accounts.
#[derive(Debug, thiserror::Error)]
#[error("these words are not accounts: they were damaged, or written by another version")]
pub(crate) struct NotAccounts;

impl Serialize for Packed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.words.serialize(serializer)
    }
}

impl TryFrom<Box<[u64]>> for Packed {
    type Error = NotAccounts;

    /// Takes words only if every state is where its head says, one after the other.
    fn try_from(words: Box<[u64]>) -> Result<Self, NotAccounts> {
        let directory = words.get(1).map_or(0, |first| Head::unpack(*first).range().start);
        let mut place = directory;
        for entry in words.get(..directory).ok_or(NotAccounts)?.chunks(ENTRY) {
            let head = Head::unpack(*entry.get(1).ok_or(NotAccounts)?);
            if head.range().start != place || !head.is_sound() {
                return Err(NotAccounts);
            }
            place = head.range().end;
        }
        if place == words.len() { Ok(Self { words }) } else { Err(NotAccounts) }
    }
}

impl Packed {
    /// Whether a charge has room. Its account is looked for at entry `nth` first.
    #[inline]
    pub(super) fn check(&mut self, nth: usize, charge: &Charge, now: Now) -> Result<(), Retry> {
        let Some(entry) = self.find(nth, charge.limit) else { return charge.check_empty() };
        let account = self.look(entry);
        if account.fits(&charge.rule) {
            return account.check(&charge.rule, charge.amount, now);
        }
        let entry = self.reshape(entry, &charge.rule, now);
        self.look(entry).check(&charge.rule, charge.amount, now)
    }

    /// Takes `amount`. For a period, in which one it was taken.
    #[inline]
    pub(super) fn hold(
        &mut self,
        nth: usize,
        limit: LimitId,
        rule: &Rule,
        amount: u64,
        now: Now,
    ) -> Option<(u64, u64)> {
        let found = self.find(nth, limit);
        if let Some(entry) = found
            && let Some(Ok(held_in)) = self.change(entry, |account| {
                account.as_ref().fits(rule).then(|| account.hold(rule, amount, now))
            })
        {
            return held_in;
        }
        self.hold_anew(found, limit, rule, amount, now)
    }

    /// Takes `amount` from an account that is not there yet, or must be laid out anew.
    #[cold]
    fn hold_anew(
        &mut self,
        found: Option<usize>,
        limit: LimitId,
        rule: &Rule,
        amount: u64,
        now: Now,
    ) -> Option<(u64, u64)> {
        let entry = match found {
            Some(entry) if self.look(entry).fits(rule) => entry,
            Some(entry) => self.reshape(entry, rule, now),
            None => self.append(limit, rule),
        };
        self.take(entry, rule, amount, now)
    }

    #[inline]
    pub(crate) fn settle(
        &mut self,
        nth: usize,
        charge: &Charge,
        ending: &Ending,
        now: Now,
    ) -> Option<Crossed> {
        let Charge { limit, rule, .. } = charge;
        let counts_at_once = rule.kind.counts_at_once();
        let mut over_by = *rule;
        // An account that is gone was idle: there is nothing to give back, and an overrun
        // is counted in a new one.
        if let Some(entry) = self.find(nth, *limit) {
            if !self.look(entry).is_kind_of(rule) {
                return None;
            }
            let crossed = self.change(entry, |account| account.settle(charge, ending, now));
            if !counts_at_once {
                return crossed;
            }
            // What a reload has laid out anew since stays as it is.
            over_by = self.look(entry).as_laid_out(rule);
        }
        if ending.used > ending.held {
            self.hold(nth, *limit, &over_by, ending.used - ending.held, now);
        }
        None
    }

    /// Where a charge's account stands, if it was ever used: what is left, and when more is.
    pub(super) fn standing(&mut self, nth: usize, charge: &Charge, now: Now) -> Option<Standing> {
        let mut entry = self.find(nth, charge.limit)?;
        if !self.look(entry).fits(&charge.rule) {
            entry = self.reshape(entry, &charge.rule, now);
        }
        let Left { remaining, held, above, reset } = self.look(entry).standing(&charge.rule, now);
        Some(Standing { limit: charge.limit, cap: charge.rule.cap, remaining, held, above, reset })
    }

    /// Lays a charge's account out anew if its rule can't read it; whether it had to be.
    pub(super) fn fit(&mut self, charge: &Charge, now: Now) -> bool {
        match self.find(0, charge.limit) {
            Some(entry) if !self.look(entry).fits(&charge.rule) => {
                self.reshape(entry, &charge.rule, now);
                true
            }
            _ => false,
        }
    }

    /// Every account.
    pub(super) fn iter(&self) -> impl Iterator<Item = (LimitId, Head, &[u64])> {
        (0..self.accounts()).map(|entry| {
            (LimitId(self.words[entry * ENTRY]), self.head(entry), self.look(entry).state)
        })
    }

    pub(crate) fn is_idle(&self, now: Now) -> bool {
        (0..self.accounts()).all(|entry| {
            let account = self.look(entry);
            account.head.is_idle(account.state, now)
        })
    }

    /// What is settled in each account of a period.
    pub(super) fn spent(&self) -> impl Iterator<Item = Spent> {
        (0..self.accounts()).filter_map(|entry| {
            let Account { head, state } = self.look(entry);
            if head.shape != Shape::Period {
                return None;
            }
            let (start, end) = period::bounds(state);
            let limit = LimitId(self.words[entry * ENTRY]);
            Some(Spent { limit, start, end, settled: period::settled(state) })
        })
    }

    /// Asks for all of its memory at once. A user that was not here for a while is in no
    /// cache, and each account would be waited for in turn.
    #[inline]
    pub(super) fn fetch(&self) {
        let lines = self.words.chunks(WORDS_PER_LINE).take(MAX_FETCHED);
        std::hint::black_box(lines.fold(0, |all, line| all ^ line[0]));
    }

    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.words)
    }

    /// How many accounts there are: the first state begins where the directory ends.
    #[inline]
    fn accounts(&self) -> usize {
        self.words.get(1).map_or(0, |first| Head::unpack(*first).range().start / ENTRY)
    }

    /// The entry of a limit. Charges come in the order in which their accounts were made,
    /// nearly always, so `nth` is nearly always the one.
    #[inline]
    fn find(&self, nth: usize, limit: LimitId) -> Option<usize> {
        let accounts = self.accounts();
        if nth < accounts && self.words[nth * ENTRY] == limit.0 {
            return Some(nth);
        }
        (0..accounts).find(|entry| self.words[entry * ENTRY] == limit.0)
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
        let mut head = self.head(entry);
        let state = &mut self.words[head.range()];
        let changed = change(&mut AccountMut { head: &mut head, state });
        // Of the others, the head never changes.
        if matches!(head.shape, Shape::Exact | Shape::Period) {
            self.words[entry * ENTRY + 1] = head.pack();
        }
        changed
    }

    /// Adds an account that was never used.
    fn append(&mut self, limit: LimitId, rule: &Rule) -> usize {
        let head = Head::of(rule);
        let mut state = vec![0; usize::from(head.len)];
        if let Some(window) = window(head, rule) {
            window.clear(&mut state);
        }
        self.append_state(limit, head, &state)
    }

    /// Adds an account in some state.
    pub(super) fn append_state(&mut self, limit: LimitId, head: Head, state: &[u64]) -> usize {
        let entry = self.accounts();
        self.rebuild(Some((limit, head, state)), None);
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
    #[cold]
    fn reshape(&mut self, entry: usize, rule: &Rule, now: Now) -> usize {
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
        let roomy = Rule { cap: room, ..*rule };
        let entry = self.append(limit, &roomy);
        for (at, amount) in units {
            self.take(entry, &roomy, amount, Now::at(at.min(now.time)));
        }
        entry
    }

    /// Lays a window out with packed counts so many bits wide. It becomes the last entry.
    #[cold]
    fn widen(&mut self, entry: usize, rule: &Rule, bits: u8) -> usize {
        let limit = LimitId(self.words[entry * ENTRY]);
        let (head, state) = self.remove(entry);
        let mut wider = vec![0; Window::words(bits)];
        if let Some(window) = window(head, rule) {
            window.widen(&state, &mut wider, bits);
        }
        let head = Head { shape: Shape::Window { bits }, len: wider.len() as u16, ..head };
        self.append_state(limit, head, &wider)
    }

    /// Takes `amount`, in wider counts if those that are there are too narrow.
    fn take(&mut self, entry: usize, rule: &Rule, amount: u64, now: Now) -> Option<(u64, u64)> {
        match self.change(entry, |account| account.hold(rule, amount, now)) {
            Ok(held_in) => held_in,
            Err(bits) => {
                let entry = self.widen(entry, rule, bits);
                // As wide as it asked for, it does not ask again.
                self.change(entry, |account| account.hold(rule, amount, now)).unwrap_or_default()
            }
        }
    }
}
