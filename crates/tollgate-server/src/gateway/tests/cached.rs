//! Answers that are given again: whole, to who may have them, and for nothing.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::Notify;

use super::{
    CHAT, COMPLETION, Provider, Running, STREAM, Step, post,
    provider::{chunk, end, response, stream_head},
    running::{Answer, up},
};
use crate::cache::{Cleared, Selector};

const EVENTS: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"abc\"}}],\"usage\":null}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n";

/// What [`COMPLETION`] costs, in nano-dollars.
const COST: u64 = 7 * 1_000 + 5 * 2_000;

async fn before(provider: &Provider, more: &str) -> Running {
    let cache = "[cache]\nenabled = true\nwait = \"1h\"\n[identity]\ntrust_headers = true\n";
    Running::with(&format!("{}{cache}{more}", up(&provider.base_url()))).await
}

fn chat(body: &'static str, headers: &[(&'static str, &'static str)]) -> Request<Full<Bytes>> {
    let mut request = post("/up/v1/chat/completions", body);
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_static(value));
    }
    request
}

async fn clear(running: &Running, selector: Selector) -> Cleared {
    running.app.cache.clear(&selector).await.expect("there is no file")
}

#[track_caller]
fn assert_was(answer: &Answer, was: &str, body: &str) {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.header("x-tollgate-cache"), Some(was));
    assert_eq!(answer.body, body.as_bytes());
}

