//! Session slots.

use std::time::Duration;

use tollgate_core::{Amounts, Attribute, Attributes, Retry, Unit, policy::Measure};

use super::booth::{Booth, NOON, SECOND, answered, limit};
use crate::Store;

const ONE: Amounts = Amounts::ONE_REQUEST;

fn session(id: &str) -> Attributes {
    Attributes::new().with(Attribute::Session, id)
}

/// Two seats, empty after a minute without a sign.
fn booth<S: Store>(store: S) -> Booth<S> {
    let seats = Measure::Sessions { cap: 2, idle: Duration::from_secs(60) };
    Booth::new(store, vec![limit("seats", &[], Unit::Requests, seats)])
}

/// A session has one slot however often it asks, and keeps it by asking.
pub async fn a_session_takes_one_slot_until_it_is_idle<S: Store>(store: S) {
    let booth = booth(store);
    for _ in 0..5 {
        let id = booth.admit(&session("a"), &ONE).await;
        booth.settle(id, &ONE).await;
    }
    assert_eq!(booth.remaining(&session("a")).await, [1]);
    booth.wait(30 * SECOND);
    booth.admit(&session("b"), &ONE).await;
    let refusal = booth.refuse(&session("c"), &ONE).await;
    assert_eq!(refusal.retry, Retry::At(NOON.after(60 * SECOND)), "when a is idle for long");
    booth.wait(20 * SECOND);
    booth.admit(&session("a"), &ONE).await;
    let refusal = booth.refuse(&session("c"), &ONE).await;
    assert_eq!(refusal.retry, Retry::At(NOON.after(90 * SECOND)), "now b is the first to go");
    booth.wait(40 * SECOND);
    booth.admit(&session("c"), &ONE).await;
    booth.refuse(&session("b"), &ONE).await;
}

/// A session that says good-bye frees its slot at once.
pub async fn a_session_can_end_before_its_time<S: Store>(store: S) {
    let booth = booth(store);
    booth.admit(&session("a"), &ONE).await;
    booth.admit(&session("b"), &ONE).await;
    booth.refuse(&session("c"), &ONE).await;
    let end = async |id: &str| {
        let who = session(id);
        let order = booth.order(booth.id(), &who, &ONE);
        answered(booth.store.end_session(&order, booth.clock.now()).await)
    };
    assert!(end("a").await);
    assert!(!end("a").await, "it has ended");
    assert!(!end("z").await, "it never was");
    booth.admit(&session("c"), &ONE).await;
    booth.refuse(&session("a"), &ONE).await;
}

/// Whoever asks for a session learns how long it lives, and touches nothing by asking.
pub async fn a_session_can_be_looked_at<S: Store>(store: S) {
    let booth = booth(store);
    let look = async |id: &str| {
        let who = session(id);
        let order = booth.order(booth.id(), &who, &ONE);
        answered(booth.store.session(&order, booth.clock.now()).await)
    };
    assert_eq!(look("a").await, None);
    booth.admit(&session("a"), &ONE).await;
    let end = NOON.after(60 * SECOND);
    assert_eq!((look("a").await, look("b").await), (Some(end), None));
    booth.wait(59 * SECOND);
    assert_eq!(look("a").await, Some(end), "a look is no activity");
    booth.wait(SECOND);
    assert_eq!(look("a").await, None);
}
