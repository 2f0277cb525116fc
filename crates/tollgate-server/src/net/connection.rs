//! One connection: requests in, answers out, until either side has had enough.

use std::{convert::Infallible, net::SocketAddr, panic::AssertUnwindSafe, pin::pin, sync::Arc};

use futures_util::FutureExt as _;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{CONNECTION, CONTENT_TYPE, UPGRADE},
};
use http_body::Body as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};

use super::{
    Body, Drain, Ended, Line, OnEnd, Timeouts, Tunnel, body, framing,
    idle::Idle,
    timed::{Phase, Progress, Timed},
};

/// The two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Who connected.
    pub(crate) remote: SocketAddr,
    /// Where it was accepted.
    pub(crate) local: SocketAddr,
}

/// How far the end of a listener has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Connections are accepted and served.
    Open,
    /// Running requests are finished.
    Drain,
    /// What is left is cut.
    Cut,
}

/// What all connections of a listener share.
pub(super) struct Door<H> {
    pub(super) handler: H,
    pub(super) timeouts: Timeouts,
    /// Whether connections are so many that none should be kept without a request.
    pub(super) is_crowded: Box<dyn Fn() -> bool + Send + Sync>,
}

/// A head of more bytes is answered with 431. It bounds each of hyper's buffers too.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// What a connection becomes after its last answer, if that is something else.
type Next = Mutex<Option<(OnUpgrade, Tunnel)>>;

/// Serves requests until the connection ends or is cut, or something else than HTTP has ended
/// that both sides agreed on.
///
/// A request whose framing is ambiguous is answered here with 400. A handler that panics is
/// answered for with 500; the rest of the process goes on.
pub(super) async fn run<T, H, F>(
    socket: T,
    peer: Peer,
    door: Arc<Door<H>>,
    mut stage: watch::Receiver<Stage>,
) where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: Fn(Request<Body>, Peer) -> F,
    F: Future<Output = Response<Body>>,
{
    let next = Next::default();
    let progress = Arc::new(Progress::default());
    let socket = TokioIo::new(Timed::new(socket, door.timeouts, Arc::clone(&progress)));
    let service = service_fn(|request| {
        progress.enter(Phase::Answer);
        let (door, progress, next) = (&*door, &progress, &next);
        async move {
            let answer = answer(request, peer, door, progress, next).await;
            let progress = Arc::clone(progress);
            Ok::<_, Infallible>(
                answer.map(|body| OnEnd::new(body, move |_| progress.enter(Phase::Next))),
            )
        }
    });
    // The head's timer is the socket's: hyper's misses a peer that is silent.
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(socket, service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = reached(&mut stage, Stage::Drain) => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                ended = connection.as_mut() => ended,
                () = reached(&mut stage, Stage::Cut) => return,
            }
        }
    };
    if let Err(error) = ended {
        let error: &dyn std::error::Error = &error;
        tracing::debug!(error, remote = %peer.remote, "a connection ended badly");
        return;
    }
    let agreed = next.lock().take();
    if let Some((upgrade, tunnel)) = agreed
        && let Ok(upgraded) = upgrade.await
    {
        // Whoever runs it knows what it waits for.
        progress.enter(Phase::Answer);
        let running = tunnel.run(Line::new(TokioIo::new(upgraded)), Drain::of(stage.clone()));
        tokio::select! {
            biased;
            () = running => {}
            () = reached(&mut stage, Stage::Cut) => {}
        }
    }
}

/// Ready from that stage on, also when nobody is left to announce it.
pub(super) async fn reached(stage: &mut watch::Receiver<Stage>, least: Stage) {
    let _ = stage.wait_for(|stage| *stage >= least).await;
}

async fn answer<H, F>(
    mut request: Request<Incoming>,
    peer: Peer,
    door: &Door<H>,
    progress: &Arc<Progress>,
    next: &Next,
) -> Response<Body>
where
    H: Fn(Request<Body>, Peer) -> F,
    F: Future<Output = Response<Body>>,
{
    let asks = request.headers().contains_key(UPGRADE);
    let upgrade = asks.then(|| hyper::upgrade::on(&mut request));
    let (mut head, incoming) = request.into_parts();
    let is_last = framing::is_last_of_connection(&head.headers);
    let body = watched(incoming, door.timeouts, progress);
    if let Err(why) = framing::check(&head) {
        return problem(StatusCode::BAD_REQUEST, "invalid_request", &sentence(&why));
    }
    head.uri = framing::origin_form(&head.uri);
    let request = Request::from_parts(head, body);
    // A handler is given a request and gives an answer; what it shares with others has to
    // bear a panic anyway, as that of any task.
    let answering = AssertUnwindSafe(async { (door.handler)(request, peer).await });
    let Ok(mut answer) = answering.catch_unwind().await else {
        tracing::error!("a request's handler panicked");
        let sentence = "Tollgate failed on this request by a fault of its own.";
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", sentence);
    };
    if let Some(tunnel) = Tunnel::take(answer.extensions_mut()) {
        *next.lock() = upgrade.map(|upgrade| (upgrade, tunnel));
    } else if is_last || (door.is_crowded)() {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// A request's body that may not stand still, and that tells when it is not read to its end.
fn watched(incoming: Incoming, timeouts: Timeouts, progress: &Arc<Progress>) -> Body {
    if incoming.is_end_stream() {
        return body::empty();
    }
    let progress = Arc::clone(progress);
    body::boxed(OnEnd::new(Idle::new(incoming, timeouts.body_idle), move |ended| {
        if ended != Ended::Complete {
            progress.leave_unread();
        }
    }))
}

/// A clause as a sentence.
fn sentence(clause: &framing::BadFraming) -> String {
    let clause = clause.to_string();
    let mut chars = clause.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).chain(['.']).collect()
}

/// What is answered where no dialect is known yet: problem details, and the connection ends.
fn problem(status: StatusCode, error: &str, sentence: &str) -> Response<Body> {
    let details = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": sentence,
        "error": error,
        "message": sentence,
    });
    let mut answer = Response::new(body::full(details.to_string()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}
