//! Alerts as requests to an address: signed, and tried again where that may help.
//!
//! An address that does not answer in time, that says it has too much to do or that fails is tried
//! again, each time after up to twice as long as before; one that says that the request is wrong
//! is not. Redirects are not followed. Neither address nor body is ever shown: both may hold
//! secrets.

use std::{num::NonZeroU32, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use tollgate::Clock;
use tollgate_core::{
    adaptive::{Backoff, RetrySettings},
    policy::{Secret, settings::Sink},
};

use super::{sign::Signer, template};
use crate::{
    alerts::Notice,
    guards::Chance,
    net::{self, TooLong, Upstream, UpstreamError, UpstreamSettings},
};

/// An address that alerts are sent to.
pub(super) struct Webhook {
    to: Result<(Upstream, Uri), String>,
    signer: Result<Option<Signer>, String>,
    template: Option<String>,
    key: Option<Secret>,
    timeout: Duration,
    attempts: u32,
    backoff: Backoff,
    chance: Chance,
    clock: Clock,
}

/// Why a try failed.
struct Failure {
    why: String,
    /// Whether another may not.
    is_passing: bool,
    retry_after: Option<Duration>,
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The longest that an address may ask to be left alone.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

impl Webhook {
    pub(super) fn new(sink: &Sink, clock: Clock) -> Self {
        let retry = RetrySettings {
            min: sink.backoff,
            max: sink.max_backoff.max(sink.backoff),
            backoff: 2.0,
            ..RetrySettings::default()
        };
        let template = template::of_form(sink.form).map(str::to_owned);
        Self {
            to: destination(sink),
            signer: signer(sink),
            template: sink.body.clone().or(template),
            key: sink.key.clone(),
            timeout: sink.timeout,
            attempts: sink.attempts,
            backoff: Backoff::new(&retry),
            chance: Chance::default(),
            clock,
        }
    }

    /// Sends a notification until it is taken, or often enough.
    ///
    /// # Errors
    /// What went wrong at last.
    pub(super) async fn tell(&self, notice: &Notice) -> Result<(), String> {
        let (upstream, target) = self.to.as_ref().map_err(Clone::clone)?;
        let signer = self.signer.as_ref().map_err(Clone::clone)?.as_ref();
        let body = match &self.template {
            Some(template) => template::filled(template, notice, self.key.as_ref()),
            None => notice.to_json(),
        };
        let mut tried = 0;
        loop {
            let request = self.request(target.clone(), notice, &body, signer);
            let sent = tokio::time::timeout(self.timeout, upstream.send(request)).await;
            let failure = match sent {
                Ok(Ok(answer)) if answer.status().is_success() => return Ok(()),
                Ok(Ok(answer)) => Failure::of_status(answer.status(), answer.headers()),
                Ok(Err(error)) => Failure::of_error(&error),
                Err(_) => Failure::passing("it did not answer in time"),
            };
            tried += 1;
            if tried >= self.attempts || !failure.is_passing {
                return Err(format!("{} (tried {tried} times)", failure.why));
            }
            tracing::warn!(
                alert = notice.firing.name.name(),
                tried,
                "a webhook is tried again: {}",
                failure.why,
            );
            let wait = self.backoff.wait(tried - 1, self.chance.draw(), failure.retry_after);
            tokio::time::sleep(wait.min(MAX_RETRY_AFTER)).await;
        }
    }

    fn request(
        &self,
        target: Uri,
        notice: &Notice,
        body: &str,
        signer: Option<&Signer>,
    ) -> Request<net::Body> {
        let mut request = Request::new(net::full(Bytes::copy_from_slice(body.as_bytes())));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = target;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("tollgate"));
        // That of the try, by which receivers tell what is sent anew from what is old.
        let timestamp = self.clock.now().wall.as_nanos() / NANOS_PER_SECOND;
        let id = notice.id.to_string();
        let signature = signer.map(|signer| signer.sign(&id, timestamp, body));
        let told = [
            ("webhook-id", Some(id)),
            ("webhook-timestamp", Some(timestamp.to_string())),
            ("webhook-signature", signature),
        ];
        for (name, value) in told {
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                headers.insert(name, value);
            }
        }
        request
    }
}

/// What its requests are signed with; nobody is told anything unsigned who wants it signed.
fn signer(sink: &Sink) -> Result<Option<Signer>, String> {
    let key = sink.signing_key().map_err(|why| format!("its secret can't be used: {why}"))?;
    Ok(key.map(|key| Signer::new(&key)))
}

/// The client towards the address of a sink, and what is asked there.
fn destination(sink: &Sink) -> Result<(Upstream, Uri), String> {
    let unusable = || "its address can't be used".to_owned();
    let address = sink.address().ok_or_else(unusable)?;
    let mut base = address.uri().clone().into_parts();
    let rest = base.path_and_query.replace(http::uri::PathAndQuery::from_static("/"));
    let settings = UpstreamSettings {
        base: Uri::from_parts(base).map_err(|_| unusable())?,
        connect_timeout: sink.timeout,
        read_timeout: sink.timeout,
        max_connections: NonZeroU32::MIN,
    };
    let upstream = Upstream::new(settings).map_err(|_| unusable())?;
    let rest = rest.as_ref().map_or("/", |rest| rest.as_str());
    let target = upstream.target(rest).map_err(|_| unusable())?;
    Ok((upstream, target))
}

impl Failure {
    fn passing(why: &str) -> Self {
        Self { why: why.to_owned(), is_passing: true, retry_after: None }
    }

    fn of_status(status: StatusCode, headers: &http::HeaderMap) -> Self {
        let is_passing = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
        let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = seconds.and_then(|text| text.parse().ok()).map(Duration::from_secs);
        Self { why: format!("it answered {}", status.as_u16()), is_passing, retry_after }
    }

    fn of_error(error: &UpstreamError) -> Self {
        Self::passing(match error {
            UpstreamError::Connect(_) | UpstreamError::Busy => "it can't be reached",
            UpstreamError::Timeout(TooLong::Connect) => "it did not accept a connection in time",
            UpstreamError::Timeout(_) => "it did not answer in time",
            UpstreamError::Cut(_) => "it ended the connection before it answered",
            UpstreamError::Protocol(_) => "its answer is not valid HTTP",
            UpstreamError::Blocked => "its address is one that Tollgate never connects to",
            UpstreamError::Request(_) => "the request could not be sent",
        })
    }
}
