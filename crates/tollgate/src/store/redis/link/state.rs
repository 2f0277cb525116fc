//! Whether Redis is there.

use tokio::sync::watch;
use tollgate_core::Time;

use crate::Clock;

use super::error::Why;

/// Whether Redis is there, as calls and probes saw it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It answers and takes writes.
    Up,
    /// It does not.
    Away {
        /// Since when.
        since: Time,
        /// What was seen first.
        why: Why,
    },
}

/// The state, and who watches it.
#[derive(Debug)]
pub(super) struct Board {
    state: watch::Sender<State>,
    clock: Clock,
}

impl Board {
    /// Nothing is known yet: away until the first probe says otherwise.
    pub(super) fn new(clock: Clock) -> Self {
        let state = State::Away { since: clock.now().time, why: Why::Unreachable };
        Self { state: watch::Sender::new(state), clock }
    }

    pub(super) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    pub(super) fn is_up(&self) -> bool {
        *self.state.borrow() == State::Up
    }

    pub(super) fn set_up(&self) {
        self.state.send_if_modified(|state| std::mem::replace(state, State::Up) != State::Up);
    }

    /// The reason may change while it is away; since when it is does not.
    pub(super) fn set_away(&self, why: Why) {
        self.state.send_if_modified(|state| {
            let since = match state {
                State::Away { why: known, .. } if *known == why => return false,
                State::Away { since, .. } => *since,
                State::Up => self.clock.now().time,
            };
            *state = State::Away { since, why };
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_when_it_is_away_outlives_another_reason() {
        let clock = Clock::set_at(Time::from_millis(5));
        let board = Board::new(clock.clone());
        board.set_up();
        assert!(board.is_up());
        board.set_away(Why::Timeout);
        clock.advance(std::time::Duration::from_millis(7));
        board.set_away(Why::Loading);
        let expected = State::Away { since: Time::from_millis(5), why: Why::Loading };
        assert_eq!(*board.watch().borrow(), expected);
    }

    #[test]
    fn who_watches_is_woken_by_changes_alone() {
        let board = Board::new(Clock::set_at(Time::ZERO));
        let mut watch = board.watch();
        board.set_up();
        assert!(watch.has_changed().unwrap());
        watch.mark_unchanged();
        board.set_up();
        assert!(!watch.has_changed().unwrap());
    }
}
