//! Managed keys at the gateway: made, restricted, rotated and revoked while it serves.

use std::{sync::Arc, time::Duration};

use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::sync::Notify;
use tollgate_core::NanoUsd;

use super::{
    CHAT, COMPLETION, Provider, Running, Step, post,
    provider::response,
    running::{Answer, up},
};
use crate::roster::{By, Draft, Moment, ProviderKey, Terms};

const ONE_EACH: &str =
    "[[limits]]\nname = \"user-minute\"\nper = [\"user\"]\nrequests = \"100/minute\"\n";

/// What [`COMPLETION`] costs in nano-dollars: 7 tokens in and 5 out.
const COST: u64 = 7 * 1_000 + 5 * 2_000;

impl Running {
    pub(super) fn by(&self) -> By {
        By { who: "test".to_owned(), at: Moment::of(self.clock.now().wall), reason: None }
    }

    /// Makes a key; its id and its text.
    pub(super) fn key(&self, terms: Terms, expires_in: Option<Duration>) -> (String, String) {
        let by = self.by();
        let expires = expires_in.map(|length| by.at.after(length));
        let made = self
            .app
            .roster
            .change(|book| book.create(Draft { id: None, terms, expires }, &by))
            .expect("a key");
        (made.0.id, made.1.expose().to_owned())
    }

    async fn chat_with(&self, path: &str, text: &str, body: &str) -> Answer {
        let mut request: Request<Full<bytes::Bytes>> = post(path, body.to_owned());
        let bearer = format!("Bearer {text}").parse().expect("a value");
        request.headers_mut().insert("authorization", bearer);
        self.send(request).await
    }

    async fn up_with(&self, text: &str) -> Answer {
        self.chat_with("/up/v1/chat/completions", text, CHAT).await
    }
}

fn alice() -> Terms {
    Terms { user: Some("alice".to_owned()), ..Terms::default() }
}

fn error(answer: &Answer) -> (u16, String, String) {
    let error = &answer.json()["error"];
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (answer.status.as_u16(), text("code"), text("message"))
}

#[tokio::test]
async fn a_key_works_from_when_it_is_made_until_it_is_revoked() {
    let provider = Provider::json(COMPLETION).await;
    let running = Running::with(&format!("{}{ONE_EACH}", up(&provider.base_url()))).await;
    let (id, text) = running.key(alice(), None);
    let answer = running.up_with(&text).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!provider.request().await.contains("tg_"), "no provider sees it");
    let last = if text.ends_with('0') { '1' } else { '0' };
    let wrong = format!("{}{last}", &text[..text.len() - 1]);
    for wrong in [wrong.as_str(), "tg_", &text.to_uppercase().replace("TG_", "tg_")] {
        let (status, code, message) = error(&running.up_with(wrong).await);
        assert_eq!((status, code.as_str()), (401, "invalid_api_key"), "{message}");
        assert!(message.contains("not known"), "{message}");
    }
    running.app.roster.change(|book| book.revoke(&id, &running.by())).expect("revoked");
    let (status, code, message) = error(&running.up_with(&text).await);
    assert_eq!((status, code.as_str()), (401, "invalid_api_key"));
    assert!(message.contains("was revoked"), "{message}");
}

#[tokio::test]
async fn keys_expire_and_are_replaced_on_time() {
    let provider = Provider::json(COMPLETION).await;
    let running = Running::with(&format!("{}{ONE_EACH}", up(&provider.base_url()))).await;
    let hour = Duration::from_secs(3_600);
    let (id, old) = running.key(alice(), Some(3 * hour));
    let ends = running.by().at.after(hour);
    let rotated = running.app.roster.change(|book| book.rotate(&id, ends, &running.by()));
    let new = rotated.expect("rotated").1.expose().to_owned();
    for text in [&old, &new] {
        assert_eq!(running.up_with(text).await.status, StatusCode::OK, "both work for a while");
    }
    running.advance(hour);
    let (status, _, message) = error(&running.up_with(&old).await);
    assert!(status == 401 && message.contains("replaced by a new one"), "{message}");
    assert_eq!(running.up_with(&new).await.status, StatusCode::OK);
    running.advance(2 * hour);
    let (status, _, message) = error(&running.up_with(&new).await);
    assert!(status == 401 && message.contains("has expired"), "{message}");
}

