//! The sessions that this process has seen, for the log: who came, and who was idle too long.
//!
//! The store decides who lives; after a restart it knows sessions that are not here, and what
//! is here is bounded by what limits admit.

use std::collections::HashMap;

use parking_lot::Mutex;
use tollgate_core::Time;

/// When each session ends that was active since the start.
#[derive(Debug, Default)]
pub(crate) struct Tracker(Mutex<HashMap<String, Time>>);

impl Tracker {
    /// A session is new.
    pub(crate) fn registered(&self, name: &str, expires: Time, (active, max): (u64, u64)) {
        self.0.lock().insert(name.to_owned(), expires);
        tracing::info!("Session {name} registered. Active sessions: {active}/{max}");
    }

    /// A session goes on.
    pub(crate) fn touched(&self, name: &str, expires: Time) {
        self.0.lock().insert(name.to_owned(), expires);
    }

    /// A session was ended.
    pub(crate) fn ended(&self, name: &str) {
        if self.0.lock().remove(name).is_some() {
            tracing::info!("Session {name} ended");
        }
    }

    /// Lets go of those whose time is over.
    pub(crate) fn expire(&self, now: Time) {
        self.0.lock().retain(|name, expires| {
            let lives = *expires > now;
            if !lives {
                tracing::info!("Removed expired session {name} from active tracker");
            }
            lives
        });
    }
}
