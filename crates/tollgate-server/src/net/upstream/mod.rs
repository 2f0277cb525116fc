//! The client towards one provider: its pool, its deadlines and where it may connect to.
//!
//! Nothing is retried, unless a pooled connection turned out to be gone before a byte was
//! sent; redirects are not followed; nothing is decompressed.

mod address;
mod connector;
mod error;
mod outgoing;
mod target;

use std::{
    num::NonZeroU32,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::dns::GaiResolver},
    rt::{TokioExecutor, TokioTimer},
};
use pin_project_lite::pin_project;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use self::connector::Connector;
pub(crate) use self::{
    error::{TooLong, UpstreamError},
    target::BadPath,
};
use super::{Body, idle::Idle};

/// Where a provider lives and what it may take its time for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UpstreamSettings {
    /// Scheme, authority and the path before every path; from the policy only.
    pub(crate) base: Uri,
    /// For connecting, TLS included, and for a free connection.
    pub(crate) connect_timeout: Duration,
    /// For its silence: before the head of an answer and between two pieces of its body.
    pub(crate) read_timeout: Duration,
    /// Requests at once; more wait, for as long as connecting may take.
    pub(crate) max_connections: NonZeroU32,
}

/// The client towards one provider. Cheap to clone; clones share the pool.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    settings: Arc<UpstreamSettings>,
    client: Client<Connector, Body>,
    slots: Arc<Semaphore>,
}

pin_project! {
    /// An answer's body as it comes. It holds its place among the provider's connections.
    #[derive(Debug)]
    pub(crate) struct UpstreamBody {
        #[pin]
        body: Idle<Incoming>,
        slot: OwnedSemaphorePermit,
    }
}

/// How long a connection is kept for a next request: less than servers usually keep theirs.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The bound of an answer's head and of each buffer of a connection.
const MAX_HEAD_BYTES: usize = 64 * 1024;

impl Upstream {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// When TLS cannot be set up, which is a fault of the build.
    pub(crate) fn new(settings: UpstreamSettings) -> Result<Self, UpstreamError> {
        let connector = Connector::new(GaiResolver::new(), settings.connect_timeout)?;
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .http1_max_buf_size(MAX_HEAD_BYTES)
            .build(connector);
        let slots = Arc::new(Semaphore::new(settings.max_connections.get() as usize));
        Ok(Self { settings: Arc::new(settings), client, slots })
    }

    /// What it was made of.
    pub(crate) fn settings(&self) -> &UpstreamSettings {
        &self.settings
    }

    /// The address of `rest`, a path with or without a query, at this provider.
    ///
    /// # Errors
    /// When it could mean a place that is not below the provider's address.
    pub(crate) fn target(&self, rest: &str) -> Result<Uri, BadPath> {
        target::join(&self.settings.base, rest)
    }

    /// Sends a request, whose URI is a [`target`](Self::target) of this upstream and whose
    /// headers were stripped, and returns when the head of the answer is there.
    ///
    /// The time to the head starts anew with each piece of the request's body that is taken.
    ///
    /// # Errors
    /// See [`UpstreamError`]; whatever of the request was not sent is dropped.
    pub(crate) async fn send(
        &self,
        request: Request<Body>,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        let slot = self.slot().await?;
        let limit = self.settings.read_timeout;
        let taken = Arc::new(Notify::new());
        let head = self.client.request(outgoing::prepare(request, &taken));
        let response = outgoing::until_silent(head, &taken, limit)
            .await
            .ok_or(UpstreamError::Timeout(TooLong::Head))?
            .map_err(UpstreamError::from_client)?;
        Ok(response.map(|body| UpstreamBody { body: Idle::new(body, limit), slot }))
    }

    async fn slot(&self) -> Result<OwnedSemaphorePermit, UpstreamError> {
        let slot = Arc::clone(&self.slots).acquire_owned();
        match tokio::time::timeout(self.settings.connect_timeout, slot).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) | Err(_) => Err(UpstreamError::Busy),
        }
    }
}

impl http_body::Body for UpstreamBody {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        let frame = self.project().body.poll_frame(cx);
        frame.map(|frame| frame.map(|frame| frame.map_err(UpstreamError::from_body)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
