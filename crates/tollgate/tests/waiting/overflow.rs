//! What an arrival at a full queue does.

use tollgate::{Cause, Verdict};
use tollgate_core::queue::{Bound, Overflow, Rules};

use crate::support::{
    SECOND, admitted, all_slots, gate, queue, refused, run, slots, told, user_slots, wait, who,
};

fn overflowing(overflow: Overflow) -> tollgate_core::policy::Limit {
    let queue = queue(2);
    let rules = Rules { overflow, ..queue.rules };
    let queue = tollgate_core::policy::Queue { rules, ..queue };
    slots("user-slots", &[tollgate_core::Attribute::User], 1, queue)
}

#[tokio::test(start_paused = true)]
async fn the_oldest_makes_place_and_is_told_so() {
    let gate = gate(vec![overflowing(Overflow::DropOldest), all_slots(10, 10)]);
    let alice = who("alice");
    let running = run(&gate, &alice).await;
    let (mut first, mut second) = (wait(&gate, &alice).await, wait(&gate, &alice).await);
    let mut third = wait(&gate, &alice).await;
    let Verdict::Refuse(dropped) = told(&mut first) else { panic!("it was the oldest") };
    assert_eq!(dropped.cause, Cause::Displaced { size: 2 });
    assert_eq!(gate.waiting(), 2, "it has left every room");
    running.end(None);
    admitted(&mut second).end(None);
    admitted(&mut third).end(None);
}

#[tokio::test(start_paused = true)]
async fn who_is_blocked_waits_for_a_place_within_its_time() {
    let gate = gate(vec![overflowing(Overflow::Block)]);
    let alice = who("alice");
    let running = run(&gate, &alice).await;
    let mut placed = [wait(&gate, &alice).await, wait(&gate, &alice).await];
    tokio::time::advance(SECOND).await;
    let mut blocked = wait(&gate, &alice).await;
    assert_eq!(blocked.place(), Some(3));
    running.end(None);
    admitted(&mut placed[0]).end(None);
    admitted(&mut placed[1]).end(None);
    admitted(&mut blocked).end(None);
    let running = run(&gate, &alice).await;
    let _placed = [wait(&gate, &alice).await, wait(&gate, &alice).await];
    let began = gate.clock().now().time;
    let turn = wait(&gate, &alice).await.turn().await;
    let Ok(Verdict::Refuse(late)) = turn else { panic!("nobody ended") };
    assert!(matches!(late.cause, Cause::TimedOut { waited } if waited == 30 * SECOND));
    assert_eq!(gate.clock().now().time.since(began), 30 * SECOND);
    running.end(None);
}

#[tokio::test(start_paused = true)]
async fn the_default_table_of_the_endpoint_holds() {
    let gate = gate(vec![user_slots(3, 10), all_slots(100, 500)]);
    let alice = who("alice");
    let mut running = vec![];
    for _ in 0..3 {
        running.push(run(&gate, &alice).await);
    }
    let mut places = vec![];
    for _ in 0..10 {
        places.push(wait(&gate, &alice).await);
    }
    let fourteenth = refused(&gate, &alice).await;
    assert_eq!(fourteenth.cause, Cause::QueueFull { bound: Bound::Room, size: 10 });
    assert_eq!(fourteenth.limit().map(|limit| limit.name.as_str()), Some("user-slots"));
    // 97 others run, and the whole is full; 490 more wait in all.
    for nth in 0..97 {
        running.push(run(&gate, &who(&format!("user-{nth}"))).await);
    }
    for nth in 0..490 {
        places.push(wait(&gate, &who(&format!("guest-{nth}"))).await);
    }
    let full = refused(&gate, &who("late")).await;
    assert_eq!(full.cause, Cause::QueueFull { bound: Bound::Room, size: 500 });
    assert_eq!(full.limit().map(|limit| limit.name.as_str()), Some("all-slots"));
    drop((running, places));
    assert_eq!(gate.waiting(), 0);
}
