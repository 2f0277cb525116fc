//! Alerts by their real causes, in virtual time: each is told to a listener once, signed, and told
//! again when it is over.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::StatusCode;
use ring::hmac;
use serde_json::{Value, json};
use tollgate_core::alert::{AlertName, Severity};

use super::{CHAT, COMPLETION, Provider, Running, Step, post, provider, running::up};
use crate::{
    alerts::{Firing, Kind, Notice, Outcome, look},
    api::Instant,
};

/// A gateway whose alerts are told to a listener.
struct World {
    running: Running,
    hook: Provider,
}

const SECOND: Duration = Duration::from_secs(1);
/// How long a test waits for what it is told at once.
const PATIENCE: Duration = Duration::from_secs(60);
const MINUTE: Duration = Duration::from_secs(60);

/// What requests are signed with, as its variable has it: `a secret of 24 bytes, ok`.
const SECRET: &str = "whsec_YSBzZWNyZXQgb2YgMjQgYnl0ZXMsIG9r";

/// A chat that the provider of these tests fails.
const FAILING: &str =
    r#"{"model":"m","max_tokens":100,"messages":[{"role":"user","content":"fail"}]}"#;

impl World {
    /// Under this policy, with these alerts and no others.
    async fn new(alerts: &[&str], policy: &str) -> Self {
        let hook = Provider::json("{}").await;
        let url = format!("http://{}/told?by=tollgate", hook.address);
        let others = AlertName::ALL.map(AlertName::name);
        let named = |line: &&str| line.split(' ').next().unwrap_or_default().to_owned();
        let named: Vec<String> = alerts.iter().map(named).collect();
        let others = others.iter().filter(|name| !named.iter().any(|it| it == *name));
        let off: Vec<String> =
            others.map(|name| format!("{name} = {{ enabled = false }}")).collect();
        let text = format!(
            "{policy}\n[alerts]\n{}\n{}\n[[alerts.sinks]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{url}\"\nsecret = \"env:HOOK\"\n",
            alerts.join("\n"),
            off.join("\n"),
        );
        let running = Running::with_environment(&text, &[("HOOK", SECRET)]).await;
        Self { running, hook }
    }

    /// The next that the listener is told once it was looked.
    async fn told(&self) -> Value {
        look(&self.running.app).await;
        self.next().await
    }

    /// The next that the listener is told, if it is signed as it should be.
    async fn next(&self) -> Value {
        let request = tokio::time::timeout(PATIENCE, self.hook.request()).await;
        let request = request.expect("it is told of nothing");
        let (head, body) = request.split_once("\r\n\r\n").expect("a request");
        assert!(head.starts_with("POST /told?by=tollgate HTTP/1.1\r\n"), "{head}");
        let header = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            line.unwrap_or_else(|| panic!("no {name} in {head}"))
        };
        let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
        let key = STANDARD.decode(&SECRET["whsec_".len()..]).expect("base64");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let signed = format!("{id}.{timestamp}.{body}");
        let signature = header("webhook-signature").strip_prefix("v1,").expect("a version");
        let signature = STANDARD.decode(signature).expect("base64");
        hmac::verify(&key, signed.as_bytes(), &signature).expect("its signature");
        let told: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(told["data"]["id"], id);
        told
    }

    /// The listener is told that this alert begins.
    async fn fires(&self, name: &str, subject: Value) -> String {
        let told = self.told().await;
        assert_eq!((&told["type"], &told["data"]["name"]), (&json!("alert.fired"), &json!(name)));
        assert_eq!(told["data"]["subject"], subject, "{told}");
        let monitor = self.running.look("/v1/monitor").await.json();
        let alerts = monitor["alerts"].as_array().expect("a list").clone();
        let known = alerts.iter().find(|it| it["name"] == name && it["subject"] == subject);
        let known = known.unwrap_or_else(|| panic!("no {name} in {monitor}"));
        assert_eq!(known["message"], told["data"]["message"]);
        known["message"].as_str().expect("a sentence").to_owned()
    }

    /// The listener is told that it is over, and of nothing else before.
    async fn clears(&self, name: &str, subject: Value) {
        let told = self.told().await;
        assert_eq!((&told["type"], &told["data"]["name"]), (&json!("alert.cleared"), &json!(name)));
        assert_eq!(told["data"]["subject"], subject, "{told}");
        let monitor = self.running.look("/v1/monitor").await.json();
        let alerts = monitor["alerts"].as_array().expect("a list");
        assert!(!alerts.iter().any(|it| it["name"] == name && it["subject"] == subject));
    }

    /// Nothing more is told, however often it is looked: a sink is told one thing after the other,
    /// so what is told next is the mark that is sent then.
    async fn is_quiet(&self) {
        for _ in 0..3 {
            look(&self.running.app).await;
        }
        let app = &self.running.app;
        let now = self.running.clock.now();
        let at = Instant::new(now.time, now);
        let mark = Firing {
            name: AlertName::Budget,
            severity: Severity::Critical,
            subject: None,
            value: 0.0,
            threshold: 0.0,
            since_at: at,
            message: "a mark".to_owned(),
        };
        app.alerts.tell(&app.live(), &Notice::new(Kind::Fired, mark, at));
        let told = self.next().await;
        assert_eq!(told["data"]["message"], "a mark", "{told}");
    }

    /// Returns when so many were told, and known to be.
    async fn delivered(&self, times: u64) {
        let wanted = [("hook".to_owned(), Outcome::Delivered, times)];
        let known = async {
            while self.running.app.alerts.outcomes() != wanted {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, known).await.expect("they are not told");
    }

    async fn chats(&self, body: &str, times: usize, status: StatusCode) {
        for _ in 0..times {
            assert_eq!(self.running.chat(body).await.status, status);
        }
    }

    async fn metric(&self, line: &str) {
        let answer = self.running.look("/metrics").await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(text.lines().any(|shown| shown == line), "no {line} in\n{text}");
    }
}

