//! How commands ask a running process: one request, one JSON answer, one sentence if not.

use std::{error::Error as _, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header, uri::Scheme};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

/// Where a process listens: `http` or `https`, with no query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base(String);

/// Whoever asks one process, over one connection as long as that lasts.
pub(super) struct Asker {
    base: Base,
    option: String,
    bearer: Option<HeaderValue>,
    patience: Duration,
    runtime: tokio::runtime::Runtime,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// How a token is given: by the name of the variable that holds it, so that it stands in no
/// list of processes and in no history.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct TokenArgs {
    /// The environment variable that holds the token, where one is needed
    #[arg(long, value_name = "VARIABLE")]
    token_env: Option<String>,
}

const PATIENCE: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BODY_BYTES: usize = 16 << 20;

impl std::str::FromStr for Base {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = text.parse::<Uri>().ok().filter(|url| {
            let known = [Scheme::HTTP, Scheme::HTTPS];
            url.scheme().is_some_and(|scheme| known.contains(scheme)) && url.query().is_none()
        });
        match url {
            Some(_) => Ok(Self(text.trim_end_matches('/').to_owned())),
            None => Err("write it like http://127.0.0.1:8788".to_owned()),
        }
    }
}

impl TokenArgs {
    /// The token, where one is named.
    ///
    /// # Errors
    /// When the variable that holds it can't be read.
    pub(super) fn read(&self) -> anyhow::Result<Option<String>> {
        let Some(name) = &self.token_env else { return Ok(None) };
        let token = std::env::var(name)
            .with_context(|| format!("{name}, which --token-env names, can't be read"))?;
        Ok(Some(token))
    }
}

impl Base {
    /// Asks for what is at `path`, which begins with a slash. `option` is the one that names
    /// the address.
    ///
    /// # Errors
    /// When nothing listens there, or it does not answer with JSON, or with a refusal.
    pub(super) fn ask(&self, path: &str, token: &TokenArgs, option: &str) -> anyhow::Result<Value> {
        self.send(Method::GET, path, token, option)
    }

    /// The same, by another method.
    ///
    /// # Errors
    /// When nothing listens there, or it does not answer with JSON, or with a refusal.
    pub(super) fn send(
        &self,
        method: Method,
        path: &str,
        token: &TokenArgs,
        option: &str,
    ) -> anyhow::Result<Value> {
        Asker::new(self, token.read()?.as_deref(), option)?.send(method, path, None)
    }

    /// The same, with a body and a token that is known.
    ///
    /// # Errors
    /// When nothing listens there, or it does not answer with JSON, or with a refusal.
    pub(super) fn send_with(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        token: Option<&str>,
        option: &str,
    ) -> anyhow::Result<Value> {
        Asker::new(self, token, option)?.send(method, path, body)
    }

    /// As it was given.
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl Asker {
    /// Whoever asks this process; `option` is the one that names its address.
    ///
    /// # Errors
    /// When the token can't be sent.
    pub(super) fn new(base: &Base, token: Option<&str>, option: &str) -> anyhow::Result<Self> {
        let bearer = token.map(|token| {
            let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
                .context("the token can't be sent in a header")?;
            bearer.set_sensitive(true);
            anyhow::Ok(bearer)
        });
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Ok(Self {
            base: base.clone(),
            option: option.to_owned(),
            bearer: bearer.transpose()?,
            patience: PATIENCE,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
            client: Client::builder(TokioExecutor::new()).build(connector),
        })
    }

    /// The same, waiting no longer than this for an answer.
    pub(super) fn within(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Asks for what is at `path`.
    ///
    /// # Errors
    /// When nothing listens there, or it does not answer with JSON, or with a refusal.
    pub(super) fn ask(&self, path: &str) -> anyhow::Result<Value> {
        self.send(Method::GET, path, None)
    }

    /// The same, by another method and with this as the body.
    ///
    /// # Errors
    /// When nothing listens there, or it does not answer with JSON, or with a refusal.
    pub(super) fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let (status, body) = self.answer(method, path, body)?;
        // A process that is not well still says how it is.
        match serde_json::from_slice(&body).ok() {
            Some(answer) if status.is_success() => Ok(answer),
            problem => Err(self.refused(path, status, problem.as_ref())),
        }
    }

    /// Asks for what is at `path`, whatever the answer is; with its JSON, if it has any.
    ///
    /// # Errors
    /// When nothing answers there.
    pub(super) fn look(&self, path: &str) -> anyhow::Result<(StatusCode, Option<Value>)> {
        let (status, body) = self.answer(Method::GET, path, None)?;
        Ok((status, serde_json::from_slice(&body).ok()))
    }

    /// Asks for a text that is at `path`.
    ///
    /// # Errors
    /// When nothing listens there, or it answers with a refusal.
    pub(super) fn text(&self, path: &str) -> anyhow::Result<String> {
        let (status, body) = self.answer(Method::GET, path, None)?;
        match String::from_utf8(body.to_vec()) {
            Ok(text) if status.is_success() => Ok(text),
            _ => Err(self.refused(path, status, serde_json::from_slice(&body).ok().as_ref())),
        }
    }

    /// Asks for what may not be there.
    ///
    /// # Errors
    /// When nothing listens there, or it answers with another refusal.
    pub(super) fn find(&self, path: &str) -> anyhow::Result<Option<Value>> {
        let (status, body) = self.answer(Method::GET, path, None)?;
        match serde_json::from_slice::<Value>(&body).ok() {
            Some(answer) if status.is_success() => Ok(Some(answer)),
            Some(problem) if problem["error"] == "not_found" => Ok(None),
            problem => Err(self.refused(path, status, problem.as_ref())),
        }
    }

    fn refused(&self, path: &str, status: StatusCode, problem: Option<&Value>) -> anyhow::Error {
        match problem.and_then(|problem| problem["message"].as_str()) {
            Some(message) => anyhow::anyhow!("{message} ({status})"),
            None => anyhow::anyhow!(
                "{}{path} answered {status} and nothing that tollgate says: is {} right?",
                self.base.0,
                self.option,
            ),
        }
    }

    fn answer(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let Self { base: Base(base), option, .. } = self;
        let mut request = Request::builder().method(method).uri(format!("{base}{path}"));
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut request = request.body(Full::from(body))?;
        if let Some(bearer) = &self.bearer {
            request.headers_mut().insert(header::AUTHORIZATION, bearer.clone());
        }
        let answer = async { tokio::time::timeout(self.patience, self.fetch(request)).await };
        self.runtime
            .block_on(answer)
            .with_context(|| format!("{base} did not answer in {:?}", self.patience))?
            .with_context(|| {
                format!(
                    "nothing answers at {base}: is `tollgate serve` running, and is {option} right?"
                )
            })
    }

    async fn fetch(&self, request: Request<Full<Bytes>>) -> anyhow::Result<(StatusCode, Bytes)> {
        let response = self.client.request(request).await;
        let response = response.map_err(|error| match error.source() {
            Some(source) => anyhow::anyhow!("{source}"),
            None => error.into(),
        })?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect().await;
        Ok((status, body.map_err(anyhow::Error::from_boxed)?.to_bytes()))
    }
}
