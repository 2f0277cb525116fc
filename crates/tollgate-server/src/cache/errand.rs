//! Going for an answer: who does tells how it came out, once, however it comes out.

use std::sync::Arc;

use super::{
    Key,
    answers::{Answers, Kept},
    flights::FlightId,
    labels::{Labels, Mark},
};

/// A request on its way for an answer. Dropped, it hands over to the next who waits.
#[derive(Debug)]
pub(crate) struct Errand {
    answers: Answers,
    key: Key,
    labels: Option<Labels>,
    begun: Mark,
    /// The flight that it leads, if others can wait for it.
    pub(super) leads: Option<FlightId>,
}

/// What those are told who wait for an answer.
#[derive(Debug)]
pub(super) enum Told {
    /// Here it is.
    Brought(Arc<Kept>),
    /// There will be none: go by yourself.
    Failed,
    /// Who was on the way is gone: you go, for all that wait.
    Lead(Errand),
    /// It will not do any more: look anew.
    Again,
}

impl Errand {
    pub(super) const fn new(
        answers: Answers,
        key: Key,
        labels: Labels,
        begun: Mark,
        leads: Option<FlightId>,
    ) -> Self {
        Self { answers, key, labels: Some(labels), begun, leads }
    }

    /// Whether others still wait for it, or can.
    pub(super) fn still_leads(&self) -> bool {
        self.leads.is_some_and(|id| self.answers.0.lock().flights.has(&self.key, id))
    }

    /// The same, of who has taken it over.
    pub(super) fn of(mut self, labels: Labels) -> Self {
        self.labels = Some(labels);
        self
    }

    /// Brings an answer, which is kept and goes to those who wait; whether it is kept.
    pub(super) fn bring(mut self, make: impl FnOnce(Labels, Mark) -> Kept) -> bool {
        let kept = Arc::new(make(self.labels.take().unwrap_or_default(), self.begun));
        let mut inner = self.answers.0.lock();
        let is_kept = inner.keep(self.key, &kept);
        let followers = self.leads.take().map(|id| inner.flights.end(&self.key, id));
        drop(inner);
        for follower in followers.into_iter().flatten() {
            // Who has gone away meanwhile needs none.
            let _ = follower.send(Told::Brought(Arc::clone(&kept)));
        }
        is_kept
    }

    /// Its key.
    pub(crate) const fn key(&self) -> Key {
        self.key
    }

    /// Says that there will be no answer that can be kept.
    pub(crate) fn fail(mut self) {
        let Some(id) = self.leads.take() else { return };
        let followers = self.answers.0.lock().flights.end(&self.key, id);
        for follower in followers {
            let _ = follower.send(Told::Failed);
        }
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        let Some(id) = self.leads.take() else { return };
        loop {
            // The lock is not held while others are told: what they do not take is dropped.
            let mut inner = self.answers.0.lock();
            let next = inner.flights.next(&self.key, id);
            let begun = inner.shelf.mark();
            drop(inner);
            let Some(next) = next else { return };
            let labels = self.labels.clone().unwrap_or_default();
            let errand = Self::new(self.answers.clone(), self.key, labels, begun, Some(id));
            match next.send(Told::Lead(errand)) {
                Ok(()) => return,
                // It has gone away: ask the next here rather than from the drop of this one.
                Err(Told::Lead(mut untaken)) => untaken.leads = None,
                Err(_) => {}
            }
        }
    }
}
