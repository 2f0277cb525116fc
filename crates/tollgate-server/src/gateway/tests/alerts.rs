//! Alerts by their real causes, in virtual time: each is told to a listener once, signed, and told
//! again when it is over.

mod money;
mod services;

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