/// A provider that fails some chats, in a policy's words, with more said of it.
async fn failing(more: &str) -> (Provider, String) {
    let well = provider::response("HTTP/1.1 200 OK\r\ncontent-type: application/json", COMPLETION);
    let ill = provider::response("HTTP/1.1 500 Internal Server Error", "");
    let provider = Provider::choosing("\"fail\"", ill, well).await;
    let text = format!("{}retry = {{ attempts = 1 }}\n{more}", up(&provider.base_url()));
    (provider, text)
}

const OBSERVED: &str = "breaker = { mode = \"closed\" }\n";

#[tokio::test]
async fn a_circuit_that_opens_is_told_until_it_is_closed_again() {
    let breaker = "breaker = { failures = 1, recovery = \"30s\", successes = 1 }\n";
    let (_provider, policy) = failing(breaker).await;
    let world = World::new(&["circuit_open = {}"], &policy).await;
    world.chats(FAILING, 1, StatusCode::INTERNAL_SERVER_ERROR).await;
    let message = world.fires("circuit_open", json!("up")).await;
    assert!(message.starts_with("Circuit breaker of up is open for the model m:"), "{message}");
    world.metric("tollgate_alerts_firing{alert=\"circuit_open\"} 1").await;
    let monitor = world.running.look("/v1/monitor").await.json();
    assert_eq!(monitor["services"]["up"]["circuit"], "open");
    assert_eq!(monitor["services"]["up"]["status"], "critical");
    assert_eq!(monitor["overall_status"], "degraded");
    world.running.advance(MINUTE);
    // Half-open is not over.
    world.is_quiet().await;
    world.chats(CHAT, 1, StatusCode::OK).await;
    world.clears("circuit_open", json!("up")).await;
    world.is_quiet().await;
    world.delivered(4).await;
    world.metric("tollgate_alerts_firing{alert=\"circuit_open\"} 0").await;
    world.metric("tollgate_alert_notifications_total{sink=\"hook\",outcome=\"delivered\"} 4").await;
}

#[tokio::test]
async fn a_half_open_circuit_that_nobody_asks_any_more_is_over() {
    let (_provider, policy) = failing("breaker = { failures = 1, recovery = \"30s\" }\n").await;
    let world = World::new(&["circuit_open = {}"], &policy).await;
    look(&world.running.app).await;
    world.chats(FAILING, 1, StatusCode::INTERNAL_SERVER_ERROR).await;
    world.fires("circuit_open", json!("up")).await;
    world.running.advance(MINUTE * 6);
    world.clears("circuit_open", json!("up")).await;
    let monitor = world.running.look("/v1/monitor").await.json();
    assert_eq!(monitor["services"]["up"]["circuit"], "half_open");
    assert_eq!((&monitor["health_score"], &monitor["services"]["up"]["status"]), (&json!(100), &json!("idle")));
}

