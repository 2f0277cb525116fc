//! `tollgate serve` as a process: what it prints, signals, files that change, its end.

#[path = "process/alerts.rs"]
mod alerts;
#[path = "process/assistant.rs"]
mod assistant;
#[path = "process/audit.rs"]
mod audit;
#[path = "process/cache.rs"]
mod cache;
#[path = "process/circuits.rs"]
mod circuits;
#[path = "process/crowd.rs"]
mod crowd;
#[path = "process/emergency.rs"]
mod emergency;
#[path = "process/explain.rs"]
mod explain;
#[path = "process/keys.rs"]
mod keys;
#[path = "process/learned.rs"]
mod learned;
#[path = "process/leases.rs"]
mod leases;
#[path = "process/metrics.rs"]
mod metrics;
#[path = "process/monitor.rs"]
mod monitor;
#[path = "process/nodes.rs"]
mod nodes;
#[path = "process/pipeline.rs"]
mod pipeline;
#[path = "process/presets.rs"]
mod presets;
#[path = "process/privileges.rs"]
mod privileges;
mod process;
#[path = "process/restarts.rs"]
mod restarts;
#[path = "process/shared.rs"]
mod shared;
#[path = "process/team.rs"]
mod team;
#[path = "process/warnings.rs"]
mod warnings;

use std::{fs, time::Duration};

use process::{Serving, policy_with};

/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn it_starts_without_a_file_and_says_what_to_try() {
    let mut serving = Serving::start(&[], "");
    assert!(serving.printed.contains("/sandbox/v1/chat/completions"), "{}", serving.printed);
    assert!(serving.printed.contains("OPENAI_BASE_URL="), "{}", serving.printed);
    let answer = serving.chat("hello");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    serving.signal("TERM");
    assert_eq!(serving.wait(), Some(0));
}

#[test]
fn a_bad_policy_does_not_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("policy.toml");
    fs::write(&file, "[[limits]]\nname = \"a\"\nrequest = \"1/minute\"\n").expect("a file");
    let ended = process::run(&["serve", "--policy", file.to_str().expect("text")], "");
    assert_eq!(ended.status, Some(1));
    assert!(ended.stderr.contains("did you mean `requests`?"), "{}", ended.stderr);
    assert!(ended.stderr.contains("policy.toml:3:1"), "{}", ended.stderr);
}

#[test]
fn a_changed_file_and_a_signal_both_load_the_policy_again() {
    let mut serving = Serving::start(&["--policy", "policy.toml"], &policy_with("5/minute"));
    assert!(serving.chat("hi").contains("ratelimit-policy: \"all\";q=5;w=60"));

    serving.write("policy.toml", &policy_with("7/minute"));
    serving.wait_for("another policy is in force");
    assert!(serving.chat("hi").contains("ratelimit-policy: \"all\";q=7;w=60"));

    serving.write("policy.toml", &policy_with("7/fortnight"));
    serving.wait_for("the policy is bad, so the old one stays in force");
    assert!(serving.chat("hi").contains("ratelimit-policy: \"all\";q=7;w=60"));

    serving.signal("HUP");
    serving.wait_for("SIGHUP: loading the policy again");
    serving.wait_for("the policy is bad, so the old one stays in force");

    // An editor's way: another file takes the name.
    serving.write("policy.toml.new", &policy_with("9/minute"));
    serving.rename("policy.toml.new", "policy.toml");
    serving.wait_for("another policy is in force");
    assert!(serving.chat("hi").contains("ratelimit-policy: \"all\";q=9;w=60"));

    // What was not there at first is looked for.
    serving.write(".env", "TOLLGATE_LIMITS_ALL_ENABLED=false\n");
    serving.wait_for("another policy is in force");
    assert!(!serving.chat("hi").contains("ratelimit-policy"));
    serving.signal("INT");
    assert_eq!(serving.wait(), Some(0));
}

#[test]
fn what_was_counted_is_there_after_a_restart() {
    let mut serving = Serving::start(&["--policy", "policy.toml"], &policy_with("5/hour"));
    for left in ["4", "3"] {
        assert!(serving.chat("hi").contains(&format!("ratelimit: \"all\";r={left};")));
    }
    serving.signal("TERM");
    assert_eq!(serving.wait(), Some(0));
    let again = serving.again();
    assert!(again.chat("hi").contains("ratelimit: \"all\";r=2;"));
}

#[test]
fn a_second_process_cannot_take_the_same_ledger() {
    let serving = Serving::start(&["--policy", "policy.toml"], &policy_with("5/hour"));
    let second = process::serve_in(serving.folder(), &["--policy", "policy.toml"]);
    assert_eq!(second.status, Some(1));
    assert!(second.stderr.contains("tollgate.db"), "{}", second.stderr);
}

#[test]
fn keys_are_made_and_hashed() {
    let made = process::run(&["keys", "hash", "--json"], "");
    let made: serde_json::Value = serde_json::from_str(&made.stdout).expect("JSON");
    let key = made["key"].as_str().expect("a key");
    assert!(key.starts_with("tg_") && key.len() == 3 + 64, "256 random bits");
    let hashed = process::run(&["keys", "hash", "--json"], key);
    assert!(!hashed.stdout.contains(key), "a key that was given is not shown");
    let hashed: serde_json::Value = serde_json::from_str(&hashed.stdout).expect("JSON");
    assert_eq!(hashed["hash"], made["hash"]);
    let bad = process::run(&["keys", "hash"], "sk-secret");
    assert_eq!(bad.status, Some(1));
    assert!(bad.stderr.contains("tg_") && !bad.stderr.contains("sk-secret"), "{}", bad.stderr);
}

#[test]
fn no_secret_is_ever_logged() {
    let key = "tg_canary0123456789";
    let hash = blake3::hash(key.as_bytes()).to_hex();
    let policy = format!(
        "{}[log]\nlevel = \"trace\"\n[[keys]]\nid = \"k\"\nhash = \"blake3:{hash}\"\n[providers.dead]\ndialect = \"openai\"\nbase_url = \"http://127.0.0.1:9/v1\"\napi_key = \"env:DEAD_KEY\"\n",
        policy_with("100/minute")
    );
    let environment = [("DEAD_KEY", "sk-canary")];
    let mut serving = Serving::start_with(&["--policy", "policy.toml"], &policy, &environment);
    for path in ["/sandbox/v1/chat/completions", "/dead/v1/chat/completions", "/none/?q=canary-q"] {
        for bearer in [key, "tg_canary-unknown", "sk-canary-of-caller"] {
            serving.post(path, &[("authorization", &format!("Bearer {bearer}"))], "canary-body");
            serving.post(path, &[("x-api-key", bearer)], process::CHAT);
        }
    }
    serving.signal("TERM");
    serving.wait();
    let log = serving.log();
    assert!(log.contains("turned away"), "{log}");
    assert!(!log.contains("canary"), "{log}");
    let ledger = serving.read_bytes("tollgate.db");
    assert!(!ledger.windows(6).any(|bytes| bytes == b"canary"));
}
