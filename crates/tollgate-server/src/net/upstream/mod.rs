//! The client towards one provider: its pool, its deadlines and where it may connect to.
//!
//! Nothing is retried, unless a connection that waited in the pool turned out to be gone before
//! a byte was sent; redirects are not followed; nothing is decompressed.

mod address;
mod answer;
mod connector;
mod error;
mod link;
mod outgoing;
mod pool;
mod switch;
mod target;

use std::{
    num::NonZeroU32,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri};
use http_body::{Frame, SizeHint};
use hyper_util::client::legacy::connect::dns::GaiResolver;
use pin_project_lite::pin_project;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt as _;

use self::{
    answer::Answer,
    connector::Connector,
    link::{Link, Upload},
    pool::Pool,
};
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
    connector: Connector,
    /// What it is called in `Host`.
    host: HeaderValue,
    pool: Arc<Pool>,
    slots: Arc<Semaphore>,
}

pin_project! {
    /// An answer's body as it comes. It holds its place among the provider's connections.
    #[derive(Debug)]
    pub(crate) struct UpstreamBody {
        #[pin]
        body: Idle<Answer>,
        // Nothing where the line has it that comes of the answer.
        slot: Option<OwnedSemaphorePermit>,
    }
}

impl Upstream {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// When TLS cannot be set up, which is a fault of the build.
    pub(crate) fn new(settings: UpstreamSettings) -> Result<Self, UpstreamError> {
        let connector = Connector::new(GaiResolver::new(), settings.connect_timeout)?;
        let slots = Arc::new(Semaphore::new(settings.max_connections.get() as usize));
        let (host, pool) = (outgoing::host(&settings.base), Arc::default());
        Ok(Self { settings: Arc::new(settings), connector, host, pool, slots })
    }

    /// What it was made of.
    pub(crate) fn settings(&self) -> &UpstreamSettings {
        &self.settings
    }

    /// What it is called in `Host`.
    pub(crate) const fn host(&self) -> &HeaderValue {
        &self.host
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
        let upload = Arc::new(Upload::default());
        let mut request = outgoing::prepare(request, &self.host, &upload);
        loop {
            let waiting = self.pool.take();
            let is_used = waiting.is_some();
            let mut link = match waiting {
                Some(link) => link,
                None => Box::pin(self.connect()).await?,
            };
            let head = link.send(request);
            let answered = link.answered(head, &upload, limit).await;
            match answered.ok_or(UpstreamError::Timeout(TooLong::Head))? {
                Ok(response) => {
                    let link = driven(link, &upload);
                    let body = |body| Answer::new(body, link, Arc::clone(&self.pool));
                    return Ok(response.map(|it| UpstreamBody {
                        body: Idle::new(body(it), limit),
                        slot: Some(slot),
                    }));
                }
                Err(mut error) => match error.take_message() {
                    // Its peer closed it while it waited, and nothing was sent.
                    Some(unsent) if is_used => request = unsent,
                    _ => return Err(UpstreamError::of_message(error.into_error().into())),
                },
            }
        }
    }

    async fn connect(&self) -> Result<Box<Link>, UpstreamError> {
        let stream = self.stream().await?;
        Link::new(stream).await.map_err(|error| UpstreamError::Connect(error.into()))
    }

    async fn stream(&self) -> Result<link::Stream, UpstreamError> {
        let connecting = self.connector.clone().oneshot(self.settings.base.clone());
        connecting.await.map_err(UpstreamError::from_connecting)
    }

    async fn slot(&self) -> Result<OwnedSemaphorePermit, UpstreamError> {
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            return Ok(slot);
        }
        let slot = Arc::clone(&self.slots).acquire_owned();
        match tokio::time::timeout(self.settings.connect_timeout, slot).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) | Err(_) => Err(UpstreamError::Busy),
        }
    }
}

/// The link, if its answer's reader is to drive it. One whose request is still being sent
/// goes on by itself: a caller may well send all before it reads any of the answer.
fn driven(link: Box<Link>, upload: &Upload) -> Option<Box<Link>> {
    if upload.is_over() {
        return Some(link);
    }
    link.detach();
    None
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
