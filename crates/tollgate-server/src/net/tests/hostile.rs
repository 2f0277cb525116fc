//! Many clients that mean no good, on real sockets, beside one that does.

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{future::join_all, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::oneshot,
};

use crate::net::{Body, BoxError, Drained, OnEnd, Serving, Timeouts, boxed, full, serve};

const SHORT: Duration = Duration::from_millis(200);
/// Of each kind. Those that do not read cost the kernel's buffers each.
const MANY: usize = 100;
const NOT_READING: usize = 10;

const SILENT: &str = "";
const ONE_BYTE: &str = "G";
const HALF_HEAD: &str = "POST /body HTTP/1.1\r\nHost: gate\r\nX-Half:";
const STALLED_BODY: &str = "POST /body HTTP/1.1\r\nHost: gate\r\nContent-Length: 100\r\n\r\nabc";
const NO_READER: &str = "GET /endless HTTP/1.1\r\nHost: gate\r\n\r\n";
const IDLE: &str = "GET /idle HTTP/1.1\r\nHost: gate\r\n\r\n";

/// A permit: counts itself while it lives.
struct Permit(Arc<AtomicUsize>);

impl Permit {
    fn take(held: &Arc<AtomicUsize>) -> Self {
        held.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(held))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn answer(request: Request<Body>, permit: Permit) -> Response<Body> {
    let body = match request.uri().path() {
        "/endless" => {
            let piece = || Ok::<_, BoxError>(Frame::data(Bytes::from_static(&[b'x'; 16 * 1024])));
            boxed(StreamBody::new(stream::repeat_with(piece)))
        }
        _ => {
            let read = request.into_body().collect().await;
            full(if read.is_ok() { "whole" } else { "broken" })
        }
    };
    Response::new(boxed(OnEnd::new(body, move |_| drop(permit))))
}

/// Sends this much, and reads nothing for now.
async fn hold(to: SocketAddr, bytes: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
    let mut socket = socket.connect(to).await.expect("a connection");
    socket.write_all(bytes.as_bytes()).await.expect("an open connection");
    socket
}

/// Waits until the far end has closed.
async fn closed(socket: &mut TcpStream) {
    let _ = socket.read_to_end(&mut Vec::new()).await;
}

#[tokio::test]
async fn everybody_is_closed_and_everything_comes_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let held = Arc::new(AtomicUsize::new(0));
    let holding = Arc::clone(&held);
    let timeouts = Timeouts { header: SHORT, body_idle: SHORT, keep_alive: SHORT };
    let max_connections = const { NonZeroU32::new(10_000).unwrap() };
    let serving = Serving { timeouts, max_connections, grace: Duration::from_secs(60) };
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async {
        let _ = stopped.await;
    };
    let served = tokio::spawn(serve(listener, serving, stopped, move |request, _| {
        answer(request, Permit::take(&holding))
    }));

    let deaf = join_all((0..NOT_READING).map(|_| hold(address, NO_READER))).await;
    let mut attackers = Vec::new();
    for kind in [SILENT, ONE_BYTE, HALF_HEAD, STALLED_BODY, IDLE].repeat(MANY) {
        // One by one, so that the kernel's queue holds them all.
        attackers.push(hold(address, kind).await);
    }
    join_all(attackers.iter_mut().map(closed)).await;

    let mut healthy =
        hold(address, "GET /a HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n").await;
    let mut answer = String::new();
    healthy.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.ends_with("whole"), "{answer}");

    // Nothing is left to wait for, though those who do not read still hold their ends.
    stop.send(()).expect("a listener");
    assert_eq!(served.await.expect("no panic"), Drained { cut: 0 });
    assert_eq!(held.load(Ordering::SeqCst), 0, "permits that never came back");
    drop(deaf);
}
