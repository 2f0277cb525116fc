//! Long histories, dealt by a seed.

use std::time::Duration;

use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};
use tollgate::{
    Store as _,
    core::{Amounts, Decision, NanoUsd, ReservationId},
};

use crate::world::{DEMAND, NOON, Open, World, who};

/// Requests, endings of all sorts, waits and restarts, as a seed deals them.
pub(crate) async fn live(world: &World, seed: u64, steps: usize) -> Open {
    let open = live_and_go(world, seed, steps).await;
    open.store.durable().await.expect("a disk");
    open
}

/// The same, without waiting for the disk at the end.
pub(crate) async fn live_and_go(world: &World, seed: u64, steps: usize) -> Open {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut open = world.open(NOON);
    let mut live: Vec<ReservationId> = Vec::new();
    for step in 0..steps {
        match dice.random_range(0..100) {
            0..50 => {
                let id = (seed as u128) << 64 | step as u128;
                let user = ["ann", "bob", "eve"][dice.random_range(0..3)];
                if let Decision::Admit(_) = world.reserve(&open, id, user).await {
                    live.push(ReservationId(id));
                }
            }
            50..90 if !live.is_empty() => {
                let nth = dice.random_range(0..live.len());
                if change(&open, live[nth], &mut dice).await {
                    live.swap_remove(nth);
                }
            }
            90..92 => {
                let (who, now) = (who("eve"), open.now());
                let order = world.policy.order(ReservationId(0), &who, &DEMAND, now, now.time);
                open.store.end_session(&order, now).await.expect("a store that answers");
            }
            92..97 => open.clock.advance(Duration::from_secs(dice.random_range(1..40))),
            97 => open.clock.advance(Duration::from_secs(1_300)),
            98 => open.clock.advance(Duration::from_secs(20_000)),
            99 => {
                let at = open.now().time;
                drop(open);
                open = world.open(at);
            }
            _ => {}
        }
    }
    for id in live {
        // It may have expired so long ago that it was forgotten.
        let _ = open.store.settle(id, &DEMAND, open.now()).await;
    }
    open
}

/// Does something with a reservation; whether that ends it.
async fn change(open: &Open, id: ReservationId, dice: &mut StdRng) -> bool {
    let more = Amounts { requests: 0, ..DEMAND };
    // An extension may be refused, and any of these be too late.
    let now = open.now();
    match dice.next_u32() % 5 {
        0 => open.store.void(id, now).await.is_ok(),
        1 => {
            let _ = open.store.renew(id, now.time.after(Duration::from_secs(60)), now).await;
            false
        }
        2 => {
            let _ = open.store.extend(id, &more, now).await;
            false
        }
        _ => {
            let used = dice.random_range(0..300_000_000);
            let tokens = dice.random_range(0..80);
            let used = Amounts { output_tokens: tokens, cost: NanoUsd(used), ..DEMAND };
            open.store.settle(id, &used, now).await.is_ok()
        }
    }
}