#[tokio::test]
async fn an_answer_is_given_again_as_one_request_that_costs_nothing() {
    let provider = Provider::json(COMPLETION).await;
    let limits = "[[limits]]\nname = \"all-minute\"\nrequests = \"3/minute\"\n[[limits]]\nname = \"all-day\"\nusd = \"1/day\"\n";
    let running = before(&provider, limits).await;
    assert_was(&running.chat(CHAT).await, "miss", COMPLETION);
    provider.request().await;
    running.advance(Duration::from_secs(7));
    let again = running.chat(CHAT).await;
    assert_was(&again, "hit", COMPLETION);
    assert_eq!(again.header("content-type"), Some("application/json"));
    assert_eq!(again.header("age"), Some("7"));
    assert_eq!(again.header("x-tollgate-decision"), Some("admit"));
    assert!(again.header("ratelimit").is_some_and(|told| told.contains("\"all-minute\";r=1")));
    // The same question, written in another way.
    let other = r#"{ "messages":[{"content":"hi","role":"user"}],"user":"x", "max_tokens":100,"model":"m" }"#;
    assert_was(&running.chat(other).await, "hit", COMPLETION);
    assert_eq!(running.chat(CHAT).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(provider.is_idle().await, "nothing was asked twice");
    assert_eq!(running.used(), (7, 5, COST));
    let totals = running.app.cache.tally.totals();
    assert_eq!(
        (totals.hits, totals.misses, totals.stored, totals.saved_usd.0),
        (2, 1, 1, 2 * COST)
    );
    let stats = running.look("/v1/cache").await.json();
    assert_eq!(stats["answers"]["entries"], 1);
    let text = String::from_utf8(running.look("/metrics").await.body.to_vec()).unwrap();
    assert!(text.contains("tollgate_cache_total{outcome=\"hit\"} 2"), "{text}");
    assert!(text.contains("tollgate_cache_saved_usd_total 0.000034"), "{text}");
}

#[tokio::test]
async fn what_was_saved_is_in_the_statistics_to_the_nano_dollar() {
    let provider = Provider::json(COMPLETION).await;
    let running = before(&provider, "").await;
    let told = async || {
        let request = Request::get("/v1/stats").body(Full::default()).expect("a request");
        let stats = running.send(request).await.json();
        let of = |member: &str| stats["cache"][member].clone();
        (of("hits"), of("misses"), of("saved_usd"), stats["totals"]["cost_usd"].clone())
    };
    running.chat(CHAT).await;
    let cost = "0.000017";
    assert_eq!(told().await, (0.into(), 1.into(), "0".into(), cost.into()));
    for (hits, saved) in [(1, "0.000017"), (2, "0.000034"), (3, "0.000051")] {
        assert_was(&running.chat(CHAT).await, "hit", COMPLETION);
        let expected = (hits.into(), 1.into(), saved.into(), cost.into());
        assert_eq!(told().await, expected, "what is given again costs nothing");
    }
}

#[tokio::test]
async fn a_spent_budget_does_not_stand_before_what_costs_nothing() {
    let provider = Provider::json(COMPLETION).await;
    let running = before(&provider, "[[limits]]\nname = \"d\"\nusd = \"0.00022/day\"\n").await;
    assert_was(&running.chat(CHAT).await, "miss", COMPLETION);
    let other = CHAT.replace("hi", "ho");
    let refused = running.chat(&other).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{refused:?}");
    assert_was(&running.chat(CHAT).await, "hit", COMPLETION);
}

#[tokio::test]
async fn a_stream_is_given_again_as_a_stream_and_to_who_wants_one() {
    let provider = Provider::events(EVENTS).await;
    let running = before(&provider, "").await;
    let first = running.chat(STREAM).await;
    let again = running.chat(STREAM).await;
    assert_eq!(again.header("x-tollgate-cache"), Some("hit"));
    assert_eq!(again.header("content-type"), Some("text/event-stream"));
    assert_eq!((&again.body, again.body.ends_with(b"data: [DONE]\n\n")), (&first.body, true));
    assert_eq!(running.used(), (7, 1, 9_000));
    // With the chunk of usage it is another answer, and so is one without a stream.
    let told = STREAM
        .replace("\"stream\":true", "\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    let told = running.chat(&told).await;
    assert_eq!(told.header("x-tollgate-cache"), Some("miss"));
    assert!(told.body.len() > first.body.len());
    assert_eq!(running.chat(CHAT).await.header("x-tollgate-cache"), Some("miss"));
}

#[tokio::test]
async fn nobody_gets_the_answer_of_another_tenant() {
    let provider = Provider::json(COMPLETION).await;
    let running = before(&provider, "").await;
    let (alice, bob) = ([("x-tollgate-user", "alice")], [("x-tollgate-user", "bob")]);
    assert_was(&running.send(chat(CHAT, &alice)).await, "miss", COMPLETION);
    assert_was(&running.send(chat(CHAT, &bob)).await, "miss", COMPLETION);
    assert_was(&running.chat(CHAT).await, "miss", COMPLETION);
    assert_was(
        &running.send(chat(CHAT, &[("authorization", "Bearer sk-1")])).await,
        "miss",
        COMPLETION,
    );
    assert_was(
        &running.send(chat(CHAT, &[("authorization", "Bearer sk-2")])).await,
        "miss",
        COMPLETION,
    );
    assert_was(&running.send(chat(CHAT, &alice)).await, "hit", COMPLETION);
    let team = |user| [("x-tollgate-user", user), ("x-tollgate-team", "blue")];
    assert_was(&running.send(chat(CHAT, &team("alice"))).await, "miss", COMPLETION);
    assert_was(&running.send(chat(CHAT, &team("bob"))).await, "hit", COMPLETION);
}

#[tokio::test]
async fn an_answer_lasts_as_long_as_the_policy_says() {
    let provider = Provider::json(COMPLETION).await;
    let running = before(&provider, "").await;
    const EMBED: &str = r#"{"model":"m","input":"hi"}"#;
    let embed = || post("/up/v1/embeddings", EMBED);
    assert_was(&running.chat(CHAT).await, "miss", COMPLETION);
    assert_was(&running.send(embed()).await, "miss", COMPLETION);
    running.advance(Duration::from_secs(86_399));
    assert_was(&running.chat(CHAT).await, "hit", COMPLETION);
    running.advance(Duration::from_secs(1));
    assert_was(&running.chat(CHAT).await, "miss", COMPLETION);
    running.advance(Duration::from_secs(6 * 86_400 - 1));
    assert_was(&running.send(embed()).await, "hit", COMPLETION);
    running.advance(Duration::from_secs(1));
    assert_was(&running.send(embed()).await, "miss", COMPLETION);
}

#[tokio::test]
async fn callers_and_the_policy_say_what_is_not_kept() {
    let provider = Provider::json(COMPLETION).await;
    let running = before(&provider, "").await;
    for header in [("cache-control", "max-age=0, no-store"), ("x-tollgate-cache", "off")] {
        assert_was(&running.send(chat(CHAT, &[header])).await, "bypass", COMPLETION);
    }
    assert_was(&running.chat(CHAT).await, "miss", COMPLETION);
    assert_was(
        &running.send(chat(CHAT, &[("cache-control", "no-store")])).await,
        "bypass",
        COMPLETION,
    );
    assert_was(&running.chat(CHAT).await, "hit", COMPLETION);
    for header in [("cache-control", "no-cache"), ("x-tollgate-cache", "refresh")] {
        running.advance(Duration::from_secs(9));
        assert_was(&running.send(chat(CHAT, &[header])).await, "bypass", COMPLETION);
        assert_eq!(running.chat(CHAT).await.header("age"), Some("0"), "a new one was kept");
    }
    let hot = CHAT.replace("\"model\"", "\"temperature\":1.2,\"model\"");
    assert_was(&running.chat(&hot).await, "bypass", COMPLETION);
    let kept = CHAT.replace("\"model\"", "\"store\":true,\"model\"");
    assert_was(&running.chat(&kept).await, "bypass", COMPLETION);
    while !provider.is_idle().await {
        assert!(!provider.request().await.contains("x-tollgate-cache"));
    }
    let cold = before(&provider, "[prices]\nunpriced = \"free\"\n").await;
    assert_was(&cold.chat(CHAT).await, "miss", COMPLETION);
}

#[tokio::test]
async fn where_nothing_is_kept_nothing_is_said_of_it() {
    let provider = Provider::json(COMPLETION).await;
    let running = Running::with(&up(&provider.base_url())).await;
    for _ in 0..2 {
        assert_eq!(running.chat(CHAT).await.header("x-tollgate-cache"), None);
        provider.request().await;
    }
    assert_eq!(running.app.cache.tally.totals(), crate::cache::CacheTotals::default());
}

#[tokio::test]
async fn errors_and_what_was_cut_are_not_kept() {
    let json = "content-type: application/json";
    for (steps, body) in [
        (vec![Step::Send(response(&format!("HTTP/1.1 500 No\r\n{json}"), "{}"))], CHAT),
        (
            vec![Step::Send(
                format!("HTTP/1.1 200 OK\r\n{json}\r\ncontent-length: 500\r\n\r\n{COMPLETION}")
                    .into(),
            )],
            CHAT,
        ),
        (vec![Step::Send(stream_head()), Step::Send(chunk(&EVENTS[..90]))], STREAM),
        // It ends, and not as the dialect ends.
        (
            vec![Step::Send(stream_head()), Step::Send(chunk(&EVENTS[..90])), Step::Send(end())],
            STREAM,
        ),
    ] {
        let provider = Provider::doing(steps).await;
        let running = before(&provider, "").await;
        for _ in 0..2 {
            let answer = running.begin(chat(body, &[])).await;
            let _ = answer.into_body().collect().await;
            provider.request().await;
            provider.closed().await;
        }
        let totals = running.app.cache.tally.totals();
        assert_eq!((totals.misses, totals.hits, totals.stored), (2, 0, 0), "{body}");
    }
}

#[tokio::test]
async fn what_is_longer_than_an_entry_passes_and_is_not_kept() {
    let provider = Provider::events(EVENTS).await;
    let running = Running::with(&format!(
        "{}[cache]\nenabled = true\nmax_entry = \"80B\"\n",
        up(&provider.base_url())
    ))
    .await;
    for _ in 0..2 {
        let answer = running.chat(STREAM).await;
        assert_eq!(answer.header("x-tollgate-cache"), Some("miss"));
        assert!(answer.body.ends_with(b"[DONE]\n\n"));
    }
}

#[tokio::test]
async fn those_who_ask_the_same_at_once_ask_once() {
    let go = Arc::new(Notify::new());
    let whole = response("HTTP/1.1 200 OK\r\ncontent-type: application/json", COMPLETION);
    let provider = Provider::doing(vec![Step::Wait(Arc::clone(&go)), Step::Send(whole)]).await;
    let running = before(&provider, "").await;
    let first = tokio::spawn(running.sending(chat(CHAT, &[])));
    provider.request().await;
    let others: Vec<_> = (0..5).map(|_| tokio::spawn(running.sending(chat(CHAT, &[])))).collect();
    let hasty = [("x-tollgate-deadline-ms", "0")];
    let alone = tokio::spawn(running.sending(chat(CHAT, &hasty)));
    provider.request().await;
    running.followers(5).await;
    go.notify_one();
    go.notify_one();
    assert_was(&first.await.unwrap(), "miss", COMPLETION);
    assert_was(&alone.await.unwrap(), "miss", COMPLETION);
    for other in others {
        assert_was(&other.await.unwrap(), "shared", COMPLETION);
    }
    assert!(provider.is_idle().await);
    assert_eq!(running.used(), (14, 10, 2 * COST));
    assert_eq!(running.app.cache.tally.totals().saved_usd.0, 5 * COST);
}

#[tokio::test]
async fn where_the_first_goes_away_the_next_one_asks() {
    let go = Arc::new(Notify::new());
    let whole = response("HTTP/1.1 200 OK\r\ncontent-type: application/json", COMPLETION);
    let provider = Provider::doing(vec![Step::Wait(Arc::clone(&go)), Step::Send(whole)]).await;
    let running = before(&provider, "").await;
    let first = tokio::spawn(running.sending(chat(CHAT, &[])));
    provider.request().await;
    let other = tokio::spawn(running.sending(chat(CHAT, &[])));
    running.followers(1).await;
    first.abort();
    provider.request().await;
    go.notify_waiters();
    go.notify_one();
    assert_was(&other.await.unwrap(), "miss", COMPLETION);
}

#[tokio::test]
async fn a_user_that_is_cleared_asks_anew() {
    let provider = Provider::json(COMPLETION).await;
    let running = before(&provider, "").await;
    let alice = [("x-tollgate-user", "alice")];
    assert_was(&running.send(chat(CHAT, &alice)).await, "miss", COMPLETION);
    let of = |user: &str| Selector { user: Some(user.into()), ..Selector::default() };
    assert_eq!(clear(&running, of("bob")).await.answers.entries, 0);
    assert_was(&running.send(chat(CHAT, &alice)).await, "hit", COMPLETION);
    assert_eq!(clear(&running, of("alice")).await.answers.entries, 1);
    assert_was(&running.send(chat(CHAT, &alice)).await, "miss", COMPLETION);
    let model = Selector { model: Some("m".into()), ..Selector::default() };
    assert_eq!(clear(&running, model).await.answers.entries, 1);
}

/// A provider that gives every question about the sea one meaning and all others another.
async fn embedding(of_sea: &str, of_others: &str) -> Provider {
    let answer = |vector: &str| {
        let body = format!(
            r#"{{"object":"list","data":[{{"object":"embedding","index":0,"embedding":{vector}}}],"model":"e","usage":{{"prompt_tokens":3,"total_tokens":3}}}}"#
        );
        response("HTTP/1.1 200 OK\r\ncontent-type: application/json", &body)
    };
    Provider::choosing("sea", answer(of_sea), answer(of_others)).await
}

#[tokio::test]
async fn a_question_that_means_the_same_is_answered_by_what_was_kept() {
    let (provider, meaning) =
        (Provider::json(COMPLETION).await, embedding("[1,0.1]", "[0,2]").await);
    let more = format!(
        "[providers.embed]\ndialect = \"openai\"\nbase_url = \"{}\"\napi_key = \"env:EMBED\"\n[prices.models.e]\ninput = \"1\"\n[cache.meaning]\nprovider = \"embed\"\nmodel = \"e\"\n",
        meaning.base_url()
    );
    let cache = "[cache]\nenabled = true\n[identity]\ntrust_headers = true\n";
    let policy = format!("{}{cache}{more}", up(&provider.base_url()));
    let running = Running::with_environment(&policy, &[("EMBED", "sk-embed")]).await;
    let ask = |question: &str| CHAT.replace("hi", question);
    assert_was(&running.chat(&ask("how deep is the sea?")).await, "miss", COMPLETION);
    let sent = meaning.request().await;
    assert!(sent.contains("authorization: Bearer sk-embed") && sent.contains("how deep"), "{sent}");
    assert_eq!(running.used(), (10, 5, COST + 3_000), "its meaning is paid for");
    assert_was(&running.chat(&ask("the sea, how deep is it?")).await, "similar", COMPLETION);
    assert_was(&running.chat(&ask("how high is the moon?")).await, "miss", COMPLETION);
    // The very same asks nobody, nor does what was compared before ask for its meaning again.
    let asked = running.used();
    assert_was(&running.chat(&ask("how deep is the sea?")).await, "hit", COMPLETION);
    assert_was(&running.chat(&ask("the sea, how deep is it?")).await, "similar", COMPLETION);
    assert_eq!(running.used(), asked);
    // Asked of another model, or by somebody else, it is another question.
    let other = ask("the sea?").replace("\"max_tokens\":100", "\"max_tokens\":99");
    assert_was(&running.chat(&other).await, "miss", COMPLETION);
    let mut bob = post("/up/v1/chat/completions", ask("the sea?"));
    bob.headers_mut().insert("x-tollgate-user", HeaderValue::from_static("bob"));
    assert_was(&running.send(bob).await, "miss", COMPLETION);
    clear(&running, Selector::default()).await;
    assert_was(&running.chat(&ask("the sea, how deep is it?")).await, "miss", COMPLETION);
}

#[tokio::test]
async fn where_nobody_says_what_a_question_means_it_is_asked() {
    let provider = Provider::json(COMPLETION).await;
    let meaning = Provider::answering("HTTP/1.1 500 No\r\ncontent-type: text/plain", "no").await;
    let more = format!(
        "[providers.embed]\ndialect = \"openai\"\nbase_url = \"{}\"\n[prices.models.e]\ninput = \"1\"\n[cache.meaning]\nprovider = \"embed\"\nmodel = \"e\"\n",
        meaning.base_url()
    );
    let running = before(&provider, &more).await;
    assert_was(&running.chat(CHAT).await, "miss", COMPLETION);
    assert_was(&running.chat(CHAT).await, "hit", COMPLETION);
}
