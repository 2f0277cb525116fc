//! Providers that fail or have enough: who is asked instead, what each request gets and why.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::join_all;
use http::{Request, StatusCode};
use http_body_util::Full;
use parking_lot::Mutex;
use tokio::{io::AsyncWriteExt as _, net::TcpListener, task::JoinHandle};

use super::{
    COMPLETION, Provider, Running, Step, post,
    provider::{chunk, end, read_request, response, stream_head},
    running::{Answer, up},
};
use crate::{
    net::nobody::Nobody,
    roster::{By, Force, Moment, Which},
};

/// A provider that answers in turn, and the last answer for good.
pub(super) struct Up {
    address: SocketAddr,
    answers: Arc<Mutex<VecDeque<Vec<u8>>>>,
    got: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Up {
    pub(super) async fn answering(answers: &[Vec<u8>]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let answers: Arc<Mutex<VecDeque<_>>> = Arc::new(Mutex::new(answers.to_vec().into()));
        let got = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn({
            let (answers, got) = (Arc::clone(&answers), Arc::clone(&got));
            async move {
                loop {
                    let (mut socket, _) = listener.accept().await.expect("a connection");
                    let Some(request) = read_request(&mut socket).await else { continue };
                    got.lock().push(request);
                    let answer = {
                        let mut answers = answers.lock();
                        if answers.len() > 1 {
                            answers.pop_front()
                        } else {
                            answers.front().cloned()
                        }
                    };
                    let _ = socket.write_all(&answer.expect("an answer")).await;
                    let _ = socket.shutdown().await;
                }
            }
        });
        Self { address, answers, got, task }
    }

    /// It is there no more: its port refuses from the return on.
    pub(super) async fn end(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    pub(super) fn answer(&self, answer: Vec<u8>) {
        *self.answers.lock() = [answer].into();
    }

    pub(super) fn got(&self) -> usize {
        self.got.lock().len()
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) const NAMED: &str =
    r#"{"model":"smart","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#;
pub(super) const NAMED_STREAM: &str = r#"{"model":"smart","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
const PLAIN: &str = r#"{"model":"m","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#;
const ONE_SLOT: &str = "[[limits]]\nname = \"slots\"\nconcurrency = 1\n";

fn json(status: &str, more: &str, body: &str) -> Vec<u8> {
    response(&format!("HTTP/1.1 {status}\r\ncontent-type: application/json{more}"), body)
}

pub(super) fn ok() -> Vec<u8> {
    json("200 OK", "", COMPLETION)
}

pub(super) fn failing(status: &str) -> Vec<u8> {
    json(status, "", "{}")
}

fn throttled(header: &str) -> Vec<u8> {
    let body = r#"{"error":{"type":"requests","code":"rate_limit_exceeded","message":"slower"}}"#;
    json("429 Too Many Requests", &format!("\r\n{header}"), body)
}

/// `smart` is `up/m`, and where that cannot serve, `b/m`.
async fn two(first: &str, second: &Up, more: &str) -> Running {
    let b = up(&second.url()).replace("[providers.up]", "[providers.b]");
    let smart = "[models.smart]\nmodels = [\"up/m\", \"b/m\"]\n";
    Running::with(&format!("{}{b}{smart}{more}", up(first))).await
}

/// Its status, who served it, and why others did not.
pub(super) fn told(answer: &Answer) -> String {
    let header = |name| answer.header(name).unwrap_or("-");
    let (by, why) = (header("x-tollgate-served-by"), header("x-tollgate-attempts"));
    format!("{} {by} {why}", answer.status.as_u16())
}

#[tokio::test]
async fn a_model_that_fails_in_the_middle_of_a_load_gets_probes_and_the_next_one_all_else() {
    let (first, second) = (Up::answering(&[ok()]).await, Up::answering(&[ok()]).await);
    let running = two(&first.url(), &second, ONE_SLOT).await;
    let mut table = Vec::new();
    for at in 0..100 {
        match at {
            10 => first.answer(failing("500 Internal Server Error")),
            70 => first.answer(ok()),
            _ => {}
        }
        table.push(told(&running.chat(NAMED).await));
        running.clock.advance(Duration::from_secs(1));
    }
    let well = "200 up/m -";
    let failed = "200 b/m up/m=500";
    let spared = "200 b/m up/m=circuit";
    let expected: Vec<&str> = (0..100)
        .map(|at| match at {
            // Five in a row open it at 14 s; it is half-open at 44 s, and again at 74 s.
            0..10 => well,
            10..15 | 44 => failed,
            15..44 | 45..74 => spared,
            _ => well,
        })
        .collect();
    assert_eq!(table, expected);
    assert_eq!(first.got(), 10 + 5 + 1 + 26, "while it was open, probes alone");
    let (input, output, nanos) = running.used();
    assert_eq!((input, output, nanos), (700, 500, 100 * (7 * 1_000 + 5 * 2_000)));
    let text = running.look("/metrics").await;
    let text = String::from_utf8_lossy(&text.body).into_owned();
    for line in [
        r#"tollgate_decisions_total{decision="admitted",limit=""} 100"#,
        r#"tollgate_circuit_state{provider="up"} 0"#,
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} is missing in\n{text}");
    }
}

#[tokio::test]
async fn a_provider_alone_that_fails_is_spared_and_its_callers_are_told_the_truth() {
    let first = Up::answering(&[failing("500 Internal Server Error")]).await;
    let running = Running::with(&format!("{}{ONE_SLOT}", up(&first.url()))).await;
    for _ in 0..5 {
        assert_eq!(running.chat(PLAIN).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    }
    running.clock.advance(Duration::from_secs(10));
    let refused = running.chat(PLAIN).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.json()["error"]["code"], "circuit_open");
    assert_eq!(refused.header("retry-after"), Some("20"));
    assert_eq!(first.got(), 5);
    first.answer(ok());
    running.clock.advance(Duration::from_secs(20));
    assert_eq!(running.chat(PLAIN).await.status, StatusCode::OK, "at the promised instant");
}

#[tokio::test]
async fn after_a_429_nobody_is_sent_into_another() {
    let first = Up::answering(&[throttled("retry-after: 7"), ok()]).await;
    let running = Running::with(&format!("{}{ONE_SLOT}", up(&first.url()))).await;
    let now = [("x-tollgate-deadline-ms", "0")];
    let refused = running.send(with(PLAIN, &now)).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.json()["error"]["message"], "slower", "the provider's own");
    let refused = running.send(with(PLAIN, &now)).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.json()["error"]["code"], "rate_limit_exceeded");
    assert_eq!(refused.header("retry-after"), Some("7"));
    assert_eq!(first.got(), 1);
    running.clock.advance(Duration::from_secs(7));
    assert_eq!(running.send(with(PLAIN, &now)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_announced_in_the_ietfs_fields_is_kept_to() {
    let told = "\r\nratelimit-policy: \"minute\";q=9;w=60\r\nratelimit: \"minute\";r=0;t=7";
    let first = Up::answering(&[json("200 OK", told, COMPLETION), ok()]).await;
    let running = Running::with(&format!("{}{ONE_SLOT}", up(&first.url()))).await;
    let now = [("x-tollgate-deadline-ms", "0")];
    assert_eq!(running.send(with(PLAIN, &now)).await.status, StatusCode::OK);
    let refused = running.send(with(PLAIN, &now)).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!((refused.header("retry-after"), first.got()), (Some("7"), 1));
    running.clock.advance(Duration::from_secs(7));
    assert_eq!(running.send(with(PLAIN, &now)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_has_patience_waits_for_room_and_pays_once() {
    let first = Up::answering(&[throttled("retry-after-ms: 40"), ok()]).await;
    let running = Running::with(&format!("{}{ONE_SLOT}", up(&first.url()))).await;
    let answer = tokio::select! {
        answer = running.chat(PLAIN) => answer,
        () = passes(&running) => unreachable!("time goes on for ever"),
    };
    assert_eq!(told(&answer), "200 up/m up/m=429");
    assert_eq!(running.used(), (7, 5, 17_000));
    assert_eq!(first.got(), 2);
}

#[tokio::test]
async fn who_waits_for_a_provider_is_served_in_the_order_of_arrival() {
    let told = "\r\nx-ratelimit-limit-requests: 1000\r\nx-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 40ms";
    let first = Up::answering(&[json("200 OK", told, COMPLETION), ok()]).await;
    let one = "[providers.up.learn.concurrency]\ninitial = 1\nmax = 1\n";
    let running = Running::with(&format!("{}{one}", up(&first.url()))).await;
    assert_eq!(running.chat(PLAIN).await.status, StatusCode::OK);
    let mut waiting = Vec::new();
    for nth in 1..=20 {
        let body = PLAIN.replace("hi", &format!("I am number {nth}."));
        let asked = running.sending(post("/up/v1/chat/completions", body));
        waiting.push(tokio::spawn(asked));
        while running.app.metrics.queued() < nth {
            tokio::task::yield_now().await;
        }
    }
    let answers = tokio::select! {
        answers = join_all(waiting) => answers,
        () = passes(&running) => unreachable!("time goes on for ever"),
    };
    assert!(answers.iter().all(|answer| answer.as_ref().expect("it ends").status == 200));
    let got = first.got.lock();
    for (nth, request) in got.iter().enumerate().skip(1) {
        assert!(request.contains(&format!("I am number {nth}.")), "{nth}: {request}");
    }
    assert_eq!((got.len(), running.app.metrics.queued()), (21, 0));
}

async fn passes(running: &Running) {
    loop {
        running.clock.advance(Duration::from_millis(1));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_was_never_sent_goes_to_the_next_and_so_do_streams() {
    let nobody = Nobody::listens();
    let event =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"abc\"}}],\"usage\":null}\n\n";
    let events = [event, "data: [DONE]\n\n"].concat();
    let stream = [stream_head(), chunk(&events), end()].concat();
    let second = Up::answering(&[stream]).await;
    let running = two(&format!("http://{}/v1", nobody.address), &second, ONE_SLOT).await;
    let answer = running.chat(NAMED_STREAM).await;
    assert_eq!(told(&answer), "200 b/m up/m=unreachable");
    assert!(answer.body.ends_with(b"data: [DONE]\n\n"));
    assert!(second.got.lock()[0].contains(r#""model":"m""#), "the model's own name is sent");
}

#[tokio::test]
async fn a_limit_of_one_model_leads_to_the_next_and_all_together_refuse() {
    let (first, second) = (Up::answering(&[ok()]).await, Up::answering(&[ok()]).await);
    let limits = "[[limits]]\nname = \"first\"\nwhen = { provider = \"up\" }\nrequests = \"1/minute\"\n[[limits]]\nname = \"second\"\nwhen = { provider = \"b\" }\nrequests = \"1/minute\"\n";
    let running = two(&first.url(), &second, limits).await;
    assert_eq!(told(&running.chat(NAMED).await), "200 up/m -");
    assert_eq!(told(&running.chat(NAMED).await), "200 b/m up/m=limit");
    let refused = running.chat(NAMED).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("x-tollgate-limit"), Some("first"));
    assert_eq!((first.got(), second.got()), (1, 1));
}

#[tokio::test]
async fn nobody_queues_for_one_model_while_another_has_room() {
    let first = Provider::doing(vec![Step::Hang]).await;
    let second = Up::answering(&[ok()]).await;
    let slot = "[[limits]]\nname = \"first\"\nwhen = { provider = \"up\" }\nconcurrency = 1\nqueue = { size = 5 }\n";
    let running = two(&first.base_url(), &second, slot).await;
    let answered = async {
        first.request().await;
        running.chat(NAMED).await
    };
    tokio::select! {
        _ = running.chat(NAMED) => panic!("no answer was due"),
        answer = answered => assert_eq!(told(&answer), "200 b/m up/m=limit"),
    }
}

#[tokio::test]
async fn what_a_caller_shows_to_one_provider_no_other_one_sees() {
    let first = Up::answering(&[failing("503 Service Unavailable")]).await;
    let second = Up::answering(&[ok()]).await;
    let running = two(&first.url(), &second, "").await;
    let own = [("authorization", "Bearer sk-canary")];
    assert_eq!(running.send(with(NAMED, &own)).await.status, StatusCode::OK);
    assert!(first.got.lock()[0].contains("sk-canary"), "it is for the provider of the path");
    assert!(!second.got.lock()[0].contains("sk-canary"));
}

#[tokio::test]
async fn an_operator_opens_and_releases_a_circuit() {
    let (first, second) = (Up::answering(&[ok()]).await, Up::answering(&[ok()]).await);
    let running = two(&first.url(), &second, "").await;
    let by =
        || By { who: "test".to_owned(), at: Moment::of(running.clock.now().wall), reason: None };
    let which = || "up".parse::<Which>().expect("a provider");
    let forced = running.app.roster.change(|book| book.force_circuit(which(), Force::Open, &by()));
    forced.expect("it is forced");
    running.app.force_circuits();
    assert_eq!(told(&running.chat(NAMED).await), "200 b/m up/m=circuit");
    let refused = running.chat(PLAIN).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.header("retry-after"), None, "nobody knows when");
    let shown = running.look("/v1/circuits").await.json();
    assert_eq!(shown["circuits"][1]["forced"], "open", "{shown}");
    running.app.roster.change(|book| book.release_circuit(&which(), &by())).expect("released");
    running.app.force_circuits();
    assert_eq!(running.chat(PLAIN).await.status, StatusCode::OK);
}

fn with(
    body: &'static str,
    headers: &[(&'static str, &'static str)],
) -> Request<Full<bytes::Bytes>> {
    let mut request = post("/up/v1/chat/completions", body);
    for (name, value) in headers {
        request.headers_mut().insert(*name, http::HeaderValue::from_static(value));
    }
    request
}
