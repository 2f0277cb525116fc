//! What nodes hold of a period or of slots: one number by node, told as a whole each time.

use std::collections::BTreeMap;

use super::{Ask, Terms};
use crate::{
    Kind, Now, Rule, Time,
    limit::{Period, period},
};

/// Who asks, and how many live.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holder {
    pub(super) node: u64,
    pub(super) nodes: u32,
}

/// What is held of one account.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    /// Of a period, its state; of slots, what is in use in the first word.
    state: [u64; period::WORDS],
    records: BTreeMap<u64, Record>,
}

/// What one node holds.
#[derive(Debug, Clone, Default)]
struct Record {
    number: u64,
    amount: u64,
    spent: u64,
    /// What it held when it had not told of itself in time: counted as spent until it does.
    lost: u64,
    period: Time,
    expires: Time,
}

impl Held {
    /// Puts what a node holds and has spent in the place of what it told before; false if a
    /// later ask has been here.
    pub(super) fn tell(&mut self, rule: &Rule, node: u64, ask: &Ask) -> bool {
        let own = self.records.entry(node).or_default();
        if ask.number <= own.number {
            return false;
        }
        own.number = ask.number;
        let Some(period) = period_of(rule) else {
            self.state[0] = self.state[0] - own.amount + ask.keep;
            own.amount = ask.keep;
            return true;
        };
        period.hold(&mut self.state, 0); // It begins, if it has not.
        if own.period != Time::from_nanos(period.start) {
            // What it held of another period ended with it.
            let number = own.number;
            *own = Record { number, period: Time::from_nanos(period.start), ..Record::default() };
        }
        // Who has not heard of this period has nothing of it: what was granted got lost.
        let knows_it = ask.period == own.period;
        let (keep, spent) = if knows_it { (ask.keep, ask.spent) } else { (0, 0) };
        let spent = spent.saturating_sub(own.spent);
        period.settle(&mut self.state, own.amount, spent);
        period.resettle(&mut self.state, own.lost, 0);
        period.hold(&mut self.state, keep);
        *own = Record { amount: keep, spent: own.spent + spent, lost: 0, ..own.clone() };
        true
    }

    /// Gives a node so much more, and all that it has until `expires`. What it is counted by.
    pub(super) fn grant(&mut self, rule: &Rule, node: u64, amount: u64, expires: Time) -> Time {
        let own = self.records.entry(node).or_default();
        own.amount += amount;
        own.expires = expires;
        match period_of(rule) {
            Some(period) => period.hold(&mut self.state, amount),
            None => self.state[0] += amount,
        }
        own.period
    }

    /// Counts as spent what nodes held that did not tell of themselves in time, and frees their
    /// slots when what ran in them has ended.
    pub(super) fn expire(&mut self, rule: &Rule, terms: &Terms, now: Now) {
        let lingers = |record: &Record| now.time < record.expires.after(terms.linger);
        let Some(period) = period_of(rule) else {
            let state = &mut self.state;
            self.records.retain(|_, record| {
                state[0] -= if lingers(record) { 0 } else { record.amount };
                lingers(record)
            });
            return;
        };
        // A record of a period that is over is kept while asks may be late that are older.
        let began = Time::from_nanos(period.start);
        self.records.retain(|_, record| record.period >= began || lingers(record));
        let due = |record: &&mut Record| record.expires <= now.time && record.period >= began;
        for record in self.records.values_mut().filter(due) {
            period.settle(&mut self.state, record.amount, record.amount);
            record.lost += std::mem::take(&mut record.amount);
        }
    }

    pub(super) const fn room(&self, rule: &Rule) -> u64 {
        match period_of(rule) {
            Some(period) => period.remaining(&self.state),
            None => rule.cap.saturating_sub(self.state[0]),
        }
    }
}

const fn period_of(rule: &Rule) -> Option<Period> {
    match rule.kind {
        Kind::Period { start, end } => Some(Period { cap: rule.cap, start, end }),
        _ => None,
    }
}
