//! The store's side: one account that grants leases, and what it counts for them.
//!
//! This is the model that shared stores are held to, and what is simulated. There is no memory of
//! who holds what: what was granted is counted, and leaves by itself.

use std::time::Duration;

use super::{Ask, Grant, Terms, share};
use crate::{
    Kind, Rule, Time,
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
            Kind::Period { .. } | Kind::Concurrency | Kind::Sessions { .. } => State::None,
        };
        Self { state }
    }

    /// Takes in what a node tells and grants what it asks for, as far as there is room. `nodes`
    /// live.
    pub fn ask(&mut self, rule: &Rule, nodes: u32, ask: &Ask, terms: &Terms, now: Time) -> Grant {
        match &mut self.state {
            State::Window(words) => {
                let window = window(rule);
                for back in &ask.back {
                    window.give_back(words, back.amount, back.stamp);
                }
                // Counts are as wide as any sum of them.
                let _ = window.take(words, ask.over, now);
            }
            State::Bucket(words) => {
                let bucket = bucket(rule);
                for back in &ask.back {
                    bucket.give_back(words, back.amount, 0, back.stamp, now);
                }
                bucket.take(words, ask.over, now);
            }
            State::None => {}
        }
        self.grant(rule, nodes, ask, terms, now)
    }

    /// What could be granted, were it used at once.
    pub fn room(&self, rule: &Rule, now: Time) -> u64 {
        self.room_for(rule, Duration::ZERO, now)
    }

    fn room_for(&self, rule: &Rule, lasts: Duration, now: Time) -> u64 {
        match &self.state {
            State::Window(words) => window(rule).remaining(words, now),
            State::Bucket(words) => bucket(rule).remaining_until(words, now.after(lasts), now),
            State::None => 0,
        }
    }

    fn grant(&mut self, rule: &Rule, nodes: u32, ask: &Ask, terms: &Terms, now: Time) -> Grant {
        let mut lasts = terms.lasts(rule, now).unwrap_or_default();
        let mut room = self.room_for(rule, lasts, now);
        if room < ask.need && matches!(rule.kind, Kind::Bucket { .. }) {
            // A short lease costs less of the burst, and who waits uses it at once.
            lasts /= 8;
            room = self.room_for(rule, lasts, now);
        }
        let amount = share(ask.need, ask.least, ask.want, room, nodes);
        let stamp = match &mut self.state {
            State::Window(words) => {
                // Counts are as wide as any sum of them.
                let _ = window(rule).take(words, amount, now);
                window(rule).part_began(now)
            }
            State::Bucket(words) => {
                let end = now.after(lasts);
                if amount > 0 {
                    bucket(rule).take(words, amount, end);
                }
                end
            }
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
