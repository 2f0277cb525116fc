//! Many at once.

use std::sync::Arc;

use tollgate_core::{Amounts, Attribute, Decision, Unit, policy::Measure};

use super::booth::{Booth, answered, costs, daily, limit, requests, user};
use crate::Store;

/// How many ask at once.
const CROWD: usize = 64;

/// Sixty-four at once ask a budget that is enough for ten: exactly ten are admitted.
pub async fn a_budget_for_ten_admits_ten_of_a_crowd<S: Store + 'static>(store: S) {
    let budget = limit("budget", &[], Unit::Usd, daily(1_000));
    let minute = limit("minute", &[Attribute::User], Unit::Requests, requests(2, 60));
    let booth = Arc::new(Booth::new(store, vec![budget, minute]));
    let asking = (0..CROWD).map(|nth| {
        let booth = Arc::clone(&booth);
        tokio::spawn(async move {
            let who = user(&format!("user-{}", nth % 40));
            booth.ask(&who, &costs(100)).await.1
        })
    });
    let asking: Vec<_> = asking.collect();
    let mut admitted = 0;
    for task in asking {
        admitted += usize::from(matches!(answered(task.await), Decision::Admit(_)));
    }
    assert_eq!(admitted, 10);
    assert_eq!(booth.remaining(&user("user-0")).await.last(), Some(&0));
}

/// However a crowd comes and goes, no slot stays taken and no money is lost.
pub async fn a_crowd_leaves_no_slot_taken<S: Store + 'static>(store: S) {
    let slots = limit("slots", &[], Unit::Requests, Measure::Concurrency { cap: 5 });
    let budget = limit("budget", &[], Unit::Usd, daily(1_000_000));
    let booth = Arc::new(Booth::new(store, vec![slots, budget]));
    let working = (0..CROWD).map(|nth| {
        let booth = Arc::clone(&booth);
        tokio::spawn(async move {
            let (who, mut spent) = (user("ann"), 0);
            for round in 0..20 {
                let (id, Decision::Admit(_)) = booth.ask(&who, &costs(100)).await else {
                    tokio::task::yield_now().await;
                    continue;
                };
                tokio::task::yield_now().await;
                if (nth + round) % 3 == 0 {
                    booth.void(id).await;
                } else {
                    spent += booth.settle(id, &costs(30)).await.usage.cost.0;
                }
            }
            spent
        })
    });
    let working: Vec<_> = working.collect();
    let mut spent = 0;
    for task in working {
        spent += answered(task.await);
    }
    assert!(spent > 0, "some were admitted");
    assert_eq!(booth.remaining(&user("ann")).await, [5, 1_000_000 - spent]);
    booth.admit(&user("ann"), &Amounts::ONE_REQUEST).await;
}