#[tokio::test]
async fn a_provider_that_fails_often_is_told() {
    let (_provider, policy) = failing(OBSERVED).await;
    let alert = "failure_rate = { threshold = 0.5, clear = 0.4, least = 4 }";
    let world = World::new(&[alert], &policy).await;
    look(&world.running.app).await;
    world.chats(FAILING, 3, StatusCode::INTERNAL_SERVER_ERROR).await;
    // Three say nothing.
    world.is_quiet().await;
    world.chats(FAILING, 1, StatusCode::INTERNAL_SERVER_ERROR).await;
    world.fires("failure_rate", json!("up")).await;
    let monitor = world.running.look("/v1/monitor").await.json();
    assert_eq!(monitor["services"]["up"]["success_rate"], 0.0);
    world.chats(CHAT, 6, StatusCode::OK).await;
    world.running.advance(SECOND);
    // Four of ten are no less than 0.4.
    world.is_quiet().await;
    world.chats(CHAT, 1, StatusCode::OK).await;
    world.clears("failure_rate", json!("up")).await;
}

#[tokio::test]
async fn a_provider_that_bars_the_gateways_key_or_account_is_told_and_its_circuit_stays_closed() {
    let spent = r#"{"error":{"type":"insufficient_quota","message":"no"}}"#;
    for (head, body) in [
        ("HTTP/1.1 401 Unauthorized", ""),
        ("HTTP/1.1 403 Forbidden", ""),
        ("HTTP/1.1 402 Payment Required", ""),
        ("HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json", spent),
    ] {
        let provider = Provider::doing(vec![Step::Send(provider::response(head, body))]).await;
        let keyed = "retry = { attempts = 1 }\napi_key = \"env:HOOK\"\n";
        let policy = format!("{}{keyed}", up(&provider.base_url()));
        let world = World::new(&["failure_rate = { least = 4 }", "circuit_open = {}"], &policy);
        let world = world.await;
        look(&world.running.app).await;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        world.chats(CHAT, 10, status).await;
        world.fires("failure_rate", json!("up")).await;
        world.is_quiet().await;
    }
}

#[tokio::test]
async fn a_queue_that_fills_is_told() {
    let held = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let answer =
        provider::response("HTTP/1.1 200 OK\r\ncontent-type: application/json", COMPLETION);
    let provider = Provider::doing(vec![Step::Hold(held.clone()), Step::Send(answer)]).await;
    let policy = format!(
        "{}[[limits]]\nname = \"one\"\nwhen = {{ provider = \"up\" }}\nconcurrency = 1\nqueue = {{ size = 2, timeout = \"1h\" }}\n",
        up(&provider.base_url())
    );
    let world = World::new(&["queue_filling = {}"], &policy).await;
    let chat = || tokio::spawn(world.running.sending(post("/up/v1/chat/completions", CHAT)));
    let mut running = vec![chat(), chat()];
    while world.running.app.metrics.queued() < 1 {
        tokio::task::yield_now().await;
    }
    // Half of it is not yet full.
    world.is_quiet().await;
    running.push(chat());
    while world.running.app.metrics.queued() < 2 {
        tokio::task::yield_now().await;
    }
    world.fires("queue_filling", json!("one")).await;
    let monitor = world.running.look("/v1/monitor").await.json();
    assert_eq!(
        (&monitor["services"]["up"]["queue"], &monitor["services"]["up"]["concurrent"]),
        (&json!(2), &json!(1))
    );
    held.add_permits(3);
    for request in running {
        assert_eq!(request.await.expect("an answer").status, StatusCode::OK);
    }
    world.clears("queue_filling", json!("one")).await;
}

#[tokio::test]
async fn a_minute_that_costs_far_more_than_usual_is_told() {
    let (_provider, policy) = failing("").await;
    let alert = "cost_spike = { threshold = 4, clear = 2, least_usd = 0.00001, for = \"0s\" }";
    let world = World::new(&[alert], &policy).await;
    for _ in 0..15 {
        look(&world.running.app).await;
        world.chats(CHAT, 1, StatusCode::OK).await;
        world.running.advance(MINUTE);
    }
    world.is_quiet().await;
    // Each costs 17,000 nano-dollars, which is more than the least that counts.
    world.chats(CHAT, 10, StatusCode::OK).await;
    let message = world.fires("cost_spike", json!(null)).await;
    assert!(message.contains("Cost spike: all services together cost $0.000"), "{message}");
    let message = world.fires("cost_spike", json!("up")).await;
    assert!(message.starts_with("Cost spike: up cost"), "{message}");
    let monitor = world.running.look("/v1/monitor").await.json();
    assert_eq!(monitor["services"]["up"]["cost_per_minute_usd"], "0.000187");
    assert_eq!(monitor["services"]["up"]["cost_usd"], "0.000425");
    world.running.advance(MINUTE * 2);
    world.clears("cost_spike", json!(null)).await;
    world.clears("cost_spike", json!("up")).await;
    world.is_quiet().await;
}

