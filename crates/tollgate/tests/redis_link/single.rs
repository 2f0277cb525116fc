//! One server.

use redis::Value;
use redis_servers::{Options, Server};
use tollgate::store::redis::link::{Heard, Link, LinkError, LinkSettings, Sent, State, Why};

use crate::support::{add, becomes_away, becomes_up, link, settings, why};

#[tokio::test]
async fn a_script_is_loaded_where_the_server_does_not_know_it() {
    let server = Server::start().await.unwrap();
    let link = link(&server.url()).await;
    assert_eq!(add(&link, 2).await, Ok(Value::Int(2)));
    server.command(&["SCRIPT", "FLUSH"]).await.unwrap();
    assert_eq!(add(&link, 3).await, Ok(Value::Int(5)), "executed once after it was loaded");
}

#[tokio::test]
async fn a_stopped_server_is_away_until_it_goes_on() {
    let server = Server::start().await.unwrap();
    let link = link(&server.url()).await;
    becomes_up(&link).await;
    server.pause();
    let Err(LinkError::Away(away)) = add(&link, 1).await else { panic!("nobody answers") };
    assert_eq!((away.why, away.sent), (Why::Timeout, Sent::Perhaps));
    becomes_away(&link).await;
    let Err(LinkError::Away(away)) = add(&link, 1).await else { panic!("it is known to be away") };
    assert_eq!(away.sent, Sent::No);
    server.resume();
    becomes_up(&link).await;
    let counted = add(&link, 1).await.unwrap();
    assert!([1, 2].map(Value::Int).contains(&counted), "only what timed out is in doubt");
}

#[tokio::test]
async fn it_is_seen_that_a_server_is_away_when_nobody_calls() {
    let server = Server::start().await.unwrap();
    let link = link(&server.url()).await;
    server.pause();
    becomes_away(&link).await;
}

#[tokio::test]
async fn a_server_that_was_killed_is_found_again_at_its_restart() {
    let mut server = Options::default().durable().start().await.unwrap();
    let link = link(&server.url()).await;
    assert_eq!(add(&link, 7).await, Ok(Value::Int(7)));
    server.kill();
    becomes_away(&link).await;
    assert!(matches!(why(add(&link, 1).await), Why::Unreachable | Why::Lost));
    server.restart().await.unwrap();
    becomes_up(&link).await;
    assert_eq!(add(&link, 1).await, Ok(Value::Int(8)));
}

#[tokio::test]
async fn a_process_can_start_before_its_server() {
    let mut server = Server::start().await.unwrap();
    server.kill();
    let link = link(&server.url()).await;
    assert!(matches!(&*link.state().borrow(), State::Away { why: Why::Unreachable, .. }));
    server.restart().await.unwrap();
    becomes_up(&link).await;
}

#[tokio::test]
async fn connections_that_are_cut_are_made_anew_without_anybody_seeing_it() {
    let server = Server::start().await.unwrap();
    let link = link(&server.url()).await;
    let state = link.state();
    server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await.unwrap();
    // The one call that was under way may fail; the state never says that the server is away.
    while add(&link, 1).await.is_err() {}
    assert!(!state.has_changed().unwrap());
}

#[tokio::test]
async fn a_replica_and_a_full_memory_are_away() {
    let server = Server::start().await.unwrap();
    let link = link(&server.url()).await;
    server.command(&["REPLICAOF", "127.0.0.1", "1"]).await.unwrap();
    assert_eq!(why(add(&link, 1).await), Why::ReadOnly);
    assert_eq!(becomes_away(&link).await, Why::ReadOnly);
    server.command(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    becomes_up(&link).await;
    server.command(&["CONFIG", "SET", "maxmemory", "1"]).await.unwrap();
    assert_eq!(becomes_away(&link).await, Why::Full);
    server.command(&["CONFIG", "SET", "maxmemory", "0"]).await.unwrap();
    becomes_up(&link).await;
}

#[tokio::test]
async fn a_password_that_is_missing_or_wrong_is_told_without_being_printed() {
    let server = Options::default().set("requirepass", "hunter2").start().await.unwrap();
    let port = server.port();
    for (url, says) in [
        (format!("redis://127.0.0.1:{port}"), "wants a password"),
        (format!("redis://:wrong-word@127.0.0.1:{port}"), "does not know the user"),
        (format!("redis://nobody:wrong-word@127.0.0.1:{port}"), "does not know the user"),
    ] {
        let error = Link::connect(&LinkSettings::of(&url).unwrap()).await.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        assert!(!error.contains("wrong-word"), "{error}");
    }
    let right = link(&format!("redis://:hunter2@127.0.0.1:{port}")).await;
    assert_eq!(add(&right, 1).await, Ok(Value::Int(1)));
}

#[tokio::test]
async fn a_subscription_goes_on_after_its_server_was_away() {
    let mut server = Server::start().await.unwrap();
    let link = link(&server.url()).await;
    let mut heard = link.subscribe(&["tg:freed"]);
    let message = |text: &'static str| Heard::Message {
        channel: "tg:freed".to_owned(),
        message: text.as_bytes().into(),
    };
    assert_eq!(heard.next().await, Some(Heard::Begun));
    link.publish("tg:freed", b"first").await.unwrap();
    assert_eq!(heard.next().await, Some(message("first")));
    server.kill();
    becomes_away(&link).await;
    server.restart().await.unwrap();
    assert_eq!(heard.next().await, Some(Heard::Begun), "something may have been missed");
    link.publish("tg:freed", b"second").await.unwrap();
    assert_eq!(heard.next().await, Some(message("second")));
}

#[tokio::test]
async fn a_link_makes_as_many_connections_as_it_may() {
    let server = Server::start().await.unwrap();
    let mut settings = settings(&server.url());
    settings.max_connections = 3;
    let link = Link::connect(&settings).await.unwrap();
    for _ in 0..30 {
        add(&link, 1).await.unwrap();
    }
    let Value::BulkString(clients) = server.command(&["CLIENT", "LIST"]).await.unwrap() else {
        panic!("a list is text")
    };
    let used = String::from_utf8(clients).unwrap();
    assert_eq!(used.lines().filter(|line| line.contains("cmd=evalsha")).count(), 3, "{used}");
}
