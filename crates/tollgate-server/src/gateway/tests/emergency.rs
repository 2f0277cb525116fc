//! Emergencies, in virtual time: who passes, what others are told, and that nothing is left.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use tollgate_core::policy::settings::Trigger;

use super::{
    CHAT, COMPLETION, Provider, Running, post,
    running::{Answer, up},
};
use crate::{
    emergency::{self, Begin},
    roster::{By, Emergency, Moment, RosterError},
};

const MINUTE: Duration = Duration::from_secs(60);

const POLICY: &str = r#"
[identity]
trust_headers = true
allow_anonymous = true
[emergency]
critical = [{ task = "billing" }]
start_on = ["cost_spike"]
downgrade = { m = "small" }
[prices.models.small]
input = "0.1"
output = "0.2"
[[limits]]
name = "user-rate"
per = ["user"]
requests = "10/hour"
minimum = 2
[[limits]]
name = "slots"
concurrency = 5
queue = { size = 10, timeout = "10m" }
[[limits]]
name = "user-spend"
per = ["user"]
usd = "1/day"
"#;

impl Running {
    async fn before(provider: &Provider, policy: &str) -> Self {
        Self::with(&format!("{}{policy}", up(&provider.base_url()))).await
    }

    fn because(&self, why: &str) -> By {
        let at = Moment::of(self.clock.now().wall);
        By { who: "test".to_owned(), at, reason: Some(why.to_owned()) }
    }

    pub(super) async fn begin_emergency(&self, minutes: u64, downgrade: bool) -> Emergency {
        let by = self.because("a secret spike");
        let until = Some(by.at.after(MINUTE * u32::try_from(minutes).expect("few")));
        let begun =
            emergency::begin(&self.app, Begin { by, until, downgrade: Some(downgrade) }).await;
        begun.expect("an emergency")
    }

    async fn end_emergency(&self) {
        emergency::end(&self.app, self.because("it is over")).await.expect("its end");
    }

    async fn chat_as(&self, user: &str, priority: &str) -> Answer {
        self.send(chat_as(user, priority)).await
    }
}

fn chat_as(user: &str, priority: &str) -> Request<Full<Bytes>> {
    let mut request = post("/up/v1/chat/completions", CHAT);
    let headers = request.headers_mut();
    headers.insert("x-tollgate-user", user.parse().expect("a name"));
    headers.insert("x-tollgate-priority", priority.parse().expect("a priority"));
    request
}

#[tokio::test]
async fn only_critical_requests_pass_and_others_are_told_until_when() {
    let provider = Provider::json(COMPLETION).await;
    let running = Running::before(&provider, POLICY).await;
    assert_eq!(running.chat_as("alice", "normal").await.status, StatusCode::OK);
    running.begin_emergency(30, false).await;
    let used = running.used();
    for priority in ["normal", "high", "nonsense"] {
        let refused = running.chat_as("alice", priority).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{priority}");
        let error = &refused.json()["error"];
        assert_eq!(error["code"], "emergency_mode");
        let message = error["message"].as_str().expect("a sentence");
        assert!(message.contains("emergency mode") && message.contains("30 minutes"), "{message}");
        assert!(!format!("{refused:?}").contains("secret"), "why is nobody else's business");
        assert_eq!(refused.header("retry-after"), Some("1800"));
        assert_eq!(refused.header("x-should-retry"), Some("false"));
        assert_eq!(refused.header("x-tollgate-decision"), Some("refuse"));
        assert_eq!(refused.header("x-tollgate-retry-at"), Some("2026-11-22T08:30:00.000Z"));
    }
    assert_eq!(running.used(), used, "what is refused is not charged");
    // What was used before does not count: critical work has its minimum.
    let mut billing = post("/up/v1/chat/completions", CHAT);
    billing.headers_mut().insert("x-tollgate-user", "alice".parse().expect("a name"));
    billing.headers_mut().insert("x-tollgate-task", "billing".parse().expect("a name"));
    assert_eq!(running.send(billing).await.status, StatusCode::OK);
    let second = running.chat_as("alice", "critical").await;
    assert_eq!(second.status, StatusCode::OK);
    assert_eq!(second.header("x-tollgate-decision"), Some("admit"));
    let third = running.chat_as("alice", "critical").await;
    assert_eq!(third.status, StatusCode::TOO_MANY_REQUESTS, "two are its minimum");
    assert_eq!(third.header("x-tollgate-limit"), Some("user-rate (emergency)"));
    // Its hour would end later than the emergency, which takes the limit with it.
    assert_eq!(third.header("retry-after"), Some("1800"));
    assert_eq!(running.chat_as("bob", "critical").await.status, StatusCode::OK);
    // Not a moment longer, though nobody has noted that it is over.
    running.advance(MINUTE * 30 - Duration::from_millis(1));
    assert_eq!(running.chat_as("bob", "low").await.status, StatusCode::SERVICE_UNAVAILABLE);
    running.advance(Duration::from_millis(1));
    assert_eq!(running.chat_as("bob", "low").await.status, StatusCode::OK);
    assert_eq!(running.chat_as("alice", "normal").await.status, StatusCode::OK);
}

