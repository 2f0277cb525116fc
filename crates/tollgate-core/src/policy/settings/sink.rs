//! Who is told of alerts beside the log.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    alert::{AlertName, Severity},
    policy::values::{HookUrl, Secret, Span, span},
};

/// Somebody who is told of alerts: an address that is sent a request, or a program that is run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sink {
    /// What it is called in logs and metrics.
    pub name: String,
    /// Which of both.
    pub kind: SinkKind,
    /// The alerts that it is told; all if none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<AlertName>,
    /// It is told of alerts as grave as this and graver.
    #[serde(default)]
    pub severity: Severity,
    /// Whether it is told too when an alert is over.
    #[serde(default = "yes")]
    pub clears: bool,
    /// The address of a webhook: https, or http on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<HookUrl>,
    /// The variable that has the address, where that is a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_url: Option<Secret>,
    /// What requests are signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// How the body of a request is made.
    #[serde(default)]
    pub form: Form,
    /// The body of a request instead, as JSON with `{{name}}` for what the alert says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// What `{{key}}` of the body stands for, as paging services ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// The program and its arguments, as they are: no shell reads them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// How long one try may take.
    #[serde(default = "usual_timeout", with = "span")]
    #[schemars(with = "Span")]
    pub timeout: Duration,
    /// How often a request is tried in all. A program is run once.
    #[serde(default = "usual_attempts")]
    #[schemars(range(min = 1, max = 20))]
    pub attempts: u32,
    /// How long it is waited at most before the second try; twice that before each further one.
    #[serde(default = "usual_backoff", with = "span")]
    #[schemars(with = "Span")]
    pub backoff: Duration,
    /// The longest that it is waited.
    #[serde(default = "usual_max_backoff", with = "span")]
    #[schemars(with = "Span")]
    pub max_backoff: Duration,
    /// How many notifications wait at most; further ones are dropped, and counted.
    #[serde(default = "usual_queue")]
    #[schemars(range(min = 1, max = 10_000))]
    pub queue: u32,
}

/// What a sink is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SinkKind {
    /// An address that is sent a request.
    Webhook,
    /// A program that is run.
    Command,
}

/// How the body of a webhook is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// The alert as JSON.
    #[default]
    Plain,
    /// An event of PagerDuty's Events API v2; `key` is its routing key.
    Pagerduty,
    /// A message for Slack's incoming webhooks, and for those who take theirs.
    Slack,
}

/// What can stand between `{{` and `}}` in a body; those of [`NUMBERS`] may stand without quotes.
pub(crate) const PLACEHOLDERS: [&str; 13] = [
    "action",
    "alert",
    "at",
    "event",
    "id",
    "incident",
    "key",
    "message",
    "severity",
    "since",
    "subject",
    "threshold",
    "value",
];

/// The placeholders that stand for numbers.
pub(crate) const NUMBERS: [&str; 2] = ["threshold", "value"];

const fn yes() -> bool {
    true
}

const fn usual_timeout() -> Duration {
    Duration::from_secs(10)
}

const fn usual_attempts() -> u32 {
    6
}

const fn usual_backoff() -> Duration {
    Duration::from_secs(2)
}

const fn usual_max_backoff() -> Duration {
    Duration::from_secs(60)
}

const fn usual_queue() -> u32 {
    100
}

/// What a secret begins with whose key is base64, as Standard Webhooks have it.
const ENCODED: &str = "whsec_";

impl Sink {
    /// What a webhook's requests are signed with, if they are.
    ///
    /// # Errors
    /// Why it is no key, without showing it.
    pub fn signing_key(&self) -> Result<Option<Vec<u8>>, &'static str> {
        let Some(secret) = &self.secret else { return Ok(None) };
        let key = match secret.expose().strip_prefix(ENCODED) {
            Some(encoded) => STANDARD.decode(encoded).map_err(
                |_| "behind `whsec_` it is no base64: copy it whole, with the `=` at its end",
            )?,
            None => secret.expose().as_bytes().to_vec(),
        };
        if key.is_empty() {
            return Err("it is empty, and would sign what anybody can sign");
        }
        Ok(Some(key))
    }

    /// Where a webhook's requests go; nothing where its variable has no address.
    pub fn address(&self) -> Option<HookUrl> {
        let secret = || self.secret_url.as_ref()?.expose().parse().ok();
        self.url.clone().or_else(secret)
    }

    /// Whether it is told of such an alert.
    pub fn wants(&self, alert: AlertName, severity: Severity) -> bool {
        let is_named = self.alerts.is_empty() || self.alerts.contains(&alert);
        is_named && severity >= self.severity
    }
}
