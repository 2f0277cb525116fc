//! How many answers are made at once, and how that slows each of them down.
//!
//! What bears a number of answers makes each at its full pace up to that number; beyond it
//! all share what there is, as a server of models does whose batches are full.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// What the answers on their way share.
#[derive(Debug)]
pub(crate) struct Strain {
    /// Answers that are made at the full pace; 0 for any number.
    bears: u32,
    making: Arc<AtomicU32>,
}

/// An answer that is being made, until it is dropped.
#[derive(Debug)]
pub(crate) struct Making {
    bears: u32,
    all: Arc<AtomicU32>,
}

impl Strain {
    pub(crate) fn new(bears: u32) -> Self {
        Self { bears, making: Arc::default() }
    }

    /// One more answer is made from now on.
    pub(crate) fn begin(&self) -> Making {
        self.making.fetch_add(1, Ordering::Relaxed);
        Making { bears: self.bears, all: Arc::clone(&self.making) }
    }
}

impl Making {
    /// How long it takes now what takes so long at the full pace.
    pub(crate) fn slowed(&self, time: Duration) -> Duration {
        let all = self.all.load(Ordering::Relaxed);
        if self.bears == 0 || all <= self.bears { time } else { time * all / self.bears }
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::Relaxed);
    }
}
