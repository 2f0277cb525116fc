//! What is said again and again, said now and then.

use std::time::Duration;

use parking_lot::Mutex;
use tollgate_core::Time;

const PAUSE: Duration = Duration::from_secs(10);

/// When it was said at last.
#[derive(Debug, Default)]
pub(in crate::store::redis) struct Complaint(Mutex<Option<Time>>);

impl Complaint {
    /// Whether it may be said now.
    pub(in crate::store::redis) fn may_be_told(&self, now: Time) -> bool {
        let mut last = self.0.lock();
        let may = last.is_none_or(|last| last.after(PAUSE) <= now);
        if may {
            *last = Some(now);
        }
        may
    }
}
