//! What was sent and may not be in the provider's numbers yet.

use std::{collections::VecDeque, time::Duration};

use super::{Each, UNITS};
use crate::Time;

/// Requests that are remembered one by one; later ones are taken together with the last.
pub const MAX_SENT: usize = 1_024;

/// The handle of a request that was sent, until its answer's head.
#[derive(Debug)]
#[must_use]
pub struct Sent {
    pub(super) id: u64,
    pub(super) at: Time,
    pub(super) amounts: Each,
}

#[derive(Debug)]
pub(super) struct Log {
    grace: Duration,
    entries: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    /// Of the last request, where it is several.
    id: u64,
    /// Of the first.
    first: u64,
    at: Time,
    several: bool,
    amounts: Each,
    /// How many of its requests are on their way.
    awaited: u32,
    /// When the last of those was answered that are not.
    answered: Option<Time>,
    /// What its answer told to be left, and until when.
    told: [Option<(u64, Time)>; UNITS.len()],
}

impl Log {
    pub(super) const fn new(grace: Duration) -> Self {
        Self { grace, entries: VecDeque::new() }
    }

    /// With what another process has sent until so long ago, and did not see counted.
    pub(super) fn resume(grace: Duration, unseen: Each, away: Duration, now: Time) -> Self {
        let at = now.before(away.min(grace));
        let told = [None; UNITS.len()];
        // Nobody tells this process of their answers.
        let awaited = u32::MAX;
        let entry = Entry {
            id: 0,
            first: 0,
            at,
            several: true,
            amounts: unseen,
            awaited,
            answered: None,
            told,
        };
        let entries = if unseen == [0; UNITS.len()] { [].into() } else { [entry].into() };
        Self { grace, entries }
    }

    pub(super) const fn grace(&self) -> Duration {
        self.grace
    }

    pub(super) const fn set_grace(&mut self, grace: Duration) {
        self.grace = grace;
    }

    pub(super) fn add(&mut self, sent: &Sent) {
        if self.entries.len() >= MAX_SENT
            && let Some(last) = self.entries.back_mut()
        {
            let sum = |unit: usize| last.amounts[unit].saturating_add(sent.amounts[unit]);
            let amounts = std::array::from_fn(sum);
            (last.id, last.at, last.several, last.amounts) = (sent.id, sent.at, true, amounts);
            last.awaited = last.awaited.saturating_add(1);
            // What one of them told is not about the others.
            last.told = [None; UNITS.len()];
            return;
        }
        let told = [None; UNITS.len()];
        let (id, at, amounts) = (sent.id, sent.at, sent.amounts);
        let (several, awaited, answered) = (false, 1, None);
        let entry = Entry { id, first: id, at, several, amounts, awaited, answered, told };
        self.entries.push_back(entry);
    }

    /// Of what is taken together, its amounts alone are taken out.
    pub(super) fn take_out(&mut self, sent: &Sent) {
        let Some(place) = self.place(sent.id) else { return };
        match self.entries.get_mut(place) {
            Some(entry) if entry.several => {
                for (amount, less) in entry.amounts.iter_mut().zip(&sent.amounts) {
                    *amount = amount.saturating_sub(*less);
                }
                entry.awaited = entry.awaited.saturating_sub(1);
            }
            _ => {
                self.entries.remove(place);
            }
        }
    }

    pub(super) fn answer(&mut self, id: u64, told: [Option<(u64, Time)>; UNITS.len()], now: Time) {
        let place = self.place(id);
        let Some(entry) = place.and_then(|place| self.entries.get_mut(place)) else { return };
        if entry.several {
            entry.awaited = entry.awaited.saturating_sub(1);
            entry.answered = Some(now);
        } else {
            (entry.awaited, entry.answered, entry.told) = (0, Some(now), told);
        }
    }

    /// Where a request is, alone or among several, unless it was forgotten.
    fn place(&self, id: u64) -> Option<usize> {
        let place = self.entries.partition_point(|entry| entry.id < id);
        self.entries.get(place).filter(|entry| entry.first <= id).map(|_| place)
    }

    /// What was sent of a unit and may not be in numbers that the provider made for a request
    /// sent at `basis`. Requests whose own numbers are known are not in it: those were
    /// [looked at](Self::least).
    pub(super) fn unseen(&self, unit: usize, basis: Time) -> u64 {
        self.unsure(basis)
            .filter(|entry| entry.told[unit].is_none())
            .fold(0, |sum, entry| sum.saturating_add(entry.amounts[unit]))
    }

    /// These numbers, and those of requests which may have been counted later: the least that
    /// is left, and the last reset.
    pub(super) fn least(
        &self,
        unit: usize,
        basis: Time,
        (left, until): (u64, Time),
        now: Time,
    ) -> (u64, Time) {
        let alive = |told: &(u64, Time)| told.1 > now;
        let told = self.unsure(basis).filter_map(|entry| entry.told[unit].filter(alive));
        told.fold((left, until), |least, told| (least.0.min(told.0), least.1.max(told.1)))
    }

    /// Whether a request sent at `at` was surely counted before one sent at `basis`.
    pub(super) fn is_settled(&self, at: Time, basis: Time) -> bool {
        at.after(self.grace) <= basis
    }

    /// Forgets what all numbers contain that were made for requests sent at `basis` or later:
    /// from the oldest on, as far as that goes without looking through all.
    pub(super) fn forget(&mut self, basis: Time) {
        while self.entries.front().is_some_and(|entry| entry.counted_by(self.grace) <= basis) {
            self.entries.pop_front();
        }
    }

    /// When the oldest request was sent whose answer may tell numbers yet. Of those that another
    /// process sent nothing is heard, so what is taken together is waited for no longer than this.
    pub(super) fn oldest_unanswered(&self, patience: Duration, now: Time) -> Option<Time> {
        let is_awaited = |entry: &&Entry| {
            entry.awaited > 0 && !(entry.several && entry.at.after(patience) <= now)
        };
        self.entries.iter().find(is_awaited).map(|entry| entry.at)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn unsure(&self, basis: Time) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.counted_by(self.grace) > basis)
    }
}

impl Entry {
    /// When the provider has surely counted it.
    fn counted_by(&self, grace: Duration) -> Time {
        let arrived = self.at.after(grace);
        let answered = self.answered.filter(|_| self.awaited == 0);
        answered.map_or(arrived, |answered| answered.min(arrived))
    }
}
