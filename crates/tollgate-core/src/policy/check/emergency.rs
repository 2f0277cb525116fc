//! What an emergency can and cannot be.

use std::time::Duration;

use crate::policy::{
    PolicyError, Settings,
    limits::Findings,
    limits::is_name,
    settings::{Emergency, is_model},
    tree::Node,
};

/// The longest that an emergency may last: who needs more changes the policy.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// Entries of `critical`, and models of `downgrade`.
const MAX_LISTED: usize = 64;

/// Attributes that are not known yet when it is asked whether a request is critical.
const UNKNOWN: [&str; 1] = ["model"];

/// Notes lengths that cannot hold, and names of nothing.
pub(super) fn check(tree: &Node, settings: &Settings, findings: &mut Findings) {
    let node = tree.child("emergency").unwrap_or(tree);
    let emergency = &settings.emergency;
    let mut wrong = |key: &str, why: String| {
        let message = format!("`emergency.{key}`: {why}");
        findings.errors.push(PolicyError::new(message).at(node.value_origin(key)));
    };
    if emergency.lasts.is_zero() {
        wrong("for", "an emergency of no time is none: give a time, or leave it out".to_owned());
    }
    if emergency.longest > LONGEST {
        let days = LONGEST.as_secs() / 86_400;
        wrong("longest", format!("no emergency lasts longer than {days} days"));
    } else if emergency.lasts > emergency.longest {
        wrong(
            "for",
            "it is longer than `emergency.longest`: make one shorter or the other longer"
                .to_owned(),
        );
    }
    for (key, count) in
        [("critical", emergency.critical.len()), ("downgrade", emergency.downgrade.len())]
    {
        if count > MAX_LISTED {
            wrong(key, format!("these are {count}, and there may be {MAX_LISTED}"));
        }
    }
    critical(emergency, &mut wrong);
    for (from, to) in &emergency.downgrade {
        if !is_model(from) || !is_model(to) {
            wrong(
                "downgrade",
                "a model's name has 1 to 256 visible characters, without blanks".to_owned(),
            );
        } else if from == to {
            wrong("downgrade", format!("`{from}` in its own place is no cheaper model"));
        }
    }
    triggers(node, settings, findings);
}

/// Notes entries of `critical` that fit everybody or nobody.
fn critical(emergency: &Emergency, wrong: &mut impl FnMut(&str, String)) {
    for entry in &emergency.critical {
        if entry.is_empty() {
            wrong(
                "critical",
                "an empty entry would let everybody pass: name attributes, like { key = \"ops\" }"
                    .to_owned(),
            );
        }
        for name in entry.keys() {
            if UNKNOWN.contains(&name.as_str()) {
                wrong(
                    "critical",
                    format!(
                        "which {name} a request asks for is not known yet when it is asked whether it is critical: name who asks, like {{ key = \"ops\" }}"
                    ),
                );
            } else if !is_name(name) {
                wrong(
                    "critical",
                    format!(
                        "`{}` is no name of an attribute",
                        crate::policy::values::excerpt(name)
                    ),
                );
            }
        }
    }
}

/// Warns of what begins an emergency and is switched off.
fn triggers(node: &Node, settings: &Settings, findings: &mut Findings) {
    for trigger in &settings.emergency.start_on {
        let alert = trigger.alert();
        if !settings.alerts.has(alert) {
            let key = if settings.alerts.enabled {
                format!("alerts.{}.enabled", alert.name())
            } else {
                "alerts.enabled".to_owned()
            };
            let message = format!(
                "`emergency.start_on` names {}, which begins nothing since `{key}` is false",
                trigger.name()
            );
            findings.warnings.push(PolicyError::warning(message).at(node.value_origin("start_on")));
        }
    }
}
