//! What is known of a server that may evict what it is told.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::Memory;

/// Whether a server may evict, and how much it has.
pub(super) struct Eviction {
    known: Mutex<Known>,
    /// How often any server of the link was found to have evicted something.
    seen: watch::Sender<u64>,
}

#[derive(Default)]
struct Known {
    warning: Option<Arc<str>>,
    is_asked: bool,
    /// How many keys it had evicted when it was looked at last.
    count: Option<u64>,
    memory: Option<Memory>,
}

impl Eviction {
    pub(super) fn new(seen: watch::Sender<u64>) -> Self {
        Self { known: Mutex::default(), seen }
    }

    /// Whether this is the first time that it is asked for.
    pub(super) fn is_unasked(&self) -> bool {
        !std::mem::replace(&mut self.known.lock().is_asked, true)
    }

    /// What is to be said of it.
    pub(super) fn warning(&self) -> Option<Arc<str>> {
        self.known.lock().warning.clone()
    }

    /// Notes what is to be said of it; that, if it is news.
    pub(super) fn set_warning(&self, warning: Option<Arc<str>>) -> Option<Arc<str>> {
        let mut known = self.known.lock();
        let is_news = known.warning != warning;
        known.warning.clone_from(&warning);
        warning.filter(|_| is_news)
    }

    /// How full its memory was when it was looked at last.
    pub(super) fn memory(&self) -> Option<Memory> {
        self.known.lock().memory
    }

    /// Notes how full its memory is.
    pub(super) fn set_memory(&self, memory: Option<Memory>) {
        self.known.lock().memory = memory;
    }

    /// Notes how many keys it has evicted since it was started.
    pub(super) fn count(&self, count: u64) {
        let last = self.known.lock().count.replace(count);
        if last.is_some_and(|last| count > last) {
            self.seen.send_modify(|seen| *seen += 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_alone_is_seen_and_a_warning_is_news_once() {
        let seen = watch::Sender::new(0);
        let eviction = Eviction::new(seen.clone());
        for (count, times) in [(5, 0), (5, 0), (7, 1), (0, 1), (1, 2)] {
            eviction.count(count);
            assert_eq!(*seen.borrow(), times, "{count}");
        }
        let warning: Option<Arc<str>> = Some("it evicts".into());
        assert_eq!(eviction.set_warning(warning.clone()), warning);
        assert_eq!(eviction.set_warning(warning.clone()), None);
        assert_eq!(eviction.warning(), warning);
    }
}
