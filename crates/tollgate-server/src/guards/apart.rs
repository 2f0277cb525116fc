//! How far apart requests to one provider begin, where the policy keeps them apart.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tollgate_core::{
    Time,
    adaptive::{Interval, IntervalSettings},
};

/// What keeps the requests of one provider apart, if anything does.
#[derive(Debug)]
pub(super) struct Apart {
    /// Whether anything does: where nothing does, nobody need take the lock. Whoever does not
    /// see yet that it has changed came before that.
    is_set: AtomicBool,
    interval: Mutex<Option<Interval>>,
}

impl Apart {
    pub(super) fn new(settings: Option<IntervalSettings>) -> Self {
        let interval = settings.map(Interval::new);
        Self { is_set: AtomicBool::new(interval.is_some()), interval: Mutex::new(interval) }
    }

    /// Other settings: what is known stays as far as they allow it.
    pub(super) fn enforce(&self, settings: Option<IntervalSettings>) {
        let mut interval = self.interval.lock();
        *interval = match (interval.take(), settings) {
            (Some(mut interval), Some(other)) => {
                interval.reconfigure(other);
                Some(interval)
            }
            (_, other) => other.map(Interval::new),
        };
        self.is_set.store(interval.is_some(), Ordering::Relaxed);
    }

    /// A request begins, or is told when it may.
    pub(super) fn begin(&self, now: Time) -> Result<(), Time> {
        self.of(|interval| interval.begin(now)).unwrap_or(Ok(()))
    }

    /// One has ended.
    pub(super) fn ended(&self, failed: bool) {
        self.of(if failed { Interval::failed } else { Interval::succeeded });
    }

    fn of<T>(&self, act: impl FnOnce(&mut Interval) -> T) -> Option<T> {
        if !self.is_set.load(Ordering::Relaxed) {
            return None;
        }
        self.interval.lock().as_mut().map(act)
    }
}
