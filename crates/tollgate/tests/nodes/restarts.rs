//! What becomes of reservations when a process ends before it has told all of it.

use std::{
    future::Future as _,
    path::Path,
    pin::pin,
    task::{Context, Waker},
};

use tollgate::{
    Clock, Embedded, HOLD, Store, Tollgate, Verdict,
    conformance::NOON,
    store::{embedded::EmbeddedBounds, redis::Local},
};
use tollgate_core::{Attributes, Decision, ReservationId};

use crate::{
    ends::{NOW, costs, in_books, later, node, order, policy},
    hub::{Fault, Hub, books},
};

fn open(path: &Path) -> Embedded {
    let clock = |_| Clock::set_at(NOON);
    Embedded::open(path, EmbeddedBounds::beside_shared(), clock).expect("a ledger").0
}

/// What a process leaves that is killed now.
fn killed(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("a file");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
}

#[tokio::test]
async fn what_ended_untold_is_told_by_the_next_process() {
    let [before, after] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let (hub, policy, who) = (Hub::new(1, 0), policy(), Attributes::new());
    let a = node(&hub, 0, open(&before.path().join("a.db"))).await;
    for id in 1..=3 {
        let order = order(&policy, &who, id, 30);
        assert!(matches!(a.reserve(&order, NOW).await, Ok(Decision::Admit(_))));
    }
    a.settle(ReservationId(1), &costs(3), NOW).await.expect("settled there too");
    assert!(a.recover(NOW).await);
    a.shared().set(Fault::Cut);
    a.settle(ReservationId(2), &costs(5), NOW).await.expect("settled here");
    a.void(ReservationId(3), NOW).await.expect("voided here");
    a.durable().await.expect("durable");
    killed(before.path(), after.path());
    let order = order(&policy, &who, 9, 1);
    assert_eq!(hub.used(&order, NOW).0, [3 + 30 + 30], "it was told of the first alone");

    let a = node(&hub, 0, open(&after.path().join("a.db"))).await;
    assert_eq!((hub.used(&order, NOW).0, in_books(&a, &order, NOW).0), (vec![8], 8));
    let later = later(700);
    a.expire(later).await.expect("expired");
    assert_eq!(hub.used(&order, later).0, [8], "nothing was left to expire");
}

#[tokio::test]
async fn what_a_killed_process_held_counts_once() {
    let [before, after] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let (hub, who) = (Hub::new(1, 0), Attributes::new());
    let policy = policy();
    let a = node(&hub, 0, open(&before.path().join("a.db"))).await;
    // As many, and as small, as a ledger that decides by itself makes grants for.
    for id in 1..=60 {
        let order = order(&policy, &who, id, 1);
        assert!(matches!(a.reserve(&order, NOW).await, Ok(Decision::Admit(_))));
        a.held(order.id).await.expect("held");
        if id % 10 == 0 {
            a.durable().await.expect("durable");
        }
    }
    killed(before.path(), after.path());
    let a = node(&hub, 0, open(&after.path().join("a.db"))).await;
    let (order, later) = (order(&policy, &who, 99, 1), later(700));
    a.expire(later).await.expect("expired");
    assert_eq!((hub.used(&order, later).0, in_books(&a, &order, later).0), (vec![60], 60));
}

#[tokio::test]
async fn what_the_shared_store_holds_waits_for_no_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let (hub, policy, who) = (Hub::new(1, 0), policy(), Attributes::new());
    let a = node(&hub, 0, open(&folder.path().join("a.db"))).await;
    let order = order(&policy, &who, 1, 30);
    assert!(matches!(a.reserve(&order, NOW).await, Ok(Decision::Admit(_))));
    let mut context = Context::from_waker(Waker::noop());
    assert!(pin!(a.held(order.id)).poll(&mut context).is_ready());
}

#[test]
fn books_in_memory_are_counted_by_their_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let memory = Local::from(books());
    assert_ne!(memory.counted_as("eu-1", 1), memory.counted_as("eu-1", 2));
    let ledger = Local::from(open(&folder.path().join("a.db")));
    assert_eq!(ledger.counted_as("eu-1", 1), ledger.counted_as("eu-1", 2));
}

#[tokio::test]
async fn a_process_that_stops_waits_for_the_ends_on_their_way() {
    let (hub, who) = (Hub::new(1, 0), Attributes::new());
    let a = node(&hub, 0, books()).await;
    let gate = Tollgate::new(policy(), a, Clock::set_at(NOON), HOLD);
    let Ok(Verdict::Admit(permit)) = gate.admit(&who, &costs(30)).await else {
        panic!("there is room")
    };
    gate.store().shared().hold_calls(true);
    permit.end(Some(costs(3)));
    let mut ended = pin!(gate.ended());
    let mut context = Context::from_waker(Waker::noop());
    assert!(ended.as_mut().poll(&mut context).is_pending());
    gate.store().shared().hold_calls(false);
    ended.await;
    assert_eq!(hub.used(&order(&policy(), &who, 9, 1), NOW).0, [3]);
}