#[tokio::test]
async fn the_first_requests_after_a_quiet_night_are_no_spike_and_many_are() {
    let (_provider, policy) = failing("").await;
    let alert = "cost_spike = { threshold = 4, clear = 2, least_usd = 0.00001, for = \"0s\" }";
    let world = World::new(&[alert], &policy).await;
    for _ in 0..15 {
        look(&world.running.app).await;
        world.running.advance(MINUTE);
    }
    // Each costs 17,000 nano-dollars, 1.7 times the least that counts.
    world.chats(CHAT, 2, StatusCode::OK).await;
    world.is_quiet().await;
    world.chats(CHAT, 1, StatusCode::OK).await;
    world.fires("cost_spike", json!(null)).await;
}

#[tokio::test]
async fn a_bucket_that_runs_dry_is_told() {
    let (_provider, policy) = failing("").await;
    let bucket = "[[limits]]\nname = \"drops\"\nbucket = { rate = \"1/minute\", burst = 10 }\n";
    let world = World::new(&["low_tokens = { for = \"10s\" }"], &format!("{policy}{bucket}")).await;
    world.chats(CHAT, 9, StatusCode::OK).await;
    // A tenth is not less than a tenth.
    world.is_quiet().await;
    world.chats(CHAT, 1, StatusCode::OK).await;
    look(&world.running.app).await;
    world.running.advance(SECOND * 9);
    world.is_quiet().await;
    world.running.advance(SECOND);
    world.fires("low_tokens", json!("drops")).await;
    world.running.advance(MINUTE * 2);
    world.is_quiet().await;
    world.running.advance(MINUTE);
    world.clears("low_tokens", json!("drops")).await;
}

#[tokio::test]
async fn sessions_that_fill_a_server_are_told() {
    let policy = "[[limits]]\nname = \"seats\"\nsessions = { max = 10, idle = \"10m\" }\n";
    let world = World::new(&["utilisation = {}"], policy).await;
    for nth in 0..9 {
        if nth == 8 {
            world.is_quiet().await;
        }
        let body = format!("{{\"session\":\"s{nth}\"}}");
        assert_eq!(
            world.running.send(post("/v1/sessions", body)).await.status,
            StatusCode::CREATED
        );
    }
    let message = world.fires("utilisation", json!("seats")).await;
    assert_eq!(message, "90 % of the sessions of seats are taken: the alert begins at 90 %");
    world.running.advance(MINUTE * 11);
    world.clears("utilisation", json!("seats")).await;
}

#[tokio::test]
async fn many_refusals_are_told() {
    let (_provider, policy) = failing("").await;
    let limit = "[[limits]]\nname = \"few\"\nrequests = \"9/hour\"\n";
    let world =
        World::new(&["refused = { least = 10, over = \"2m\" }"], &format!("{policy}{limit}")).await;
    look(&world.running.app).await;
    world.chats(CHAT, 9, StatusCode::OK).await;
    // What is asked amiss is not held back.
    for _ in 0..20 {
        let lost = world.running.send(post("/nowhere/v1/chat/completions", CHAT)).await;
        assert_eq!(lost.status, StatusCode::NOT_FOUND);
    }
    world.is_quiet().await;
    world.chats(CHAT, 1, StatusCode::TOO_MANY_REQUESTS).await;
    world.fires("refused", json!(null)).await;
    world.running.advance(MINUTE * 3);
    world.clears("refused", json!(null)).await;
}

/// A permit that costs so many dollars, for a user.
async fn spend(world: &World, usd: &str) {
    let body = format!("{{\"user\":\"alice\",\"demand\":{{\"usd\":\"{usd}\"}}}}");
    let permit = world.running.send(post("/v1/permits", body)).await;
    assert_eq!(permit.status, StatusCode::CREATED);
    let id = permit.json()["id"].as_str().expect("an id").to_owned();
    let body = format!("{{\"usd\":\"{usd}\"}}");
    let settled = world.running.send(post(&format!("/v1/permits/{id}/settle"), body)).await;
    assert_eq!(settled.status, StatusCode::OK);
}

