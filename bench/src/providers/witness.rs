//! Who stands between a gateway and its provider and writes down each call: when it came, what
//! it was answered, and how many were under way with it.
//!
//! What reaches a provider is counted here and not asked of the gateway that is measured.

use std::{
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use anyhow::Result;
use hyper::{
    Request, Response, Uri,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    header::{CONNECTION, HOST, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use parking_lot::Mutex;
use tokio::{net::TcpListener, task::JoinHandle};
use tollgate::Clock;
use tollgate_core::Time;

/// A witness, until it is dropped.
pub(super) struct Witness {
    pub(super) address: SocketAddr,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

/// One call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    /// When it came, by the wall clock.
    pub(super) at: Time,
    /// 0 where there was no answer.
    pub(super) status: u16,
    /// How many were under way with it.
    pub(super) at_once: u32,
}

struct Seen {
    clock: Clock,
    calls: Mutex<Vec<Call>>,
    under_way: AtomicU32,
}

/// A body under way.
struct Watched {
    body: Incoming,
    _under_way: UnderWay,
}

struct UnderWay(Arc<Seen>);

impl Witness {
    /// Stands before a provider.
    ///
    /// # Errors
    /// When there is no port for it.
    pub(super) async fn before(provider: SocketAddr, clock: Clock) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (calls, under_way) = (Mutex::default(), AtomicU32::new(0));
        let seen = Arc::new(Seen { clock, calls, under_way });
        let task = tokio::spawn(serve(listener, provider, Arc::clone(&seen)));
        Ok(Self { address, seen, task })
    }

    /// All calls so far, in the order of their answers.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.seen.calls.lock().clone()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, provider: SocketAddr, seen: Arc<Seen>) {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    while let Ok((socket, _)) = listener.accept().await {
        // Failing here slows it down and is no reason to give up.
        let _ = socket.set_nodelay(true);
        let (client, seen) = (client.clone(), Arc::clone(&seen));
        let service = service_fn(move |request| {
            let (client, seen) = (client.clone(), Arc::clone(&seen));
            pass(client, provider, seen, request)
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
    }
}

async fn pass(
    client: Client<HttpConnector, Incoming>,
    provider: SocketAddr,
    seen: Arc<Seen>,
    mut request: Request<Incoming>,
) -> Result<Response<Watched>> {
    let (at, under_way) = (seen.clock.now().wall, UnderWay::of(&seen));
    let at_once = seen.under_way.load(Ordering::Relaxed);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let uri = Uri::builder().scheme("http").authority(provider.to_string()).path_and_query(path);
    *request.uri_mut() = uri.build()?;
    request.headers_mut().remove(CONNECTION);
    request.headers_mut().insert(HOST, HeaderValue::from_str(&provider.to_string())?);
    let answer = client.request(request).await;
    let status = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
    let call = Call { at, status, at_once };
    seen.calls.lock().push(call);
    let mut answer = answer?;
    answer.headers_mut().remove(CONNECTION);
    Ok(answer.map(|body| Watched { body, _under_way: under_way }))
}

impl UnderWay {
    fn of(seen: &Arc<Seen>) -> Self {
        seen.under_way.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(seen))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
