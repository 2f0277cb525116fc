//! Entries of applications: what they want to find again, by a namespace and a name.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::HeaderValue;
use parking_lot::Mutex;
use tollgate_core::Time;

use super::{
    Key,
    labels::{Labels, Selector},
    shelf::{Holding, Shelf, Shelved},
};

/// What an application keeps.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) body: Bytes,
    pub(crate) since: Time,
    pub(crate) expires: Time,
    labels: Labels,
}

/// The entries of applications.
#[derive(Debug)]
pub(crate) struct Entries(Mutex<Shelf<Entry>>);

impl Shelved for Entry {
    fn bytes(&self) -> usize {
        let head = self.content_type.as_ref().map_or(0, HeaderValue::len);
        self.body.len() + head + self.labels.bytes()
    }

    fn gone(&self) -> Time {
        self.expires
    }

    fn labels(&self) -> &Labels {
        &self.labels
    }
}

impl Entry {
    /// `body` must own its bytes alone: what it is a part of would stay in memory.
    pub(crate) fn new(
        content_type: Option<HeaderValue>,
        body: Bytes,
        labels: Labels,
        since: Time,
        lasts: Duration,
    ) -> Self {
        Self { content_type, body, labels, since, expires: since.after(lasts) }
    }
}

impl Entries {
    pub(super) fn of_bytes(max_bytes: u64) -> Self {
        Self(Mutex::new(Shelf::of_bytes(max_bytes)))
    }

    pub(super) fn resize(&self, max_bytes: u64) {
        self.0.lock().resize(max_bytes);
    }

    /// Puts an entry in its place; whether it fits.
    pub(crate) fn put(&self, key: Key, entry: Entry) -> bool {
        let mut shelf = self.0.lock();
        let now = shelf.mark();
        shelf.put(key, Arc::new(entry), now)
    }

    pub(crate) fn find(&self, key: &Key, now: Time) -> Option<Arc<Entry>> {
        self.0.lock().find(key, now)
    }

    /// Takes an entry away; whether it was there.
    pub(crate) fn remove(&self, key: &Key, now: Time) -> bool {
        self.0.lock().remove(key, now)
    }

    pub(crate) fn clear(&self, selector: &Selector) -> Holding {
        self.0.lock().clear(selector)
    }

    pub(crate) fn holding(&self, now: Time) -> Holding {
        self.0.lock().holding(now)
    }
}
