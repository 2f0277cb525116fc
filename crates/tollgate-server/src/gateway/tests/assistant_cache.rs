//! The `assistant` preset's cache: every number at its edge.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;

use super::{COMPLETION, Provider, Running, post, running::Answer};
use crate::cache::Selector;

const NANO: Duration = Duration::from_nanos(1);
const HOUR: Duration = Duration::from_secs(3_600);

const QUERY: &str = r#"{"model":"Llama-3.2-3B-Instruct","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#;
const EMBEDDING: &str = r#"{"model":"text-embedding-3-small","input":"hi"}"#;
const VECTOR: &str = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5]}],"usage":{"prompt_tokens":1,"total_tokens":1}}"#;

/// What [`COMPLETION`] costs: 7 tokens at 200 nano-dollars and 5 at 600.
const COST: u64 = 7 * 200 + 5 * 600;

async fn before(provider: &Provider) -> Running {
    let overlay = format!("[providers.openai]\nbase_url = \"{}\"\n", provider.base_url());
    Running::preset("assistant", &overlay).await
}

async fn ask(running: &Running, path: &str, body: &'static str, user: &str) -> Answer {
    let mut request = post(path, body);
    let user = HeaderValue::from_str(user).expect("a value");
    request.headers_mut().insert("x-tollgate-user", user);
    let answer = running.send(request).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    answer
}

fn was(answer: &Answer) -> &str {
    answer.header("x-tollgate-cache").unwrap_or_default()
}

#[tokio::test]
async fn queries_are_kept_for_a_day_and_embeddings_for_a_week() {
    for (path, body, answer, kept) in [
        ("/openai/v1/chat/completions", QUERY, COMPLETION, 24 * HOUR),
        ("/openai/v1/embeddings", EMBEDDING, VECTOR, 7 * 24 * HOUR),
    ] {
        let provider = Provider::json(answer).await;
        let running = before(&provider).await;
        assert_eq!(was(&ask(&running, path, body, "alice").await), "miss");
        running.advance(kept - NANO);
        assert_eq!(was(&ask(&running, path, body, "alice").await), "hit", "{path}");
        running.advance(NANO);
        assert_eq!(was(&ask(&running, path, body, "alice").await), "miss", "{path}");
    }
}

#[tokio::test]
async fn a_cached_answer_counts_as_a_request_and_costs_nothing() {
    let provider = Provider::json(COMPLETION).await;
    let running = before(&provider).await;
    let path = "/openai/v1/chat/completions";
    for nth in 0..10 {
        let expected = if nth == 0 { "miss" } else { "hit" };
        assert_eq!(was(&ask(&running, path, QUERY, "alice").await), expected);
    }
    assert_eq!(running.used(), (7, 5, COST));
    let mut eleventh = post(path, QUERY);
    eleventh.headers_mut().insert("x-tollgate-user", HeaderValue::from_static("alice"));
    let refused = running.send(eleventh).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let stats = Request::get("/v1/users/alice/stats").body(Full::default()).expect("a request");
    let stats = running.send(stats).await.json();
    assert_eq!(stats["limits"]["minute"]["current"], 10);
}

#[tokio::test]
async fn answers_are_a_users_own_and_go_when_they_are_cleared() {
    let provider = Provider::json(COMPLETION).await;
    let running = before(&provider).await;
    let path = "/openai/v1/chat/completions";
    for user in ["alice", "bob"] {
        assert_eq!(was(&ask(&running, path, QUERY, user).await), "miss");
    }
    let alice = Selector { user: Some("alice".into()), ..Selector::default() };
    running.app.cache.clear(&alice).await.expect("there is no file");
    assert_eq!(was(&ask(&running, path, QUERY, "alice").await), "miss");
    assert_eq!(was(&ask(&running, path, QUERY, "bob").await), "hit");
}

#[tokio::test]
async fn contexts_of_the_service_are_kept_for_an_hour() {
    let provider = Provider::json(COMPLETION).await;
    let running = before(&provider).await;
    let entry = |method: Method, body: &'static str| {
        let request = Request::builder().method(method).uri("/v1/cache/contexts/42");
        request.body(Full::new(Bytes::from_static(body.as_bytes()))).expect("a request")
    };
    let stored = running.send(entry(Method::PUT, "a context")).await;
    assert_eq!(stored.status, StatusCode::OK, "{:?}", stored.body);
    running.advance(HOUR - NANO);
    let found = running.send(entry(Method::GET, "")).await;
    assert_eq!((found.status, &found.body[..]), (StatusCode::OK, &b"a context"[..]));
    running.advance(NANO);
    assert_eq!(running.send(entry(Method::GET, "")).await.status, StatusCode::NOT_FOUND);
}
