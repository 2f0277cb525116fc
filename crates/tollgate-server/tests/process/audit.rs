//! The audit: a row for every kind of change, exported, and checked beside the ledger.

use serde_json::{Value, json};

use crate::{
    keys::{ask, command, control, json_of},
    process::{self, Serving},
};

const POLICY: &str = r#"
[server]
admin_listen = "127.0.0.1:9"
[[limits]]
name = "all"
requests = "100/minute"
[[limits]]
name = "user-rate"
per = ["user"]
requests = "100/minute"
"#;

const SECRET: (&str, &str) = ("TOLLGATE_SECRET", "0123456789abcdef0123456789abcdef");

/// A command for each kind of change that has one.
const COMMANDS: [&[&str]; 13] = [
    &["keys", "create", "--id", "ci", "--user", "alice", "--reason", "why 1"],
    &["keys", "rotate", "ci", "--reason", "why 2"],
    &["keys", "attach", "ci", "sandbox", "--from-env", "OWN", "--reason", "why 3"],
    &["keys", "detach", "ci", "sandbox", "--reason", "why 4"],
    &["keys", "revoke", "ci", "--reason", "why 5"],
    &["tiers", "set", "alice", "gold", "--reason", "why 6"],
    &["tiers", "remove", "alice", "--reason", "why 7"],
    &["overrides", "set", "alice", "user-rate", "7/minute", "--reason", "why 8"],
    &["overrides", "remove", "alice", "user-rate", "--reason", "why 9"],
    &["circuits", "open", "sandbox", "--reason", "why 10"],
    &["circuits", "release", "sandbox", "--reason", "why 11"],
    &["emergency", "on", "--reason", "why 12"],
    &["emergency", "off", "--reason", "why 13"],
];

/// Runs a command of the roster that succeeds.
#[track_caller]
fn done(serving: &Serving, args: &[&str]) {
    let ended = command(serving.folder(), args, &[SECRET, ("OWN", "canary-of-a-provider")]);
    assert_eq!(ended.status, Some(0), "{args:?}: {}", ended.stderr);
}

