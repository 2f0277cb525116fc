//! What a request on its way holds of its provider's guard.

use std::{sync::Arc, time::Duration};

use tollgate_core::{Time, adaptive::Pace, breaker::Outcome, quota::Announced};

use super::{
    Guard,
    model::{Bore, Ended, Model, Taken},
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
    is_over: bool,
    /// Whether it goes on for as long as its caller likes, so that its length tells nothing.
    is_lasting: bool,
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
    /// It did not, and for no fault of its own: the gateway's key or account is not served. That
    /// is for people to mend; no circuit opens.
    Barred,
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
        Self { guard, model, taken, began: now, first: None, is_lasting: false, is_over: false }
    }

    /// The head of the answer came, and told this of what is left.
    pub(crate) fn headed(&mut self, told: &Announced, now: Time) {
        if let Some(sent) = self.taken.sent.take() {
            self.model.answered(self.taken.account, sent, told, now);
            if told.throttled {
                self.guard.watch.throttled.notify_one();
            }
            self.guard.known.line.told(self.model.name(), self.taken.account);
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
            let changes = self.model.record(probe, Outcome::Success, took, now);
            self.guard.tell(&self.model, &changes);
        }
    }

    /// From here on it goes on for as long as its caller likes.
    pub(crate) fn lasts(&mut self, now: Time) {
        self.begun(now);
        self.is_lasting = true;
    }

    /// It is not sent after all.
    pub(crate) fn unsent(mut self) {
        if let Some(sent) = self.taken.sent.take() {
            self.model.unsent(self.taken.account, sent);
            self.guard.known.line.told(self.model.name(), self.taken.account);
        }
    }

    /// It is over.
    pub(crate) fn ended(mut self, end: End, now: Time) {
        self.conclude(end, now);
    }

    fn conclude(&mut self, end: End, now: Time) {
        self.is_over = true;
        let lasted = now.since(self.began);
        let took = self.first.filter(|_| self.is_lasting).unwrap_or(lasted);
        let (outcome, bore) = match end {
            End::Served(served) => (Outcome::Success, Bore::Well(self.paces(served, took))),
            End::Failed { retry_after, overloaded } => {
                let bore = if overloaded { Bore::TooMuch } else { Bore::Unknown };
                (Outcome::Failure { retry_after }, bore)
            }
            End::Throttled { retry_after } => (Outcome::Throttled { retry_after }, Bore::Unknown),
            End::Barred | End::Ignored => (Outcome::Ignored, Bore::Unknown),
        };
        let Self { guard, model, taken, .. } = self;
        let failed = Outcome::Failure { retry_after: None };
        guard.known.tally.note(if end == End::Barred { failed } else { outcome });
        if outcome != Outcome::Ignored {
            guard.known.apart.ended(outcome != Outcome::Success);
        }
        let is_unheard = taken.sent.is_some();
        let changes = model.ended(taken, Ended { outcome, took, bore }, now);
        guard.tell(model, &changes);
        if is_unheard {
            guard.known.line.told(model.name(), taken.account);
        }
        guard.known.line.freed(model.name());
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
        if !self.is_over {
            self.conclude(End::Ignored, self.guard.watch.clock.now().time);
        }
    }
}
