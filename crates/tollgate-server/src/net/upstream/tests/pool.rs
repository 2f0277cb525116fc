//! Connections wait for a next request, but not for ever and not in its way.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http::{Method, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc, oneshot},
};

use super::provider::{LONG, ask, upstream};
use crate::net::{BoxError, Upstream, body::empty, boxed};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Takes connections and tells of each; answers what comes on them until it is to close one.
async fn serve(listener: TcpListener, close: Arc<Notify>, connections: mpsc::UnboundedSender<()>) {
    while let Ok((mut socket, _)) = listener.accept().await {
        let _ = connections.send(());
        let close = Arc::clone(&close);
        tokio::spawn(async move {
            let answering = async { while answer(&mut socket).await {} };
            tokio::select! {
                () = answering => {}
                () = close.notified() => {}
            }
        });
    }
}

/// Answers one request without a body; whether there was one.
async fn answer(socket: &mut TcpStream) -> bool {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return false,
        }
    }
    socket.write_all(OK).await.is_ok()
}

async fn provider() -> (Upstream, mpsc::UnboundedReceiver<()>, Arc<Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let upstream = upstream(listener.local_addr().expect("an address"));
    let (tell, connections) = mpsc::unbounded_channel();
    let close = Arc::new(Notify::new());
    tokio::spawn(serve(listener, Arc::clone(&close), tell));
    (upstream, connections, close)
}

async fn ask_whole(upstream: &Upstream) {
    let answer = upstream.send(ask(upstream, Method::GET, empty())).await.expect("an answer");
    assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), "ok");
}

#[tokio::test]
async fn a_connection_is_used_again_when_its_answer_is_over() {
    let (upstream, mut connections, _close) = provider().await;
    for _ in 0..5 {
        ask_whole(&upstream).await;
        assert_eq!(upstream.pool.len(), 1);
    }
    let half = upstream.send(ask(&upstream, Method::GET, empty())).await.expect("an answer");
    assert_eq!(upstream.pool.len(), 0, "its answer is not over");
    ask_whole(&upstream).await;
    drop(half);
    assert_eq!(upstream.pool.len(), 1, "an answer that is let go takes its connection along");
    connections.recv().await.expect("one connection");
    connections.recv().await.expect("another beside it");
    assert!(connections.try_recv().is_err(), "and no third");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_its_provider_closed_is_replaced() {
    let (upstream, mut connections, close) = provider().await;
    for _ in 0..3 {
        ask_whole(&upstream).await;
        assert_eq!(upstream.pool.len(), 1);
        connections.recv().await.expect("a connection of its own");
        close.notify_one();
        // Paused time runs on when all that has happened was seen.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_does_not_wait_for_ever() {
    let (upstream, _connections, _close) = provider().await;
    ask_whole(&upstream).await;
    tokio::time::sleep(Duration::from_secs(21)).await;
    assert_eq!(upstream.pool.len(), 1);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(upstream.pool.len(), 0);
    ask_whole(&upstream).await;
    assert_eq!(upstream.pool.len(), 1, "and the next one is watched as well");
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(upstream.pool.len(), 0);
}

#[tokio::test]
async fn a_caller_may_send_all_before_it_reads_the_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let upstream = upstream(listener.local_addr().expect("an address"));
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        socket.write_all(OK).await.expect("an open connection");
        let mut request = Vec::new();
        while !request.ends_with(b"0\r\n\r\n") {
            request.push(socket.read_u8().await.expect("an open connection"));
        }
        let _ = tell.send(request);
    });
    let (send, sent) = mpsc::unbounded_channel::<Result<Frame<Bytes>, BoxError>>();
    let pieces = stream::unfold(sent, async |mut sent| Some((sent.recv().await?, sent)));
    let body = boxed(StreamBody::new(Box::pin(pieces)));
    let answer = upstream.send(ask(&upstream, Method::POST, body)).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    send.send(Ok(Frame::data("all of it".into()))).expect("it is sent on");
    drop(send);
    let request = tokio::time::timeout(LONG, told).await.expect("no wait").expect("a request");
    assert!(request.ends_with(b"all of it\r\n0\r\n\r\n"));
    assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), "ok");
}