#[tokio::test]
async fn budgets_are_told_that_are_nearly_and_wholly_used_whosever_they_are() {
    let policy = "[[limits]]\nname = \"day\"\nusd = \"1/day\"\n[[limits]]\nname = \"each\"\nper = [\"user\"]\nusd = \"2/day\"\nwarn_at = [0.4]\n";
    let alerts = ["budget = { threshold = 0.8, clear = 0.8 }", "budget_exhausted = {}"];
    let world = World::new(&alerts, policy).await;
    spend(&world, "0.79").await;
    world.is_quiet().await;
    spend(&world, "0.01").await;
    world.fires("budget", json!("day")).await;
    spend(&world, "0.19").await;
    let message = world.fires("budget_exhausted", json!("day")).await;
    assert_eq!(message, "the budget day is nearly used up, to 99 %");
    // Half of alice's is no 80 %.
    world.is_quiet().await;
    world.running.advance(MINUTE * 60 * 24);
    world.clears("budget", json!("day")).await;
    world.clears("budget_exhausted", json!("day")).await;
    world.is_quiet().await;
}

#[tokio::test]
async fn a_budget_of_one_user_is_told_until_its_day_is_over() {
    let each = "per = [\"user\"]\nusd = \"1/day\"\nwarn_at = [0.5, 0.8, 0.99]\n";
    let policy = format!(
        "[[limits]]\nname = \"each\"\n{each}[[limits]]\nname = \"ghost\"\n{each}shadow = true\n"
    );
    let world = World::new(&["budget = {}", "budget_exhausted = {}"], &policy).await;
    spend(&world, "0.5").await;
    world.is_quiet().await;
    spend(&world, "0.3").await;
    let message = world.fires("budget", json!("each")).await;
    assert!(message.starts_with("80 % of the budget each of at least one user is used"));
    // What would be refused in shadow is nobody's concern.
    world.is_quiet().await;
    spend(&world, "0.19").await;
    let told = world.told().await;
    assert_eq!(
        told["data"]["message"],
        "the budget each of at least one user is nearly used up, to 99 %"
    );
    assert_eq!(told["data"]["severity"], "warning");
    world.running.advance(MINUTE * 60 * 24);
    world.clears("budget", json!("each")).await;
    world.clears("budget_exhausted", json!("each")).await;
}

#[tokio::test]
async fn a_whole_that_fails_is_told_and_more_failures_never_raise_its_score() {
    let (_provider, policy) = failing(OBSERVED).await;
    let world = World::new(&["critical_health = { for = \"10s\" }"], &policy).await;
    look(&world.running.app).await;
    let mut before = 100;
    for _ in 0..20 {
        world.chats(FAILING, 1, StatusCode::INTERNAL_SERVER_ERROR).await;
        let monitor = world.running.look("/v1/monitor").await.json();
        let score = monitor["health_score"].as_u64().expect("a score");
        assert!(score <= before, "{score} after {before}");
        before = score;
    }
    assert_eq!(before, 46);
    world.is_quiet().await;
    world.running.advance(SECOND * 10);
    let message = world.fires("critical_health", json!(null)).await;
    assert!(message.contains("46, below 50"), "{message}");
    world.metric("tollgate_health_score 46").await;
    world.running.advance(MINUTE * 6);
    world.clears("critical_health", json!(null)).await;
}

#[tokio::test]
async fn decisions_that_the_store_could_not_make_are_told_for_a_minute() {
    let world = World::new(&["fail_open = {}"], "").await;
    look(&world.running.app).await;
    world.running.app.metrics.store_failed("closed");
    let message = world.fires("fail_open", json!(null)).await;
    assert_eq!(message, "1 decisions could not be made by the store");
    world.running.advance(MINUTE + SECOND * 2);
    world.clears("fail_open", json!(null)).await;
}

#[tokio::test]
async fn an_alert_that_is_switched_off_by_a_reload_is_over() {
    let policy = "[[limits]]\nname = \"seats\"\nsessions = { max = 1, idle = \"10m\" }\n";
    let world = World::new(&["utilisation = {}"], policy).await;
    world.running.send(post("/v1/sessions", "{\"session\":\"s\"}")).await;
    world.fires("utilisation", json!("seats")).await;
    let hook = format!(
        "{policy}[alerts]\nutilisation = {{ enabled = false }}\n[[alerts.sinks]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"http://{}/told?by=tollgate\"\nsecret = \"env:HOOK\"\n",
        world.hook.address
    );
    let config = super::running::config(&hook, &[("HOOK", SECRET)]);
    world.running.app.replace(config).expect("a good policy");
    world.clears("utilisation", json!("seats")).await;
}
