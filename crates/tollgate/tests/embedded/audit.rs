//! The auditor: it finds nothing in a long honest history, and what was tampered with.

use std::time::Duration;

use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};
use rusqlite::Connection;
use tollgate::{
    Store as _,
    core::{Amounts, Decision, NanoUsd, ReservationId},
    store::embedded::audit,
};

use crate::world::{DEMAND, NOON, Open, World, every_kind};

/// Requests, endings of all sorts, waits and restarts, as a seed deals them.
async fn live(world: &World, seed: u64, steps: usize) {
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
                let id = live.swap_remove(dice.random_range(0..live.len()));
                end(&open, id, &mut dice).await;
            }
            90..97 => open.clock.advance(Duration::from_secs(dice.random_range(1..40))),
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
}

async fn end(open: &Open, id: ReservationId, dice: &mut StdRng) {
    let more = Amounts { requests: 0, ..DEMAND };
    // An extension may be refused, and any of these be too late.
    let now = open.now();
    let _ = match dice.next_u32() % 5 {
        0 => open.store.void(id, now).await.map(drop),
        1 => open.store.renew(id, now.time.after(Duration::from_secs(60)), now).await,
        2 => open.store.extend(id, &more, now).await.map(drop),
        _ => {
            let used = dice.random_range(0..300_000_000);
            let tokens = dice.random_range(0..80);
            let used = Amounts { output_tokens: tokens, cost: NanoUsd(used), ..DEMAND };
            open.store.settle(id, &used, now).await.map(drop)
        }
    };
}

#[tokio::test]
async fn an_honest_history_is_clean() {
    for seed in 0..4 {
        let world = World::new(every_kind());
        live(&world, seed, 1_500).await;
        let found = audit(&world.path()).expect("a ledger");
        if !found.is_clean() { std::fs::copy(world.path(), "/tmp/dbg.db").unwrap(); }
        assert!(found.is_clean(), "seed {seed}: {:#?}", found.findings);
        assert!(found.reservations > 100 && found.expired > 0, "{found:#?}");
        assert!(found.overrun.output_tokens > 0, "{found:#?}");
        let minute = found.limits.iter().find(|limit| limit.limit == "minute");
        let minute = minute.expect("its name was noted").balance;
        assert_eq!(minute.reserved, found.reservations);
        assert!(minute.is_even(), "{minute:?}");
    }
}

#[tokio::test]
async fn what_was_tampered_with_is_found() {
    for (sql, finding) in [
        ("DELETE FROM entries WHERE seq = 7", "row 7 is missing"),
        ("UPDATE rules SET cap = 1 WHERE unit = 'requests' AND kind LIKE '%window%'", "above its"),
        ("UPDATE rules SET cap = 1 WHERE kind LIKE '%concurrency%'", "above its limit of 1"),
        ("UPDATE rules SET cap = 1 WHERE kind LIKE '%bucket%'", "takes burst of"),
        ("UPDATE rules SET cap = 9 WHERE kind LIKE '%period%'", "takes spend of"),
        ("UPDATE entries SET nano_usd = nano_usd - 1 WHERE kind = 4", "than was used"),
        ("UPDATE entries SET nano_usd = nano_usd + 1 WHERE kind = 1", "than it reserves"),
        ("UPDATE entries SET kind = 3 WHERE kind = 7", "overrun"),
        ("UPDATE entries SET kind = 4 WHERE kind = 3", "other charges"),
    ] {
        let world = World::new(every_kind());
        live(&world, 3, 600).await;
        let file = Connection::open(world.path()).expect("a database");
        assert!(file.execute(sql, []).expect(sql) > 0, "{sql} changes something");
        drop(file);
        let found = audit(&world.path()).expect("a ledger");
        let is_found = found.findings.iter().any(|found| found.contains(finding));
        assert!(is_found, "{sql}: {:#?}", found.findings);
    }
}
