//! Ends of reservations, wherever they come from.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tollgate::{
    Clock, Embedded, Store, StoreError,
    conformance::NOON,
    store::{
        embedded::{EmbeddedBounds, audit},
        redis::{Local, Members, Redis, State},
    },
};
use tollgate_core::{
    Amounts, Attributes, Calendar, Decision, NanoUsd, Now, Order, PeriodUnit, Policy,
    ReservationId, Unit,
    policy::{Limit, Measure, settings::OnStoreFailure},
};

use crate::hub::{Fault, Hub, Line, books, used};

pub(crate) fn policy() -> Policy {
    let total = Calendar::new(PeriodUnit::Total, jiff::tz::TimeZone::UTC);
    let measure = Measure::Period { calendar: Arc::new(total), cap: 100 };
    Policy::new(vec![Limit::new("all", &[], Unit::Usd, measure)]).expect("one limit")
}

pub(crate) const fn costs(nanos: u64) -> Amounts {
    Amounts { cost: NanoUsd(nanos), ..Amounts::ONE_REQUEST }
}

pub(crate) const NOW: Now = Now::at(NOON);

pub(crate) fn later(seconds: u64) -> Now {
    Now::at(NOON.after(Duration::from_secs(seconds)))
}

pub(crate) fn order<'a>(policy: &Policy, who: &'a Attributes, id: u128, nanos: u64) -> Order<'a> {
    let expires = NOON.after(Duration::from_secs(600));
    let order = policy.order(ReservationId(id), who, &costs(nanos), NOW, expires);
    Order { keep: true, report: true, ..order }
}

pub(crate) async fn node(hub: &Arc<Hub>, nth: usize, local: impl Into<Local>) -> Redis<Line> {
    let node = Redis::new(hub.line(nth), local, OnStoreFailure::Share, &policy());
    node.note_members(Members::ALONE);
    assert!(node.recover(NOW).await);
    node
}

pub(crate) fn in_books(node: &Redis<Line>, order: &Order<'_>, now: Now) -> (u64, u64) {
    let standing = match node.local() {
        Local::Memory(books) => books.standings_now(order, now)[0],
        Local::Embedded(books) => books.memory().standings_now(order, now)[0],
    };
    (used(&standing), standing.held)
}

#[tokio::test]
async fn a_permit_of_another_node_ends_in_the_books_of_its_own() {
    let (hub, policy, who) = (Hub::new(2, 0), policy(), Attributes::new());
    let (a, b) = (node(&hub, 0, books()).await, node(&hub, 1, books()).await);
    let order = order(&policy, &who, 7, 40);
    assert!(matches!(a.reserve(&order, NOW).await, Ok(Decision::Admit(_))));
    let receipt = b.settle(order.id, &costs(25), NOW).await.expect("settled elsewhere");
    assert_eq!(receipt.usage, costs(25));
    assert_eq!((in_books(&a, &order, NOW), in_books(&b, &order, NOW)), ((40, 40), (0, 0)));
    let (_, ended) = hub.news.lock()[0];
    assert!(a.ended_elsewhere(&ended, NOW) && !b.ended_elsewhere(&ended, NOW));
    assert_eq!(in_books(&a, &order, NOW), (25, 0));
    assert_eq!(a.settle(order.id, &costs(99), NOW).await, Ok(receipt), "an id settles once");
}

#[tokio::test]
async fn who_did_not_hear_of_an_end_learns_it_when_it_would_expire() {
    let (hub, policy, who) = (Hub::new(2, 0), policy(), Attributes::new());
    let (a, b) = (node(&hub, 0, books()).await, node(&hub, 1, books()).await);
    for (id, nanos) in [(7, 40), (8, 30)] {
        let order = order(&policy, &who, id, nanos);
        assert!(matches!(a.reserve(&order, NOW).await, Ok(Decision::Admit(_))));
    }
    b.settle(ReservationId(7), &costs(25), NOW).await.expect("settled");
    b.void(ReservationId(8), NOW).await.expect("voided");
    a.expire(later(601)).await.expect("expired");
    let order = order(&policy, &who, 9, 1);
    assert_eq!(in_books(&a, &order, later(601)), (25, 0));
}

