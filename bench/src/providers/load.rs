//! The callers: so many a second at random instants, whatever becomes of those before. Each
//! asks once and takes what it gets.

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;
use tollgate::Clock;
use tollgate_core::Time;

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Load {
    pub(super) per_second: f64,
    pub(super) lasts: Duration,
    /// How long each caller waits.
    pub(super) patience: Duration,
    pub(super) model: &'static str,
    /// The tokens of each answer, which is a stream if there are any.
    pub(super) streams: Option<u32>,
    /// Every so many-th fails at once at its provider, which has not too much to do.
    pub(super) fails: Option<u32>,
}

/// What one caller got.
#[derive(Debug, Clone)]
pub(super) struct Got {
    /// When it asked, by the wall clock.
    pub(super) at: Time,
    /// To the last byte.
    pub(super) took: Duration,
    /// 0 where there was no answer.
    pub(super) status: u16,
    /// Whether all of the answer came.
    pub(super) whole: bool,
    /// Whether the gateway itself refused it.
    pub(super) refused: bool,
    /// Which model gave the answer, where there are several.
    pub(super) served_by: Option<String>,
    /// Why others did not.
    pub(super) attempts: Option<String>,
}

type Callers = Client<HttpConnector, Full<Bytes>>;

impl Load {
    /// Asks a gateway; what all callers got, in the order in which they asked.
    pub(super) async fn run(&self, gateway: SocketAddr, clock: &Clock, seed: u64) -> Vec<Got> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let callers: Callers = Client::builder(TokioExecutor::new()).build(connector);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut asked = JoinSet::new();
        let mut due = clock.now().time;
        let end = due.after(self.lasts);
        for nth in 0_u32.. {
            // Exponential, so that arrivals are as good as independent.
            let share: f64 = random.random();
            due = due.after(Duration::from_secs_f64(-(1.0 - share).ln() / self.per_second));
            if due >= end {
                break;
            }
            tokio::time::sleep(due.since(clock.now().time)).await;
            asked.spawn(ask(callers.clone(), self.request(gateway, nth), clock.clone()));
        }
        let mut all: Vec<Got> = asked.join_all().await;
        all.sort_by_key(|got| got.at);
        all
    }

    fn request(&self, gateway: SocketAddr, nth: u32) -> Result<Request<Full<Bytes>>> {
        let tokens = self.streams.unwrap_or(16);
        let body = format!(
            r#"{{"model":"{}","max_tokens":{tokens},"stream":{},"messages":[{{"role":"user","content":"Which of these notes speak of the sea?"}}]}}"#,
            self.model,
            self.streams.is_some(),
        );
        let fails = self.fails.is_some_and(|every| nth.is_multiple_of(every));
        let mut request = Request::post(format!("http://{gateway}/first/v1/chat/completions"))
            .header("content-type", "application/json")
            .header("x-tollgate-deadline-ms", self.patience.as_millis().to_string());
        if fails {
            request = request.header("x-sandbox-fault", "error");
        }
        Ok(request.body(Full::new(body.into()))?)
    }
}

async fn ask(callers: Callers, request: Result<Request<Full<Bytes>>>, clock: Clock) -> Got {
    let began = clock.now();
    let mut got = Got {
        at: began.wall,
        took: Duration::ZERO,
        status: 0,
        whole: false,
        refused: false,
        served_by: None,
        attempts: None,
    };
    // Whatever goes wrong, this caller got no answer, which is what is counted.
    if let Ok(request) = request
        && let Ok(answer) = callers.request(request).await
    {
        let header = |name| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
        got.status = answer.status().as_u16();
        got.refused = header("x-tollgate-decision").is_none_or(|decision| decision != "admit");
        got.served_by = header("x-tollgate-served-by");
        got.attempts = header("x-tollgate-attempts");
        got.whole = answer.into_body().collect().await.is_ok();
    }
    got.took = clock.now().time.since(began.time);
    got
}

/// How many seconds later than they should the last callers came: a machine that has too much
/// to do does not even ask as often as is wanted.
pub(super) fn late_s(got: &[Got], began: Time, load: &Load) -> f64 {
    let last = got.last().map_or(began, |got| got.at);
    last.since(began).saturating_sub(load.lasts).as_secs_f64()
}

impl Got {
    pub(super) const fn is_served(&self) -> bool {
        self.status == 200 && self.whole
    }
}
