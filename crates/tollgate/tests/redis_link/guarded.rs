//! Servers that do not let everybody in: TLS, and users with few rights.

use redis::Value;
use redis_servers::{Options, Server, Tls};
use tollgate::store::redis::link::{Link, LinkError, LinkSettings, State, Why};

use crate::support::{add, becomes_away, becomes_up, link, settings};

async fn refusal(settings: &LinkSettings) -> String {
    match Link::connect(settings).await {
        Err(LinkError::Refused(sentence)) => sentence.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn over_tls_a_server_is_reached_whose_certificate_is_signed_by_the_named_authority() {
    let tls = Tls::start(Options::default()).await.unwrap();
    let mut settings = settings(&tls.url());
    settings.ca = Some(tls.authority().to_vec());
    let link = Link::connect(&settings).await.unwrap();
    assert_eq!(add(&link, 1).await, Ok(Value::Int(1)));
    let mut heard = link.subscribe(&["tg:freed"]);
    assert!(heard.next().await.is_some(), "subscriptions go over TLS too");
}

#[tokio::test]
async fn a_certificate_of_another_authority_lets_nothing_be_sent() {
    let tls = Tls::start(Options::default()).await.unwrap();
    let other = Tls::start(Options::default()).await.unwrap();
    let mut settings = settings(&tls.url());
    settings.ca = Some(other.authority().to_vec());
    assert!(refusal(&settings).await.contains("certificate"));
    settings.ca = None;
    assert!(refusal(&settings).await.contains("certificate"), "nor is it one of the system's");
}

#[tokio::test]
async fn a_user_needs_no_more_than_scripts_and_its_own_keys_and_channels() {
    let server = Server::start().await.unwrap();
    let rights = ["ACL", "SETUSER", "gate", "on", ">secret", "~tg:*", "&tg:*"];
    let commands = ["-@all", "+evalsha", "+eval", "+set", "+incrby", "+publish", "+subscribe"];
    server.command(&[&rights[..], &commands[..]].concat()).await.unwrap();
    let port = server.port();
    let link = link(&format!("redis://gate:secret@127.0.0.1:{port}")).await;
    assert_eq!(add(&link, 1).await, Ok(Value::Int(1)));
    let mut ear = link.subscribe(&["tg:freed"]);
    ear.next().await.unwrap();
    link.publish("tg:freed", b"x").await.unwrap();
    ear.next().await.unwrap();
}

#[tokio::test]
async fn a_user_with_too_few_rights_is_told_so_at_once() {
    let server = Server::start().await.unwrap();
    server
        .command(&["ACL", "SETUSER", "gate", "on", ">secret", "~other:*", "+@all"])
        .await
        .unwrap();
    let settings = settings(&format!("redis://gate:secret@127.0.0.1:{}", server.port()));
    assert!(refusal(&settings).await.contains("may not do what the store needs"));
}

#[tokio::test]
async fn who_loses_rights_is_away_until_it_has_them_again() {
    let server = Server::start().await.unwrap();
    let give = ["ACL", "SETUSER", "gate", "on", ">secret", "~tg:*", "&*", "+@all"];
    server.command(&give).await.unwrap();
    let link = link(&format!("redis://gate:secret@127.0.0.1:{}", server.port())).await;
    becomes_up(&link).await;
    server.command(&["ACL", "SETUSER", "gate", "-@write"]).await.unwrap();
    let Why::Refused(sentence) = becomes_away(&link).await else { panic!("it is refused") };
    assert!(sentence.contains("may not do"), "{sentence}");
    server.command(&give).await.unwrap();
    becomes_up(&link).await;
    assert_eq!(*link.state().borrow(), State::Up);
}
