//! The service: a request in, an answer out, no socket.

use std::{error::Error as StdError, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tollgate::Clock;
use tollgate_core::Time;

use super::{
    Plan, SandboxBody, SandboxSettings,
    answer::Answer,
    dice::{Dice, Draw},
    embeddings,
    errors::Failure,
    events::Events,
    models,
    plan::Fault,
    request::{EmbeddingsRequest, Style, TextRequest},
};

/// A simulated OpenAI-style model.
#[derive(Debug)]
pub(crate) struct Sandbox {
    settings: SandboxSettings,
    dice: Dice,
    clock: Clock,
}

/// The longest body that is read, in bytes.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// Tells how long the sandbox itself took to its response head, in microseconds.
const SERVICE: HeaderName = HeaderName::from_static("x-sandbox-service-us");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");

static RATE_LIMITS: [(HeaderName, HeaderValue); 6] = [
    pair("x-ratelimit-limit-requests", "10000"),
    pair("x-ratelimit-limit-tokens", "2000000"),
    pair("x-ratelimit-remaining-requests", "9999"),
    pair("x-ratelimit-remaining-tokens", "1999000"),
    pair("x-ratelimit-reset-requests", "6ms"),
    pair("x-ratelimit-reset-tokens", "30ms"),
];

/// An answer before the headers that all answers have.
struct Reply {
    content_type: HeaderValue,
    body: SandboxBody,
}

impl Sandbox {
    /// A sandbox whose chances are decided by `seed`.
    pub(crate) const fn new(settings: SandboxSettings, seed: u64, clock: Clock) -> Self {
        Self { settings, dice: Dice::new(seed), clock }
    }

    /// Answers one request; paths are taken with and without their `/v1`.
    ///
    /// It always answers, unless it was told to hang: errors are answers in the provider's
    /// own shape.
    pub(crate) async fn handle<B>(&self, request: Request<B>) -> Response<SandboxBody>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let draw = self.dice.draw();
        let body = read(body).await;
        // What follows is the sandbox's own time; reading the body was its sender's.
        let arrived = self.clock.now().time;
        let reply = match body {
            Ok(body) => self.answer(&head, &body, &draw).await,
            Err(failure) => Err(failure),
        };
        self.respond(reply, arrived, &draw)
    }

    async fn answer(
        &self,
        head: &http::request::Parts,
        body: &Bytes,
        draw: &Draw<'_>,
    ) -> Result<Reply, Failure> {
        let plan = Plan::new(&self.settings, &head.headers, draw)?;
        if plan.fault == Some(Fault::Hang) {
            std::future::pending::<()>().await;
        }
        wait(plan.settings.latency).await;
        if let Some(failure) = plan.fault.and_then(Failure::of_fault) {
            return Err(failure);
        }
        let path = head.uri.path();
        match (&head.method, path.strip_prefix("/v1").unwrap_or(path)) {
            (&Method::POST, "/chat/completions") => self.text(Style::Chat, body, &plan, draw).await,
            (&Method::POST, "/completions") => {
                self.text(Style::Completion, body, &plan, draw).await
            }
            (&Method::POST, "/embeddings") => {
                let json = embeddings::json(&EmbeddingsRequest::parse(body)?, &plan);
                wait(plan.settings.first_token).await;
                Ok(Reply::json(json, plan.fault))
            }
            (&Method::GET, "/models") => Ok(Reply::json(models::list(), plan.fault)),
            (&Method::GET, other) => match other.strip_prefix("/models/") {
                Some(id) if !id.is_empty() => Ok(Reply::json(models::one(id), plan.fault)),
                _ => Err(Failure::unknown_url(&head.method, path)),
            },
            _ => Err(Failure::unknown_url(&head.method, path)),
        }
    }

    async fn text(
        &self,
        style: Style,
        body: &Bytes,
        plan: &Plan,
        draw: &Draw<'_>,
    ) -> Result<Reply, Failure> {
        let request = TextRequest::parse(style, body)?;
        let id = format!("{}-{:08x}{:016x}", style.id_prefix(), self.dice.seed(), draw.number);
        let created = self.clock.now().wall.as_nanos() / 1_000_000_000;
        let answer = Answer::new(&request, plan, id, created);
        if request.stream {
            let events = Events::new(answer, request.include_usage);
            let body = SandboxBody::stream(events, plan);
            return Ok(Reply { content_type: EVENT_STREAM, body });
        }
        wait(plan.settings.first_token + making(answer.tokens(), plan)).await;
        Ok(Reply::json(answer.json(), plan.fault))
    }

    fn respond(
        &self,
        reply: Result<Reply, Failure>,
        arrived: Time,
        draw: &Draw<'_>,
    ) -> Response<SandboxBody> {
        let mut headers = HeaderMap::with_capacity(16);
        headers.extend(RATE_LIMITS.iter().cloned());
        let (status, reply) = match reply {
            Ok(reply) => (StatusCode::OK, reply),
            Err(failure) => {
                failure.add_headers(&mut headers);
                (failure.status, Reply::json(failure.json(), None))
            }
        };
        headers.insert(header::CONTENT_TYPE, reply.content_type);
        let id = format!("req_{:08x}{:016x}", self.dice.seed(), draw.number);
        if let Ok(id) = HeaderValue::try_from(id) {
            headers.insert(REQUEST_ID, id);
        }
        let service = self.clock.now().time.since(arrived);
        let micros = u64::try_from(service.as_micros()).unwrap_or(u64::MAX);
        headers.insert(SERVICE, micros.into());
        let mut response = Response::new(reply.body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

impl Reply {
    fn json(json: String, fault: Option<Fault>) -> Self {
        Self { content_type: JSON, body: SandboxBody::plain(json.into(), fault) }
    }
}

async fn read<B>(body: B) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    match Box::pin(Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Failure::too_large(MAX_BODY_BYTES)),
        Err(_) => Err(Failure::unreadable()),
    }
}

async fn wait(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// How long the tokens of a plain answer take.
fn making(tokens: usize, plan: &Plan) -> Duration {
    match plan.settings.tokens_per_second {
        0 => Duration::ZERO,
        pace => Duration::from_secs_f64(tokens as f64 / f64::from(pace)),
    }
}

const fn pair(name: &'static str, value: &'static str) -> (HeaderName, HeaderValue) {
    (HeaderName::from_static(name), HeaderValue::from_static(value))
}
