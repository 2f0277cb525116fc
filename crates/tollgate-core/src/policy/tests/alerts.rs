//! Who is told what: policies that hold, and what is wrong with others.

use std::time::Duration;

use super::{bad::assert_wrong, load, load_with};
use crate::{
    NanoUsd,
    alert::{AlertName, Bad, Severity},
    policy::settings::{AlertRule, Alerts, Form, SinkKind},
};

const SECOND: Duration = Duration::from_secs(1);

fn rule(alerts: &Alerts, name: AlertName) -> AlertRule {
    let all = alerts.rules();
    all.into_iter().find(|rule| rule.rule.name == name).expect("it is there")
}

#[test]
fn every_alert_is_there_with_thresholds_that_make_sense() {
    let alerts = load("").expect("a good policy").settings.alerts;
    assert!(alerts.enabled && alerts.log && alerts.sinks.is_empty());
    let rules = alerts.rules();
    assert_eq!(rules.len(), AlertName::ALL.len());
    for AlertRule { rule, over, .. } in &rules {
        let is_banded = match rule.bad {
            Bad::High => rule.clear <= rule.threshold,
            Bad::Low => rule.clear >= rule.threshold,
        };
        assert!(is_banded && *over <= SECOND * 3_600, "{rule:?}");
        assert_eq!(rule.name.name().parse(), Ok(rule.name));
    }
    let refused = rule(&alerts, AlertName::Refused);
    assert_eq!((refused.rule.threshold, refused.least, refused.over), (0.1, 20, SECOND * 300));
    let sessions = rule(&alerts, AlertName::Utilisation);
    assert_eq!((sessions.rule.threshold, sessions.rule.severity), (0.9, Severity::Warning));
}

#[test]
fn what_is_said_of_an_alert_holds_and_all_else_stays_usual() {
    let text = r#"
[alerts]
log = false
refused = { threshold = 0.4, for = "10s", least = 5, severity = "critical" }
low_tokens = { threshold = 0.5 }
cost_spike = { threshold = 5, clear = 2, cool_down = "1m", least_usd = 0.25 }
circuit_open = { enabled = false }
"#;
    let environment = [("TOLLGATE_ALERTS_REFUSED_OVER", "20s")];
    let alerts = load_with(text, &environment).expect("a good policy").settings.alerts;
    assert!(!alerts.log && !alerts.has(AlertName::CircuitOpen));
    assert_eq!(alerts.rules().len(), AlertName::ALL.len() - 1);
    let refused = rule(&alerts, AlertName::Refused);
    assert_eq!((refused.rule.threshold, refused.rule.clear), (0.4, 0.4 + (0.05 - 0.1)));
    assert_eq!((refused.rule.hold, refused.over, refused.least), (SECOND * 10, SECOND * 20, 5));
    assert_eq!(refused.rule.severity, Severity::Critical);
    let left = rule(&alerts, AlertName::LowTokens);
    assert_eq!((left.rule.threshold, left.rule.clear), (0.5, 0.65));
    let spike = rule(&alerts, AlertName::CostSpike);
    assert_eq!((spike.rule.clear, spike.least_cost), (2.0, NanoUsd(250_000_000)));
    let off = load("[alerts]\nenabled = false").expect("a good policy").settings.alerts;
    assert!(off.rules().is_empty());
}

#[test]
fn an_alert_with_another_threshold_can_be_over() {
    let text = "[alerts]\nlow_tokens = { threshold = 0.9 }\nfailure_rate = { threshold = 0.1 }\ncost_spike = { threshold = 2 }\ncritical_health = { threshold = 96 }";
    let alerts = load(text).expect("a good policy").settings.alerts;
    for (name, clear) in [
        (AlertName::LowTokens, 0.95),
        (AlertName::FailureRate, 0.05),
        (AlertName::CostSpike, 1.5),
        (AlertName::CriticalHealth, 98.0),
        (AlertName::CircuitOpen, 0.25),
    ] {
        let its = rule(&alerts, name).rule.clear;
        assert!((its - clear).abs() < 1e-9, "{name}: {its}");
    }
}

#[test]
fn sinks_are_read_and_laid_over_each_other_by_name() {
    let text = r#"
[[alerts.sinks]]
name = "pager"
kind = "webhook"
url = "https://events.example.com/v2/enqueue"
form = "pagerduty"
key = "env:KEY"
secret = "env:SECRET"
severity = "critical"
alerts = ["cost_spike", "fail_open"]
[[alerts.sinks]]
name = "chat"
kind = "webhook"
secret_url = "env:CHAT"
body = '{"text": "{{ message }}", "value": {{value}}}'
clears = false
[[alerts.sinks]]
name = "script"
kind = "command"
command = ["/usr/local/bin/told", "--quietly"]
[profile.night]
alerts.sinks = [{ name = "pager", timeout = "3s" }]
"#;
    let environment = [
        ("KEY", "0123456789"),
        ("SECRET", "whsec_c2VjcmV0"),
        ("CHAT", "https://hooks.example.com/T/B/x"),
        ("TOLLGATE_ENV", "night"),
    ];
    let config = load_with(text, &environment).expect("a good policy");
    let sinks = &config.settings.alerts.sinks;
    assert_eq!(sinks.len(), 3);
    assert_eq!(
        (sinks[0].timeout, sinks[0].form, sinks[0].attempts),
        (SECOND * 3, Form::Pagerduty, 6)
    );
    assert!(sinks[0].wants(AlertName::CostSpike, Severity::Critical));
    assert!(!sinks[0].wants(AlertName::CostSpike, Severity::Warning));
    assert!(!sinks[0].wants(AlertName::Refused, Severity::Critical));
    assert!(!sinks[1].clears && sinks[1].wants(AlertName::Refused, Severity::Warning));
    let address = sinks[1].address().expect("an address").to_string();
    assert_eq!(address, "https://hooks.example.com/T/B/x");
    assert_eq!((sinks[2].kind, sinks[2].command.len()), (SinkKind::Command, 2));
    let shown = config.to_toml();
    assert!(shown.contains("env:CHAT") && !shown.contains("T/B/x"), "{shown}");
}

