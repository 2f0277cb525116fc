//! The accept loop on real sockets: its cap and its end.

use std::{future::pending, num::NonZeroU32, sync::Arc, time::Duration};

use http::{Request, Response};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc, oneshot},
    task::JoinHandle,
};

use super::rig::TIMEOUTS;
use crate::net::{Body, Drained, Peer, Serving, full, serve};

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n";

async fn start<H, F>(
    max: u32,
    grace: Duration,
    handler: H,
) -> (std::net::SocketAddr, oneshot::Sender<()>, JoinHandle<Drained>)
where
    H: Fn(Request<Body>, Peer) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel();
    let max_connections = NonZeroU32::new(max).expect("some");
    let serving = Serving { timeouts: TIMEOUTS, max_connections, grace };
    let stopped = async {
        let _ = stopped.await;
    };
    (address, stop, tokio::spawn(serve(listener, serving, stopped, handler)))
}

async fn ask(address: std::net::SocketAddr) -> String {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    socket.write_all(GET).await.expect("an open connection");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    answer
}

#[tokio::test]
async fn both_ends_of_a_connection_are_told() {
    let (address, _stop, _serving) = start(10, Duration::ZERO, |_, peer: Peer| async move {
        Response::new(full(format!("{} {}", peer.remote.ip(), peer.local)))
    })
    .await;
    assert!(ask(address).await.ends_with(&format!("\r\n\r\n127.0.0.1 {address}")));
}

#[tokio::test]
async fn over_the_cap_a_connection_waits_until_another_ends() {
    let (begin, mut begun) = mpsc::unbounded_channel();
    let go = Arc::new(Notify::new());
    let going = Arc::clone(&go);
    let (address, _stop, _serving) = start(1, Duration::ZERO, move |_, _| {
        let (begin, going) = (begin.clone(), Arc::clone(&going));
        async move {
            let _ = begin.send(());
            going.notified().await;
            Response::new(full("served"))
        }
    })
    .await;
    let first = tokio::spawn(ask(address));
    begun.recv().await.expect("the first");
    let second = tokio::spawn(ask(address));
    // The second is in the kernel's queue, if anywhere: the first has to end for it to begin.
    assert!(begun.try_recv().is_err());
    go.notify_one();
    assert!(first.await.expect("no panic").ends_with("served"));
    begun.recv().await.expect("the second");
    go.notify_one();
    assert!(second.await.expect("no panic").ends_with("served"));
}

#[tokio::test]
async fn a_panic_in_a_body_ends_its_connection_only() {
    let (address, stop, serving) = start(1, Duration::from_secs(60), |request, _| async move {
        assert!(request.uri().path().starts_with('/'));
        Response::new(crate::net::boxed(http_body_util::StreamBody::new(
            futures_util::stream::poll_fn(
                |_| -> std::task::Poll<
                    Option<Result<http_body::Frame<bytes::Bytes>, crate::net::BoxError>>,
                > { panic!("on purpose") },
            ),
        )))
    })
    .await;
    for _ in 0..3 {
        // Only one slot: each panic has to give it back.
        let mut socket = TcpStream::connect(address).await.expect("a connection");
        socket.write_all(GET).await.expect("an open connection");
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
    }
    stop.send(()).expect("a listener");
    assert_eq!(serving.await.expect("no panic"), Drained { cut: 0 });
}

#[tokio::test]
async fn what_outlasts_the_grace_is_cut_and_counted() {
    let (begin, mut begun) = mpsc::unbounded_channel();
    let (address, stop, serving) = start(10, Duration::from_millis(20), move |_, _| {
        let begin = begin.clone();
        async move {
            let _ = begin.send(());
            pending().await
        }
    })
    .await;
    let askers: Vec<_> = (0..3).map(|_| tokio::spawn(ask(address))).collect();
    for _ in &askers {
        begun.recv().await.expect("a handler");
    }
    stop.send(()).expect("a listener");
    assert_eq!(serving.await.expect("no panic"), Drained { cut: 3 });
    for asker in askers {
        assert_eq!(asker.await.expect("no panic"), "");
    }
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn what_ends_within_the_grace_is_not_cut() {
    let (begin, mut begun) = mpsc::unbounded_channel();
    let go = Arc::new(Notify::new());
    let going = Arc::clone(&go);
    let (address, stop, serving) = start(10, Duration::from_secs(600), move |_, _| {
        let (begin, going) = (begin.clone(), Arc::clone(&going));
        async move {
            let _ = begin.send(());
            going.notified().await;
            Response::new(full("finished"))
        }
    })
    .await;
    let asker = tokio::spawn(ask(address));
    begun.recv().await.expect("a handler");
    stop.send(()).expect("a listener");
    go.notify_one();
    assert!(asker.await.expect("no panic").ends_with("finished"));
    assert_eq!(serving.await.expect("no panic"), Drained { cut: 0 });
}

#[tokio::test]
async fn connections_are_kept_until_they_are_many() {
    let (address, _stop, _serving) =
        start(8, Duration::ZERO, |_, _| async { Response::new(full("served")) }).await;
    let mut silent = Vec::new();
    for many in [false, true] {
        let mut socket = TcpStream::connect(address).await.expect("a connection");
        socket.write_all(b"GET /a HTTP/1.1\r\nHost: gate\r\n\r\n").await.expect("open");
        let mut answer = String::new();
        while !answer.ends_with("served") {
            let mut bytes = [0; 1024];
            let count = socket.read(&mut bytes).await.expect("an answer");
            answer.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        assert_eq!(answer.contains("connection: close"), many, "{answer}");
        // Accepted in this order, so they are there before the next one is answered.
        for _ in 0..6 {
            silent.push(TcpStream::connect(address).await.expect("a connection"));
        }
        silent.push(socket);
    }
}
