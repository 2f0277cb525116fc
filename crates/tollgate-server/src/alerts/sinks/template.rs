//! Bodies of webhooks: JSON with `{{name}}` for what an alert says.
//!
//! What stands for a name is escaped as text within JSON is, so whatever an alert says cannot end
//! the text that it stands in. A policy's body was looked through when it was read.

use tollgate_core::policy::{Secret, settings::Form};

use crate::alerts::{Kind, Notice};

/// An event of PagerDuty's Events API v2.
const PAGERDUTY: &str = r#"{"routing_key":"{{key}}","event_action":"{{action}}","dedup_key":"{{incident}}","payload":{"summary":"{{message}}","source":"tollgate","severity":"{{severity}}","timestamp":"{{at}}","component":"{{subject}}","class":"{{alert}}","custom_details":{"value":{{value}},"threshold":{{threshold}},"since":"{{since}}"}}}"#;

/// A message for Slack's incoming webhooks.
const SLACK: &str = r#"{"text":"[{{severity}}] {{event}} {{alert}} {{subject}}: {{message}}"}"#;

/// The template of a form; none where the notification itself is the body.
pub(super) const fn of_form(form: Form) -> Option<&'static str> {
    match form {
        Form::Plain => None,
        Form::Pagerduty => Some(PAGERDUTY),
        Form::Slack => Some(SLACK),
    }
}

/// A template with what a notification says. A name that is not known is left as it is.
pub(super) fn filled(template: &str, notice: &Notice, key: Option<&Secret>) -> String {
    let mut body = String::with_capacity(template.len() + 256);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        body.push_str(before);
        let Some((name, behind)) = after.split_once("}}") else {
            body.push_str("{{");
            rest = after;
            continue;
        };
        match value(name.trim(), notice, key) {
            Some(value) => body.push_str(&escaped(&value)),
            None => {
                body.push_str("{{");
                body.push_str(name);
                body.push_str("}}");
            }
        }
        rest = behind;
    }
    body.push_str(rest);
    body
}

fn value(name: &str, notice: &Notice, key: Option<&Secret>) -> Option<String> {
    let firing = &notice.firing;
    Some(match name {
        "action" => action(notice.kind).to_owned(),
        "alert" => firing.name.to_string(),
        "at" => told(notice.at),
        "event" => notice.kind.name().to_owned(),
        "id" => notice.id.to_string(),
        "incident" => notice.incident(),
        "key" => key.map(|key| key.expose().to_owned()).unwrap_or_default(),
        "message" => firing.message.clone(),
        "severity" => firing.severity.name().to_owned(),
        "since" => told(firing.since_at),
        "subject" => firing.subject.clone().unwrap_or_default(),
        "threshold" => firing.threshold.to_string(),
        "value" => firing.value.to_string(),
        _ => return None,
    })
}

/// What a paging service is to do.
const fn action(kind: Kind) -> &'static str {
    match kind {
        Kind::Fired => "trigger",
        Kind::Cleared => "resolve",
    }
}

fn told(at: crate::api::Instant) -> String {
    let text = serde_json::to_string(&at).unwrap_or_default();
    text.trim_matches('"').to_owned()
}

/// Text as it stands within a JSON string, without the quotes around it.
fn escaped(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or_default().to_owned()
}
