//! What happens to a reservation between its row and that of its end, which is short where
//! nothing does: each end is written with all that it used.

use std::time::Duration;

use tollgate::{
    Store as _,
    core::{Amounts, Attribute, Attributes, NanoUsd, ReservationId, Unit},
    store::embedded::audit,
};

use crate::world::{NOON, World, limit, total};

/// What happens to a reservation of 100 before it is settled with 70.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Between {
    Nothing,
    Commit,
    Renewal,
    Extension,
    Expiry,
    Restart,
}

fn costing(nanos: u64) -> Amounts {
    Amounts { cost: NanoUsd(nanos), ..Amounts::ONE_REQUEST }
}

#[tokio::test]
async fn an_end_is_written_whole_whatever_happened_before_it() {
    use Between::{Commit, Expiry, Extension, Nothing, Renewal, Restart};
    for between in [Nothing, Commit, Renewal, Extension, Expiry, Restart] {
        for keep in [false, true] {
            settle(between, keep).await;
        }
    }
}

async fn settle(between: Between, keep: bool) {
    let world = World::new(vec![
        limit("spend", &[Attribute::User], Unit::Usd, total(1_000)),
        limit("calls", &[], Unit::Requests, total(1_000)),
    ])
    .committing_after(u32::MAX);
    let mut open = world.open(NOON);
    let (id, now) = (ReservationId(7), open.now());
    let who = Attributes::new().with(Attribute::User, "ann");
    let expires = now.time.after(Duration::from_secs(60));
    let mut order = world.policy.order(id, &who, &costing(100), now, expires);
    order.keep = keep;
    open.store.reserve(&order, now).await.expect("admitted");
    match between {
        Between::Nothing => {}
        Between::Commit => open.store.durable().await.expect("on the disk"),
        Between::Renewal => open.store.renew(id, expires, now).await.expect("renewed"),
        Between::Extension => {
            let more = Amounts { cost: NanoUsd(50), ..Amounts::default() };
            open.store.extend(id, &more, now).await.map(drop).expect("extended");
        }
        Between::Expiry => {
            let mut late = now;
            late.time = expires;
            assert_eq!(open.store.expire(late).await.expect("expired"), 1);
        }
        Between::Restart => {
            drop(open);
            open = world.open(NOON);
        }
    }
    open.store.settle(id, &costing(70), open.now()).await.expect("settled");
    open.store.durable().await.unwrap_or_else(|error| panic!("{between:?}, kept {keep}: {error}"));
    drop(open);
    let audit = audit(&world.path()).expect("a ledger");
    assert!(audit.findings.is_empty(), "{between:?}, kept {keep}: {:?}", audit.findings);
    assert_eq!(audit.settled, costing(70), "{between:?}, kept {keep}");
}
