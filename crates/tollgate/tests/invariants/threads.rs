//! Invariants 1, 2 and 4 with real threads.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use proptest::prelude::*;
use tollgate::Memory;
use tollgate_core::{
    Attribute, Attributes, Decision, LimitId, Now, Policy, ReservationId, Time, Unit, Usage,
    policy::{Limit, Measure},
};

use crate::naive::model::demand;

const THREADS: u64 = 8;

const fn window(cap: u64) -> Measure {
    Measure::Window { length: Duration::from_secs(60), cap }
}

fn now() -> Now {
    Now::at(Time::from_millis(1_790_000_000_000))
}

fn user(nth: u64) -> Attributes {
    Attributes::new().with(Attribute::User, format!("user-{nth}"))
}

/// Runs the same work on all threads at once, each told its number.
fn at_once(work: impl Fn(u64) + Sync) {
    let barrier = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for nth in 0..THREADS {
            let (barrier, work) = (&barrier, &work);
            scope.spawn(move || {
                barrier.wait();
                work(nth);
            });
        }
    });
}

#[test]
fn a_budget_for_ten_admits_exactly_ten() {
    for round in 0..200 {
        let limits = vec![
            Limit::new("all", &[], Unit::Usd, window(10_000)),
            Limit::new("each", &[Attribute::User], Unit::Requests, window(100)),
        ];
        let policy = Policy::new(limits).expect("names differ");
        let (store, admitted) = (Memory::default(), AtomicU64::new(0));
        at_once(|nth| {
            let who = user(nth % 3);
            for turn in 0..8 {
                let id = ReservationId(u128::from(round * 1_000 + nth * 8 + turn));
                let order = policy.order(id, &who, &demand(1_000), now(), Time::MAX);
                if let Ok(Decision::Admit(_)) = store.reserve_now(&order, now()) {
                    admitted.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        assert_eq!(admitted.into_inner(), 10);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Slots are never over, refused requests leave nothing behind, and when all has ended
    /// what is left in every account is what was settled there.
    #[test]
    fn all_or_nothing_under_threads(slots in 1_u64..6, own in 5_u64..60, shared in 20_u64..400, turns in 10_u64..200) {
        let limits = vec![
            Limit::new("slots", &[], Unit::Requests, Measure::Concurrency { cap: slots }),
            Limit::new("own", &[Attribute::User], Unit::Tokens, window(own)),
            Limit::new("shared", &[], Unit::Tokens, window(shared)),
        ];
        let policy = Policy::new(limits).expect("names differ");
        let store = Memory::default();
        let (held, settled) = (AtomicU64::new(0), [const { AtomicU64::new(0) }; 3]);
        at_once(|nth| {
            let place = nth % 3;
            let who = user(place);
            for turn in 0..turns {
                let id = ReservationId(u128::from(nth * turns + turn));
                let order = policy.order(id, &who, &demand(turn % 4), now(), Time::MAX);
                let Ok(Decision::Admit(_)) = store.reserve_now(&order, now()) else { continue };
                assert!(held.fetch_add(1, Ordering::SeqCst) < slots, "more at once than slots");
                let used = if turn % 5 == 0 { 0 } else { turn % 4 };
                held.fetch_sub(1, Ordering::SeqCst);
                let ended = store.settle_now(id, &Usage { requests: 1, ..demand(used) }, now());
                assert_eq!(ended.map(|receipt| receipt.usage.input_tokens), Ok(used));
                settled[place as usize].fetch_add(used, Ordering::Relaxed);
            }
        });
        let mut all = 0;
        for (place, settled) in settled.into_iter().enumerate() {
            let (who, settled) = (user(place as u64), settled.into_inner());
            let order = policy.order(ReservationId(0), &who, &demand(0), now(), Time::MAX);
            let standings = store.standings_now(&order, now());
            let left = |name: &str, per: &[Attribute]| {
                let id = LimitId::new(name, per);
                standings.iter().find(|s| s.limit == id).map(|s| s.remaining)
            };
            prop_assert_eq!(left("own", &[Attribute::User]), Some(own - settled));
            prop_assert_eq!(left("slots", &[]), Some(slots));
            all += settled;
            if place == 2 {
                prop_assert_eq!(left("shared", &[]), Some(shared - all));
            }
        }
        prop_assert_eq!(store.reservations(), 0);
    }
}
