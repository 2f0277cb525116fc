//! A slot that is held, and a place that waits for one.

use std::time::Duration;

use super::{Crowd, Overload, Verdict};
use crate::{Memory, Permit, Present, Waiting};

/// Leave to run. It is given back when it is dropped, or by [`release`](Slot::release).
#[derive(Debug)]
#[must_use = "a slot that is dropped is given back"]
pub struct Slot {
    /// None where limits are off.
    permit: Option<Box<Permit<Memory>>>,
    _present: Present,
}

/// A slot, or a place in the queue.
#[derive(Debug)]
pub enum Seat {
    /// It runs.
    Running(Slot),
    /// It waits.
    Queued(Queued),
}

/// A place in the queue. Dropped, it is given up.
#[derive(Debug)]
#[must_use = "a place that is dropped is given up"]
pub struct Queued {
    waiting: Waiting<Memory>,
    present: Present,
    crowd: Crowd,
    user: String,
}

impl Slot {
    pub(super) fn new(permit: Permit<Memory>, present: Present) -> Self {
        Self { permit: Some(Box::new(permit)), _present: present }
    }

    pub(super) const fn free(present: Present) -> Self {
        Self { permit: None, _present: present }
    }

    /// How long it waited for its turn.
    pub fn waited(&self) -> Duration {
        self.permit.as_ref().map(|permit| permit.waited()).unwrap_or_default()
    }

    /// Gives it back.
    pub fn release(self) {}
}

impl Queued {
    pub(super) fn new(waiting: Waiting<Memory>, crowd: Crowd, user: &str) -> Self {
        Self { present: crowd.waits(Some(user)), waiting, crowd, user: user.to_owned() }
    }

    /// 1 for the next.
    pub fn place(&self) -> Option<usize> {
        self.waiting.place()
    }

    /// How long it is expected to wait, where that is known.
    pub fn estimate(&self) -> Option<Duration> {
        self.waiting.estimate()
    }

    /// Its turn.
    ///
    /// # Errors
    /// When it did not come in time, or another took its place.
    pub async fn turn(self) -> Result<Slot, Overload> {
        let Self { waiting, present, crowd, user } = self;
        let verdict = waiting.turn().await;
        drop(present);
        match verdict.map_err(|error| Overload::failed(&error))? {
            Verdict::Admit(permit) => Ok(Slot::new(permit, crowd.runs(Some(&user)))),
            Verdict::Refuse(refused) => Err(Overload::new(&refused)),
        }
    }
}
