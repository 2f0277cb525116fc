//! The accept loop: so many connections and no more, each with deadlines, and a clean end.
//!
//! Over the cap accepting pauses: the rest waits in the kernel's queue and is served as slots
//! come free, so a short burst loses nothing. Every connection has deadlines, so slots do
//! come free; and from seven eighths of the cap on no connection is kept for a next request.

use std::{io, net::SocketAddr, num::NonZeroU32, pin::pin, sync::Arc, time::Duration};

use http::{Request, Response};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};

use super::{
    Body, Peer,
    connection::{self, Door, Stage},
};

/// What a client may take its time for. All in `[server]` of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// From the first byte of a request's head to its last; for the first request from the
    /// start of the connection, so that nobody stays silent.
    pub(crate) header: Duration,
    /// How long a body may stand still: the caller sends nothing of a request that is waited
    /// for, or takes nothing of its answer.
    pub(crate) body_idle: Duration,
    /// From an answer to the first byte of the next request.
    pub(crate) keep_alive: Duration,
}

/// What a listener bears with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Serving {
    /// What a client may take its time for.
    pub(crate) timeouts: Timeouts,
    /// Connections at once.
    pub(crate) max_connections: NonZeroU32,
    /// How long running requests may go on once it stops.
    pub(crate) grace: Duration,
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drained {
    /// Connections that were cut because the grace was over.
    pub(crate) cut: u32,
}

/// How long accepting rests when the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Serves a listener until `stop` is ready, then finishes: accepts nothing more, lets running
/// requests and streams end within the grace, cuts what is left.
///
/// The handler sees requests whose framing is plain, with the target as path and query only.
pub(crate) async fn serve<H, F>(
    listener: TcpListener,
    serving: Serving,
    stop: impl Future<Output = ()>,
    handler: H,
) -> Drained
where
    H: Fn(Request<Body>, Peer) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let max = serving.max_connections.get();
    let slots = Arc::new(Semaphore::new(max as usize));
    let (stage, watching) = watch::channel(Stage::Open);
    let crowded = (max / 8) as usize;
    let door = Arc::new(Door {
        handler,
        timeouts: serving.timeouts,
        is_crowded: Box::new({
            let slots = Arc::clone(&slots);
            move || slots.available_permits() < crowded
        }),
    });
    let mut stop = pin!(stop);
    loop {
        let (socket, remote, slot) = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let local = socket.local_addr().unwrap_or(remote);
        let serving =
            connection::run(socket, Peer { remote, local }, Arc::clone(&door), watching.clone());
        tokio::spawn(async move {
            serving.await;
            drop(slot);
        });
    }
    drop(listener);
    drain(&slots, max, serving.grace, &stage).await
}

/// The next connection and its slot.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let Ok(slot) = Arc::clone(slots).acquire_owned().await else {
        // Nobody closes the slots.
        return std::future::pending().await;
    };
    loop {
        match listener.accept().await {
            Ok((socket, remote)) => {
                // Without it small pieces wait for acknowledgements; no reason to refuse.
                let _ = socket.set_nodelay(true);
                return (socket, remote, slot);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether accepting failed for a connection that has gone already, not for the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

async fn drain(
    slots: &Semaphore,
    max: u32,
    grace: Duration,
    stage: &watch::Sender<Stage>,
) -> Drained {
    stage.send_replace(Stage::Drain);
    if tokio::time::timeout(grace, slots.acquire_many(max)).await.is_ok() {
        return Drained { cut: 0 };
    }
    // One that ends in this very moment may be counted too.
    let cut = max.saturating_sub(u32::try_from(slots.available_permits()).unwrap_or(max));
    stage.send_replace(Stage::Cut);
    let _ = slots.acquire_many(max).await;
    Drained { cut }
}
