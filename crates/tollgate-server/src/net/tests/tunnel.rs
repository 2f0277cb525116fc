//! What a connection becomes after a 101: it lasts, it is told of the end, and it is cut.

use std::{future::pending, time::Duration};

use http::{Request, Response, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::mpsc,
    time::timeout,
};

use super::rig::{Client, connect};
use crate::net::{Body, Drain, Line, Peer, Tunnel, connection::Stage, empty, websocket::Handshake};

const ASK: &str =
    "GET /a HTTP/1.1\r\nHost: gate\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const PIPE: usize = 64 * 1024;
const HOUR: Duration = Duration::from_secs(3600);

/// A client that was agreed with, and what goes on then.
async fn agreed<F>(tunnel: impl Fn(Line, Drain) -> F + Clone + Send + Sync + 'static) -> Client
where
    F: Future<Output = ()> + Send + 'static,
{
    let handler = move |_: Request<Body>, _: Peer| {
        let tunnel = tunnel.clone();
        async move {
            let mut answer = Response::new(empty());
            *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            Handshake::fresh().agree(answer.headers_mut());
            Tunnel::new(tunnel).ride(answer.extensions_mut());
            answer
        }
    };
    // A crowded process keeps no connection for a next request, but this is none.
    let mut client = connect(PIPE, true, handler);
    client.send(ASK).await;
    let head = client.answer().await;
    assert!(
        head.starts_with("HTTP/1.1 101 ") && head.contains("connection: upgrade\r\n"),
        "{head}"
    );
    client
}

#[tokio::test(start_paused = true)]
async fn it_may_be_silent_for_as_long_as_it_likes() {
    let mut client = agreed(|mut line, _| async move {
        let mut word = [0; 2];
        while line.read_exact(&mut word).await.is_ok() {
            line.write_all(&word).await.expect("a listener");
        }
    })
    .await;
    for _ in 0..3 {
        assert!(timeout(HOUR, client.answer()).await.is_err(), "it has not ended");
        client.send("hi").await;
        assert_eq!(client.answer().await, "hi");
    }
    drop(client.socket);
    client.serving.await.expect("an end");
}

#[tokio::test(start_paused = true)]
async fn it_is_told_when_the_process_is_about_to_end() {
    let mut client = agreed(|mut line, mut drain| async move {
        drain.begun().await;
        line.write_all(b"bye").await.expect("a listener");
    })
    .await;
    assert!(timeout(HOUR, client.answer()).await.is_err());
    client.stage.send_replace(Stage::Drain);
    assert_eq!(client.rest().await, "bye");
    client.serving.await.expect("an end");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_is_cut() {
    let (told, mut dropped) = mpsc::unbounded_channel::<()>();
    let mut client = agreed(move |line, _| {
        let held = (line, told.clone());
        async move {
            pending::<()>().await;
            drop(held);
        }
    })
    .await;
    client.stage.send_replace(Stage::Drain);
    assert!(timeout(HOUR, client.rest()).await.is_err(), "its grace is not over");
    client.stage.send_replace(Stage::Cut);
    assert_eq!(client.rest().await, "");
    client.serving.await.expect("an end");
    assert_eq!(dropped.recv().await, None, "nothing of it is left");
}