/// Everything that tells how limits stand, but for the counts of what was refused.
async fn numbers(running: &Running) -> Value {
    let status = running.look("/status").await.json();
    let mut limits = status["limits"].clone();
    for limit in limits.as_array_mut().expect("a list") {
        limit.as_object_mut().expect("a limit").remove("refused");
    }
    let stats = running
        .send(Request::get("/v1/users/alice/stats").body(Full::default()).expect("a request"))
        .await
        .json();
    let check = json!({ "user": "alice", "model": "m", "demand": { "input_tokens": 5 } });
    let checked = running.send(post("/v1/check", check.to_string())).await;
    let headers: Vec<(String, String)> = checked
        .headers
        .iter()
        .filter(|(name, _)| name.as_str().contains("ratelimit"))
        .map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()))
        .collect();
    let emergency = &status["emergency"];
    json!([emergency, limits, stats, headers, status["concurrent"], checked.json()])
}

#[tokio::test]
async fn when_it_is_over_every_number_is_as_it_was() {
    let provider = Provider::json(COMPLETION).await;
    let running = Running::before(&provider, POLICY).await;
    for _ in 0..3 {
        assert_eq!(running.chat_as("alice", "normal").await.status, StatusCode::OK);
    }
    let before = numbers(&running).await;
    running.begin_emergency(30, false).await;
    assert_eq!(running.chat_as("alice", "normal").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let status = running.look("/status").await.json();
    assert_eq!(status["emergency"]["reason"], "a secret spike");
    let dials: Vec<&Value> =
        status["limits"].as_array().expect("a list").iter().map(|limit| &limit["dial"]).collect();
    assert_eq!(dials, [&json!(0.2), &json!(0.2), &json!(1.0)]);
    let monitor = running.look("/v1/monitor").await.json();
    assert_eq!(monitor["emergency"]["who"], "test");
    let metrics = running.look("/metrics").await;
    assert!(String::from_utf8_lossy(&metrics.body).contains("tollgate_emergency 1\n"));
    let health = Request::get("/tollgate/health").body(Full::default()).expect("a request");
    let health = running.send(health).await;
    assert_eq!(health.json()["emergency"], true);
    assert!(!String::from_utf8_lossy(&health.body).contains("spike"));
    running.end_emergency().await;
    assert_eq!(numbers(&running).await, before);
    let metrics = running.look("/metrics").await;
    assert!(String::from_utf8_lossy(&metrics.body).contains("tollgate_emergency 0\n"));
    // What critical work uses is charged as ever, and nothing else.
    running.begin_emergency(30, false).await;
    assert_eq!(running.chat_as("alice", "critical").await.status, StatusCode::OK);
    running.end_emergency().await;
    let minute = |stats: &Value| stats[2]["limits"].clone();
    let after = numbers(&running).await;
    assert_ne!(minute(&after), minute(&before));
    assert_eq!(running.chat_as("alice", "normal").await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_waits_when_it_begins_is_refused_at_once_and_who_runs_goes_on() {
    let provider = Provider::json(COMPLETION).await;
    let running =
        Running::before(&provider, &POLICY.replace("concurrency = 5", "concurrency = 1")).await;
    let permit = running.send(post("/v1/permits", r#"{"user":"alice"}"#)).await;
    assert_eq!(permit.status, StatusCode::CREATED);
    let id = permit.json()["id"].as_str().expect("an id").to_owned();
    let normal = tokio::spawn(running.sending(chat_as("bob", "normal")));
    let critical = tokio::spawn(running.sending(chat_as("carol", "critical")));
    let v1 =
        tokio::spawn(running.sending(post("/v1/permits", r#"{"user":"dora","wait_ms":600000}"#)));
    while running.app.metrics.queued() != 3 {
        tokio::task::yield_now().await;
    }
    running.begin_emergency(30, false).await;
    for refused in [normal, v1] {
        let refused = refused.await.expect("an answer");
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.header("retry-after"), Some("1800"));
    }
    let more = post(&format!("/v1/permits/{id}/extend"), r#"{"input_tokens":1}"#);
    let more = running.send(more).await;
    assert_eq!(more.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(more.json()["error"], "emergency_mode");
    let renewed = running.send(post(&format!("/v1/permits/{id}/renew"), "{}")).await;
    assert_eq!(renewed.status, StatusCode::OK);
    let settle = running.send(post(&format!("/v1/permits/{id}/settle"), "{}")).await;
    assert_eq!(settle.status, StatusCode::OK, "what runs goes on");
    assert_eq!(critical.await.expect("an answer").status, StatusCode::OK);
    let v1 = running.send(post("/v1/permits", r#"{"user":"dora"}"#)).await;
    assert_eq!(
        (v1.status, v1.json()["error"].clone()),
        (StatusCode::SERVICE_UNAVAILABLE, "emergency_mode".into())
    );
    assert_eq!(v1.json()["retry_after"], 1_800);
    assert_eq!(v1.json()["retry_at"], "2026-11-22T08:30:00.000Z");
    let v1 = running.send(post("/v1/permits", r#"{"user":"dora","priority":"critical"}"#)).await;
    assert_eq!(v1.status, StatusCode::CREATED);
}

#[tokio::test]
async fn who_waits_for_a_provider_hears_of_it_too() {
    let provider = Provider::json(COMPLETION).await;
    let pace = "learn = { wait = \"2h\", interval = { min = \"1h\", max = \"1h\" } }\n";
    let running = Running::before(&provider, &format!("{pace}{POLICY}")).await;
    assert_eq!(running.chat_as("alice", "normal").await.status, StatusCode::OK);
    let normal = tokio::spawn(running.sending(chat_as("bob", "normal")));
    while running.app.metrics.queued() != 1 {
        tokio::task::yield_now().await;
    }
    running.begin_emergency(30, false).await;
    let refused = normal.await.expect("an answer");
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.json()["error"]["code"], "emergency_mode");
    running.end_emergency().await;
}

#[tokio::test]
async fn a_cheaper_model_takes_the_place_of_another_where_that_is_wanted() {
    let provider = Provider::json(COMPLETION).await;
    let running = Running::before(&provider, POLICY).await;
    running.begin_emergency(30, true).await;
    let answer = running.chat_as("alice", "critical").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("x-tollgate-served-by"), Some("up/small"));
    assert_eq!(answer.header("x-tollgate-downgraded-from"), Some("m"));
    let sent = provider.request().await;
    assert!(sent.contains("\"model\":\"small\""), "{sent}");
    // 7 and 5 tokens at the price of the cheaper one.
    assert_eq!(running.used(), (7, 5, 1_700));
    running.end_emergency().await;
    let answer = running.chat_as("alice", "critical").await;
    assert_eq!(answer.header("x-tollgate-downgraded-from"), None);
    assert!(provider.request().await.contains("\"model\":\"m\""));
}

#[tokio::test]
async fn it_begins_by_itself_where_the_policy_says_so_and_not_against_an_operator() {
    let provider = Provider::json(COMPLETION).await;
    let running = Running::before(&provider, POLICY).await;
    let starts = async |trigger: Trigger| {
        let begun = emergency::begin_by_itself(&running.app, trigger, "$9/min\nin x").await;
        begun.expect("a roster")
    };
    assert_eq!(starts(Trigger::CriticalHealth).await, None, "the policy does not name it");
    let begun = starts(Trigger::CostSpike).await.expect("it begins");
    assert_eq!(begun.reason.as_deref(), Some("cost_spike: $9/minin x"));
    assert!(begun.downgrade && begun.who == "system:alerts");
    assert_eq!(starts(Trigger::CostSpike).await, None, "there is one");
    running.end_emergency().await;
    running.advance(MINUTE * 15 - Duration::from_millis(1));
    assert_eq!(starts(Trigger::CostSpike).await, None, "somebody has just ended one");
    running.advance(Duration::from_millis(1));
    assert!(starts(Trigger::CostSpike).await.is_some());
}

#[tokio::test]
async fn begun_anew_it_lasts_no_longer_in_all_and_keeps_what_was_asked_for() {
    let provider = Provider::json(COMPLETION).await;
    let running = Running::before(&provider, "[emergency]\nlongest = \"40m\"\n").await;
    let first = running.begin_emergency(30, true).await;
    running.advance(MINUTE * 20);
    let by = running.because("still");
    let again = async |minutes: u32| {
        let until = Some(by.at.after(MINUTE * minutes));
        emergency::begin(&running.app, Begin { by: by.clone(), until, downgrade: None }).await
    };
    let told = again(21).await.expect_err("41 minutes in all").to_string();
    assert!(told.contains("no longer than 40 minutes") && told.contains("in force"), "{told}");
    let longer = again(20).await.expect("40 minutes in all");
    assert_eq!((longer.since_at, longer.downgrade), (first.since_at, true));
}

#[tokio::test]
async fn a_policy_can_forbid_it_and_bounds_it() {
    let provider = Provider::json(COMPLETION).await;
    for (lines, minutes, expected) in [
        ("enabled = false", 1, "enabled = false"),
        ("for = \"5m\"\nlongest = \"10m\"", 11, "no longer than 10 minutes"),
    ] {
        let running = Running::before(&provider, &format!("[emergency]\n{lines}\n")).await;
        let by = running.because("why");
        let until = Some(by.at.after(MINUTE * minutes));
        let refused = emergency::begin(&running.app, Begin { by, until, downgrade: None }).await;
        let told = refused.expect_err(lines).to_string();
        assert!(told.contains(expected), "{told}");
    }
    let running = Running::before(&provider, "").await;
    let by = running.because("why");
    let app = Arc::clone(&running.app);
    let begun = emergency::begin(&app, Begin { until: None, downgrade: None, by: by.clone() });
    assert_eq!(begun.await.expect("one").until_at, by.at.after(MINUTE * 30), "by default");
    let none = Begin { until: Some(by.at), downgrade: None, by };
    assert!(matches!(emergency::begin(&app, none).await, Err(RosterError::Invalid(_))));
}