#[tokio::test]
async fn an_order_that_nobody_waits_for_any_more_is_given_back() {
    let (hub, policy, who) = (Hub::new(1, 0), policy(), Attributes::new());
    let a = node(&hub, 0, books()).await;
    a.shared().hold_answers(true);
    let order = order(&policy, &who, 7, 100);
    {
        let mut asking = std::pin::pin!(a.reserve(&order, NOW));
        let mut context = Context::from_waker(Waker::noop());
        assert!(asking.as_mut().poll(&mut context).is_pending());
    }
    a.shared().hold_answers(false);
    assert_eq!(hub.used(&order, NOW).0, [100], "it was granted");
    assert!(a.recover(NOW).await);
    assert_eq!(hub.used(&order, NOW).0, [0]);
}

#[tokio::test]
async fn what_a_crash_left_unsettled_counts_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let open = || {
        let clock = |_| Clock::set_at(NOON);
        Embedded::open(&path, EmbeddedBounds::default(), clock).expect("a ledger").0
    };
    let (hub, policy, who) = (Hub::new(2, 0), policy(), Attributes::new());
    let a = node(&hub, 0, open()).await;
    let ask = |id, nanos| order(&policy, &who, id, nanos);
    for (id, nanos) in [(1, 10), (2, 20)] {
        assert!(matches!(a.reserve(&ask(id, nanos), NOW).await, Ok(Decision::Admit(_))));
    }
    a.settle(ReservationId(1), &costs(5), NOW).await.expect("settled");
    // Away, it decides by itself, and its process ends before it can tell.
    a.shared().set(Fault::Cut);
    for (id, nanos, at) in [(3, 30, NOW), (4, 15, later(1))] {
        assert!(matches!(a.reserve(&ask(id, nanos), at).await, Ok(Decision::Admit(_))));
    }
    assert!(matches!(&*a.state().borrow(), State::Away { .. }));
    a.settle(ReservationId(3), &costs(7), NOW).await.expect("settled by itself");
    a.durable().await.expect("durable");
    drop(a);

    let a = node(&hub, 0, open()).await;
    let used = 5 + 20 + 7 + 15;
    assert_eq!(in_books(&a, &ask(9, 1), NOW), (used, 0));
    assert_eq!(hub.used(&ask(9, 1), NOW).0, [used]);
    let late = a.settle(ReservationId(2), &costs(8), NOW).await.expect("settled late");
    assert_eq!(late.usage, costs(8));
    assert_eq!(hub.used(&ask(9, 1), NOW).0, [used - 12]);
    assert_eq!(in_books(&a, &ask(9, 1), NOW), (used - 12, 0));
    a.durable().await.expect("durable");
    drop(a);
    let audit = audit(&path).expect("a ledger");
    assert!(audit.findings.is_empty(), "{:?}", audit.findings);
}

#[tokio::test]
async fn a_closed_limit_says_that_the_store_is_away() {
    let (hub, policy, who) = (Hub::new(1, 0), policy(), Attributes::new());
    let a = Redis::new(hub.line(0), books(), OnStoreFailure::Closed, &policy);
    assert!(a.recover(NOW).await);
    let order = order(&policy, &who, 7, 10);
    a.shared().set(Fault::Cut);
    for at in [NOW, later(1)] {
        assert!(matches!(a.reserve(&order, at).await, Err(StoreError::Away(_))));
    }
    assert_eq!((a.failures().closed, a.failures().switches), (2, 1));
    a.shared().set(Fault::None);
    assert!(a.recover(NOW).await);
    assert!(matches!(a.reserve(&order, NOW).await, Ok(Decision::Admit(_))));
}

