//! Answers of providers that are kept, and who is on the way for one.
//!
//! Of several requests that ask the same at once, the first goes and the others wait for its
//! answer, each within its own patience. Where the first fails, each goes by itself; where it
//! is dropped, the next one goes first. Entries and flights are under one lock, so nobody
//! misses an answer between looking for it and waiting for it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::HeaderValue;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tollgate::Clock;
use tollgate_core::{Time, Usage};

use super::{
    Key,
    errand::{Errand, Told},
    file::Teller,
    flights::Flights,
    labels::{Labels, Mark, Selector},
    shelf::{Holding, Shelf, Shelved},
};

/// An answer that is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) body: Bytes,
    /// What the request that made it used.
    pub(crate) usage: Usage,
    /// When it was made.
    pub(crate) since: Time,
    /// The same by the wall's clock, for the next start.
    pub(super) wall: Time,
    /// From when on it is not given as if it had just been made.
    pub(super) expires: Time,
    /// From when on it is not there at all.
    pub(super) gone: Time,
    pub(super) labels: Labels,
    /// How far clearing had come when it was begun.
    pub(super) begun: Mark,
}

/// Answers of providers. A clone is the same one.
#[derive(Debug, Clone)]
pub(crate) struct Answers(pub(super) Arc<Mutex<Inner>>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) shelf: Shelf<Kept>,
    pub(super) flights: Flights,
    /// Where answers are written, if they outlive the process.
    teller: Option<Teller>,
}

impl Inner {
    /// An answer whose time is not over.
    fn find(&mut self, key: &Key, now: Time) -> Option<Arc<Kept>> {
        self.shelf.find(key, now).filter(|kept| now < kept.expires)
    }

    /// Keeps an answer; whether it is kept.
    pub(super) fn keep(&mut self, key: Key, kept: &Arc<Kept>) -> bool {
        let is_kept = self.shelf.put(key, Arc::clone(kept), kept.begun);
        // Told under the lock, so that what is cleared later is written before it is cleared.
        if let (true, Some(teller)) = (is_kept, &self.teller) {
            teller.keep(key, kept);
        }
        is_kept
    }
}

/// What there is for a request.
#[derive(Debug)]
pub(crate) enum Looked {
    /// An answer that was there.
    Kept(Arc<Kept>),
    /// An answer that another request brought while this one waited.
    Brought(Arc<Kept>),
    /// None: go for it.
    Go(Errand),
}

/// What there is at once.
enum Asked {
    Kept(Arc<Kept>),
    Go(Errand),
    Follow(oneshot::Receiver<Told>),
}

impl Shelved for Kept {
    fn bytes(&self) -> usize {
        let head = self.content_type.as_ref().map_or(0, HeaderValue::len);
        self.body.len() + head + self.labels.bytes()
    }

    fn gone(&self) -> Time {
        self.gone
    }

    fn labels(&self) -> &Labels {
        &self.labels
    }
}

impl Answers {
    pub(super) fn of_bytes(max_bytes: u64) -> Self {
        let (shelf, flights) = (Shelf::of_bytes(max_bytes), Flights::default());
        Self(Arc::new(Mutex::new(Inner { shelf, flights, teller: None })))
    }

    /// How far clearing has come.
    pub(super) fn mark(&self) -> Mark {
        self.0.lock().shelf.mark()
    }

    /// Takes in what an earlier process has kept, and has written what is kept from now on.
    pub(super) fn resume(&self, kept: Vec<(Key, Kept)>, teller: Option<Teller>) {
        let mut inner = self.0.lock();
        for (key, kept) in kept {
            inner.keep(key, &Arc::new(kept));
        }
        inner.teller = teller;
    }

    pub(super) fn resize(&self, max_bytes: u64) {
        self.0.lock().shelf.resize(max_bytes);
    }

    /// Looks for an answer, and waits so long for one that is on its way.
    pub(crate) async fn look(
        &self,
        key: Key,
        labels: Labels,
        wait: Duration,
        clock: &Clock,
    ) -> Looked {
        let first = match self.ask(key, &labels, clock.now().time) {
            Asked::Kept(kept) => return Looked::Kept(kept),
            Asked::Go(errand) => return Looked::Go(errand),
            Asked::Follow(told) => told,
        };
        // In a box, since most requests never wait.
        let following = Box::pin(self.follow(key, &labels, first, clock));
        match tokio::time::timeout(wait, following).await {
            Ok(Some(looked)) => looked,
            Ok(None) | Err(_) => Looked::Go(self.alone(key, labels)),
        }
    }

    /// An answer whose time is not over, for whoever may have it.
    pub(crate) fn find(&self, key: &Key, now: Time) -> Option<Arc<Kept>> {
        self.0.lock().find(key, now)
    }

    /// The last answer that is there, perhaps beyond its time: for where there is no other.
    pub(crate) fn last(&self, key: &Key, now: Time) -> Option<Arc<Kept>> {
        self.0.lock().shelf.find(key, now)
    }

    /// Goes for an answer without looking for one.
    pub(crate) fn alone(&self, key: Key, labels: Labels) -> Errand {
        let begun = self.0.lock().shelf.mark();
        Errand::new(self.clone(), key, labels, begun, None)
    }

    /// Takes away what is meant, for good.
    pub(crate) fn clear(&self, selector: &Selector) -> Holding {
        let mut inner = self.0.lock();
        let (cleared, stopped) = (inner.shelf.clear(selector), inner.flights.clear(selector));
        drop(inner);
        for follower in stopped {
            // Who has gone away meanwhile need not know.
            let _ = follower.send(Told::Again);
        }
        cleared
    }

    /// How much is kept.
    pub(crate) fn holding(&self, now: Time) -> Holding {
        self.0.lock().shelf.holding(now)
    }

    /// How many wait for an answer.
    #[cfg(test)]
    pub(crate) fn followers(&self) -> usize {
        self.0.lock().flights.followers()
    }

    fn ask(&self, key: Key, labels: &Labels, now: Time) -> Asked {
        let mut inner = self.0.lock();
        if let Some(kept) = inner.find(&key, now) {
            return Asked::Kept(kept);
        }
        let begun = inner.shelf.mark();
        match inner.flights.join(key, labels) {
            Ok(told) => Asked::Follow(told),
            Err(leads) => Asked::Go(Errand::new(self.clone(), key, labels.clone(), begun, leads)),
        }
    }

    /// `None` where this one had better go by itself.
    async fn follow(
        &self,
        key: Key,
        labels: &Labels,
        mut told: oneshot::Receiver<Told>,
        clock: &Clock,
    ) -> Option<Looked> {
        loop {
            match told.await {
                Ok(Told::Brought(kept)) if self.is_current(&kept) => {
                    return Some(Looked::Brought(kept));
                }
                Ok(Told::Lead(errand)) if errand.still_leads() => {
                    return Some(Looked::Go(errand.of(labels.clone())));
                }
                // What it waited for was cleared meanwhile.
                Ok(Told::Again | Told::Brought(_) | Told::Lead(_)) => {}
                Ok(Told::Failed) | Err(_) => return None,
            }
            told = match self.ask(key, labels, clock.now().time) {
                Asked::Kept(kept) => return Some(Looked::Brought(kept)),
                Asked::Go(errand) => return Some(Looked::Go(errand)),
                Asked::Follow(told) => told,
            };
        }
    }

    /// Whether an answer was not cleared while it was handed over.
    fn is_current(&self, kept: &Kept) -> bool {
        !self.0.lock().shelf.is_cleared(&kept.labels, kept.begun)
    }
}
