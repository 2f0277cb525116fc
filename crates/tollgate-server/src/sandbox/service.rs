//! The service: a request in, an answer out, no socket.

use std::{error::Error as StdError, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header, request::Parts,
};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tollgate::Clock;
use tollgate_core::Time;

use super::{
    Plan, SandboxBody, SandboxSettings,
    answer::Answer,
    dialect::{self, Asked, Call, Dialect, JSON, TextRequest, Whole},
    dice::{Dice, Draw},
    failure::Failure,
    live,
    plan::Fault,
    quotas::{Quotas, Standings},
    strain::{Making, Strain},
};
use crate::net::{
    Tunnel,
    websocket::{self, Handshake},
};

/// Simulated models of every provider.
#[derive(Debug)]
pub(crate) struct Sandbox {
    settings: SandboxSettings,
    dice: Dice,
    quotas: Option<Quotas>,
    strain: Strain,
    clock: Clock,
    started: Time,
}

/// The longest body that is read, in bytes.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// Tells how long the sandbox itself took to its response head, in microseconds.
const SERVICE: HeaderName = HeaderName::from_static("x-sandbox-service-us");

/// An answer before the headers that all answers have.
struct Reply {
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    body: SandboxBody,
}

/// What came of one request.
struct Outcome {
    reply: Result<Reply, Failure>,
    /// Where the limits stand, where they were asked.
    standings: Option<Standings>,
}

impl Sandbox {
    /// A sandbox whose chances are decided by `seed`, and which starts now.
    pub(crate) fn new(settings: SandboxSettings, seed: u64, clock: Clock) -> Self {
        let (quotas, started) = (Quotas::new(&settings), clock.now().time);
        let (dice, strain) = (Dice::new(seed), Strain::new(settings.bears));
        Self { settings, dice, quotas, strain, clock, started }
    }

