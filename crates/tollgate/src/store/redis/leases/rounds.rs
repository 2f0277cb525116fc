//! The calls that grant, renew and return, aside from requests: at every look, and at once when
//! somebody waits.

use std::sync::{Arc, Weak, atomic::Ordering::Relaxed};

use tokio::task::JoinSet;

use super::{Inner, LeaseAsk, Lessor, Round, State};

/// Accounts in one call at most.
const MOST_ASKED: usize = 64;

/// Looks until the leases are dropped.
pub(super) async fn look<S: Lessor + 'static>(leases: Weak<Inner<S>>) {
    loop {
        let Some(inner) = leases.upgrade() else { return };
        let every = inner.terms.every;
        inner.round().await;
        let kicked = Arc::clone(&inner.kick);
        drop(inner);
        // Either way there is something to do, or the time for a look has come.
        let _ = tokio::time::timeout(every, kicked.notified()).await;
    }
}

impl<S: Lessor + 'static> Inner<S> {
    /// Asks and tells all that is due, and wakes those who wait for it.
    pub(super) async fn round(self: &Arc<Self>) {
        let is_up = self.is_up();
        let (plans, nth, reign) = {
            let mut book = self.book.lock();
            book.rounds += 1;
            let plans = if is_up { book.plan(self.clock.now().time) } else { Vec::new() };
            (plans, book.rounds, book.reign)
        };
        let mut calls = JoinSet::new();
        for (place, asks) in plans {
            let mut rest = asks.into_iter().peekable();
            while rest.peek().is_some() {
                let some: Vec<_> = rest.by_ref().take(MOST_ASKED).collect();
                let inner = Arc::clone(self);
                calls.spawn(async move { inner.call((place, reign), some).await });
            }
        }
        let mut has_failed = !is_up;
        while let Some(call) = calls.join_next().await {
            has_failed |= !call.unwrap_or(false);
        }
        self.done.send_replace(Round { nth, has_failed });
    }

    /// Whether the shared store decides, as far as anybody says.
    pub(super) fn is_up(&self) -> bool {
        self.state.get().is_none_or(|state| *state.borrow() == State::Up)
    }

    /// One call; whether it had an answer.
    async fn call(&self, (place, reign): (u8, u64), asks: Vec<(LeaseAsk, u64)>) -> bool {
        let sent = self.clock.now();
        let told: Vec<LeaseAsk> = asks.iter().map(|(ask, _)| ask.clone()).collect();
        let by = (self.nodes.load(Relaxed), &self.terms);
        let answers = self.store.lease(place, &told, by, sent).await;
        self.calls.fetch_add(1, Relaxed);
        let now = self.clock.now().time;
        let mut book = self.book.lock();
        if book.reign != reign {
            // What was granted is lost again.
            return false;
        }
        match answers {
            Ok(answers) => {
                for (ask, answer) in asks.iter().zip(answers) {
                    book.answered(ask, Some(answer), (sent.time, now));
                }
                true
            }
            Err(error) => {
                tracing::debug!(%error, "leases could not be asked for");
                asks.iter().for_each(|ask| book.answered(ask, None, (sent.time, now)));
                false
            }
        }
    }
}
