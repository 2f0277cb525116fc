//! Who gets the next turn, and when.

use tollgate::{Cause, Entered, Patience, Verdict};
use tollgate_core::{Attribute, Demand, Retry};

use crate::support::{
    SECOND, a_minute, admitted, all_slots, enter, gate, left, refused, run, told, user_slots, wait,
    who,
};

#[tokio::test(start_paused = true)]
async fn one_runs_two_wait_and_the_fourth_fails() {
    let gate = gate(vec![user_slots(1, 2)]);
    let alice = who("alice");
    let running = run(&gate, &alice).await;
    let mut waiting = [wait(&gate, &alice).await, wait(&gate, &alice).await];
    let full = refused(&gate, &alice).await;
    assert!(matches!(full.cause, Cause::QueueFull { size: 2, .. }), "{:?}", full.cause);
    assert_eq!((gate.waiting(), waiting[1].place()), (2, Some(2)));
    // Another user has a slot of its own.
    run(&gate, &who("bob")).await.end(None);
    running.end(None);
    let second = admitted(&mut waiting[0]);
    assert!(waiting[1].try_turn().is_none(), "the slot is taken");
    second.end(None);
    admitted(&mut waiting[1]).end(None);
    assert_eq!((gate.waiting(), left(&gate, &alice, "user-slots").await), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn who_waits_has_charged_nothing_until_it_starts() {
    let gate = gate(vec![user_slots(1, 10), a_minute(100, None)]);
    let alice = who("alice");
    let running = run(&gate, &alice).await;
    let mut waiting = wait(&gate, &alice).await;
    assert_eq!(left(&gate, &alice, "minute").await, 99);
    running.end(None);
    let permit = admitted(&mut waiting);
    assert_eq!(left(&gate, &alice, "minute").await, 99, "one was given back, one is held");
    permit.end(Some(Demand::ONE_REQUEST));
    let running = run(&gate, &alice).await;
    let waiting = wait(&gate, &alice).await;
    let Ok(Verdict::Refuse(late)) = waiting.turn().await else { panic!("its time was up") };
    assert!(matches!(late.cause, Cause::TimedOut { waited } if waited == 30 * SECOND));
    assert_eq!(left(&gate, &alice, "minute").await, 98, "it charged nothing");
    running.end(None);
}

#[tokio::test(start_paused = true)]
async fn a_turn_comes_at_the_promised_instant() {
    let gate = gate(vec![a_minute(2, Some(crate::support::queue(5)))]);
    let alice = who("alice");
    for _ in 0..2 {
        run(&gate, &alice).await.end(Some(Demand::ONE_REQUEST));
    }
    tokio::time::advance(31 * SECOND).await;
    let began = gate.clock().now().time;
    let (one, two) = (wait(&gate, &alice).await, wait(&gate, &alice).await);
    assert!(matches!(refused_at(&gate).await, Retry::At(_)), "the limit still promises");
    for waiting in [one, two] {
        let turn = waiting.turn().await;
        assert!(matches!(turn, Ok(Verdict::Admit(_))), "{turn:?}");
        assert_eq!(gate.clock().now().time.since(began), 29 * SECOND);
    }
}

async fn refused_at(gate: &crate::support::Gate) -> Retry {
    let now = gate.admit(&who("bob"), &Demand::ONE_REQUEST).await;
    let Ok(Verdict::Refuse(refused)) = now else { panic!("the limit is reached") };
    refused.refusal.retry
}

#[tokio::test(start_paused = true)]
async fn a_limit_without_a_queue_refuses_at_once_and_at_its_turn() {
    let gate = gate(vec![all_slots(1, 10), a_minute(2, None)]);
    let alice = who("alice");
    let running = run(&gate, &alice).await;
    let (mut one, mut two) = (wait(&gate, &alice).await, wait(&gate, &alice).await);
    running.end(Some(Demand::ONE_REQUEST));
    let first = admitted(&mut one);
    // The window is full now: who waited for the slot is told so, and waits no longer.
    let Verdict::Refuse(no) = told(&mut two) else { panic!("the window is full") };
    assert_eq!((no.cause, no.limit().map(|l| l.name.as_str())), (Cause::Limit, Some("minute")));
    first.end(Some(Demand::ONE_REQUEST));
    let now = refused(&gate, &alice).await;
    assert_eq!(now.cause, Cause::Limit);
    assert!(matches!(now.refusal.retry, Retry::At(_)));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_its_own_slot_holds_nobody_else_up() {
    let gate = gate(vec![user_slots(1, 10), all_slots(3, 10)]);
    let (alice, bob) = (who("alice"), who("bob"));
    let first = run(&gate, &alice).await;
    let mut waiting = wait(&gate, &alice).await;
    let others = [run(&gate, &bob).await, run(&gate, &who("carol")).await];
    // Now the whole is full too: both are in the way of one, and one of the other.
    let mut more = wait(&gate, &who("dave")).await;
    first.end(None);
    // Alice came first, and her own slot is free.
    let second = admitted(&mut waiting);
    assert!(more.try_turn().is_none());
    second.end(None);
    admitted(&mut more).end(None);
    others.into_iter().for_each(|permit| permit.end(None));
}

#[tokio::test(start_paused = true)]
async fn a_place_counts_in_every_queue_of_its_limits() {
    let gate = gate(vec![user_slots(1, 10), all_slots(100, 2)]);
    let alice = who("alice");
    let running = run(&gate, &alice).await;
    let places = [wait(&gate, &alice).await, wait(&gate, &alice).await];
    // Her own queue has eight places left, but two wait in all.
    let full = refused(&gate, &alice).await;
    assert_eq!(full.limit().map(|limit| limit.name.as_str()), Some("all-slots"));
    assert!(matches!(full.cause, Cause::QueueFull { size: 2, .. }));
    // There is a slot for bob, so nobody need wait.
    run(&gate, &who("bob")).await.end(None);
    drop(places);
    assert_eq!(gate.waiting(), 0);
    let _place = wait(&gate, &alice).await;
    running.end(None);
}

#[tokio::test(start_paused = true)]
async fn nobody_overtakes_and_the_urgent_go_first() {
    let gate = gate(vec![all_slots(1, 10)]);
    let running = run(&gate, &who("alice")).await;
    let low = who("bob").with(Attribute::Priority, "low");
    let high = who("carol").with(Attribute::Priority, "high");
    let mut waiting =
        [wait(&gate, &low).await, wait(&gate, &who("dave")).await, wait(&gate, &high).await];
    let places: Vec<_> = waiting.iter().map(|waiting| waiting.place()).collect();
    assert_eq!(places, [Some(3), Some(2), Some(1)]);
    let at_once = gate.admit(&high, &Demand::ONE_REQUEST).await;
    assert!(matches!(at_once, Ok(Verdict::Refuse(_))), "others are before it");
    running.end(None);
    for nth in [2, 1, 0] {
        admitted(&mut waiting[nth]).end(None);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_it_wants() {
    let gate = gate(vec![all_slots(1, 10)]);
    let alice = who("alice");
    let running = run(&gate, &alice).await;
    let began = gate.clock().now().time;
    let turn = gate.acquire(&alice, &Demand::ONE_REQUEST, Patience::of(2 * SECOND)).await;
    assert!(matches!(&turn, Ok(Verdict::Refuse(no)) if no.cause != Cause::Limit), "{turn:?}");
    assert_eq!(gate.clock().now().time.since(began), 2 * SECOND);
    let at_once = gate.enter(gate.policy(), &alice, &Demand::ONE_REQUEST, Patience::NONE).await;
    assert!(matches!(at_once, Ok(Entered::Refuse(no)) if no.cause == Cause::Limit));
    running.end(None);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_given_up_is_the_next_ones() {
    let gate = gate(vec![all_slots(1, 2)]);
    let running = run(&gate, &who("alice")).await;
    let (first, mut second) = (wait(&gate, &who("bob")).await, wait(&gate, &who("carol")).await);
    assert_eq!(second.place(), Some(2));
    drop(first);
    assert_eq!((second.place(), gate.waiting()), (Some(1), 1));
    running.end(None);
    admitted(&mut second).end(None);
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_nobody_takes_is_voided_and_goes_to_the_next() {
    let gate = gate(vec![all_slots(1, 5), a_minute(100, None)]);
    let alice = who("alice");
    let running = run(&gate, &alice).await;
    let (first, mut second) = (wait(&gate, &alice).await, wait(&gate, &alice).await);
    running.end(None);
    // It was told, and goes away before it looks.
    drop(first);
    let permit = admitted(&mut second);
    assert_eq!(left(&gate, &alice, "minute").await, 99);
    permit.end(None);
    assert_eq!(left(&gate, &alice, "all-slots").await, 1);
}

#[tokio::test(start_paused = true)]
async fn tokens_that_come_back_let_the_next_one_in() {
    let tokens = tollgate_core::policy::Measure::Window { length: 60 * SECOND, cap: 1_000 };
    let limit = tollgate_core::policy::Limit {
        queue: Some(crate::support::queue(5)),
        ..tollgate_core::policy::Limit::new("tokens", &[], tollgate_core::Unit::Tokens, tokens)
    };
    let gate = gate(vec![limit]);
    let demand = |tokens| Demand { output_tokens: tokens, ..Demand::ONE_REQUEST };
    let ask = async |tokens| {
        gate.enter(gate.policy(), &who("alice"), &demand(tokens), Patience::POLICY).await
    };
    let Ok(Entered::Admit(first)) = ask(900).await else { panic!("there is room") };
    let Ok(Entered::Wait(mut second)) = ask(500).await else { panic!("it waits") };
    // It used far less than it held.
    first.end(Some(demand(100)));
    assert_eq!(*admitted(&mut second).demand(), demand(500));
}

#[tokio::test(start_paused = true)]
async fn a_raised_limit_lets_in_who_waits_and_a_reload_keeps_places() {
    let gate = gate(vec![all_slots(1, 10)]);
    let running = run(&gate, &who("alice")).await;
    let mut waiting = [wait(&gate, &who("bob")).await, wait(&gate, &who("carol")).await];
    gate.replace_policy(tollgate_core::Policy::new(vec![all_slots(2, 10)]).expect("one"));
    let second = admitted(&mut waiting[0]);
    assert!(waiting[1].try_turn().is_none());
    gate.replace_policy(tollgate_core::Policy::new(vec![]).expect("none"));
    admitted(&mut waiting[1]).end(None);
    running.end(None);
    second.end(None);
    assert!(matches!(enter(&gate, &who("dave")).await, Entered::Admit(_)));
}

#[tokio::test(start_paused = true)]
async fn an_expired_reservation_frees_its_slot_for_who_waits() {
    use tollgate::Store as _;
    let gate = gate(vec![all_slots(1, 10)]);
    let now = gate.clock().now();
    let (policy, alice) = (gate.policy(), who("alice"));
    let expires = now.time.after(5 * SECOND);
    let order =
        policy.order(tollgate::new_id(now.wall), &alice, &Demand::ONE_REQUEST, now, expires);
    gate.store().reserve(&order, now).await.expect("it answers");
    let mut waiting = wait(&gate, &who("bob")).await;
    assert_eq!(gate.expire().await, Ok(0));
    assert!(waiting.try_turn().is_none());
    tokio::time::advance(5 * SECOND).await;
    assert_eq!(gate.expire().await, Ok(1));
    admitted(&mut waiting).end(None);
}
