//! What other gateways are known to get wrong with money, one test for each.
//!
//! Budgets here are asked where they stand over HTTP, as an operator would. The sixth of them,
//! spend that is lost on a rolling restart, needs processes: `tests/process/restarts.rs`.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::{Notify, Semaphore};
use tollgate::AnyStore;

use super::{
    CHAT, CHAT_INPUT_BOUND, COMPLETION, Provider, Running, STREAM, Step, post,
    provider::{chunk, response, stream_head},
    running::up,
};

const JSON: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json";
const EVENT: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"abc\"}}],\"usage\":null}\n\n";

/// The most that [`CHAT`] may cost, in nano-dollars.
const WORST: u64 = CHAT_INPUT_BOUND * 1_000 + 100 * 2_000;

async fn before(provider: &Provider, limits: &str) -> Running {
    Running::with(&format!("{}{limits}", up(&provider.base_url()))).await
}

/// A budget for a day of all requests.
fn budget(nanos: u64) -> String {
    format!("[[limits]]\nname = \"spend\"\nusd = \"0.{nanos:09}/day\"\n")
}

/// The request of somebody who does not wait.
fn hasty(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = post("/up/v1/chat/completions", body);
    request.headers_mut().insert("x-tollgate-deadline-ms", HeaderValue::from_static("0"));
    request
}

/// What is left of a limit, in its unit.
async fn left(running: &Running, limit: &str) -> f64 {
    let request = Request::builder().method(Method::GET).uri("/v1/stats");
    let stats = running.send(request.body(Full::default()).expect("a request")).await.json();
    let limits = stats["limits"].as_array().expect("limits");
    let one = limits.iter().find(|one| one["name"] == limit).expect("its name");
    one["remaining"].as_f64().expect("a number")
}

/// What is left of the budget, in nano-dollars.
async fn nanos_left(running: &Running) -> u64 {
    (left(running, "spend").await * 1e9).round() as u64
}

/// Returns when nothing is reserved any more.
async fn at_rest(running: &Running) {
    let AnyStore::Memory(store) = running.app.gate.store() else { panic!("it is in memory") };
    while store.reservations() > 0 {
        tokio::task::yield_now().await;
    }
}

/// Whoever hangs up, before the answer or in it, leaves no slot and no hold behind: the same
/// budget serves on, to the last nano-dollar.
#[tokio::test]
async fn no_hold_leaks_after_a_client_disconnects() {
    let silent = Provider::doing(vec![Step::Hang]).await;
    let begun = vec![Step::Send(stream_head()), Step::Send(chunk(EVENT)), Step::Hang];
    let begun = Provider::doing(begun).await;
    let quick = Provider::json(COMPLETION).await;
    let others = format!(
        "{}{}[[limits]]\nname = \"slots\"\nconcurrency = 1\n{}",
        up(&begun.base_url()).replace("providers.up", "providers.begun"),
        up(&quick.base_url()).replace("providers.up", "providers.quick"),
        budget(10 * WORST),
    );
    let running = before(&silent, &others).await;
    let mut spent = 0;
    for _ in 0..3 {
        tokio::select! {
            _ = running.begin(hasty(CHAT)) => panic!("no answer was due"),
            _ = silent.request() => {}
        }
        at_rest(&running).await;
        // The provider has the request, so that all of it may have been spent.
        spent += WORST;
        assert_eq!(nanos_left(&running).await, 10 * WORST - spent);

        let mut stream = running.begin(post("/begun/v1/chat/completions", STREAM)).await;
        assert_eq!(stream.status(), StatusCode::OK, "the slot is free");
        stream.body_mut().frame().await.expect("a frame").expect("no error");
        drop(stream);
        at_rest(&running).await;
        spent = running.used().2;
        assert_eq!(nanos_left(&running).await, 10 * WORST - spent);
    }
    assert!(spent < 4 * WORST, "streams pay for what came alone: {spent}");
    let answer = running.send(post("/quick/v1/chat/completions", CHAT)).await;
    assert_eq!(answer.status, StatusCode::OK);
    at_rest(&running).await;
    assert_eq!(left(&running, "slots").await, 1.0);
    assert_eq!(nanos_left(&running).await, 10 * WORST - spent - 17_000);
}

