//! Whether the shared store decides, or this node by itself.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use parking_lot::Mutex;
use tokio::sync::watch;
use tollgate_core::Time;

use super::{
    Failures,
    steady::{ENOUGH, Trouble},
};

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
    /// Calls in a row that had no answer, and when the first of them was made.
    failing: AtomicU32,
    since: Mutex<Time>,
    /// Calls since the last look that were answered, and that were not.
    calls: [AtomicU32; 2],
    trouble: Mutex<Trouble>,
    /// Whether the shared store was well for long enough to decide again.
    steady: AtomicBool,
    /// Whether it was found to be away, or there, since this node started.
    is_found: AtomicBool,
    pub(in crate::store::redis) failures: Failures,
}

/// Calls in a row without an answer that make it away, if they go on for so long. One may be lost
/// with its connection while the next one is answered.
const CALLS: u32 = 2;

impl Switch {
    /// Nobody has asked it yet: this node decides by itself until somebody has.
    pub(in crate::store::redis) fn starting() -> Self {
        let why = "it was not asked yet".to_owned();
        Self {
            state: watch::Sender::new(State::Away { since: Time::ZERO, why }),
            failing: AtomicU32::new(0),
            since: Mutex::default(),
            calls: Default::default(),
            trouble: Mutex::default(),
            steady: AtomicBool::new(true),
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
        self.calls[0].fetch_add(1, Relaxed);
        if self.failing.load(Relaxed) != 0 {
            self.failing.store(0, Relaxed);
        }
    }

    /// It has not. Whether it is away now, and was not before.
    pub(in crate::store::redis) fn failed(&self, why: &str, now: Time) -> bool {
        self.calls[1].fetch_add(1, Relaxed);
        let since = {
            let mut since = self.since.lock();
            if self.failing.fetch_add(1, Relaxed) == 0 {
                *since = now;
            }
            *since
        };
        let is_enough = self.failing.load(Relaxed) >= CALLS && now.since(since) >= ENOUGH;
        is_enough && {
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

    /// A look at what calls and the last probe say. Whether it is away now, and was not before.
    pub(in crate::store::redis) fn look(&self, probe: Option<&str>, now: Time) -> bool {
        let [answered, failed] = [0, 1].map(|nth| self.calls[nth].swap(0, Relaxed));
        let mut trouble = self.trouble.lock();
        if !self.is_up() {
            *trouble = Trouble::default();
            return false;
        }
        let why = trouble.look(probe.is_some(), (answered, failed), now);
        why.is_some_and(|why| self.leave(probe.unwrap_or(why), now))
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

    /// Takes note whether it was well for long enough to decide again.
    pub(in crate::store::redis) fn note_steady(&self, is_steady: bool) {
        self.steady.store(is_steady, Relaxed);
    }

    pub(in crate::store::redis) fn is_steady(&self) -> bool {
        self.steady.load(Relaxed)
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
    fn one_lost_call_is_no_outage_and_several_in_a_row_for_a_while_are() {
        let switch = Switch::starting();
        let at = Time::from_millis;
        switch.come_back(at(0));
        assert!(!switch.failed("no answer", at(1)));
        switch.answered();
        assert!(!switch.failed("no answer", at(2)) && switch.is_up());
        assert!(!switch.failed("no answer", at(3)), "it may be over in a moment");
        assert!(switch.failed("no answer", at(202)));
        assert!(!switch.failed("no answer", at(204)), "it is told once");
        let away = State::Away { since: at(202), why: "no answer".to_owned() };
        assert_eq!(*switch.watch().borrow(), away);
        assert_eq!(switch.failures.read().switches, 1);
        switch.come_back(at(209));
        assert!(switch.is_up() && !switch.failed("no answer", at(500)));
    }
}
