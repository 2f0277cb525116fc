//! Sending a request on to its provider, and taking what it answers.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderValue, Request, Response, Uri, header::UPGRADE, request::Parts,
};
use http_body::{Frame, SizeHint};
use tollgate_core::Time;

use super::{body::Sent, limits::Limited};
use crate::{
    credentials::{Credentials, Key, Payload},
    net::{self, Body, Drain, Line, TooLong, Tunnel, UpstreamBody, UpstreamError},
    providers::{Provider, Reach},
    refusal::{Failure, What},
    sandbox::SandboxBody,
};

/// The body of a provider's answer.
#[derive(Debug)]
pub(super) enum ProviderBody {
    Remote(UpstreamBody),
    Sandbox(SandboxBody),
    /// One of the others, which ends in time.
    Limited(Box<Limited<Self>>),
}

/// What lets a request in, beside what the policy has for its provider.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    /// The key that the caller has of its own; it goes before the policy's.
    pub(super) own: Option<HeaderValue>,
    /// Whether the caller showed what it has in `Authorization`.
    pub(super) by_bearer: bool,
    /// The body and the time, where they are signed.
    pub(super) signed: Option<(Payload, Time)>,
}

/// How long the simulated model may be silent where it was told to hang.
const SANDBOX_PATIENCE: Duration = Duration::from_secs(300);

/// What a line within the process holds in each direction.
const LINE_BYTES: usize = 64 * 1024;

/// Named, since the compiler does not see through all of it that it can be sent.
type Answering = Pin<Box<dyn Future<Output = Response<SandboxBody>> + Send>>;

impl Provider {
    /// Where `rest`, a path with or without a query, is at this provider.
    ///
    /// # Errors
    /// When it could mean a place that is not the provider's.
    pub(super) fn target(&self, rest: &str) -> Result<Uri, Failure> {
        let invalid = |why: &dyn std::fmt::Display| {
            Failure::new(What::InvalidRequest, format!("This path is not sent on: {why}."))
        };
        match &self.reach {
            Reach::Remote(upstream) => upstream
                .target(versioned(&upstream.settings().base, rest))
                .map_err(|error| invalid(&error)),
            Reach::Sandbox(..) => {
                let path = if rest.starts_with('/') { rest } else { "/" };
                path.parse().map_err(|_| invalid(&"it is not one of an URL"))
            }
        }
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// When there is none.
    pub(super) async fn send(
        self: Arc<Self>,
        head: Parts,
        target: Uri,
        body: Body,
        entry: Entry,
    ) -> Result<Response<ProviderBody>, UpstreamError> {
        self.send_telling(head, target, body, entry, |_| {}).await
    }

    /// The same, with more headers for the provider, which no caller can make up.
    ///
    /// # Errors
    /// When there is no answer.
    pub(super) async fn send_telling(
        self: Arc<Self>,
        mut head: Parts,
        target: Uri,
        body: Body,
        entry: Entry,
        tell: impl FnOnce(&mut HeaderMap),
    ) -> Result<Response<ProviderBody>, UpstreamError> {
        head.uri = target;
        net::strip_request(&mut head.headers);
        tell(&mut head.headers);
        self.let_in(&mut head, entry);
        let request = Request::from_parts(head, body);
        match &self.reach {
            Reach::Remote(upstream) => {
                // Nobody but the gateway asks for another protocol.
                let response = if request.headers().contains_key(UPGRADE) {
                    Box::pin(upstream.switch(request)).await?
                } else {
                    upstream.send(request).await?
                };
                Ok(response.map(ProviderBody::Remote))
            }
            Reach::Sandbox(_, sandbox) => {
                let (sandbox, request) = (Arc::clone(sandbox), request.map(Sent));
                let answering: Answering = Box::pin(async move { sandbox.handle(request).await });
                match tokio::time::timeout(SANDBOX_PATIENCE, answering).await {
                    Ok(mut response) => {
                        connect(response.extensions_mut());
                        Ok(response.map(ProviderBody::Sandbox))
                    }
                    Err(_) => Err(UpstreamError::Timeout(TooLong::Head)),
                }
            }
        }
    }

    /// How long it may be silent where an answer is due.
    pub(super) fn silence(&self) -> Duration {
        match &self.reach {
            Reach::Remote(upstream) => upstream.settings().read_timeout,
            Reach::Sandbox(..) => SANDBOX_PATIENCE,
        }
    }

    /// Whether what the caller shows passes, since there is nothing else.
    pub(super) const fn passes_callers(&self, entry: &Entry) -> bool {
        entry.own.is_none() && matches!(self.credentials, Credentials::Callers)
    }

    /// Whether the policy has what lets the request in.
    pub(super) const fn has_key(&self, entry: &Entry) -> bool {
        entry.own.is_none() && !matches!(self.credentials, Credentials::Callers)
    }

    /// Whether it wants requests to be signed.
    pub(super) const fn signs(&self, entry: &Entry) -> bool {
        entry.own.is_none() && matches!(self.credentials, Credentials::Aws(_))
    }

    /// Puts what lets the request in where the caller's was, if there is anything.
    fn let_in(&self, head: &mut Parts, entry: Entry) {
        let headers = &mut head.headers;
        let own = entry.own.map(|own| Key::of(self.dialect, own.as_bytes()));
        match (own, &self.credentials, entry.signed, &self.reach) {
            // A key that was a header's value is one in every dialect.
            (Some(own), ..) => own.into_iter().for_each(|own| own.put(headers, entry.by_bearer)),
            (None, Credentials::Key(key), ..) => key.clone().put(headers, entry.by_bearer),
            (None, Credentials::Aws(signer), Some((payload, wall)), Reach::Remote(upstream)) => {
                signer.sign((&head.method, &head.uri), headers, upstream.host(), payload, wall);
            }
            (None, ..) => {}
        }
    }
}

/// Begins what follows the sandbox's answer, if something does, at the other end of a line.
fn connect(extensions: &mut Extensions) {
    if let Some(tunnel) = Tunnel::take(extensions) {
        let (near, far) = tokio::io::duplex(LINE_BYTES);
        tokio::spawn(tunnel.run(Line::new(far), Drain::NEVER));
        Line::new(near).ride(extensions);
    }
}

/// The path without its version where the provider's address ends with the same: clients
/// are pointed at `/openai/v1`, and the policy says `https://api.openai.com/v1`.
fn versioned<'a>(base: &Uri, rest: &'a str) -> &'a str {
    let last = base.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let is_version =
        last.strip_prefix('v').is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit()));
    let after = rest.strip_prefix('/').and_then(|rest| rest.strip_prefix(last));
    match after.filter(|_| is_version) {
        Some(after) if after.is_empty() || after.starts_with(['/', '?']) => after,
        _ => rest,
    }
}

impl http_body::Body for ProviderBody {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        match self.get_mut() {
            Self::Remote(body) => Pin::new(body).poll_frame(cx),
            Self::Sandbox(body) => {
                Pin::new(body).poll_frame(cx).map_err(|error| UpstreamError::Cut(error.into()))
            }
            Self::Limited(body) => Pin::new(&mut **body).poll_frame(cx).map_err(Limited::error),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Remote(body) => body.is_end_stream(),
            Self::Sandbox(body) => body.is_end_stream(),
            Self::Limited(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Remote(body) => body.size_hint(),
            Self::Sandbox(body) => body.size_hint(),
            Self::Limited(body) => body.size_hint(),
        }
    }
}