#[tokio::test]
async fn a_key_is_for_its_models_and_providers_alone() {
    let provider = Provider::json(COMPLETION).await;
    let running = Running::with(&format!("{}{ONE_EACH}", up(&provider.base_url()))).await;
    let models = vec!["m".to_owned(), "gpt-*".to_owned()];
    let (id, text) =
        running.key(Terms { models, providers: vec!["up".to_owned()], ..alice() }, None);
    assert_eq!(running.up_with(&text).await.status, StatusCode::OK);
    provider.request().await;
    let path = "/up/v1/chat/completions";
    let other = running.chat_with(path, &text, &CHAT.replace("\"m\"", "\"o3\"")).await;
    let (status, code, message) = error(&other);
    assert_eq!((status, code.as_str()), (403, "forbidden"));
    assert_eq!(other.json()["error"]["param"], "model");
    assert_eq!(
        message,
        format!("The key `{id}` may not be used for the model `o3`: it may be for m, gpt-*.")
    );
    let elsewhere = running.chat_with("/sandbox/v1/chat/completions", &text, CHAT).await;
    let (status, code, message) = error(&elsewhere);
    assert_eq!((status, code.as_str()), (403, "forbidden"));
    assert!(message.contains("for `sandbox`: it may be for up"), "{message}");
    let pictures = running.chat_with("/up/v1/images/generations", &text, "{}").await;
    let (status, _, message) = error(&pictures);
    assert!(status == 403 && message.contains("cannot be told"), "{message}");
    assert!(provider.is_idle().await, "nothing of that was sent on");
    let (_, any) = running.key(alice(), None);
    let answer = running.chat_with("/sandbox/v1/chat/completions", &any, CHAT).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_keys_own_budget_counts_every_nano_dollar_and_nobody_elses() {
    let provider = Provider::json(COMPLETION).await;
    let running = Running::with(&format!("{}{ONE_EACH}", up(&provider.base_url()))).await;
    let budget = "0.00025/total".parse().expect("a budget");
    let (_, text) = running.key(Terms { budgets: vec![budget], ..alice() }, None);
    let (_, free) = running.key(alice(), None);
    let mut admitted = 0;
    let refused = loop {
        let answer = running.up_with(&text).await;
        if answer.status != StatusCode::OK {
            break answer;
        }
        admitted += 1;
        assert!(admitted * COST <= 250_000, "more was spent than there is");
    };
    let (status, code, message) = error(&refused);
    assert_eq!((status, code.as_str()), (429, "project_spend_limit_exceeded"), "{message}");
    assert_eq!(refused.header("x-tollgate-limit"), Some("key-budget-total"));
    assert_eq!(refused.header("x-should-retry"), Some("false"));
    assert!(message.contains("$0.00025 in all"), "{message}");
    assert!(admitted >= 2, "what was reserved came back");
    let left = NanoUsd(250_000 - admitted * COST).to_string();
    assert_eq!(refused.header("x-tollgate-budget-remaining"), Some(left.as_str()));
    for _ in 0..3 {
        assert_eq!(running.up_with(&free).await.status, StatusCode::OK, "others have their own");
    }
    let unpriced = CHAT.replace("\"m\"", "\"new\"");
    let unpriced = running.chat_with("/up/v1/chat/completions", &text, &unpriced).await;
    let (status, code, _) = error(&unpriced);
    assert_eq!((status, code.as_str()), (403, "model_unpriced"), "its cost would be counted");
}

#[tokio::test]
async fn who_only_the_holds_of_the_same_key_stand_in_the_way_of_waits() {
    let go = Arc::new(Notify::new());
    let json = response("HTTP/1.1 200 OK\r\ncontent-type: application/json", COMPLETION);
    let steps = vec![Step::Wait(Arc::clone(&go)), Step::Send(json)];
    let provider = Provider::doing(steps).await;
    let policy = format!("{}{ONE_EACH}", up(&provider.base_url()));
    let running = Arc::new(Running::with(&policy).await);
    // For the most of one at a time.
    let budget = "0.00025/day".parse().expect("a budget");
    let (_, text) = running.key(Terms { budgets: vec![budget], ..alice() }, None);
    let ask = || {
        let (running, text) = (Arc::clone(&running), text.clone());
        tokio::spawn(async move { running.up_with(&text).await.status })
    };
    let first = ask();
    provider.request().await;
    let second = ask();
    while running.app.gate.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    go.notify_one();
    assert_eq!(first.await.expect("an answer"), StatusCode::OK);
    provider.request().await;
    go.notify_one();
    assert_eq!(second.await.expect("an answer"), StatusCode::OK);
    assert_eq!(running.used().2, 2 * COST);
}

#[tokio::test]
async fn a_callers_own_provider_key_goes_before_the_policys() {
    let provider = Provider::json(COMPLETION).await;
    let policy = format!("{}api_key = \"env:UP_KEY\"\n{ONE_EACH}", up(&provider.base_url()));
    let secret = ("TOLLGATE_SECRET", "0123456789abcdef0123456789abcdef");
    let running = Running::with_environment(&policy, &[("UP_KEY", "sk-ours"), secret]).await;
    let (id, text) = running.key(alice(), None);
    let (_, other) = running.key(alice(), None);
    let own = ProviderKey::parse("sk-alices").expect("a key");
    let roster = &running.app.roster;
    roster.change(|book| book.attach(&id, "up", &own, &running.by())).expect("attached");
    for (text, sent) in [(&text, "sk-alices"), (&other, "sk-ours")] {
        let answer = running.chat_with("/up/v1/chat/completions", text, CHAT).await;
        assert_eq!(answer.status, StatusCode::OK);
        let request = provider.request().await;
        assert!(request.contains(&format!("authorization: Bearer {sent}\r\n")), "{request}");
        assert_eq!(request.matches("sk-").count(), 1);
    }
    // What only reads goes by the same key.
    let mut models = Request::get("/up/v1/models").body(Full::default()).expect("a request");
    let bearer = format!("Bearer {text}").parse().expect("a value");
    models.headers_mut().insert("authorization", bearer);
    running.send(models).await;
    assert!(provider.request().await.contains("authorization: Bearer sk-alices\r\n"));
    roster.change(|book| book.detach(&id, "up", &running.by())).expect("detached");
    running.up_with(&text).await;
    assert!(provider.request().await.contains("authorization: Bearer sk-ours\r\n"));
}

#[tokio::test]
async fn what_is_kept_is_given_to_no_key_that_may_not_use_the_model() {
    let provider = Provider::json(COMPLETION).await;
    let policy = format!("{}{ONE_EACH}[cache]\nenabled = true\n", up(&provider.base_url()));
    let running = Running::with(&policy).await;
    let of_team = || Terms { team: Some("notes".to_owned()), ..alice() };
    let (_, first) = running.key(of_team(), None);
    let (_, second) = running.key(of_team(), None);
    let (_, limited) = running.key(Terms { models: vec!["o3".to_owned()], ..of_team() }, None);
    for (text, was) in [(&first, "miss"), (&second, "hit")] {
        assert_eq!(running.up_with(text).await.header("x-tollgate-cache"), Some(was));
    }
    let (status, code, _) = error(&running.up_with(&limited).await);
    assert_eq!((status, code.as_str()), (403, "forbidden"));
}

#[tokio::test]
async fn where_neither_has_a_key_the_callers_passes_through_beside_its_tollgate_key() {
    let provider = Provider::json(COMPLETION).await;
    let running = Running::with(&format!("{}{ONE_EACH}", up(&provider.base_url()))).await;
    let (_, text) = running.key(alice(), None);
    let mut request: Request<Full<bytes::Bytes>> = post("/up/v1/chat/completions", CHAT);
    request.headers_mut().insert("authorization", "Bearer sk-mine".parse().expect("a value"));
    request.headers_mut().insert("x-api-key", text.parse().expect("a value"));
    assert_eq!(running.send(request).await.status, StatusCode::OK);
    let sent = provider.request().await;
    assert!(sent.contains("authorization: Bearer sk-mine\r\n") && !sent.contains("tg_"), "{sent}");
}