/// Sixty-four clients at once, on a budget that nobody has used yet and that is enough for ten:
/// exactly ten are admitted, whether the others wait or not and however the budget counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_first_requests_pass_no_budget() {
    let users = "per = [\"user\"]\n[identity]\ntrust_headers = true\n";
    let budgets = [
        budget(10 * WORST),
        "[[limits]]\nname = \"spend\"\nrequests = \"10/total\"\n".to_owned(),
        format!("[[limits]]\nname = \"spend\"\ntokens = \"{}/total\"\n", 1_180),
        format!("{}{users}", budget(10 * WORST)),
    ];
    for budget in budgets {
        for patient in [false, true] {
            assert_eq!(admitted_of_a_crowd(&budget, patient).await, 10, "{patient} {budget}");
        }
    }
}

/// How many of sixty-four are admitted to a provider that uses all that it is allowed.
async fn admitted_of_a_crowd(limits: &str, patient: bool) -> usize {
    const CROWD: usize = 64;
    let go = Arc::new(Semaphore::new(0));
    let usage = format!("\"prompt_tokens\":{CHAT_INPUT_BOUND},\"completion_tokens\":100");
    let whole = COMPLETION.replace("\"prompt_tokens\":7,\"completion_tokens\":5", &usage);
    let whole = whole.replace("\"total_tokens\":12", "\"total_tokens\":118");
    let steps = vec![Step::Hold(Arc::clone(&go)), Step::Send(response(JSON, &whole))];
    let provider = Provider::doing(steps).await;
    let running = Arc::new(before(&provider, limits).await);
    let asking = (0..CROWD).map(|_| {
        let running = Arc::clone(&running);
        let mut request = if patient { post("/up/v1/chat/completions", CHAT) } else { hasty(CHAT) };
        request.headers_mut().insert("x-tollgate-user", HeaderValue::from_static("ann"));
        tokio::spawn(async move { running.send(request).await.status })
    });
    let asking: Vec<_> = asking.collect();
    for _ in 0..10 {
        provider.request().await;
    }
    go.add_permits(CROWD);
    let mut admitted = 0;
    for asked in asking {
        let status = asked.await.expect("an answer");
        assert!([StatusCode::OK, StatusCode::TOO_MANY_REQUESTS].contains(&status), "{status}");
        admitted += usize::from(status == StatusCode::OK);
    }
    assert_eq!(running.used(), (10 * CHAT_INPUT_BOUND, 1_000, 10 * WORST));
    assert_eq!(running.app.metrics.totals().overrun_usd.0, 0);
    assert!(provider.is_idle().await, "the provider saw no other");
    admitted
}

/// A model that has no price is refused wherever money is counted, by whatever way it comes,
/// also when the budget arrives while the process runs.
#[tokio::test]
async fn no_unpriced_model_slips_through() {
    let provider = Provider::json(COMPLETION).await;
    let unpriced = "{\"model\":\"new-and-dear\",\"input\":\"hi\",\"max_tokens\":1,\"messages\":[]}";
    let asked = [
        ("chat/completions", unpriced.to_owned()),
        ("chat/completions", unpriced.replace("new-and-dear", "M")),
        ("chat/completions", unpriced.replace("new-and-dear", "m:free")),
        ("chat/completions", unpriced.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"")),
        ("completions", unpriced.replace("\"messages\":[]", "\"prompt\":\"hi\"")),
        ("embeddings", unpriced.to_owned()),
    ];
    let running = before(&provider, "").await;
    assert_eq!(running.chat(unpriced).await.status, StatusCode::OK, "nothing counts money");
    provider.request().await;
    let text = format!("{}{}", up(&provider.base_url()), budget(10 * WORST));
    running.app.replace(super::running::config(&text, &[])).expect("a policy");
    for (path, body) in asked {
        let answer = running.send(post(&format!("/up/v1/{path}"), body.clone())).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {body}: {:?}", answer.body);
        assert_eq!(answer.json()["error"]["code"], "model_unpriced", "{path} {body}");
    }
    assert!(provider.is_idle().await, "nothing was sent");
    assert_eq!(nanos_left(&running).await, 10 * WORST, "nothing was charged");
}

