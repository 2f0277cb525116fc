//! The sandbox on a socket of its own, for trials and benchmarks on loopback.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use http::{Request, Response, header::UPGRADE};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore};

use super::{Sandbox, SandboxBody};
use crate::net::{Drain, Line, Tunnel};

/// The most connections at once; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 16_384;
/// How long a connection may take to send a head, also while it is idle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(75);
/// How long accepting rests when the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Answers connections until the task is dropped.
pub(crate) async fn serve(listener: TcpListener, sandbox: Arc<Sandbox>) -> io::Result<Infallible> {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await.map_err(io::Error::other)?;
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Without it small answers wait for acknowledgements; failing here is no reason to refuse.
        let _ = socket.set_nodelay(true);
        let sandbox = Arc::clone(&sandbox);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let sandbox = Arc::clone(&sandbox);
                async move { Ok::<_, Infallible>(answer(&sandbox, request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(socket), service)
                .with_upgrades();
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended badly");
            }
            drop(slot);
        });
    }
}

/// Answers a request, and begins what follows its answer, if something does.
async fn answer(sandbox: &Sandbox, mut request: Request<Incoming>) -> Response<SandboxBody> {
    let asks = request.headers().contains_key(UPGRADE);
    let upgrade = asks.then(|| hyper::upgrade::on(&mut request));
    let mut response = sandbox.handle(request).await;
    if let (Some(upgrade), Some(tunnel)) = (upgrade, Tunnel::take(response.extensions_mut())) {
        tokio::spawn(async move {
            if let Ok(upgraded) = upgrade.await {
                tunnel.run(Line::new(TokioIo::new(upgraded)), Drain::NEVER).await;
            }
        });
    }
    response
}
