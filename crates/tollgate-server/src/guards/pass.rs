//! What a request on its way holds of its provider's guard.

use std::{sync::Arc, time::Duration};

use tollgate_core::{Time, adaptive::Pace, breaker::Outcome, quota::Announced};

use super::{
    Guard,
    model::{Model, Taken},
};

/// What a request on its way holds. It is told once how the request ends; dropped, it gives
/// all back and says nothing about the provider.
#[derive(Debug)]
#[must_use = "dropped, it gives its place back"]
pub(crate) struct Pass {
    guard: Arc<Guard>,
    model: Arc<Model>,
    taken: Taken,
    began: Time,
    /// How long it took to the first of the answer.
    first: Option<Duration>,
}

/// How a request ended, as far as it tells about the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The provider did what it was asked, whole and well.
    Served(Served),
    /// It did not.
    Failed {
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
        /// Whether it has too much to do, or did not answer in time.
        overloaded: bool,
    },
    /// It was too much for now.
    Throttled {
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// Nothing that tells about the provider.
    Ignored,
}

/// An answer that came whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Served {
    /// How many tokens were made.
    pub(crate) tokens: u64,
    /// Whether they came one after the other.
    pub(crate) streamed: bool,
}

impl Pass {
    pub(super) const fn new(guard: Arc<Guard>, model: Arc<Model>, taken: Taken, now: Time) -> Self {
        Self { guard, model, taken, began: now, first: None }
    }

    /// The head of the answer came, and told this of what is left.
    pub(crate) fn headed(&mut self, told: &Announced, now: Time) {
        if let Some(sent) = self.taken.sent.take() {
            self.model.answered(self.taken.account, sent, told, now);
            self.guard.known.line.lock().told(self.model.name(), self.taken.account);
        }
    }

    /// The first of the answer came: a probe has shown that the provider works.
    pub(crate) fn begun(&mut self, now: Time) {
        if self.first.is_some() {
            return;
        }
        let took = now.since(self.began);
        self.first = Some(took);
        if let Some(probe) = self.taken.ticket.take_if(|ticket| ticket.is_probe()) {
            self.model.record(probe, Outcome::Success, took, now);
            self.guard.tell(&self.model);
        }
    }

    /// It is not sent after all.
    pub(crate) fn unsent(mut self) {
        if let Some(sent) = self.taken.sent.take() {
            self.model.unsent(self.taken.account, sent);
            self.guard.known.line.lock().told(self.model.name(), self.taken.account);
        }
    }

    /// It is over.
    pub(crate) fn ended(mut self, end: End, now: Time) {
        let took = now.since(self.began);
        let outcome = match end {
            End::Served(served) => {
                self.guard.paced(false);
                self.model.paced(self.paces(served, took), self.taken.in_flight, now);
                Outcome::Success
            }
            End::Failed { retry_after, overloaded } => {
                self.guard.paced(true);
                if overloaded {
                    self.model.overloaded(now);
                }
                Outcome::Failure { retry_after }
            }
            End::Throttled { retry_after } => {
                self.guard.paced(true);
                Outcome::Throttled { retry_after }
            }
            End::Ignored => Outcome::Ignored,
        };
        if let Some(ticket) = self.taken.ticket.take() {
            self.model.record(ticket, outcome, took, now);
            self.guard.tell(&self.model);
        }
    }

    /// How quick it was, in both measures; the policy says which counts.
    fn paces(&self, served: Served, took: Duration) -> [Option<Pace>; 2] {
        let first = self.first.filter(|_| served.streamed);
        let since_first = took.saturating_sub(first.unwrap_or_default());
        let tokens = Pace::Tokens { took: since_first, tokens: served.tokens };
        [first.map(Pace::FirstToken), Some(tokens)]
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let now = self.guard.watch.clock.now().time;
        if let Some(ticket) = self.taken.ticket.take() {
            self.model.record(ticket, Outcome::Ignored, Duration::ZERO, now);
        }
        // Whether it was counted is not known, so it is taken to be.
        self.headed(&Announced::default(), now);
        self.model.leave();
        self.guard.known.line.lock().freed(self.model.name());
    }
}
