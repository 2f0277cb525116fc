//! What keeps this node from hearing of the others' changes, and them of its own.

use parking_lot::Mutex;

/// What is in the way now, if anything is. It is logged when it begins.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<Option<String>>);

impl Trouble {
    pub(super) fn note(&self, why: String) {
        let mut known = self.0.lock();
        if known.is_none() {
            tracing::error!(error = %why, "nodes do not hear of all of each other's changes");
        }
        *known = Some(why);
    }

    pub(super) fn is_over(&self) {
        *self.0.lock() = None;
    }

    /// What it is.
    pub(super) fn shown(&self) -> Option<String> {
        self.0.lock().clone()
    }
}
