//! How long work takes, by the project's own clock, and what of many rounds counts.

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

/// The middle of some rounds, between the two middle ones of an even number; there is one at
/// least.
pub(crate) fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    let middle = &rounds[(rounds.len() - 1) / 2..=rounds.len() / 2];
    middle.iter().sum::<f64>() / middle.len() as f64
}