    /// Answers one request; a dialect's name may stand before its path.
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
        let (dialect, path) = dialect::of_path(head.uri.path());
        if let Some(version) = live::Version::of(path)
            && websocket::is_asked(&head)
        {
            let head = (&head, version);
            return self.switch(dialect, head, arrived, &draw).await;
        }
        let outcome = match &body {
            Ok(body) => {
                let (method, headers) = (&head.method, &head.headers);
                let query = head.uri.query().unwrap_or_default();
                let call = Call { method, path, query, headers, body };
                self.answer(dialect, &call, &draw).await
            }
            Err(failure) => Outcome { reply: Err(failure.clone()), standings: None },
        };
        self.respond(dialect, outcome, arrived, &draw)
    }

    async fn answer(&self, dialect: &dyn Dialect, call: &Call<'_>, draw: &Draw<'_>) -> Outcome {
        let mut standings = None;
        let reply = self.reply(dialect, call, draw, &mut standings).await;
        Outcome { reply, standings }
    }

    async fn reply(
        &self,
        dialect: &dyn Dialect,
        call: &Call<'_>,
        draw: &Draw<'_>,
        standings: &mut Option<Standings>,
    ) -> Result<Reply, Failure> {
        let plan = self.plan(call.headers, draw).await?;
        match dialect.read(call)? {
            Asked::Text(request) => self.text(&request, &plan, draw, standings).await,
            Asked::Ready { model, tokens, json } => {
                if let Some(model) = model {
                    let tokens = plan.input_tokens.unwrap_or(tokens);
                    self.take(&model, tokens.into(), standings)?;
                }
                wait(plan.settings.first_token).await;
                Ok(Reply::whole(Whole::json(json(&plan)), plan.fault))
            }
        }
    }

    /// What a request is given, once what comes before its answer is over.
    async fn plan(&self, headers: &HeaderMap, draw: &Draw<'_>) -> Result<Plan, Failure> {
        let since_start = self.clock.now().time.since(self.started);
        let plan = Plan::new(&self.settings, headers, draw, since_start)?;
        if plan.fault == Some(Fault::Hang) {
            std::future::pending::<()>().await;
        }
        wait(plan.settings.latency).await;
        match plan.fault.and_then(Failure::of_fault) {
            Some(failure) => Err(failure),
            None => Ok(plan),
        }
    }

    /// Agrees to a live session, or says why not.
    async fn switch(
        &self,
        dialect: &dyn Dialect,
        (head, version): (&Parts, live::Version),
        arrived: Time,
        draw: &Draw<'_>,
    ) -> Response<SandboxBody> {
        let mut standings = None;
        let agreed = self.live((head, version), draw, &mut standings).await;
        let (reply, agreed) = match agreed {
            Ok(agreed) => (Ok(Reply::json(Bytes::new())), Some(agreed)),
            Err(failure) => (Err(failure), None),
        };
        let mut response = self.respond(dialect, Outcome { reply, standings }, arrived, draw);
        if let Some((handshake, session)) = agreed {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().remove(header::CONTENT_TYPE);
            handshake.agree(response.headers_mut());
            session.ride(response.extensions_mut());
        }
        response
    }

    async fn live(
        &self,
        (head, version): (&Parts, live::Version),
        draw: &Draw<'_>,
        standings: &mut Option<Standings>,
    ) -> Result<(Handshake, Tunnel), Failure> {
        let handshake = Handshake::offered(&head.headers)
            .map_err(|error| Failure::invalid(error.to_string(), None))?;
        let plan = self.plan(&head.headers, draw).await?;
        let asked = live::Asked::of(version, head.uri.query().unwrap_or_default())?;
        self.take(&asked.model, 0, standings)?;
        Ok((handshake, asked.session(&self.id(draw), &plan)))
    }

    async fn text(
        &self,
        request: &TextRequest,
        plan: &Plan,
        draw: &Draw<'_>,
        standings: &mut Option<Standings>,
    ) -> Result<Reply, Failure> {
        let answer = Answer::new(request, plan, self.id(draw), self.clock.now().wall);
        let tokens = u64::from(answer.input) + answer.tokens() as u64;
        self.take(&request.model, tokens, standings)?;
        let making = self.strain.begin();
        if request.stream {
            let (content_type, events) = request.shape.stream(answer);
            let body = SandboxBody::stream(events, plan, making);
            return Ok(Reply { content_type, headers: Vec::new(), body });
        }
        if plan.fault == Some(Fault::StreamError) {
            return Err(Failure::broken());
        }
        wait(plan.settings.first_token + takes(answer.tokens(), plan, &making)).await;
        Ok(Reply::whole(request.shape.plain(&answer), plan.fault))
    }

    /// Takes a request from the limits, if there are any.
    fn take(
        &self,
        model: &str,
        tokens: u64,
        standings: &mut Option<Standings>,
    ) -> Result<(), Failure> {
        let Some(quotas) = &self.quotas else { return Ok(()) };
        let (taken, stand) = quotas.take(model, tokens, self.clock.now());
        *standings = Some(stand);
        taken.map_err(|exceeded| Failure::limited(model, exceeded))
    }

    fn respond(
        &self,
        dialect: &dyn Dialect,
        Outcome { reply, standings }: Outcome,
        arrived: Time,
        draw: &Draw<'_>,
    ) -> Response<SandboxBody> {
        let mut headers = HeaderMap::with_capacity(16);
        let id = self.id(draw);
        dialect.announce(&id, standings.as_ref(), &mut headers);
        let (status, reply) = match reply {
            Ok(reply) => (StatusCode::OK, reply),
            Err(failure) => {
                let body = dialect.error(&failure, &id, &mut headers);
                (dialect.status(&failure), Reply::json(body))
            }
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
        for (name, value) in reply.headers {
            dialect::set(&mut headers, name, &value);
        }
        let service = self.clock.now().time.since(arrived);
        let micros = u64::try_from(service.as_micros()).unwrap_or(u64::MAX);
        headers.insert(SERVICE, micros.into());
        let mut response = Response::new(reply.body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    /// What makes the ids of one answer unique, in hexadecimal digits.
    fn id(&self, draw: &Draw<'_>) -> String {
        format!("{:08x}{:016x}", self.dice.seed(), draw.number)
    }
}

impl Reply {
    fn json(body: Bytes) -> Self {
        let body = SandboxBody::plain(body, None);
        Self { content_type: JSON, headers: Vec::new(), body }
    }

    fn whole(Whole { content_type, headers, body }: Whole, fault: Option<Fault>) -> Self {
        Self { content_type, headers, body: SandboxBody::plain(body.into(), fault) }
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
fn takes(tokens: usize, plan: &Plan, making: &Making) -> Duration {
    match plan.settings.tokens_per_second {
        0 => Duration::ZERO,
        pace => making.slowed(Duration::from_secs_f64(tokens as f64 / f64::from(pace))),
    }
}
