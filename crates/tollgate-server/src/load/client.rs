//! Sends one request and sees how it ends.

use std::{num::NonZeroU32, time::Duration};

use http::Request;
use http_body_util::BodyExt as _;
use tollgate::Clock;

use super::{
    outcome::{Ending, Failure, Outcome},
    target::Target,
};
use crate::net::{Body, Upstream, UpstreamError, UpstreamSettings};

/// An HTTP client that keeps its connections and measures. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    upstream: Upstream,
    clock: Clock,
    patience: Duration,
}

impl Client {
    /// A client of `target` for so many requests at once, each of which may take as long as
    /// `patience`, connecting and body included.
    ///
    /// # Errors
    /// When TLS cannot be set up, which is a fault of the build.
    pub(crate) fn new(
        target: &Target,
        at_once: NonZeroU32,
        clock: Clock,
        patience: Duration,
    ) -> Result<Self, UpstreamError> {
        let upstream = Upstream::new(UpstreamSettings {
            base: target.base(),
            connect_timeout: patience,
            read_timeout: patience,
            max_connections: at_once,
        })?;
        Ok(Self { upstream, clock, patience })
    }

    /// Sends `request` and reads its answer to the end.
    pub(crate) async fn send(&self, request: Request<Body>) -> Outcome {
        let sent = self.clock.now().time;
        let ending = match tokio::time::timeout(self.patience, self.answer(request)).await {
            Ok(Ok(status)) => Ending::Answered(status),
            Ok(Err(error)) => error.into(),
            Err(_) => Ending::Failed(Failure::Timeout, String::new()),
        };
        Outcome { ending, took: self.clock.now().time.since(sent) }
    }

    /// The status of an answer whose body arrived whole.
    async fn answer(&self, request: Request<Body>) -> Result<u16, UpstreamError> {
        let response = self.upstream.send(request).await?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            frame?;
        }
        Ok(status)
    }
}
