//! How long work takes, by the project's own clock.

use std::time::Duration;

use tollgate::Clock;

/// A clock that was started.
#[derive(Debug, Clone)]
pub(crate) struct Stopwatch {
    clock: Clock,
    began: tollgate_core::Time,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        let clock = Clock::system();
        let began = clock.now().time;
        Self { clock, began }
    }

    /// The time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.now().time.since(self.began)
    }
}

/// How long `work` takes.
pub(crate) fn time(work: impl FnOnce()) -> Duration {
    let watch = Stopwatch::start();
    work();
    watch.elapsed()
}
