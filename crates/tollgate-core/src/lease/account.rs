//! The store's side: one account that grants leases, and what it counts for them.
//!
//! This is the model that shared stores are held to, and what is simulated. Windows and buckets
//! need no memory of who holds what: what was granted is counted, and leaves by itself. What is
//! held (periods, slots) is known by node, so that a node may tell the same twice and one that
//! died gives it back.

use std::time::Duration;

use super::{
    Ask, Grant, Terms,
    held::{Held, Holder},
    share,
};
use crate::{
    Kind, Now, Rule, Time,
    limit::{Bucket, Window, bucket},
};

/// Counts of a window that hold whatever a cap allows.
const BITS: u8 = 63;

/// One account of a limit.
#[derive(Debug, Clone)]
pub struct Account {
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    Window(Box<[u64]>),
    Bucket([u64; bucket::WORDS]),
    Held(Held),
    /// Of kinds that are not leased.
    None,
}

impl Account {
    /// An account of which nothing is used.
    pub fn new(rule: &Rule) -> Self {
        let state = match rule.kind {
            Kind::Window { .. } => {
                let mut words = vec![0; Window::words(BITS)].into_boxed_slice();
                window(rule).clear(&mut words);
                State::Window(words)
            }
            Kind::Bucket { .. } => State::Bucket([0; bucket::WORDS]),
            Kind::Period { .. } | Kind::Concurrency => State::Held(Held::default()),
            Kind::Sessions { .. } => State::None,
        };
        Self { state }
    }

    /// Takes in what a node tells and grants what it asks for, as far as there is room. `nodes`
    /// are those that live.
    pub fn ask(
        &mut self,
        rule: &Rule,
        (node, nodes): (u64, u32),
        ask: &Ask,
        terms: &Terms,
        now: Now,
    ) -> Grant {
        self.expire(rule, terms, now);
        match &mut self.state {
            State::Window(words) => {
                let window = window(rule);
                for back in &ask.back {
                    window.give_back(words, back.amount, back.stamp);
                }
                // Counts are as wide as any sum of them.
                let _ = window.take(words, ask.over, now.time);
            }
            State::Bucket(words) => {
                let bucket = bucket(rule);
                for back in &ask.back {
                    bucket.give_back(words, back.amount, 0, back.stamp, now.time);
                }
                bucket.take(words, ask.over, now.time);
            }
            State::Held(held) => {
                if !held.tell(rule, node, ask) {
                    return Grant { amount: 0, stamp: ask.period, lasts: Duration::ZERO };
                }
            }
            State::None => {}
        }
        self.grant(rule, Holder { node, nodes }, ask, terms, now)
    }

    /// Lets go what nobody has told of in time.
    pub fn expire(&mut self, rule: &Rule, terms: &Terms, now: Now) {
        if let State::Held(held) = &mut self.state {
            held.expire(rule, terms, now);
        }
    }

    /// What could be granted, were it used at once.
    pub fn room(&self, rule: &Rule, now: Now) -> u64 {
        self.room_for(rule, Duration::ZERO, now)
    }

    fn room_for(&self, rule: &Rule, lasts: Duration, now: Now) -> u64 {
        match &self.state {
            State::Window(words) => window(rule).remaining(words, now.time),
            State::Bucket(words) => {
                bucket(rule).remaining_until(words, now.time.after(lasts), now.time)
            }
            State::Held(held) => held.room(rule),
            State::None => 0,
        }
    }

    fn grant(&mut self, rule: &Rule, by: Holder, ask: &Ask, terms: &Terms, now: Now) -> Grant {
        let mut lasts = terms.lasts(rule, now).unwrap_or_default();
        let mut room = self.room_for(rule, lasts, now);
        if room < ask.need && matches!(rule.kind, Kind::Bucket { .. }) {
            // A short lease costs less of the burst, and who waits uses it at once.
            lasts /= 8;
            room = self.room_for(rule, lasts, now);
        }
        let amount = share(ask.need, ask.least, ask.want, room, by.nodes);
        let stamp = match &mut self.state {
            State::Window(words) => {
                // Counts are as wide as any sum of them.
                let _ = window(rule).take(words, amount, now.time);
                window(rule).part_began(now.time)
            }
            State::Bucket(words) => {
                let end = now.time.after(lasts);
                if amount > 0 {
                    bucket(rule).take(words, amount, end);
                }
                end
            }
            State::Held(held) => held.grant(rule, by.node, amount, now.time.after(lasts)),
            State::None => Time::ZERO,
        };
        Grant { amount, stamp, lasts }
    }
}

const fn window(rule: &Rule) -> Window {
    let length_ns = match rule.kind {
        Kind::Window { length_ns } => length_ns,
        _ => 1,
    };
    Window { cap: rule.cap, length_ns, bits: BITS }
}

const fn bucket(rule: &Rule) -> Bucket {
    let (rate, per_ns) = match rule.kind {
        Kind::Bucket { rate, per_ns } => (rate, per_ns),
        _ => (1, 1),
    };
    Bucket { rate, per_ns, burst: rule.cap }
}
