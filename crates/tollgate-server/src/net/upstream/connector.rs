//! How upstreams are connected to: checked addresses only, within a time, by TLS where asked.

use std::{
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{
    client::legacy::connect::{
        HttpConnector,
        dns::{GaiResolver, Name},
    },
    rt::TokioIo,
};
use rustls::crypto::ring;
use tokio::net::TcpStream;
use tower::Service;

use super::{UpstreamError, address};
use crate::net::BoxError;

/// Connects to an upstream.
#[derive(Debug, Clone)]
pub(super) struct Connector<R = GaiResolver> {
    inner: HttpsConnector<HttpConnector<Checked<R>>>,
    timeout: Duration,
}

/// A resolver that keeps forbidden addresses to itself. It is asked for every connection, and
/// what it answers is what is connected to, so a name cannot change in between.
#[derive(Debug, Clone)]
pub(super) struct Checked<R>(R);

/// Every address of a host is forbidden.
#[derive(Debug, thiserror::Error)]
#[error("the host has addresses of the link-local or metadata ranges only")]
pub(super) struct Forbidden;

/// Connecting took too long.
#[derive(Debug, thiserror::Error)]
#[error("connecting took longer than {} s", .0.as_secs_f64())]
pub(super) struct Late(Duration);

type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// How often a silent connection is checked for a peer that is gone.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

impl<R> Connector<R> {
    /// # Errors
    /// When TLS cannot be set up, which is a fault of the build.
    pub(super) fn new(resolver: R, timeout: Duration) -> Result<Self, UpstreamError> {
        let mut http = HttpConnector::new_with_resolver(Checked(resolver));
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(TCP_KEEPALIVE));
        let inner = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(ring::default_provider())
            .map_err(|error| UpstreamError::Connect(error.into()))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        Ok(Self { inner, timeout })
    }
}

impl<R> Service<Uri> for Connector<R>
where
    HttpsConnector<HttpConnector<Checked<R>>>: Service<
            Uri,
            Response = MaybeHttpsStream<TokioIo<TcpStream>>,
            Error = BoxError,
            Future: Send + 'static,
        >,
{
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Boxed<Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        // A host that is an address is not resolved.
        if literal(&target).is_some_and(address::is_forbidden) {
            return Box::pin(async { Err(Forbidden.into()) });
        }
        let (connecting, limit) = (self.inner.call(target), self.timeout);
        Box::pin(async move {
            match tokio::time::timeout(limit, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(Late(limit).into()),
            }
        })
    }
}

fn literal(target: &Uri) -> Option<IpAddr> {
    let host = target.host()?;
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse().ok()
}

impl<R> Service<Name> for Checked<R>
where
    R: Service<Name, Future: Send + 'static>,
    R::Response: Iterator<Item = SocketAddr>,
    R::Error: Into<BoxError>,
{
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Boxed<Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolving = self.0.call(name);
        Box::pin(async move {
            let all: Vec<SocketAddr> = resolving.await.map_err(Into::into)?.collect();
            let found = !all.is_empty();
            let allowed: Vec<SocketAddr> =
                all.into_iter().filter(|it| !address::is_forbidden(it.ip())).collect();
            if found && allowed.is_empty() {
                Err(Forbidden.into())
            } else {
                Ok(allowed.into_iter())
            }
        })
    }
}
