//! The schema describes what the reader reads.

use std::collections::BTreeSet;

use serde_json::Value;

use super::good::EXAMPLE;
use crate::policy::{json_schema, preset, preset_names};

fn validator() -> jsonschema::Validator {
    jsonschema::validator_for(&json_schema()).expect("the schema is one")
}

fn as_json(text: &str) -> Value {
    let table: toml::Table = text.parse().expect("TOML");
    serde_json::to_value(table).expect("JSON")
}

#[track_caller]
fn assert_described(text: &str) {
    let document = as_json(text);
    let errors: Vec<String> =
        validator().iter_errors(&document).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn the_example_and_every_preset_are_described() {
    assert_described(EXAMPLE);
    for name in preset_names() {
        assert_described(preset(name).expect(name));
    }
}

/// Every form that a value can have.
const FORMS: &str = r#"
extends = "default"
[alerts]
refused = { enabled = true, threshold = 0.2, clear = 0.1, for = "10s", cool_down = "1m", severity = "critical", over = "1m", least = 5 }
cost_spike = { threshold = 4, least_usd = "0.5" }
[[alerts.sinks]]
name = "a"
kind = "webhook"
url = "https://a.example.com/b"
secret = "env:SECRET"
form = "slack"
attempts = 3
[[alerts.sinks]]
name = "b"
kind = "command"
command = ["true"]
alerts = ["refused"]
[cache]
enabled = true
scope = "global"
max_bytes = "1GiB"
max_entry = 65536
max_temperature = 0.3
stale = "2h"
[emergency]
for = "10m"
start_on = ["cost_spike"]
critical = [{ key = "ops-*" }]
downgrade = { "gpt-4o" = "gpt-4o-mini" }
[prices]
unpriced = { assume = { input = "1", output = 4.5 } }
[prices.models.m]
input = 1
max_input_tokens = 1000
max_output_tokens = 100
[estimates]
plain = "clamp"
first_slice = 0.8
open_input = "refuse"
[[limits]]
name = "a"
bucket = { rate = "10/second", burst = 20, unit = "tokens" }
[store]
kind = "redis"
urls = ["rediss://app@10.0.0.1:26379/2", "rediss://app@10.0.0.2:26379/2"]
sentinel = "mymaster"
ca = "/etc/redis/ca.pem"
prefix = "tg-eu"
timeout = "80ms"
max_connections = 8
node = "eu-1"
on_store_failure = "closed"
[[limits]]
name = "b"
sync = "exact"
on_store_failure = "open"
sessions = { max = 3, idle = "30m" }
tiers = { x = 5, y = { max = 5 } }
[[limits]]
name = "c"
usd = { amount = "0.5", per = "month", kind = "period" }
when = { model = ["a", "b*"], user = "c" }
timezone = "Europe/Berlin"
queue = { size = 9, per_tenant = 3, timeout = "5s", overflow = "block", ageing = "0s", bypass = 1, tenant = "team", weights = { x = 2 }, status = 503 }
[[limits]]
name = "d"
sessions = 3
queue = { size = 9, bypass = "high", claim = "30s" }
[providers.a]
breaker = { mode = "observe", window = "100 calls", failure_rate = 0.5, recovery = "1m" }
retry = { attempts = 2, share = 0.1, min = "1s" }
[providers.a.learn]
quota = { refill = "evenly" }
concurrency = { signal = "per_token" }
interval = { backoff = 1.5 }
[models.smart]
models = ["a/one", { model = "b/two", weight = 1 }]
translate = true
fallback = "cache"
"#;

#[test]
fn every_form_is_described() {
    assert_described(FORMS);
}

#[test]
fn what_the_reader_refuses_the_schema_refuses() {
    let validator = validator();
    for text in [
        "unknown = 1",
        "[server]\nlisten = 5",
        "[server]\nheader_timeout = \"10\"",
        "[[limits]]\nname = \"a\"\nrequest = \"10/minute\"",
        "[[limits]]\nname = \"A B\"",
        "[[limits]]\nname = \"a\"\nrequests = 10",
        "[[limits]]\nname = \"a\"\nstatus = 200",
        "[[limits]]\nname = \"a\"\nconcurrency = 1\nqueue = { size = 1, status = 429 }",
        "[[limits]]\nname = \"a\"\nconcurrency = 1\nqueue = { size = 100001 }",
        "[[limits]]\nname = \"a\"\nconcurrency = 1\nqueue = { size = 1, bypass = 10 }",
        "[store]\nkind = \"postgres\"",
        "[store]\nurl = \"http://a\"",
        "[store]\nurl = \"redis://u:p@a\"",
        "[store]\nprefix = \"{a}\"",
        "[store]\nurl = \"redis://a\"\non_store_failure = \"ask\"",
        "[[limits]]\nname = \"a\"\nconcurrency = 1\nsync = \"loose\"",
        "[cache]\nscope = \"team\"",
        "[cache]\nmax_temperature = -1",
        "[cache]\nstale = 5",
        "[emergency]\nfor = 30",
        "[emergency]\nstart_on = [\"rain\"]",
        "[admin]\ntoken = \"secret\"",
        "[profile.x]\nunknown = 1",
        "[models.x]\nmodels = [\"m\"]",
        "[models.x]\nmodels = [{ model = \"a/m\", wieght = 1 }]",
    ] {
        assert!(!validator.is_valid(&as_json(text)), "{text}");
        assert!(super::load(text).is_err(), "{text}");
    }
}

#[test]
fn every_key_is_explained() {
    let schema = json_schema();
    let mut silent = BTreeSet::new();
    let tables = schema["$defs"].as_object().expect("definitions");
    for (table, part) in tables.iter().chain([(&"File".to_owned(), &schema)]) {
        for (key, part) in part["properties"].as_object().into_iter().flatten() {
            if part["description"].as_str().is_none_or(str::is_empty) {
                silent.insert(format!("{table}.{key}"));
            }
        }
    }
    assert_eq!(silent, BTreeSet::new());
}

const SPEND: &str = "[[limits]]\nname = \"spend\"\nusd = \"5/day\"\n";

const FEES: [&str; 6] =
    ["search", "file_search", "code_interpreter", "maps", "kept_tools", "minute"];

#[test]
fn fees_of_tools_and_of_minutes_are_described_as_they_are_read() {
    let validator = validator();
    for (fee, is_price) in [
        ("\"0.01\"", true),
        ("0.035", true),
        ("0", true),
        ("\"-0.01\"", false),
        ("-1", false),
        ("\"free\"", false),
        ("true", false),
        ("{ usd = \"0.01\" }", false),
    ] {
        for entry in FEES {
            for text in [
                format!("[prices.models.\"streaming/m\"]\ninput = \"1\"\n{entry} = {fee}"),
                format!(
                    "[prices]\nunpriced = {{ assume = {{ input = \"1\", output = \"2\", {entry} = {fee} }} }}"
                ),
            ] {
                assert_eq!(validator.is_valid(&as_json(&text)), is_price, "the schema: {text}");
                assert_eq!(super::load(&text).is_ok(), is_price, "the reader: {text}");
            }
        }
    }
}

#[test]
fn what_tightens_a_limit_is_described_as_it_is_read() {
    let validator = validator();
    for (tighten, is_good) in [
        ("{ budget = \"spend\" }", true),
        ("{ budget = \"spend\", floor = 0.25, success = 0 }", true),
        ("{ budget = \"spend\", floor = 1, success = 1.0 }", true),
        ("{ budget = \"spend\", floor = 1.1 }", false),
        ("{ budget = \"spend\", floor = -0.1 }", false),
        ("{ budget = \"spend\", success = 90 }", false),
        ("{ budget = \"spend\", floor = \"10 %\" }", false),
        ("{ budget = \"spend\", share = 0.5 }", false),
        ("{ budget = 5 }", false),
        ("\"spend\"", false),
    ] {
        let text =
            format!("{SPEND}[[limits]]\nname = \"x\"\nrequests = \"9/s\"\ntighten = {tighten}");
        assert_eq!(validator.is_valid(&as_json(&text)), is_good, "the schema: {tighten}");
        assert_eq!(super::load(&text).is_ok(), is_good, "the reader: {tighten}");
    }
    // What is missing may stand in another source, as far as the schema knows.
    let nothing =
        format!("{SPEND}[[limits]]\nname = \"x\"\nrequests = \"9/s\"\ntighten = {{ floor = 0.5 }}");
    assert!(super::load(&nothing).is_err());
}
