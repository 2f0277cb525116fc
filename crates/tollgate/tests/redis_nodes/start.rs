//! A node that has just started knows nothing of what the others used.

use std::{sync::Arc, time::Duration};

use redis_servers::Server;
use tollgate::{
    Store, StoreError,
    store::redis::{LinkSettings, Members, Redis},
};
use tollgate_core::{Attributes, Decision, Now};

use crate::support::{NOW, node, order, policy, unasked, unasked_by};

async fn ask(node: &Redis, id: u128, nanos: u64) -> Result<bool, StoreError> {
    let (policy, who) = (policy(), Attributes::new());
    let order = order(&policy, &who, id, nanos);
    Ok(matches!(node.reserve(&order, NOW).await?, Decision::Admit(_)))
}

#[tokio::test]
async fn a_node_that_starts_grants_nothing_before_it_has_asked() {
    let server = Server::start().await.unwrap();
    let patient = Duration::from_secs(10);
    let (a, b) = (node(&server, 0, patient).await, unasked(&server, 1, patient).await);
    assert!(ask(&a, 1, 95).await.unwrap());
    assert!(matches!(ask(&b, 2, 1).await, Err(StoreError::Away(_))));
    // That it knows who the others are does not tell what they used.
    b.note_members(Members { live: 2, rank: 1 });
    assert!(
        matches!(ask(&b, 3, 1).await, Err(StoreError::Away(_)))
            && b.overspend().away[0].at_most == Some(0)
    );
    assert!(b.recover(NOW).await);
    assert!(!ask(&b, 4, 6).await.unwrap() && ask(&b, 5, 5).await.unwrap());
}

#[tokio::test]
async fn a_node_that_starts_without_the_server_shares_as_it_remembers() {
    let server = Server::start().await.unwrap();
    server.pause();
    let mut link = LinkSettings::of(&server.url()).unwrap();
    link.timeout = Duration::from_millis(20);
    link.connect_timeout = link.timeout;
    let node = Arc::new(unasked_by(link, 0).await);
    let asked = Arc::clone(&node);
    let found = tokio::spawn(async move { asked.found().await });
    let later = Now::at(NOW.time.after(Duration::from_secs(1)));
    assert!(!node.recover(NOW).await && !node.recover(later).await);
    found.await.unwrap();
    assert!(matches!(ask(&node, 1, 1).await, Err(StoreError::Away(_))), "nobody told who shares");
    assert!(!node.can_share());
    node.remember_members(4);
    assert!(node.can_share() && ask(&node, 2, 25).await.unwrap());
    assert!(!ask(&node, 3, 1).await.unwrap(), "its part is a quarter");
    node.note_members(Members { live: 2, rank: 0 });
    node.remember_members(1);
    assert_eq!(node.overspend().away[0].at_most, Some(50), "what it hears is newer");
}
