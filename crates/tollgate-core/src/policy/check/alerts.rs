//! Alerts of which something is said that means nothing, and sinks that could reach nobody.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    alert::{AlertName, Bad},
    policy::{
        PolicyError, Settings,
        limits::{Findings, is_name},
        settings::{Alert, Form, NUMBERS, PLACEHOLDERS, Sink, SinkKind, Usual},
        tree::Node,
        values::HookUrl,
    },
};

/// The longest time that counters are remembered for.
const LONGEST: Duration = Duration::from_secs(3_600);
/// Sinks that a policy may have.
const MAX_SINKS: usize = 16;
/// The longest body that is made of a template, in bytes, before anything is filled in.
const MAX_BODY: usize = 16 << 10;

/// Notes alerts and sinks that mean nothing.
pub(super) fn check(tree: &Node, settings: &Settings, findings: &mut Findings) {
    let node = tree.child("alerts").unwrap_or(tree);
    for name in AlertName::ALL {
        let alert = settings.alerts.of(name);
        let at = node.child(name.name()).unwrap_or(node);
        for (key, why) in wrongs(alert, name) {
            let message = format!("`alerts.{name}.{key}`: {why}");
            findings.errors.push(PolicyError::new(message).at(at.value_origin(key)));
        }
    }
    let nodes = node.child("sinks").map(Node::list).unwrap_or_default();
    let mut names = BTreeSet::new();
    for (place, sink) in settings.alerts.sinks.iter().enumerate() {
        let at = nodes.get(place).unwrap_or(node);
        let twice = !names.insert(&sink.name);
        let twice = twice.then(|| ("name", "there are two sinks of this name".to_owned()));
        for (key, why) in sink_wrongs(sink).into_iter().chain(twice) {
            let message = format!("`alerts.sinks.{}.{key}`: {why}", sink.name);
            findings.errors.push(PolicyError::new(message).at(at.value_origin(key)));
        }
    }
    if settings.alerts.sinks.len() > MAX_SINKS {
        let message = format!("`alerts.sinks`: at most {MAX_SINKS} sinks can be told");
        findings.errors.push(PolicyError::new(message).at(node.value_origin("sinks")));
    }
}

/// What is said of an alert and means nothing.
fn wrongs(alert: &Alert, name: AlertName) -> Vec<(&'static str, String)> {
    let usual = Usual::of(name);
    let (least, most) = usual.range;
    let mut wrongs = Vec::new();
    for (key, value) in [("threshold", alert.threshold), ("clear", alert.clear)] {
        match value {
            Some(_) if !usual.has_choice() => {
                wrongs.push((key, "this alert has no threshold: it is so, or not".to_owned()));
            }
            Some(value) if !(least..=most).contains(&value) => {
                wrongs.push((key, format!("{value} is not between {least} and {most}")));
            }
            _ => {}
        }
    }
    let threshold = alert.threshold.unwrap_or(usual.threshold);
    match (usual.bad, alert.clear) {
        (Bad::High, Some(clear)) if clear > threshold => {
            wrongs.push(("clear", format!("it is over below this, so it is {threshold} at most")));
        }
        (Bad::Low, Some(clear)) if clear < threshold => {
            wrongs
                .push(("clear", format!("it is over from this on, so it is {threshold} at least")));
        }
        _ => {}
    }
    match alert.over {
        Some(_) if usual.over_seconds == 0 => {
            wrongs.push(("over", "this alert looks at what is now".to_owned()));
        }
        Some(over) if over < Duration::from_secs(1) || over > LONGEST => {
            wrongs.push(("over", "it is looked over 1s to 1h".to_owned()));
        }
        _ => {}
    }
    if alert.least.is_some() && usual.least == 0 {
        wrongs.push(("least", "this alert counts no calls".to_owned()));
    }
    if alert.least_usd.is_some() && name != AlertName::CostSpike {
        wrongs.push(("least_usd", "only `cost_spike` is about money per minute".to_owned()));
    }
    wrongs
}

/// What is wrong with the body of a webhook.
fn body_wrong(body: &str) -> Option<String> {
    if body.len() > MAX_BODY {
        return Some("a body has 16 KiB at most".to_owned());
    }
    let (mut tried, mut rest) = (String::new(), body);
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else {
            return Some("a `{{` is not closed by `}}`".to_owned());
        };
        let name = name.trim();
        if !PLACEHOLDERS.contains(&name) {
            let known = PLACEHOLDERS.join(", ");
            return Some(format!("`{{{{{name}}}}}` stands for nothing (there are {known})"));
        }
        tried.push_str(before);
        tried.push_str(if NUMBERS.contains(&name) { "0" } else { "x" });
        rest = behind;
    }
    tried.push_str(rest);
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&tried).is_ok();
    (!is_json)
        .then(|| "once it is filled in it is no JSON: put quotes around what is text".to_owned())
}

/// What is wrong with a sink.
fn sink_wrongs(sink: &Sink) -> Vec<(&'static str, String)> {
    let mut wrongs = Vec::new();
    let mut wrong = |key, why: &str| wrongs.push((key, why.to_owned()));
    if !is_name(&sink.name) || sink.name == "log" {
        wrong(
            "name",
            "a name has small letters, digits, `-` and `_`, at most 64, and is not `log`",
        );
    }
    match sink.kind {
        SinkKind::Webhook => {
            match (&sink.url, &sink.secret_url) {
                (None, None) => {
                    wrong("kind", "a webhook has a `url`, or a `secret_url` in a variable");
                }
                (Some(_), Some(_)) => wrong("secret_url", "give either this or `url`, not both"),
                (None, Some(secret)) => {
                    if let Err(why) = secret.expose().parse::<HookUrl>() {
                        wrong("secret_url", &why);
                    }
                }
                (Some(_), None) => {}
            }
            if let Err(why) = sink.signing_key() {
                wrong("secret", why);
            }
            if !sink.command.is_empty() {
                wrong("command", "a webhook runs no program: set `kind = \"command\"`");
            }
        }
        SinkKind::Command => {
            if sink.command.first().is_none_or(String::is_empty) {
                wrong("kind", "a command has `command`: the program and its arguments");
            }
            let said = [
                ("url", sink.url.is_some()),
                ("secret_url", sink.secret_url.is_some()),
                ("secret", sink.secret.is_some()),
                ("key", sink.key.is_some()),
                ("body", sink.body.is_some()),
            ];
            for (key, _) in said.into_iter().filter(|(_, is_said)| *is_said) {
                wrong(key, "a command is sent no request: set `kind = \"webhook\"`");
            }
        }
    }
    if let Some(why) = sink.body.as_deref().and_then(body_wrong) {
        wrong("body", &why);
    }
    if sink.form == Form::Pagerduty && sink.body.is_none() && sink.key.is_none() {
        wrong("form", "PagerDuty asks for a routing key: set `key = \"env:NAME\"`");
    }
    for (key, length) in [("timeout", sink.timeout), ("backoff", sink.backoff)] {
        if length.is_zero() {
            wrong(key, "give it a time");
        }
    }
    if !(1..=20).contains(&sink.attempts) {
        wrong("attempts", "it is tried 1 to 20 times");
    }
    if !(1..=10_000).contains(&sink.queue) {
        wrong("queue", "1 to 10000 notifications wait");
    }
    wrongs
}
