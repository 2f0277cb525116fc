//! The gateway's own reservations are renewed for as long as their requests run.

use std::{collections::HashSet, sync::Arc, time::Duration};

use foldhash::fast::RandomState;
use futures_util::{StreamExt as _, stream};
use parking_lot::Mutex;
use tollgate::{AnyStore, Store as _, Tollgate};
use tollgate_core::ReservationId;

type Ids = HashSet<ReservationId, RandomState>;

/// The reservations of the requests that run.
#[derive(Debug, Default)]
pub(crate) struct Renewals {
    running: [Mutex<Ids>; SHARDS],
}

/// Keeps one reservation from expiring until it is dropped.
#[derive(Debug)]
pub(crate) struct Renewed {
    renewals: Arc<Renewals>,
    id: ReservationId,
}

const SHARDS: usize = 16;

/// How many are renewed at once.
const AT_ONCE: usize = 64;

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
        self.each(|id| async move {
            let now = gate.clock().now();
            // It may have ended in this very moment, and then all is well.
            if let Err(error) = gate.store().renew(id, now.time.after(hold), now).await {
                tracing::debug!(%error, "a reservation was not renewed");
            }
        })
        .await;
    }

    /// Does something with each that runs, many at once: a store that is far away answers all of
    /// them in a fraction of the hold.
    async fn each<F: Future<Output = ()>>(&self, renew: impl Fn(ReservationId) -> F) {
        for shard in &self.running {
            let running: Vec<_> = shard.lock().iter().copied().collect();
            stream::iter(running).map(&renew).buffer_unordered(AT_ONCE).collect::<()>().await;
        }
    }

    fn shard(&self, id: ReservationId) -> &Mutex<Ids> {
        // The low bits are random; the high ones are the time.
        &self.running[(id.0 % SHARDS as u128) as usize]
    }
}

impl Drop for Renewed {
    fn drop(&mut self) {
        self.renewals.shard(self.id).lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use tollgate::{Clock, Memory, Verdict};
    use tollgate_core::{Attributes, Demand, Policy, Time};

    use super::*;

    const HOLD: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_running_request_outlives_its_hold_and_an_ended_one_does_not() {
        let clock = Clock::set_at(Time::from_millis(1_000));
        let store = Memory::default().into();
        let gate = Tollgate::new(Policy::default(), store, clock.clone(), HOLD);
        let verdict = gate.admit(&Attributes::new(), &Demand::ONE_REQUEST).await;
        let Ok(Verdict::Admit(permit)) = verdict else { panic!("{verdict:?}") };
        let renewals = Arc::new(Renewals::default());
        let renewed = renewals.keep(permit.id());
        for _ in 0..10 {
            clock.advance(HOLD / 2);
            renewals.renew(&gate, HOLD).await;
            assert_eq!(gate.store().expire(clock.now()).await, Ok(0));
        }
        drop(renewed);
        renewals.renew(&gate, HOLD).await;
        clock.advance(HOLD);
        assert_eq!(gate.store().expire(clock.now()).await, Ok(1), "nobody renews it any more");
    }

    #[tokio::test(start_paused = true)]
    async fn many_are_renewed_at_once() {
        let renewals = Arc::new(Renewals::default());
        // All of one shard.
        let kept = |nth| renewals.keep(ReservationId(u128::from(nth * SHARDS as u64)));
        let _all: Vec<_> = (0..2 * AT_ONCE as u64).map(kept).collect();
        let together = tokio::sync::Barrier::new(AT_ONCE);
        let renewed = renewals.each(async |_| {
            together.wait().await;
        });
        let renewed = tokio::time::timeout(Duration::from_secs(1), renewed);
        assert!(renewed.await.is_ok(), "each waits for others that are renewed with it");
    }

    #[tokio::test(start_paused = true)]
    async fn renewing_goes_on_by_itself() {
        let clock = Clock::set_at(Time::from_millis(1_000));
        let gate = Tollgate::new(Policy::default(), Memory::default().into(), clock.clone(), HOLD);
        let verdict = gate.admit(&Attributes::new(), &Demand::ONE_REQUEST).await;
        let Ok(Verdict::Admit(permit)) = verdict else { panic!("{verdict:?}") };
        let renewals = Arc::new(Renewals::default());
        let _renewed = renewals.keep(permit.id());
        clock.advance(HOLD - Duration::from_secs(1));
        // Paused time runs on when nobody has anything else to do.
        let running =
            tokio::time::timeout(HOLD / TIMES + Duration::from_secs(1), renewals.run(&gate));
        assert!(running.await.is_err());
        clock.advance(Duration::from_secs(2));
        assert_eq!(gate.store().expire(clock.now()).await, Ok(0));
    }
}