/// Policies with one bad value, and what is said about it.
const VALUES: &[(&str, &str)] = &[
    (
        "[alerts]\ncircuit_open = { threshold = 1 }",
        "2:30: `alerts.circuit_open.threshold`: this alert has no threshold: it is so, or not",
    ),
    (
        "[alerts]\nrefused = { threshold = 10 }",
        "2:25: `alerts.refused.threshold`: 10 is not between 0 and 1",
    ),
    (
        "[alerts]\nrefused = { threshold = 0.2, clear = 0.3 }",
        "2:38: `alerts.refused.clear`: it is over below this, so it is 0.2 at most",
    ),
    (
        "[alerts]\nlow_tokens = { clear = 0.05 }",
        "2:24: `alerts.low_tokens.clear`: it is over from this on, so it is 0.1 at least",
    ),
    (
        "[alerts]\nfailure_rate = { over = \"2h\" }",
        "2:25: `alerts.failure_rate.over`: it is looked over 1s to 1h",
    ),
    (
        "[alerts]\nutilisation = { over = \"1m\" }",
        "2:24: `alerts.utilisation.over`: this alert looks at what is now",
    ),
    ("[alerts]\nbudget = { least = 5 }", "2:20: `alerts.budget.least`: this alert counts no calls"),
    (
        "[alerts]\nbudget = { least_usd = 5 }",
        "2:24: `alerts.budget.least_usd`: only `cost_spike` is about money per minute",
    ),
    (
        "[[alerts.sinks]]\nname = \"log\"\nkind = \"webhook\"\nurl = \"https://a/\"",
        "2:8: `alerts.sinks.log.name`: a name has small letters, digits, `-` and `_`, at most 64, and is not `log`",
    ),
    (
        "[[alerts.sinks]]\nname = \"a\"\nkind = \"webhook\"",
        "3:8: `alerts.sinks.a.kind`: a webhook has a `url`, or a `secret_url` in a variable",
    ),
    (
        "[[alerts.sinks]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"http://example.com/\"",
        "4:7: `alerts.sinks.a.url`: alerts go to other machines by https only: begin the address with https://",
    ),
    (
        "[[alerts.sinks]]\nname = \"a\"\nkind = \"command\"",
        "3:8: `alerts.sinks.a.kind`: a command has `command`: the program and its arguments",
    ),
    (
        "[[alerts.sinks]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"https://a/\"\nbody = '{\"a\": \"{{who}}\"}'",
        "5:8: `alerts.sinks.a.body`: `{{who}}` stands for nothing (there are action, alert, at, event, id, incident, key, message, severity, since, subject, threshold, value)",
    ),
    (
        "[[alerts.sinks]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"https://a/\"\nbody = '{\"a\": {{message}}}'",
        "5:8: `alerts.sinks.a.body`: once it is filled in it is no JSON: put quotes around what is text",
    ),
    (
        "[[alerts.sinks]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"https://a/\"\nform = \"pagerduty\"",
        "5:8: `alerts.sinks.a.form`: PagerDuty asks for a routing key: set `key = \"env:NAME\"`",
    ),
    (
        "[[alerts.sinks]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"https://a/\"\nattempts = 0",
        "5:12: `alerts.sinks.a.attempts`: it is tried 1 to 20 times",
    ),
];

#[test]
fn what_means_nothing_is_pointed_at() {
    for (text, expected) in VALUES {
        assert_wrong(text, &[expected]);
    }
}

#[test]
fn a_secret_that_signs_nothing_is_pointed_at_and_not_shown() {
    let text = "[[alerts.sinks]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"https://a/\"\nsecret = \"env:HOOK\"";
    for (secret, why) in [
        ("whsec_n o", "behind `whsec_` it is no base64: copy it whole, with the `=` at its end"),
        ("whsec_", "it is empty, and would sign what anybody can sign"),
    ] {
        let errors = load_with(text, &[("HOOK", secret)]).expect_err("a bad policy");
        let said: Vec<String> =
            errors.iter().map(crate::policy::PolicyError::on_one_line).collect();
        assert_eq!(said, [format!("p.toml:5:10: `alerts.sinks.a.secret`: {why}")]);
    }
    let config = load_with(text, &[("HOOK", "whsec_c2VjcmV0")]).expect("a good policy");
    assert_eq!(config.settings.alerts.sinks[0].signing_key(), Ok(Some(b"secret".to_vec())));
}
