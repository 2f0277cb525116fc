//! A connection in memory, on virtual time, and the far end in a test's hand.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Response};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use crate::net::{
    Body, Peer, Timeouts,
    connection::{self, Door, Stage},
    full,
};

/// The deadlines of all tests on virtual time; far apart, so that each is known by its length.
pub(super) const TIMEOUTS: Timeouts = Timeouts {
    header: Duration::from_secs(10),
    body_idle: Duration::from_secs(60),
    keep_alive: Duration::from_secs(300),
};

/// A client whose bytes are written by hand.
pub(super) struct Client {
    pub(super) socket: DuplexStream,
    pub(super) stage: watch::Sender<Stage>,
    pub(super) serving: JoinHandle<()>,
}

/// Serves one connection with this handler; the pipe holds so many bytes each way.
pub(super) fn connect<H, F>(pipe_bytes: usize, crowded: bool, handler: H) -> Client
where
    H: Fn(Request<Body>, Peer) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let (socket, served) = tokio::io::duplex(pipe_bytes);
    let (stage, watching) = watch::channel(Stage::Open);
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let peer = Peer { remote: address, local: address };
    let door = Door { handler, timeouts: TIMEOUTS, is_crowded: Box::new(move || crowded) };
    let serving = tokio::spawn(connection::run(served, peer, Arc::new(door), watching));
    Client { socket, stage, serving }
}

/// A handler that answers with the path.
pub(super) async fn echo_path(request: Request<Body>, _: Peer) -> Response<Body> {
    Response::new(full(request.uri().path().to_owned()))
}

impl Client {
    pub(super) async fn send(&mut self, text: &str) {
        self.socket.write_all(text.as_bytes()).await.expect("an open connection");
    }

    /// The next answer, head and as much of a body as comes with it.
    pub(super) async fn answer(&mut self) -> String {
        let mut bytes = vec![0; 64 * 1024];
        let count = self.socket.read(&mut bytes).await.expect("an open connection");
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    /// All that still comes until the connection is closed.
    pub(super) async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let _ = self.socket.read_to_end(&mut bytes).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Passes if the connection is closed after this time, neither earlier nor later.
    pub(super) async fn closes_after(&mut self, time: Duration) {
        let slack = Duration::from_millis(10);
        let early = timeout(time - slack, self.rest()).await;
        assert!(early.is_err(), "closed before {time:?}, with {early:?}");
        let late = timeout(2 * slack, self.rest()).await;
        assert!(late.is_ok(), "still open after {time:?}");
    }
}
