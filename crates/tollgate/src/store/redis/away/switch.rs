//! Whether the shared store decides, or this node by itself.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use tokio::sync::watch;
use tollgate_core::Time;

use super::Failures;

/// Who decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The shared store.
    Up,
    /// This node, by what each limit says.
    Away {
        /// Since when.
        since: Time,
        /// Why.
        why: String,
    },
}

/// The state, with what leads to it. Each switch is logged once and counted.
#[derive(Debug)]
pub(in crate::store::redis) struct Switch {
    state: watch::Sender<State>,
    /// Calls in a row that had no answer.
    failing: AtomicU32,
    /// Whether it was found to be away, or there, since this node started.
    is_found: AtomicBool,
    pub(in crate::store::redis) failures: Failures,
}

/// Calls in a row without an answer that make it away. One may be lost with its connection
/// while the next one is answered.
const ENOUGH: u32 = 2;

impl Switch {
    /// Nobody has asked it yet: this node decides by itself until somebody has.
    pub(in crate::store::redis) fn starting() -> Self {
        let why = "it was not asked yet".to_owned();
        Self {
            state: watch::Sender::new(State::Away { since: Time::ZERO, why }),
            failing: AtomicU32::new(0),
            is_found: AtomicBool::new(false),
            failures: Failures::default(),
        }
    }

    pub(in crate::store::redis) fn is_up(&self) -> bool {
        *self.state.borrow() == State::Up
    }

    pub(in crate::store::redis) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// The shared store has answered.
    pub(in crate::store::redis) fn answered(&self) {
        if self.failing.load(Relaxed) != 0 {
            self.failing.store(0, Relaxed);
        }
    }

    /// It has not. Whether it is away now, and was not before.
    pub(in crate::store::redis) fn failed(&self, why: &str, now: Time) -> bool {
        let failing = self.failing.fetch_add(1, Relaxed).saturating_add(1);
        failing >= ENOUGH && {
            self.found();
            self.leave(why, now)
        }
    }

    /// It was found to be away, or there: nobody waits for that any more.
    pub(in crate::store::redis) fn found(&self) {
        if !self.is_found.swap(true, Relaxed) {
            // Whoever waits for it watches the state.
            self.state.send_modify(|_| {});
        }
    }

    /// Whether it was found to be away, or there, since this node started.
    pub(in crate::store::redis) fn is_found(&self) -> bool {
        self.is_found.load(Relaxed)
    }

    /// This node decides from now on. Whether it did not before.
    pub(in crate::store::redis) fn leave(&self, why: &str, now: Time) -> bool {
        let left = self.state.send_if_modified(|state| {
            let was_up = *state == State::Up;
            if was_up {
                *state = State::Away { since: now, why: why.to_owned() };
            }
            was_up
        });
        if left {
            self.failures.count_switch();
            tracing::error!(
                why,
                "the shared store is away: this node decides by itself until it is back"
            );
        }
        left
    }

    /// The shared store decides again.
    pub(in crate::store::redis) fn come_back(&self, now: Time) {
        let mut away_for = None;
        self.is_found.store(true, Relaxed);
        self.state.send_if_modified(|state| {
            if let State::Away { since, .. } = state {
                away_for = Some(now.since(*since));
                *state = State::Up;
            }
            away_for.is_some()
        });
        self.failing.store(0, Relaxed);
        if let Some(away_for) = away_for.filter(|_| self.failures.read().switches > 0) {
            tracing::warn!(
                away_ms = away_for.as_millis() as u64,
                "the shared store is back and knows what was decided meanwhile"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_lost_call_is_no_outage_and_two_in_a_row_are() {
        let switch = Switch::starting();
        let at = Time::from_millis;
        switch.come_back(at(0));
        assert!(!switch.failed("no answer", at(1)));
        switch.answered();
        assert!(!switch.failed("no answer", at(2)) && switch.is_up());
        assert!(switch.failed("no answer", at(3)));
        assert!(!switch.failed("no answer", at(4)), "it is told once");
        let away = State::Away { since: at(3), why: "no answer".to_owned() };
        assert_eq!(*switch.watch().borrow(), away);
        assert_eq!(switch.failures.read().switches, 1);
        switch.come_back(at(9));
        assert!(switch.is_up() && !switch.failed("no answer", at(10)));
    }
}