/// A stream whose caller leaves costs what came until then, and its input; one that leaves
/// before anything came costs what was reserved. Neither costs nothing.
#[tokio::test]
async fn no_streamed_call_is_recorded_at_nothing_on_cancel() {
    let events = EVENT.repeat(3);
    let steps = vec![Step::Send(stream_head()), Step::Send(chunk(&events)), Step::Hang];
    let provider = Provider::doing(steps).await;
    let running = before(&provider, &budget(10 * WORST)).await;
    let mut stream = running.begin(post("/up/v1/chat/completions", STREAM)).await;
    let mut seen = 0;
    while seen < events.len() {
        let frame = stream.body_mut().frame().await.expect("a frame").expect("no error");
        seen += frame.data_ref().expect("data").len();
    }
    drop(stream);
    provider.closed().await;
    at_rest(&running).await;
    let (input, output, cost) = running.used();
    assert!(input > 0 && input < CHAT_INPUT_BOUND, "{input}");
    assert_eq!((output, cost), (3, input * 1_000 + 3 * 2_000));
    assert_eq!(nanos_left(&running).await, 10 * WORST - cost, "the budget says the same");

    let silent = Provider::doing(vec![Step::Hang]).await;
    let running = before(&silent, &budget(10 * WORST)).await;
    tokio::select! {
        _ = running.begin(post("/up/v1/chat/completions", STREAM)) => panic!("none was due"),
        _ = silent.request() => {}
    }
    silent.closed().await;
    at_rest(&running).await;
    let (input, output, cost) = running.used();
    assert_eq!((input, output > 0), (CHAT_INPUT_BOUND, true), "{output}");
    assert_eq!(cost, input * 1_000 + output * 2_000);
    assert_eq!(nanos_left(&running).await, 10 * WORST - cost);
}

/// Who is refused since too many run, or gives up waiting for a slot, has used none of its
/// requests per minute, nor of a day's.
#[tokio::test]
async fn no_refusal_for_concurrency_charges_the_minute() {
    let go = Arc::new(Notify::new());
    let steps = vec![Step::Wait(Arc::clone(&go)), Step::Send(response(JSON, COMPLETION))];
    let provider = Provider::doing(steps).await;
    let limits = r#"
[[limits]]
name = "minute"
requests = "3/minute"
[[limits]]
name = "bucket"
bucket = { rate = "1/minute", burst = 3 }
[[limits]]
name = "day"
requests = "3/day"
[[limits]]
name = "slots"
concurrency = 1
queue = { size = 1, timeout = "30s", overflow = "drop_newest" }
"#;
    let running = Arc::new(before(&provider, limits).await);
    let ask = |running: Arc<Running>| tokio::spawn(async move { running.chat(CHAT).await.status });
    let first = ask(Arc::clone(&running));
    provider.request().await;
    for _ in 0..20 {
        let refused = running.send(hasty(CHAT)).await;
        assert_eq!(refused.header("x-tollgate-limit"), Some("slots"), "{:?}", refused.body);
    }
    let waiting = ask(Arc::clone(&running));
    while running.app.gate.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    let full = running.chat(CHAT).await;
    assert_eq!(full.header("x-tollgate-limit"), Some("slots"), "its queue is full");
    waiting.abort();
    while running.app.gate.waiting() > 0 {
        tokio::task::yield_now().await;
    }
    for limit in ["minute", "bucket", "day"] {
        assert_eq!(left(&running, limit).await, 2.0, "{limit}: the first alone is counted");
    }
    go.notify_one();
    assert_eq!(first.await.expect("an answer"), StatusCode::OK);
    for _ in 0..2 {
        go.notify_one();
        assert_eq!(running.chat(CHAT).await.status, StatusCode::OK);
    }
    assert_eq!(running.chat(CHAT).await.status, StatusCode::TOO_MANY_REQUESTS);
}
