//! Telling other nodes that something was given back, so that they wake who waits for it.
//!
//! At most one message of a node is on its way; what is freed meanwhile goes with the next one.
//! Nothing is lost that matters when a message is: who waits also asks at promised instants and
//! now and then.

use std::sync::Arc;

use parking_lot::Mutex;
use tollgate_core::LimitId;

use crate::store::redis::link::Link;

/// Limits that something was given back of.
#[derive(Debug)]
pub(super) struct Freed {
    channel: String,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    limits: Vec<LimitId>,
    is_telling: bool,
}

/// Whoever tells, until all is told or its runtime ends.
struct Telling(Arc<Freed>);

/// Limits that are told in one message; there are not more in a policy that anybody writes.
const MOST: usize = 1_024;

impl Freed {
    pub(super) fn new(channel: String) -> Self {
        Self { channel, waiting: Mutex::default() }
    }

    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    pub(super) fn note(&self, limit: LimitId) {
        let mut waiting = self.waiting.lock();
        if !waiting.limits.contains(&limit) && waiting.limits.len() < MOST {
            waiting.limits.push(limit);
        }
    }

    /// Tells what was noted, beside whoever noted it.
    pub(super) fn tell(self: &Arc<Self>, link: &Link) {
        let mut waiting = self.waiting.lock();
        if waiting.limits.is_empty() || waiting.is_telling {
            return;
        }
        waiting.is_telling = true;
        drop(waiting);
        let (freed, link) = (Arc::clone(self), link.clone());
        let telling = Telling(freed);
        tokio::spawn(async move {
            while let Some(message) = telling.0.next() {
                if link.publish(&telling.0.channel, &message).await.is_err() {
                    tracing::debug!("other nodes were not told what was given back");
                }
            }
        });
    }

    fn next(&self) -> Option<Vec<u8>> {
        let mut waiting = self.waiting.lock();
        if waiting.limits.is_empty() {
            return None;
        }
        Some(waiting.limits.drain(..).flat_map(|limit| limit.0.to_le_bytes()).collect())
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.waiting.lock().is_telling = false;
    }
}
