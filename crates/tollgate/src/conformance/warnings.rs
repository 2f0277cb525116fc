//! Budgets that warn.

use std::{sync::Arc, time::Duration};

use tollgate_core::{Attribute, Decision, Unit, Warn};

use super::booth::{Booth, answered, costs, daily, limit, user};
use crate::{Crossing, Store};

const PERCENTS: [u8; 3] = [50, 80, 100];

fn booth<S: Store>(store: S) -> Booth<S> {
    let mut soft = limit("soft", &[Attribute::User], Unit::Usd, daily(1_000));
    soft.warn = Warn::at(PERCENTS).softly();
    Booth::new(store, vec![soft])
}

fn told(crossings: &[Crossing]) -> Vec<(&str, u8, u64)> {
    crossings.iter().map(|crossing| (&*crossing.key, crossing.percent, crossing.settled)).collect()
}

/// A soft budget admits whatever is asked, and says of each account when it reached what.
pub async fn a_soft_budget_warns_and_never_refuses<S: Store>(store: S) {
    let booth = booth(store);
    let (ann, bob) = (user("ann"), user("bob"));
    let held = booth.admit(&ann, &costs(2_000)).await;
    assert_eq!(told(&booth.store.take_crossings().known), [], "what is held is not spent");
    booth.settle(held, &costs(799)).await;
    assert_eq!(told(&booth.store.take_crossings().known), [("ann", 50, 799)]);
    for (who, spent) in [(&ann, 1), (&ann, 50), (&bob, 5_000), (&ann, 5_000)] {
        let (id, decision) = booth.ask(who, &costs(spent)).await;
        let Decision::Admit(admission) = decision else { panic!("{decision:?}") };
        assert_eq!(admission.shadowed.to_vec(), [], "it is no trial");
        booth.settle(id, &costs(spent)).await;
    }
    let crossed = booth.store.take_crossings().known;
    assert_eq!(
        told(&crossed),
        [
            ("ann", 80, 800),
            ("bob", 50, 5_000),
            ("bob", 80, 5_000),
            ("bob", 100, 5_000),
            ("ann", 100, 5_850),
        ]
    );
    assert_eq!(crossed[0].limit, booth.limit_named("soft"));
    booth.wait(Duration::from_secs(24 * 3_600));
    let tomorrow = booth.admit(&ann, &costs(500)).await;
    booth.wait(Duration::from_secs(700));
    booth.expire().await;
    assert_eq!(told(&booth.store.take_crossings().known), [("ann", 50, 500)], "by its expiry");
    booth.settle(tomorrow, &costs(400)).await;
    let again = booth.admit(&ann, &costs(200)).await;
    booth.settle(again, &costs(200)).await;
    assert_eq!(told(&booth.store.take_crossings().known), [], "it was told of");
}

/// However many settle at once, each threshold is told once, and by the one that reached it.
pub async fn a_crowd_crosses_each_threshold_once<S: Store + 'static>(store: S) {
    let booth = Arc::new(booth(store));
    let spending = (0..64).map(|_| {
        let booth = Arc::clone(&booth);
        tokio::task::spawn_blocking(move || {
            // A runtime of its own, so that they meet at the store and nowhere else.
            let runtime =
                answered(tokio::runtime::Builder::new_current_thread().enable_all().build());
            runtime.block_on(async {
                let id = booth.admit(&user("ann"), &costs(40)).await;
                booth.settle(id, &costs(20)).await;
                booth.store.take_crossings().known
            })
        })
    });
    let spending: Vec<_> = spending.collect();
    let mut crossed = Vec::new();
    for task in spending {
        crossed.extend(answered(task.await));
    }
    crossed.sort_by_key(|crossing: &Crossing| crossing.percent);
    assert_eq!(told(&crossed), [("ann", 50, 500), ("ann", 80, 800), ("ann", 100, 1_000)]);
}
