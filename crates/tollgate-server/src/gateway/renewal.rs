//! The gateway's own reservations are renewed for as long as their requests run.

use std::{collections::HashSet, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tollgate::{AnyStore, Store as _, Tollgate};
use tollgate_core::ReservationId;

/// The reservations of the requests that run.
#[derive(Debug, Default)]
pub(crate) struct Renewals {
    running: [Mutex<HashSet<ReservationId>>; SHARDS],
}

/// Keeps one reservation from expiring until it is dropped.
#[derive(Debug)]
pub(crate) struct Renewed {
    renewals: Arc<Renewals>,
    id: ReservationId,
}

const SHARDS: usize = 16;

/// How often a reservation is renewed in the time that it is held.
const TIMES: u32 = 4;

impl Renewals {
    /// Keeps a reservation from expiring until what is returned is dropped.
    pub(crate) fn keep(self: &Arc<Self>, id: ReservationId) -> Renewed {
        self.shard(id).lock().insert(id);
        Renewed { renewals: Arc::clone(self), id }
    }

    /// Renews all that run, again and again.
    pub(crate) async fn run(&self, gate: &Tollgate<AnyStore>) {
        let hold = gate.hold();
        let pause = (hold / TIMES).max(Duration::from_millis(1));
        loop {
            tokio::time::sleep(pause).await;
            self.renew(gate, hold).await;
        }
    }

    async fn renew(&self, gate: &Tollgate<AnyStore>, hold: Duration) {
        for shard in &self.running {
            let running: Vec<_> = shard.lock().iter().copied().collect();
            for id in running {
                let now = gate.clock().now();
                // It may have ended in this very moment, and then all is well.
                if let Err(error) = gate.store().renew(id, now.time.after(hold), now).await {
                    tracing::debug!(%error, "a reservation was not renewed");
                }
            }
        }
    }

    fn shard(&self, id: ReservationId) -> &Mutex<HashSet<ReservationId>> {
        // The low bits are random; the high ones are the time.
        &self.running[(id.0 % SHARDS as u128) as usize]
    }
}

impl Drop for Renewed {
    fn drop(&mut self) {
        self.renewals.shard(self.id).lock().remove(&self.id);
    }
}
