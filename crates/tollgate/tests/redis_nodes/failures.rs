//! The server stalls, is killed and forgets: two nodes go on by themselves, and the numbers agree
//! again.

use std::{sync::Arc, time::Duration};

use redis_servers::{Program, Replicas, Server};
use tollgate::{
    Clock, Store, StoreError,
    conformance::NOON,
    store::redis::{LinkSettings, Redis, State, link::Topology},
};
use tollgate_core::{Amounts, Attributes, Decision, Now, ReservationId};

use crate::support::{NOW, costs, in_books, node, node_by, order, policy, shared};

/// A call is given up soon, as in production.
const SOON: Duration = Duration::from_millis(50);

/// Longer than calls take on a machine that does much else meanwhile.
const PATIENT: Duration = Duration::from_secs(10);

async fn ask(node: &Redis, id: u128, nanos: u64) -> bool {
    ask_at(node, id, nanos, 0).await
}

/// The same so many milliseconds later.
async fn ask_at(node: &Redis, id: u128, nanos: u64, millis: u64) -> bool {
    let now = Now::at(NOON.after(Duration::from_millis(millis)));
    let (policy, who) = (policy(), Attributes::new());
    let order = order(&policy, &who, id, nanos);
    matches!(node.reserve(&order, now).await.unwrap(), Decision::Admit(_))
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
        admitted += u64::from(ask_at(&a, 100 + u128::from(nth), 5, 50 * nth).await);
        admitted += u64::from(ask_at(&b, 200 + u128::from(nth), 5, 50 * nth).await);
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

#[tokio::test]
async fn a_server_without_files_that_is_killed_is_seen_to_have_lost_everything() {
    let mut server = Server::start().await.unwrap();
    let (a, b) = (node(&server, 0, PATIENT).await, node(&server, 1, PATIENT).await);
    for id in 1..=6 {
        assert!(ask(if id % 2 == 0 { &a } else { &b }, id, 9).await);
    }
    a.settle(ReservationId(2), &costs(4), NOW).await.unwrap();
    let before = shared(&a).await;
    server.kill();
    // Nobody tells the nodes anything: their calls have no answer.
    a.settle(ReservationId(4), &costs(9), NOW).await.unwrap();
    b.settle(ReservationId(1), &costs(9), NOW).await.unwrap();
    assert!(ask_at(&a, 7, 1, 500).await && ask_at(&b, 8, 1, 500).await);
    server.restart().await.unwrap();
    recover(&[&a, &b]).await;
    assert_eq!(shared(&a).await, [before[0] + 2, before[1]]);
    assert_eq!(shared(&a).await, in_books(&[&a, &b]));
}

#[tokio::test]
async fn a_failover_that_loses_writes_is_seen_and_repaired() {
    let mut replicas = Replicas::start(Program::Redis, 500).await.unwrap();
    let urls = replicas.sentinels();
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();
    let topology = Topology::Sentinel(replicas.name().to_owned());
    let settings = || LinkSettings::of_all(topology.clone(), &urls).unwrap();
    let (a, b) = (node_by(settings(), 0).await, node_by(settings(), 1).await);
    for id in 1..=4 {
        assert!(ask(if id % 2 == 0 { &a } else { &b }, id, 9).await);
    }
    assert_eq!(a.overspend().unacknowledged.cost.0, 18, "nobody has looked at the replica yet");
    redis_servers::until("the replica to have all of it", async || {
        a.look_now(NOW).await;
        (a.overspend().unacknowledged == Amounts::default()).then_some(())
    })
    .await
    .unwrap();
    // The replica hears nothing more, and takes over.
    replicas.servers()[1].pause();
    a.settle(ReservationId(2), &costs(4), NOW).await.unwrap();
    assert!(ask(&a, 5, 7).await && ask(&b, 6, 8).await);
    a.look_now(NOW).await;
    assert_eq!(a.overspend().unacknowledged, costs(7), "so much may be granted once more");
    replicas.servers_mut()[0].kill();
    replicas.servers()[1].resume();
    replicas.is_master(1).await.unwrap();
    for node in [&a, &b] {
        redis_servers::until("the loss to be seen", async || {
            node.look_now(NOW).await;
            (!node.is_whole()).then_some(())
        })
        .await
        .unwrap();
    }
    recover(&[&a, &b]).await;
    assert_eq!(shared(&a).await, [9 + 4 + 9 + 9 + 7 + 8, 5]);
    assert_eq!(shared(&b).await, in_books(&[&a, &b]));
}

#[tokio::test]
async fn a_node_that_is_looked_after_leaves_and_comes_back_by_itself() {
    let mut server = Server::start().await.unwrap();
    let (a, b) = (node(&server, 0, PATIENT).await, node(&server, 1, PATIENT).await);
    let (a, b, clock) = (Arc::new(a), Arc::new(b), Clock::set_at(NOON));
    let kept = [a.keep(clock.clone()), b.keep(clock.clone())];
    assert!(ask(&a, 1, 9).await && ask(&b, 2, 8).await);
    let mut states = [a.state(), b.state()];
    server.kill();
    for state in &mut states {
        // Nobody has asked it anything.
        state.wait_for(|state| matches!(state, State::Away { .. })).await.unwrap();
    }
    assert!(ask(&a, 3, 1).await && ask(&b, 4, 1).await);
    b.settle(ReservationId(2), &costs(5), NOW).await.unwrap();
    server.restart().await.unwrap();
    redis_servers::until("both to have told everything", async || {
        let told = |node: &Redis| node.is_whole() && node.untold() == (0, 0);
        (told(&a) && told(&b)).then_some(())
    })
    .await
    .unwrap();
    assert!(states.iter().all(|state| *state.borrow() != State::Up), "each waits for the other");
    redis_servers::until("both to come back", async || {
        clock.advance(Duration::from_secs(1));
        states.iter().all(|state| *state.borrow() == State::Up).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(shared(&a).await, [9 + 5 + 1 + 1, 3]);
    assert_eq!(shared(&b).await, in_books(&[&a, &b]));
    // What another node ends is heard of.
    b.settle(ReservationId(1), &costs(2), NOW).await.unwrap();
    redis_servers::until("the end to be heard of", async || {
        (in_books(&[&a, &b])[0] == 2 + 5 + 1 + 1).then_some(())
    })
    .await
    .unwrap();
    drop((a, b));
    for kept in kept {
        kept.await.unwrap();
    }
}
