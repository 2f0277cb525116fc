//! Requests that wait for their provider: in which order they are sent, and what those are told
//! who are not.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use tokio::sync::Semaphore;
use tollgate_core::breaker::Mode;

use super::{
    CHAT, COMPLETION, Provider, Running, Step, post,
    provider::response,
    running::{Answer, up},
};
use crate::guards::Forced;

const ONE_AT_ONCE: &str = "learn = { concurrency = { initial = 1, max = 1 } }\n[identity]\ntrust_headers = true\nallow_anonymous = true\n";

fn saying(word: &str, headers: &[(&'static str, &'static str)]) -> Request<Full<bytes::Bytes>> {
    let mut request = post("/up/v1/chat/completions", CHAT.replace("hi", word));
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_static(value));
    }
    request
}

/// Returns when so many wait for the provider.
async fn waiting(running: &Running, count: u64) {
    let waiting = || async {
        let circuits = running.look("/v1/circuits").await.json();
        circuits["circuits"][0]["waiting"].as_u64()
    };
    while waiting().await != Some(count) {
        tokio::task::yield_now().await;
    }
}

/// Its status, its error, and why nobody served it.
fn told(answer: &Answer) -> (u16, String, Option<&str>) {
    let error = answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned();
    (answer.status.as_u16(), error, answer.header("x-tollgate-attempts"))
}

#[tokio::test]
async fn they_are_sent_in_their_order_and_who_does_not_wait_is_told_what_is_in_the_way() {
    let gate = Arc::new(Semaphore::new(0));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json";
    let steps = vec![Step::Hold(Arc::clone(&gate)), Step::Send(response(head, COMPLETION))];
    let provider = Provider::doing(steps).await;
    let running = Running::with(&format!("{}{ONE_AT_ONCE}", up(&provider.base_url()))).await;
    let mut answers = vec![tokio::spawn(running.sending(saying("first", &[])))];
    assert!(provider.request().await.contains("first"));
    let urgent = [("x-tollgate-priority", "critical")];
    for (nth, (word, headers)) in
        [("second", &[][..]), ("third", &[]), ("urgent", &urgent)].into_iter().enumerate()
    {
        answers.push(tokio::spawn(running.sending(saying(word, headers))));
        waiting(&running, nth as u64 + 1).await;
        running.advance(Duration::from_millis(10));
    }
    let refused = running.send(saying("no", &[("x-tollgate-deadline-ms", "0")])).await;
    let (status, _, attempts) = told(&refused);
    assert_eq!((status, attempts), (503, Some("up/m=concurrency")), "{:?}", refused.json());
    for word in ["urgent", "second", "third"] {
        gate.add_permits(1);
        let next = provider.request().await;
        assert!(next.contains(word), "{word} is next, not {next}");
    }
    gate.add_permits(1);
    for answer in answers {
        assert_eq!(answer.await.expect("an answer").status, StatusCode::OK);
    }
}

#[tokio::test]
async fn every_refusal_by_a_guard_says_which_was_asked_and_why_it_did_not_serve() {
    let provider = Provider::answering("HTTP/1.1 500 Internal Server Error", "{}").await;
    let policy = format!(
        "{}breaker = {{ failures = 1 }}\n[models.smart]\nmodels = [\"up/m\", \"up/n\"]\n",
        up(&provider.base_url())
    );
    let running = Running::with(&policy).await;
    for model in ["m", "n"] {
        let chat = CHAT.replace("\"m\"", &format!("{model:?}"));
        assert_eq!(running.chat(&chat).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    }
    let one = running.chat(CHAT).await;
    assert_eq!(told(&one), (503, "circuit_open".to_owned(), Some("up/m=circuit")));
    let named = running.chat(&CHAT.replace("\"m\"", "\"smart\"")).await;
    let attempts = Some("up/m=circuit, up/n=circuit");
    assert_eq!(told(&named), (503, "circuit_open".to_owned(), attempts));
    let live = running.app.live();
    let guard = &live.providers.named("up").expect("it is there").guard;
    let forced = Forced { all: Some(Mode::Open), ..Forced::default() };
    guard.force(forced, running.clock.now().time);
    let listed = Request::get("/up/v1/models").body(Full::default()).expect("a request");
    let unmetered = running.send(listed).await;
    assert_eq!(told(&unmetered), (503, "circuit_open".to_owned(), Some("up=circuit")));
}
