//! A process in memory, and how to ask it.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tollgate::{AnyStore, Clock, Embedded, Memory, store::embedded::EmbeddedBounds};
use tollgate_core::{
    Time,
    policy::{Config, Environment, Sources},
};
use tower::ServiceExt as _;

use crate::{
    api,
    app::{App, Stage},
    control,
};

/// A process in memory that serves.
pub(crate) struct World {
    pub(crate) app: Arc<App>,
    data: Router,
    control: Router,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// 2026-11-23T12:00:00Z, a Monday.
pub(crate) const NOON: Time = Time::from_millis(1_795_435_200_000);

impl World {
    /// Under this policy, on loopback.
    pub(crate) fn new(policy: &str) -> Self {
        Self::listening(policy, "127.0.0.1:8787")
    }

    /// Under this policy, both planes listening there. `env:API_TOKEN` is `open sesame`,
    /// `env:ADMIN_TOKEN` is `let me in`.
    pub(crate) fn listening(policy: &str, listen: &str) -> Self {
        Self::over(AnyStore::from(Memory::default()), Clock::set_at(NOON), policy, listen)
    }

    /// Under this policy, with its numbers in a ledger in this folder.
    pub(crate) fn keeping(policy: &str, folder: &std::path::Path) -> Self {
        let (path, bounds) = (folder.join("tollgate.db"), EmbeddedBounds::default());
        let (store, clock) = Embedded::open(&path, bounds, |_| Clock::set_at(NOON)).unwrap();
        let policy = format!("store.path = {path:?}\n{policy}");
        Self::over(store.into(), clock, &policy, "127.0.0.1:8787")
    }

    fn over(store: AnyStore, clock: Clock, policy: &str, listen: &str) -> Self {
        let listen = listen.parse().unwrap();
        let app = Arc::new(App::new(config(policy), store, clock, (listen, listen)).unwrap());
        app.enter(Stage::Serving);
        let (data, control) = (api::router(Arc::clone(&app)), control::router(Arc::clone(&app)));
        Self { app, data, control }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.ask(Method::POST, path, &[], body).await
    }

    /// Asks the data plane.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        ask(&self.data, method, path, headers, body.to_owned()).await
    }

    /// Asks the control plane.
    pub(crate) async fn look(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        ask(&self.control, Method::GET, path, headers, String::new()).await
    }

    /// Asks the control plane what would be.
    pub(crate) async fn plan(&self, path: &str, body: &str) -> Answer {
        ask(&self.control, Method::POST, path, &[], body.to_owned()).await
    }

    /// The process after a restart, with what its store has kept.
    pub(crate) fn restarted(self) -> Self {
        Self { data: api::router(Arc::clone(&self.app)), ..self }
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.app.gate.clock().advance(by);
    }
}

pub(crate) fn config(policy: &str) -> Config {
    let variables = [("API_TOKEN", "open sesame"), ("ADMIN_TOKEN", "let me in")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let sources = Sources {
        file: Some(("policy.toml".to_owned(), policy.to_owned())),
        environment: Environment::new(variables, None).unwrap(),
        ..Sources::default()
    };
    sources.load().unwrap()
}

async fn ask(
    router: &Router,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body)).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Answer { status: parts.status, headers: parts.headers, text }
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body, if the status is this one.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// The word and the sentence of a problem, if the status is this one.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> (String, String) {
        let problem = self.expect(status);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(problem["status"], status);
        let text = |name: &str| problem[name].as_str().unwrap().to_owned();
        (text("error"), text("message"))
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}