/// Does as much of something as can be done now.
fn begin<F: Future>(doing: Pin<&mut F>) -> Poll<F::Output> {
    doing.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn of_two_ends_at_once_one_counts() {
    let (hub, policy, who) = (Hub::new(1, 0), policy(), Attributes::new());
    let a = node(&hub, 0, books()).await;
    let order = Order { keep: false, ..order(&policy, &who, 7, 40) };
    assert!(matches!(a.reserve(&order, NOW).await, Ok(Decision::Admit(_))));
    a.shared().hold_answers(true);
    let (first, second) = (costs(25), costs(30));
    let mut first = pin!(a.settle(order.id, &first, NOW));
    let mut second = pin!(a.settle(order.id, &second, NOW));
    assert!(begin(first.as_mut()).is_pending() && begin(second.as_mut()).is_pending());
    a.shared().hold_answers(false);
    assert!(begin(second.as_mut()).is_pending(), "the first is on its way");
    assert_eq!(first.await.map(|receipt| receipt.usage), Ok(costs(25)));
    assert!(matches!(second.await, Err(StoreError::Unknown { .. })));
    assert!(a.recover(NOW).await);
    assert_eq!((hub.used(&order, NOW).0, in_books(&a, &order, NOW)), (vec![25], (25, 0)));
}

#[tokio::test]
async fn what_is_renewed_while_it_ends_is_not_held_anew() {
    let (hub, policy, who) = (Hub::new(1, 0), policy(), Attributes::new());
    let a = node(&hub, 0, books()).await;
    let order = Order { keep: false, ..order(&policy, &who, 7, 40) };
    assert!(matches!(a.reserve(&order, NOW).await, Ok(Decision::Admit(_))));
    a.shared().hold_answers(true);
    let usage = costs(25);
    let mut ending = pin!(a.settle(order.id, &usage, NOW));
    let mut renewing = pin!(a.renew(order.id, order.expires, NOW));
    let more = costs(5).beyond(&Amounts::ONE_REQUEST);
    let mut extending = pin!(a.extend(order.id, &more, NOW));
    assert!(begin(ending.as_mut()).is_pending());
    assert!(begin(renewing.as_mut()).is_pending() && begin(extending.as_mut()).is_pending());
    a.shared().hold_answers(false);
    assert!(begin(renewing.as_mut()).is_pending(), "its end is on its way");
    assert!(begin(extending.as_mut()).is_pending(), "its end is on its way");
    ending.await.expect("settled");
    assert!(matches!(renewing.await, Err(StoreError::Unknown { .. })));
    assert!(matches!(extending.await, Err(StoreError::Unknown { .. })));
    assert!(a.recover(NOW).await);
    assert_eq!((hub.used(&order, NOW).0, in_books(&a, &order, NOW)), (vec![25], (25, 0)));
}

#[tokio::test]
async fn the_first_of_two_ends_counts_also_where_it_had_no_answer() {
    let (hub, policy, who) = (Hub::new(1, 0), policy(), Attributes::new());
    let a = node(&hub, 0, books()).await;
    let order = order(&policy, &who, 7, 40);
    assert!(matches!(a.reserve(&order, NOW).await, Ok(Decision::Admit(_))));
    a.shared().set(Fault::Cut);
    let first = a.settle(order.id, &costs(25), NOW).await.expect("settled in the books");
    a.shared().set(Fault::None);
    assert_eq!(a.settle(order.id, &costs(10), NOW).await, Ok(first));
    assert_eq!(a.void(order.id, NOW).await, Ok(first));
    assert!(a.recover(NOW).await);
    assert_eq!((hub.used(&order, NOW).0, in_books(&a, &order, NOW)), (vec![25], (25, 0)));
}

#[tokio::test]
async fn what_is_extended_while_it_is_told_is_told_in_full() {
    let (hub, policy, who) = (Hub::new(1, 0), policy(), Attributes::new());
    let a = node(&hub, 0, books()).await;
    a.shared().set(Fault::Cut);
    let order = order(&policy, &who, 7, 10);
    assert!(matches!(a.reserve(&order, NOW).await, Ok(Decision::Admit(_))));
    a.shared().set(Fault::None);
    a.shared().hold_answers(true);
    {
        let mut telling = pin!(a.recover(NOW));
        assert!(begin(telling.as_mut()).is_pending(), "it tells what is held");
        a.shared().set(Fault::Cut);
        a.shared().hold_answers(false);
        let more = costs(20).beyond(&Amounts::ONE_REQUEST);
        let granted = a.extend(order.id, &more, NOW).await;
        assert!(matches!(granted, Ok(Decision::Admit(_))), "{granted:?}");
        a.shared().set(Fault::None);
        telling.await;
    }
    assert!(a.recover(NOW).await);
    assert_eq!((hub.used(&order, NOW).0, in_books(&a, &order, NOW)), (vec![30], (30, 30)));
}

#[tokio::test]
async fn the_books_are_renewed_before_the_shared_store_has_answered() {
    let (hub, policy, who) = (Hub::new(1, 0), policy(), Attributes::new());
    let a = node(&hub, 0, books()).await;
    let order = order(&policy, &who, 7, 10);
    assert!(matches!(a.reserve(&order, NOW).await, Ok(Decision::Admit(_))));
    a.shared().hold_calls(true);
    let mut renewing = pin!(a.renew(order.id, later(900).time, NOW));
    assert!(begin(renewing.as_mut()).is_pending());
    let Local::Memory(books) = a.local() else { panic!("they are in memory") };
    assert!(books.due(later(601)).is_empty());
}

#[tokio::test]
async fn what_is_due_waits_for_how_others_ended_it() {
    let (hub, policy, who) = (Hub::new(2, 0), policy(), Attributes::new());
    let (a, b) = (node(&hub, 0, books()).await, node(&hub, 1, books()).await);
    for id in 1..=90 {
        let order = order(&policy, &who, id, 1);
        assert!(matches!(a.reserve(&order, NOW).await, Ok(Decision::Admit(_))));
        b.settle(order.id, &costs(0), NOW).await.expect("settled elsewhere");
    }
    a.shared().set(Fault::Cut);
    a.expire(later(601)).await.expect("nothing was expired");
    let ask = order(&policy, &who, 99, 1);
    assert_eq!(in_books(&a, &ask, later(601)), (90, 90), "nobody said how they ended");
    a.shared().set(Fault::None);
    a.expire(later(602)).await.expect("learned");
    assert_eq!(in_books(&a, &ask, later(602)), (0, 0), "all of them, not some");
}

#[tokio::test]
async fn a_question_that_is_given_up_leaves_what_an_earlier_one_took() {
    let (hub, policy, who) = (Hub::new(2, 0), policy(), Attributes::new());
    let (a, b) = (node(&hub, 0, books()).await, node(&hub, 1, books()).await);
    let order = order(&policy, &who, 7, 40);
    assert!(matches!(a.reserve(&order, NOW).await, Ok(Decision::Admit(_))));
    for node in [&a, &b] {
        node.shared().hold_answers(true);
        assert!(begin(pin!(node.reserve(&order, NOW)).as_mut()).is_pending());
        node.shared().hold_answers(false);
        assert!(node.recover(NOW).await);
        assert_eq!(hub.used(&order, NOW).0, [40], "it was asked before");
    }
    let again = Order { id: ReservationId(8), ..order };
    a.shared().hold_answers(true);
    assert!(begin(pin!(a.reserve(&again, NOW)).as_mut()).is_pending());
    a.shared().hold_answers(false);
    assert!(matches!(a.reserve(&again, NOW).await, Ok(Decision::Admit(_))), "it is asked again");
    assert!(a.recover(NOW).await);
    assert_eq!(hub.used(&again, NOW).0, [80], "and is not undone any more");
}

#[tokio::test(start_paused = true)]
async fn a_decision_takes_no_longer_than_it_may_and_undoes_what_comes_late() {
    let (hub, policy, who) = (Hub::new(1, 0), policy(), Attributes::new());
    let a = node(&hub, 0, books()).await;
    let patience = Duration::from_millis(45);
    a.shared().wait_at_most(patience);
    a.shared().hold_answers(true);
    let clock = Clock::of_runtime(NOON);
    let order = Order { keep: false, ..order(&policy, &who, 7, 40) };
    assert!(matches!(a.reserve(&order, NOW).await, Ok(Decision::Admit(_))), "by the books");
    let more = costs(20).beyond(&Amounts::ONE_REQUEST);
    assert!(matches!(a.extend(order.id, &more, NOW).await, Ok(Decision::Admit(_))));
    assert_eq!(clock.now().time.since(NOON), 2 * patience);
    a.shared().hold_answers(false);
    assert!(a.recover(NOW).await);
    assert_eq!((hub.used(&order, NOW).0, in_books(&a, &order, NOW)), (vec![60], (60, 60)));
}
