//! Nodes that come, go, die, and whose server forgets.

use redis_servers::Server;

use super::*;
use crate::store::redis::LinkSettings;

async fn link(server: &Server) -> Link {
    Link::connect(&LinkSettings::of(&server.url()).expect("an address")).await.expect("a link")
}

/// Fast, so that nobody waits for long until somebody is dead.
const PACE: Pace = Pace {
    every: Duration::from_millis(20),
    dead: Duration::from_millis(400),
    forgotten: Duration::from_secs(3_600),
};

async fn joined(server: &Server, name: &str, process: u64) -> Nodes {
    let facts = Facts { address: format!("{name}:1"), ..Facts::default() };
    Nodes::at_pace(link(server).await, name, process, facts, Clock::system(), PACE)
}

async fn until(nodes: &Nodes, what: impl Fn(&Members) -> bool) -> Arc<Members> {
    let mut members = nodes.members();
    let waited = tokio::time::timeout(Duration::from_secs(20), members.wait_for(|it| what(it)));
    Arc::clone(&waited.await.expect("it comes to that").expect("it beats"))
}

fn live(members: &Members) -> Vec<&str> {
    members.nodes.iter().filter(|node| node.is_live).map(|node| node.name.as_str()).collect()
}

#[tokio::test]
async fn nodes_hear_of_each_other_and_of_who_left_or_died() {
    let server = Server::start().await.expect("a server");
    let (a, b, c) =
        tokio::join!(joined(&server, "a", 1), joined(&server, "b", 2), joined(&server, "c", 3));
    let members = until(&a, |members| members.live() == 3).await;
    assert_eq!(live(&members), ["a", "b", "c"]);
    assert_eq!((members.nodes[1].process, members.nodes[1].facts.address.as_str()), (2, "b:1"));
    b.tell_if_new(|facts| {
        facts.policy = "other".to_owned();
        true
    });
    until(&a, |members| members.nodes[1].facts.policy == "other").await;
    b.leave().await.expect("it leaves");
    let members = until(&a, |members| members.nodes.len() == 2).await;
    assert_eq!(live(&members), ["a", "c"], "who left is gone at once");
    drop(c);
    let members = until(&a, |members| members.live() == 1).await;
    assert_eq!(members.nodes.len(), 2, "who died is still shown");
}

#[tokio::test]
async fn a_server_that_forgot_what_was_written_is_found_out() {
    let server = Server::start().await.expect("a server");
    let a = joined(&server, "a", 1).await;
    until(&a, |members| members.beats > 1).await;
    let mut losses = a.losses();
    assert_eq!(*losses.borrow_and_update(), 0);
    server.command(&["FLUSHALL"]).await.expect("flushed");
    let told = tokio::time::timeout(Duration::from_secs(20), losses.changed()).await;
    told.expect("it is told").expect("it beats");
    assert_eq!(*losses.borrow(), 1);
    let beats = a.members().borrow().beats;
    until(&a, |members| members.beats > beats + 3).await;
    assert_eq!(*losses.borrow(), 1, "once");
}

#[tokio::test]
async fn two_processes_of_one_name_are_told() {
    let server = Server::start().await.expect("a server");
    let (a, b) = tokio::join!(joined(&server, "a", 1), joined(&server, "a", 2));
    until(&a, |members| members.is_doubled).await;
    until(&b, |members| members.is_doubled).await;
}

#[tokio::test]
async fn what_stood_there_tells_a_loss_from_a_namesake() {
    use beating::{Found, Heart};
    let server = Server::start().await.expect("a server");
    let mut heart =
        Heart::new(link(&server).await, "a".to_owned(), 7, Clock::system(), Pace::default());
    assert_eq!(heart.found(Some((6, 90))), Found::Own, "a former process of this name");
    heart.acknowledge(5);
    for (before, found) in [
        (Some((7, 5)), Found::Own),
        (Some((7, 6)), Found::Own),
        (Some((7, 4)), Found::Lost),
        (None, Found::Lost),
        (Some((6, 90)), Found::Lost),
        (Some((6, 91)), Found::Doubled),
        (Some((8, 1)), Found::Doubled),
    ] {
        assert_eq!(heart.found(before), found, "{before:?}");
    }
}
