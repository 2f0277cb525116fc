//! The connections to one provider that wait for a next request.

use std::{
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use parking_lot::Mutex;

use super::link::Link;

/// Connections that wait for a next request. There are never more than there were requests
/// at once.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// The one that was used last is used first, so that the others grow old and go.
    idle: Vec<Idle>,
    /// How often the pool was swept.
    sweeps: u64,
    is_swept: bool,
}

#[derive(Debug)]
struct Idle {
    link: Box<Link>,
    /// The sweep after which it came.
    since: u64,
}

/// How often it is looked for connections that have waited for too long or were closed by
/// their peer.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// How many sweeps a connection survives: 30 seconds, less than servers usually keep theirs.
const MAX_SWEEPS: u64 = 6;

impl Pool {
    /// A connection that waits, if one does. It may have been closed by its peer.
    pub(super) fn take(&self) -> Option<Box<Link>> {
        self.0.lock().idle.pop().map(|idle| idle.link)
    }

    /// Keeps a connection for a next request if it can bear one.
    pub(super) fn put(self: &Arc<Self>, link: Box<Link>) {
        // Without a runtime, at the very end of the process, nobody could sweep it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !link.is_ready() {
            return;
        }
        let mut waiting = self.0.lock();
        let since = waiting.sweeps;
        waiting.idle.push(Idle { link, since });
        if !waiting.is_swept {
            waiting.is_swept = true;
            runtime.spawn(sweep(Arc::downgrade(self)));
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().idle.len()
    }
}

impl Waiting {
    /// Lets go of those that are too old or have ended; whether none is left.
    fn sweep(&mut self, cx: &mut Context<'_>) -> bool {
        self.sweeps += 1;
        let now = self.sweeps;
        self.idle.retain_mut(|idle| {
            now - idle.since < MAX_SWEEPS
                && idle.link.poll_drive(cx).is_pending()
                && idle.link.is_ready()
        });
        self.idle.is_empty()
    }
}

/// Sweeps a pool until it is empty or gone.
async fn sweep(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        let Some(pool) = pool.upgrade() else { return };
        let is_done = std::future::poll_fn(|cx| {
            let mut waiting = pool.0.lock();
            let is_empty = waiting.sweep(cx);
            waiting.is_swept = !is_empty;
            Poll::Ready(is_empty)
        });
        if is_done.await {
            return;
        }
    }
}
