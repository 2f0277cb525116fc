//! A master, its replica and sentinels.

use redis::Value;
use redis_servers::{Program, Replicas, Server};
use tollgate::store::redis::link::{Heard, Link, LinkSettings, State, Topology, Why};

use crate::support::{TIMEOUT, add, add_at_last, becomes_away};

async fn link(replicas: &Replicas) -> Link {
    let urls = replicas.sentinels();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let topology = Topology::Sentinel(replicas.name().to_owned());
    let mut settings = LinkSettings::of_all(topology, &urls).unwrap();
    settings.timeout = TIMEOUT;
    Link::connect(&settings).await.unwrap()
}

#[tokio::test]
async fn the_master_is_found_and_followed_when_another_takes_its_place() {
    let replicas = Replicas::start(Program::Redis, 500).await.unwrap();
    let link = link(&replicas).await;
    assert_eq!(add(&link, 2).await, Ok(Value::Int(2)));
    let mut ear = link.subscribe(&["tg:freed"]);
    assert_eq!(ear.next().await, Some(Heard::Begun));
    replicas.servers()[0].pause();
    becomes_away(&link).await;
    let after = add_at_last(&link, 3).await;
    assert!(after == 5 || after == 3, "at most what was not copied is lost: {after}");
    assert_eq!(ear.next().await, Some(Heard::Begun), "it listens to the new master");
    replicas.is_master(1).await.unwrap();
}

#[tokio::test]
async fn an_old_master_that_was_made_a_replica_is_not_written_to() {
    let replicas = Replicas::start(Program::Redis, 500).await.unwrap();
    let link = link(&replicas).await;
    assert_eq!(add(&link, 2).await, Ok(Value::Int(2)));
    replicas.fail_over().await.unwrap();
    replicas.is_master(1).await.unwrap();
    // The sentinels would do so themselves, ten seconds later.
    let [old, new] = replicas.servers() else { panic!("there are two") };
    old.command(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]).await.unwrap();
    add_at_last(&link, 3).await;
    let there = replicas.servers()[1].text(&["GET", "tg:{0}:counter"]).await;
    assert_eq!(there, "5");
}

#[tokio::test]
async fn a_sentinel_that_is_cut_off_is_not_believed_while_others_name_another_master() {
    let replicas = Replicas::start(Program::Redis, 500).await.unwrap();
    let wrong = Server::start().await.unwrap();
    let sentinel = replicas.sentinel(0);
    let (name, port) = (replicas.name(), wrong.port().to_string());
    sentinel.command(&["SENTINEL", "REMOVE", name]).await.unwrap();
    sentinel.command(&["SENTINEL", "MONITOR", name, "127.0.0.1", &port, "2"]).await.unwrap();
    let link = link(&replicas).await;
    assert_eq!(add(&link, 2).await, Ok(Value::Int(2)));
    assert_eq!(replicas.servers()[0].text(&["GET", "tg:{0}:counter"]).await, "2");
    assert_eq!(wrong.text(&["GET", "tg:{0}:counter"]).await, "");
}

#[tokio::test]
async fn a_sentinel_that_does_not_answer_keeps_nobody_waiting() {
    let replicas = Replicas::start(Program::Redis, 5000).await.unwrap();
    replicas.sentinel(0).pause();
    let link = link(&replicas).await;
    assert_eq!(add(&link, 2).await, Ok(Value::Int(2)));
}

#[tokio::test]
async fn a_replica_that_takes_writes_is_no_master() {
    let replicas = Replicas::start(Program::Redis, 500).await.unwrap();
    let replica = &replicas.servers()[1];
    replica.command(&["CONFIG", "SET", "replica-read-only", "no"]).await.unwrap();
    let link = crate::support::link(&replica.url()).await;
    assert_eq!(becomes_away(&link).await, Why::ReadOnly);
    assert_eq!(replica.text(&["GET", "tg:{0}:counter"]).await, "");
}

#[tokio::test]
async fn a_master_that_no_sentinel_knows_is_said_to_be_unknown() {
    let replicas = Replicas::start(Program::Redis, 500).await.unwrap();
    let urls = replicas.sentinels();
    let topology = Topology::Sentinel("another".to_owned());
    let settings = LinkSettings::of_all(topology, &[&urls[0]]).unwrap();
    let link = Link::connect(&settings).await.unwrap();
    assert!(matches!(&*link.state().borrow(), State::Away { why: Why::NoMaster, .. }));
}
