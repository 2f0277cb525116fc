//! Asking a provider for another protocol than HTTP.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::{
    TooLong, Upstream, UpstreamBody, UpstreamError,
    answer::Answer,
    link::{MAX_HEAD_BYTES, Upload},
    outgoing,
};
use crate::net::{Body, Line, idle::Idle};

impl Upstream {
    /// Sends a request that asks for another protocol, over a connection of its own. Where the
    /// provider agrees, the [`Line`] rides in the head of its answer and has the connection's
    /// place; what else it answers is an answer like any.
    ///
    /// # Errors
    /// See [`UpstreamError`].
    pub(crate) async fn switch(
        &self,
        request: Request<Body>,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        let slot = self.slot().await?;
        let limit = self.settings.read_timeout;
        let request = outgoing::prepare(request, &self.host, &Arc::new(Upload::default()));
        let stream = self.stream().await?;
        let mut builder = http1::Builder::new();
        let made = builder.max_buf_size(MAX_HEAD_BYTES).handshake(stream).await;
        let (mut sender, connection) =
            made.map_err(|error| UpstreamError::Connect(error.into()))?;
        // It ends with the answer, or hands its socket over.
        tokio::spawn(connection.with_upgrades());
        let answered = tokio::time::timeout(limit, sender.send_request(request)).await;
        let mut response = answered
            .map_err(|_| UpstreamError::Timeout(TooLong::Head))?
            .map_err(|error| UpstreamError::of_message(error.into()))?;
        let mut slot = Some(slot);
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let upgraded = hyper::upgrade::on(&mut response).await;
            let io = upgraded.map_err(|error| UpstreamError::of_message(error.into()))?;
            let line = Line::new(TokioIo::new(io));
            let line = slot.take().into_iter().fold(line, Line::within);
            line.ride(response.extensions_mut());
        }
        let pool = Arc::clone(&self.pool);
        Ok(response
            .map(|it| UpstreamBody { body: Idle::new(Answer::new(it, None, pool), limit), slot }))
    }
}
