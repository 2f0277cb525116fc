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
struct Telling {
    freed: Arc<Freed>,
    is_over: bool,
}

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
        let Some(mut telling) = self.begin() else { return };
        let link = link.clone();
        tokio::spawn(async move {
            while let Some(message) = telling.next() {
                if link.publish(&telling.freed.channel, &message).await.is_err() {
                    tracing::debug!("other nodes were not told what was given back");
                }
            }
        });
    }

    /// Who is to tell what was noted; nobody, where there is nothing or somebody does.
    fn begin(self: &Arc<Self>) -> Option<Telling> {
        let mut waiting = self.waiting.lock();
        if waiting.limits.is_empty() || waiting.is_telling {
            return None;
        }
        waiting.is_telling = true;
        Some(Telling { freed: Arc::clone(self), is_over: false })
    }
}

impl Telling {
    fn next(&mut self) -> Option<Vec<u8>> {
        let mut waiting = self.freed.waiting.lock();
        if waiting.limits.is_empty() {
            // Under the lock by which it was seen: another tells what is noted from now on.
            (self.is_over, waiting.is_telling) = (true, false);
            return None;
        }
        Some(waiting.limits.drain(..).flat_map(|limit| limit.0.to_le_bytes()).collect())
    }
}

/// The limits that a message on [`Shared::freed_channel`](super::Shared::freed_channel) tells of.
pub fn freed_heard(message: &[u8]) -> Vec<LimitId> {
    let ids = message.chunks_exact(8).filter_map(|id| id.try_into().ok());
    ids.map(|id| LimitId(u64::from_le_bytes(id))).collect()
}

impl Drop for Telling {
    fn drop(&mut self) {
        if !self.is_over {
            self.freed.waiting.lock().is_telling = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_while_the_last_teller_goes_is_told_by_another() {
        let freed = Arc::new(Freed::new("freed".to_owned()));
        freed.note(LimitId(1));
        let mut first = freed.begin().expect("there is something to tell");
        assert!(freed.begin().is_none(), "one at a time");
        assert!(first.next().is_some() && first.next().is_none());
        freed.note(LimitId(2));
        let second = freed.begin().expect("the first has told all it will");
        drop(first);
        assert!(freed.begin().is_none(), "the second has not");
        drop(second);
        assert!(freed.begin().is_some(), "nor will it");
    }
}
