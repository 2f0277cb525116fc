//! A gateway that serves on free ports, in a time that the test sets, and its client.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;
use tokio::{sync::oneshot, task::JoinHandle};
use tollgate::Clock;
use tollgate_core::{
    Time,
    policy::{Config, Environment, Sources},
};

use crate::{app::App, net::Drained, server::Server};

/// A gateway that serves.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) app: Arc<App>,
    pub(crate) clock: Clock,
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Drained>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Where the clock stands at first: in the morning of 22 November 2026.
const START_SECONDS: u64 = 1_795_334_400;

/// What every policy of these tests begins with.
pub(crate) const BASE: &str = r#"
[server]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
shutdown_grace = "10s"
[store]
kind = "memory"
[prices.models.m]
input = "1"
output = "2"
"#;

/// The policy that this text makes, with the environment that it names.
pub(crate) fn config(text: &str, environment: &[(&str, &str)]) -> Config {
    load(&format!("{BASE}{text}"), environment)
}

fn load(text: &str, environment: &[(&str, &str)]) -> Config {
    let own = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let sources = Sources {
        file: Some(("test.toml".to_owned(), text.to_owned())),
        environment: Environment::new(own, None).expect("an environment"),
        ..Sources::default()
    };
    sources.load().unwrap_or_else(|errors| panic!("{errors:?}\n{text}"))
}

/// A provider `up` at an address, in a policy's words.
pub(crate) fn up(base_url: &str) -> String {
    format!(
        "[providers.up]\ndialect = \"openai\"\nbase_url = \"{base_url}\"\nread_timeout = \"5s\"\n"
    )
}

/// A POST of JSON.
pub(crate) fn post(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(path)
        .header("content-type", "application/json")
        .body(Full::new(body.into()))
        .expect("a request")
}

async fn begin_at(at: SocketAddr, mut request: Request<Full<Bytes>>) -> Response<Incoming> {
    let target = format!("http://{at}{}", request.uri());
    *request.uri_mut() = target.parse().expect("an address");
    // A client of its own, so that dropping the answer ends the connection.
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
    client.request(request).await.expect("an answer")
}

async fn whole(answer: Response<Incoming>) -> Answer {
    let (head, body) = answer.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

impl Running {
    /// Serves this policy.
    pub(crate) async fn with(policy: &str) -> Self {
        Self::with_environment(policy, &[]).await
    }

    /// Serves this policy, with these variables for its secrets.
    pub(crate) async fn with_environment(policy: &str, environment: &[(&str, &str)]) -> Self {
        Self::serving(config(policy, environment)).await
    }

    /// Serves this policy, with more said of the server than where it listens.
    pub(crate) async fn with_server(server: &str, policy: &str) -> Self {
        let base = BASE.replace("shutdown_grace = \"10s\"\n", server);
        Self::serving(load(&format!("{base}{policy}"), &[])).await
    }

    /// Serves a preset with what is laid over it.
    pub(crate) async fn preset(preset: &str, overlay: &str) -> Self {
        Self::preset_in(preset, overlay, &[]).await
    }

    /// The same, with these variables in its environment.
    pub(crate) async fn preset_in(
        preset: &str,
        overlay: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let text = format!("extends = \"{preset}\"\n{BASE}{overlay}");
        Self::serving(load(&text, environment)).await
    }

    async fn serving(config: Config) -> Self {
        let clock = Clock::set_at(Time::from_millis(START_SECONDS * 1000));
        let server = Server::bind(config, |_| clock.clone()).await.expect("a server");
        let app = Arc::clone(server.app());
        let (stop, stopped) = oneshot::channel();
        let address = app.listen;
        let serving = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { app, clock, address, stop: Some(stop), serving }
    }

    /// Sends a request; the answer's body is still to come.
    pub(crate) async fn begin(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        begin_at(self.address, request).await
    }

    /// Sends a request and takes the whole answer.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        whole(self.begin(request).await).await
    }

    /// The same, as a future of its own.
    pub(crate) fn sending(
        &self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Answer> + use<> {
        let address = self.address;
        async move { whole(begin_at(address, request).await).await }
    }

    /// Returns when so many wait for the answer of another.
    pub(crate) async fn followers(&self, count: usize) {
        while self.app.cache.answers.followers() != count {
            tokio::task::yield_now().await;
        }
    }

    /// Asks the control plane.
    pub(crate) async fn look(&self, path: &str) -> Answer {
        let request = Request::get(path).body(Full::default()).expect("a request");
        whole(begin_at(self.app.admin_listen, request).await).await
    }

    /// Sends a chat to the provider `up`.
    pub(crate) async fn chat(&self, body: &str) -> Answer {
        self.send(post("/up/v1/chat/completions", body.to_owned())).await
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// What the requests so far have used: input and output tokens, and nano-dollars.
    pub(crate) fn used(&self) -> (u64, u64, u64) {
        let totals = self.app.metrics.totals();
        (totals.input_tokens, totals.output_tokens, totals.cost_usd.0)
    }

    /// Tells it to finish; it has when what is returned is ready.
    pub(crate) fn stop(mut self) -> JoinHandle<Drained> {
        drop(self.stop.take());
        std::mem::replace(&mut self.serving, tokio::spawn(async { Drained { cut: 0 } }))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Answer {
    /// Its body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// One of its headers.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }
}