/// The rows of the audit as they are exported, the oldest first.
fn exported(serving: &Serving) -> Vec<Value> {
    let ledger = serving.folder().join("tollgate.db");
    let ledger = ledger.to_str().expect("a path");
    let lines = process::run(&["export", "audit", "--format", "jsonl", "--ledger", ledger], "");
    assert_eq!(lines.status, Some(0), "{}", lines.stderr);
    lines.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn every_kind_of_change_has_its_row_with_why_before_and_after() {
    let mut serving = Serving::start_with(&["--policy", "policy.toml"], POLICY, &[SECRET]);
    for args in COMMANDS {
        done(&serving, args);
    }
    let (status, _) =
        ask(&control(&serving), "DELETE", "/v1/cache?user=alice&reason=why%2014", "").expect("it");
    assert_eq!(status, 200);
    let changed = POLICY.replacen("100/minute", "50/minute", 1);
    serving.write("policy.toml", &changed);
    serving.wait_for("another policy is in force");
    serving.write("policy.toml", &changed.replace("50/minute", "50/fortnight"));
    serving.wait_for("the policy is bad");
    let rows = exported(&serving);
    let kinds: Vec<&str> = rows.iter().map(|row| row["what"].as_str().expect("text")).collect();
    assert_eq!(
        kinds,
        [
            "key.create",
            "key.rotate",
            "key.attach",
            "key.detach",
            "key.revoke",
            "tier.set",
            "tier.remove",
            "override.set",
            "override.remove",
            "circuit.force",
            "circuit.release",
            "emergency.on",
            "emergency.off",
            "cache.clear",
            "policy.reload",
            "policy.refused",
        ]
    );
    for (row, nth) in rows.iter().zip(1..=14) {
        assert_eq!(row["reason"], format!("why {nth}"), "{row}");
        let who = if nth == 14 { "api:127.0.0.1" } else { "command:olga" };
        assert_eq!(row["who"], who);
    }
    let states = |nth: usize| (rows[nth]["before"].clone(), rows[nth]["after"].clone());
    assert_eq!(states(5), (Value::Null, json!({ "tier": "gold" })));
    assert_eq!(states(6), (json!({ "tier": "gold" }), Value::Null));
    let seven = json!({ "amount": "7/minute", "until_at": null });
    assert_eq!(states(8), (seven, Value::Null));
    assert_eq!(states(4).0["state"], "active");
    assert_eq!(states(4).1["state"], "revoked");
    assert_eq!(states(12).0["reason"], "why 12");
    assert_eq!(
        states(14),
        (
            json!({ "limits.all.requests": "100/minute" }),
            json!({ "limits.all.requests": "50/minute" })
        )
    );
    let refused = states(15).1["refused"].as_str().expect("a sentence").to_owned();
    assert!(refused.contains("fortnight") && rows[15]["who"] == "system:reload", "{refused}");
    let all = json!(rows).to_string();
    assert!(!all.contains("canary") && !all.contains("tg_"), "{all}");
}

#[test]
fn a_row_that_was_changed_or_cut_off_is_found_by_verify() {
    let mut serving = Serving::start(&["--policy", "policy.toml"], POLICY);
    for tier in ["gold", "silver", "bronze"] {
        done(&serving, &["tiers", "set", "alice", tier]);
    }
    serving.signal("TERM");
    serving.wait();
    let folder = serving.folder().to_owned();
    let ledger = folder.join("tollgate.db");
    let ledger = ledger.to_str().expect("a path");
    let verify =
        |more: &[&str]| process::run(&[&["verify", "--ledger", ledger], more].concat(), "");
    let whole = verify(&[]);
    assert_eq!(whole.status, Some(0), "{}", whole.stderr);
    assert!(whole.stdout.contains("the audit is whole: 3 changes"), "{}", whole.stdout);
    let head = json_of(&folder, &["keys", "audit"])["head"].as_str().expect("a hash").to_owned();
    assert!(whole.stdout.contains(&head), "{}", whole.stdout);
    assert_eq!(verify(&["--audit-head", &head]).status, Some(0));
    let csv = process::run(&["export", "audit", "--ledger", ledger], "").stdout;
    assert!(csv.starts_with("seq,at,who,what,subject,reason,before,after,hash\n"), "{csv}");
    assert_eq!(csv.lines().count(), 4, "{csv}");
    let roster = rusqlite::Connection::open(folder.join("tollgate.db-roster")).expect("it");
    roster.execute("DELETE FROM audit WHERE seq = 3", []).expect("its end is cut off");
    assert_eq!(verify(&[]).status, Some(0), "that can't be seen from what is left");
    let cut = verify(&["--audit-head", &head]);
    assert_eq!(cut.status, Some(1));
    assert!(cut.stdout.contains("its end was cut off"), "{}", cut.stdout);
    roster.execute("UPDATE audit SET who = 'nobody' WHERE seq = 2", []).expect("it is changed");
    let changed = verify(&[]);
    assert_eq!(changed.status, Some(1));
    let sentence = "wrong: row #2 of the audit (tier.set by nobody at ";
    assert!(changed.stdout.contains(sentence), "{}", changed.stdout);
    let json: Value = serde_json::from_str(&verify(&["--json"]).stdout).expect("JSON");
    assert_eq!(json["audit"]["broken_at"], 2);
    drop(roster);
    std::fs::remove_file(folder.join("tollgate.db-roster")).expect("all of it is removed");
    assert_eq!(verify(&[]).status, Some(0), "there may never have been one");
    let gone = verify(&["--audit-head", &head]);
    assert_eq!(gone.status, Some(1));
    assert!(gone.stderr.contains("there is no audit beside"), "{}", gone.stderr);
}

#[test]
fn what_is_resolved_after_a_crash_has_its_row_too() {
    let mut serving = Serving::start(&["--policy", "policy.toml"], POLICY);
    let permit = serving.post("/v1/permits", &[], r#"{"user":"alice"}"#);
    assert!(permit.starts_with("HTTP/1.1 201 "), "{permit}");
    serving.signal("KILL");
    serving.wait();
    let ledger = serving.folder().join("tollgate.db");
    let ledger = ledger.to_str().expect("a path");
    let reconcile = ["verify", "--ledger", ledger, "--reconcile", "release", "--reason", "a crash"];
    for _ in 0..2 {
        assert_eq!(process::run(&reconcile, "").status, Some(0));
    }
    let rows = exported(&serving);
    let [row] = &rows[..] else { panic!("the second time nothing was left: {rows:?}") };
    assert_eq!((&row["what"], &row["reason"]), (&json!("ledger.reconcile"), &json!("a crash")));
    assert!(row["before"]["unresolved"].as_u64() > Some(0), "{row}");
    assert_eq!(row["after"]["unresolved"], 0);
}
