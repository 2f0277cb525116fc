//! How commands ask a running process: one request, one JSON answer, one sentence if not.

use std::{error::Error as _, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header, uri::Scheme};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

/// Where a process listens: `http` or `https`, with no query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base(String);

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
        self.send_with(method, path, None, token.read()?.as_deref(), option)
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
        let url = format!("{}{path}", self.0);
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let mut request = Request::builder().method(method).uri(&url).body(Full::new(body))?;
        if let Some(token) = token {
            let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
                .context("the token can't be sent in a header")?;
            bearer.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, bearer);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let answer = async { tokio::time::timeout(PATIENCE, fetch(request)).await };
        let (status, body) = runtime
            .block_on(answer)
            .with_context(|| format!("{} did not answer in {PATIENCE:?}", self.0))?
            .with_context(|| {
                format!(
                    "nothing answers at {}: is `tollgate serve` running, and is {option} right?",
                    self.0
                )
            })?;
        let answer: Option<Value> = serde_json::from_slice(&body).ok();
        match answer {
            // A process that is not well still says how it is.
            Some(answer) if status.is_success() => Ok(answer),
            Some(problem) if problem["message"].is_string() => {
                anyhow::bail!("{} ({status})", problem["message"].as_str().unwrap_or_default())
            }
            _ => anyhow::bail!(
                "{url} answered {status} and nothing that tollgate says: is {option} right?"
            ),
        }
    }
}

async fn fetch(request: Request<Full<Bytes>>) -> anyhow::Result<(StatusCode, Bytes)> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector);
    let response = client.request(request).await.map_err(|error| match error.source() {
        Some(source) => anyhow::anyhow!("{source}"),
        None => error.into(),
    })?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect().await;
    Ok((status, body.map_err(anyhow::Error::from_boxed)?.to_bytes()))
}
