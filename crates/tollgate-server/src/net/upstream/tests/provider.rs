//! A provider made of bytes, on a socket of its own.

use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use http::{Method, Request};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use crate::net::{Body, Upstream, UpstreamSettings};

/// A provider that answers each connection's first request with given bytes.
pub(super) struct Provider {
    pub(super) address: SocketAddr,
    /// The bytes of each request that came.
    pub(super) requests: mpsc::UnboundedReceiver<String>,
}

/// What a provider does after it sent its bytes.
#[derive(Clone, Copy)]
pub(super) enum Then {
    Close,
    Hold,
}

/// So short that a test waits for it, so long that nobody else takes it by accident.
pub(super) const SHORT: Duration = Duration::from_millis(50);
pub(super) const LONG: Duration = Duration::from_secs(60);

pub(super) async fn provider(answer: &'static str, then: Then) -> Provider {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (tell, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let tell = tell.clone();
            tokio::spawn(async move {
                let _ = tell.send(request(&mut socket).await);
                let _ = socket.write_all(answer.as_bytes()).await;
                if let Then::Hold = then {
                    let _ = socket.read_to_end(&mut Vec::new()).await;
                }
            });
        }
    });
    Provider { address, requests }
}

/// All bytes of one request, by the framing that it states; what comes behind it too.
async fn request(socket: &mut TcpStream) -> String {
    let mut all = String::new();
    let mut bytes = [0; 4096];
    loop {
        let count = socket.read(&mut bytes).await.unwrap_or(0);
        all.push_str(&String::from_utf8_lossy(&bytes[..count]));
        if count == 0 || is_whole(&all) {
            return all;
        }
    }
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with("0\r\n\r\n");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().expect("a length"))
}

pub(super) fn settings(address: SocketAddr) -> UpstreamSettings {
    UpstreamSettings {
        base: format!("http://{address}/base").parse().expect("an address"),
        connect_timeout: LONG,
        read_timeout: LONG,
        max_connections: const { NonZeroU32::new(8).unwrap() },
    }
}

pub(super) fn upstream(address: SocketAddr) -> Upstream {
    Upstream::new(settings(address)).expect("an upstream")
}

/// A request for `/a` at this upstream.
pub(super) fn ask(upstream: &Upstream, method: Method, body: Body) -> Request<Body> {
    let target = upstream.target("/a?b=c").expect("a target");
    Request::builder().method(method).uri(target).body(body).expect("a request")
}
