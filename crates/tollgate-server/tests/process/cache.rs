//! What a running gateway keeps, shown and cleared by command.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::{
    keys::control,
    process::{self, Ended, Serving},
};

const POLICY: &str = r#"
[identity]
trust_headers = true
[cache]
enabled = true
[prices.models.m]
input = "1"
output = "2"
"#;

fn command(serving: &Serving, args: &[&str]) -> Ended {
    let admin = format!("http://{}", control(serving));
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.env_clear().args(args).args(["--admin", &admin]).stdin(Stdio::null());
    let output = command.output().expect("the program");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[track_caller]
fn json_of(serving: &Serving, args: &[&str]) -> Value {
    let ended = command(serving, &[args, &["--json"]].concat());
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).expect("JSON")
}

/// What the cache had for a user's chat.
fn chat(serving: &Serving, user: &str) -> String {
    let user = [("x-tollgate-user", user)];
    let answer = serving.post("/sandbox/v1/chat/completions", &user, process::CHAT);
    let told = answer.split("x-tollgate-cache: ").nth(1).expect("it says what it is");
    told.split('\r').next().unwrap_or_default().to_owned()
}

#[test]
fn what_is_kept_is_shown_and_cleared() {
    let serving = Serving::start(&["--policy", "policy.toml"], POLICY);
    let outcomes: Vec<_> =
        ["alice", "alice", "bob", "bob"].iter().map(|user| chat(&serving, user)).collect();
    assert_eq!(outcomes, ["miss", "hit", "miss", "hit"]);
    let shown = json_of(&serving, &["cache", "show"]);
    assert_eq!((&shown["enabled"], &shown["answers"]["entries"]), (&json!(true), &json!(2)));
    assert_eq!((&shown["totals"]["hits"], &shown["totals"]["hit_rate"]), (&json!(2), &json!(0.5)));
    let people = command(&serving, &["cache", "show"]).stdout;
    assert!(people.contains("2 hits, 0 shared, 0 similar, 2 misses (50.0 % found)"), "{people}");
    let cleared = json_of(&serving, &["cache", "clear", "--user", "alice", "--model", "m"]);
    assert_eq!(cleared["answers"]["entries"], 1);
    assert_eq!((chat(&serving, "alice"), chat(&serving, "bob")), ("miss".into(), "hit".into()));
    let people = command(&serving, &["cache", "clear", "--all"]);
    assert!(people.stdout.starts_with("cleared 2 answers and 0 entries: "), "{}", people.stdout);
    assert_eq!(chat(&serving, "bob"), "miss");
    for wrong in [&["cache", "clear"][..], &["cache", "clear", "--all", "--user", "a"]] {
        assert_eq!(command(&serving, wrong).status, Some(2), "{wrong:?}");
    }
}

#[test]
fn answers_outlive_a_kill_and_a_stop_where_that_is_asked_for_and_what_was_cleared_does_not() {
    let policy = POLICY.replace("enabled = true\n", "enabled = true\npersist = true\n");
    let mut serving = Serving::start(&["--policy", "policy.toml"], &policy);
    let outcomes: Vec<_> = ["alice", "bob", "carol"].map(|user| chat(&serving, user)).into();
    assert_eq!(outcomes, ["miss"; 3]);
    for signal in ["KILL", "TERM", "KILL"] {
        // What is told to the file before this is on the disk when it returns.
        json_of(&serving, &["cache", "clear", "--user", "bob"]);
        serving.signal(signal);
        serving.wait();
        serving = serving.again();
        let shown = json_of(&serving, &["cache", "show"]);
        assert_eq!(shown["answers"]["entries"], 2, "after {signal}");
        let outcomes: Vec<_> = ["alice", "bob", "carol"].map(|user| chat(&serving, user)).into();
        assert_eq!(outcomes, ["hit", "miss", "hit"], "after {signal}");
    }
}

#[test]
fn nothing_outlives_the_process_where_that_is_not_asked_for() {
    let mut serving = Serving::start(&["--policy", "policy.toml"], POLICY);
    assert_eq!((chat(&serving, "alice"), chat(&serving, "alice")), ("miss".into(), "hit".into()));
    serving.signal("TERM");
    serving.wait();
    let serving = serving.again();
    assert_eq!(chat(&serving, "alice"), "miss");
}
