//! The server stalls, is killed and forgets: two nodes go on by themselves, and the numbers agree
//! again.

use std::time::Duration;

use redis_servers::Server;
use tollgate::{
    Store, StoreError,
    store::redis::{Redis, State},
};
use tollgate_core::{Attributes, Decision, ReservationId};

use crate::support::{NOW, costs, in_books, node, order, policy, shared};

/// A call is given up soon, as in production.
const SOON: Duration = Duration::from_millis(50);

/// Longer than calls take on a machine that does much else meanwhile.
const PATIENT: Duration = Duration::from_secs(10);

async fn ask(node: &Redis, id: u128, nanos: u64) -> bool {
    let (policy, who) = (policy(), Attributes::new());
    let order = order(&policy, &who, id, nanos);
    matches!(node.reserve(&order, NOW).await.unwrap(), Decision::Admit(_))
}

/// Tells the server everything, as soon as it can be told.
async fn recover(nodes: &[&Redis]) {
    for node in nodes {
        redis_servers::until("a node to have told everything", async || {
            (node.recover(NOW).await && node.untold() == (0, 0)).then_some(())
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn nodes_share_what_is_left_while_the_server_stalls() {
    let server = Server::start().await.unwrap();
    let (a, b) = (node(&server, 0, SOON).await, node(&server, 1, SOON).await);
    for (nth, node) in [&a, &b].into_iter().enumerate() {
        redis_servers::until("a decision", async || {
            ask(node, 10 + nth as u128, 10).await.then_some(())
        })
        .await
        .unwrap();
        recover(&[node]).await;
    }
    // What a has heard is older than what b took.
    assert!(ask(&a, 1, 10).await && ask(&b, 2, 10).await);
    recover(&[&a, &b]).await;
    server.pause();
    let mut admitted = 0;
    for nth in 0..30 {
        admitted += u64::from(ask(&a, 100 + nth, 5).await);
        admitted += u64::from(ask(&b, 200 + nth, 5).await);
    }
    assert!(matches!(&*a.state().borrow(), State::Away { .. }));
    assert!(admitted > 0, "a share is left");
    let used = in_books(&[&a, &b])[0];
    assert!(used <= 100 + 70, "no more than the limit and both parts: {used}");
    a.settle(ReservationId(1), &costs(3), NOW).await.unwrap();
    server.resume();
    recover(&[&a, &b]).await;
    assert_eq!(shared(&a).await, in_books(&[&a, &b]));
}

#[tokio::test]
async fn a_server_that_forgets_everything_is_told_it_again() {
    let mut server = Server::start().await.unwrap();
    let (a, b) = (node(&server, 0, PATIENT).await, node(&server, 1, PATIENT).await);
    for id in 1..=6 {
        assert!(ask(if id % 2 == 0 { &a } else { &b }, id, 9).await);
    }
    a.settle(ReservationId(2), &costs(4), NOW).await.unwrap();
    b.settle(ReservationId(3), &costs(9), NOW).await.unwrap();
    let before = shared(&a).await;
    assert_eq!(before, in_books(&[&a, &b]));
    for round in 0..3 {
        if round == 1 {
            server.kill();
            assert!(!a.recover(NOW).await || a.untold() == (0, 0));
            server.restart().await.unwrap();
        } else {
            server.command(&["FLUSHALL"]).await.unwrap();
        }
        for node in [&a, &b] {
            node.note_loss("the test says so", NOW);
            assert!(!node.is_whole());
        }
        recover(&[&a, &b]).await;
        assert!(a.is_whole() && b.is_whole());
        assert_eq!(shared(&a).await, before, "after loss {round}");
    }
    // What lived through it ends like everything else.
    for id in [1, 4, 5, 6] {
        let owner = if id % 2 == 0 { &a } else { &b };
        owner.settle(ReservationId(id), &costs(1), NOW).await.unwrap();
    }
    assert_eq!(shared(&b).await, [4 + 9 + 4, 0]);
    assert_eq!(shared(&b).await, in_books(&[&a, &b]));
}

#[tokio::test]
async fn what_another_node_ends_counts_for_its_own() {
    let server = Server::start().await.unwrap();
    let (a, b) = (node(&server, 0, PATIENT).await, node(&server, 1, PATIENT).await);
    assert!(ask(&a, 1, 40).await && ask(&a, 2, 30).await);
    b.settle(ReservationId(1), &costs(25), NOW).await.unwrap();
    b.void(ReservationId(2), NOW).await.unwrap();
    assert_eq!((in_books(&[&a]), in_books(&[&b])), (vec![70, 2], vec![0, 0]));
    let unknown = b.settle(ReservationId(9), &costs(1), NOW).await;
    assert_eq!(unknown, Err(StoreError::Unknown { id: 9 }));
    // It learns of it before it counts its books.
    server.command(&["PING"]).await.unwrap();
    a.note_loss("the test says so", NOW);
    recover(&[&a, &b]).await;
    assert_eq!((in_books(&[&a]), in_books(&[&b])), (vec![25, 0], vec![0, 0]));
    assert_eq!(shared(&b).await, [25, 0], "it is counted once");
}
