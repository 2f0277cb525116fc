//! Sends one request and sees how it ends.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client as Pool, connect::HttpConnector},
    rt::TokioExecutor,
};
use tollgate::Clock;
use tollgate_core::Time;

use super::{
    answer::Answer,
    outcome::{Ending, Loss, Timing},
};

/// An HTTP client that keeps its connections.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    clock: Clock,
    patience: Duration,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) ending: Ending,
    pub(crate) status: Option<u16>,
    pub(crate) id: Option<String>,
    pub(crate) timing: Option<Timing>,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_ID_CHARS: usize = 64;

impl Client {
    /// A client that waits for a whole answer for as long as `patience`.
    pub(crate) fn new(clock: Clock, patience: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        Self { pool: Pool::builder(TokioExecutor::new()).build(connector), clock, patience }
    }

    /// The clock that it times by.
    pub(crate) const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Sends `request`, which was due at `due`.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>, due: Time) -> Exchange {
        let mut exchange = Exchange::without_answer(Ending::Lost(Loss::TimedOut));
        // When it takes too long, what was learned until then stays in the exchange.
        let _ = tokio::time::timeout(self.patience, self.run(request, due, &mut exchange)).await;
        exchange
    }

    /// The answer's body, whole, if it is a success of at most `max_bytes`.
    pub(crate) async fn fetch(&self, url: &http::Uri, max_bytes: usize) -> anyhow::Result<Bytes> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = url.clone();
        let answer = async {
            let response = self.pool.request(request).await?;
            let status = response.status();
            anyhow::ensure!(status.is_success(), "{url} answered {status}");
            let body = http_body_util::Limited::new(response.into_body(), max_bytes);
            let body = body.collect().await.map_err(anyhow::Error::from_boxed)?;
            Ok(body.to_bytes())
        };
        tokio::time::timeout(self.patience, answer).await?
    }

    async fn run(&self, request: Request<Full<Bytes>>, due: Time, exchange: &mut Exchange) {
        let sent = self.clock.now().time;
        let Ok(response) = self.pool.request(request).await else {
            exchange.ending = Ending::Lost(Loss::NoAnswer);
            return;
        };
        let head = self.clock.now().time;
        let headers = response.headers();
        exchange.status = Some(response.status().as_u16());
        exchange.id = text(headers, "x-tollgate-request-id");
        exchange.timing = Some(Timing {
            from_due: head.since(due),
            from_sent: head.since(sent),
            service: service(headers),
        });
        exchange.ending = read(response).await.unwrap_or_else(Ending::Lost);
    }
}

impl Exchange {
    /// Nothing came back.
    pub(crate) const fn without_answer(ending: Ending) -> Self {
        Self { ending, status: None, id: None, timing: None }
    }
}

async fn read(response: Response<Incoming>) -> Result<Ending, Loss> {
    let refused = refusing_limit(response.status(), response.headers());
    let success = response.status().is_success();
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let stream = content_type.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let mut answer = Answer::new(stream);
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Loss::Cut)?;
        if let (true, Ok(data)) = (success, frame.into_data()) {
            answer.push(&data)?;
        }
    }
    match refused {
        Some(limit) => Ok(Ending::Refused { limit }),
        None if success => Ok(Ending::Admitted { used: answer.finish()? }),
        None => Ok(Ending::Error),
    }
}

/// The limit that refused the request, if the answer is a refusal of the gateway's.
pub(crate) fn refusing_limit(status: StatusCode, headers: &HeaderMap) -> Option<String> {
    let decision = text(headers, "x-tollgate-decision");
    let limit = text(headers, "x-tollgate-limit");
    let refused = match decision {
        Some(decision) => decision.starts_with("refuse"),
        None => !status.is_success() && limit.is_some(),
    };
    refused.then(|| limit.unwrap_or_else(|| "unnamed".to_owned()))
}

fn service(headers: &HeaderMap) -> Option<Duration> {
    let micros = headers.get("x-sandbox-service-us")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_micros(micros))
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.chars().take(MAX_ID_CHARS).collect())
}
