//! The calls that grant, renew and return, aside from requests: at every look, and at once when
//! somebody waits.

use std::sync::{Arc, Weak};

use tokio::task::JoinSet;

use super::{Inner, LeaseAsk, Lessor};

/// Accounts in one call at most.
const MOST_ASKED: usize = 64;

/// Looks until the leases are dropped.
pub(super) async fn look<S: Lessor + 'static>(leases: Weak<Inner<S>>) {
    loop {
        let Some(inner) = leases.upgrade() else { return };
        let every = inner.terms.every;
        inner.round(false).await;
        let kicked = Arc::clone(&inner.kick);
        drop(inner);
        // Either way there is something to do, or the time for a look has come.
        let _ = tokio::time::timeout(every, kicked.notified()).await;
    }
}

impl<S: Lessor + 'static> Inner<S> {
    /// Asks and tells all that is due, and wakes those who wait for it.
    pub(super) async fn round(self: &Arc<Self>, all: bool) {
        let now = self.clock.now().time;
        let (plans, nth) = {
            let mut book = self.book.lock();
            (book.plan(all, now), book.rounds)
        };
        let mut calls = JoinSet::new();
        for (place, asks) in plans {
            let mut rest = asks.into_iter().peekable();
            while rest.peek().is_some() {
                let some: Vec<_> = rest.by_ref().take(MOST_ASKED).collect();
                let inner = Arc::clone(self);
                calls.spawn(async move { inner.call(place, some).await });
            }
        }
        while calls.join_next().await.is_some() {}
        self.done.send_replace(nth);
    }

    async fn call(&self, place: u8, asks: Vec<(LeaseAsk, u64)>) {
        let sent = self.clock.now();
        let told: Vec<LeaseAsk> = asks.iter().map(|(ask, _)| ask.clone()).collect();
        let by = (*self.nodes.borrow(), &self.terms);
        let answers = self.store.lease(place, &told, by, sent).await;
        let now = self.clock.now().time;
        let mut book = self.book.lock();
        match answers {
            Ok(answers) => {
                for (ask, answer) in asks.iter().zip(answers) {
                    book.answered(ask, Some(answer), (sent.time, now));
                }
            }
            Err(_) => {
                asks.iter().for_each(|ask| book.answered(ask, None, (sent.time, now)));
            }
        }
    }
}
