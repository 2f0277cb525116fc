//! Emergency mode by command and by the control plane, in a gateway that runs, across a kill.

use serde_json::{Value, json};

use crate::{
    keys::{ask, command, control, json_of},
    process::{CHAT, Serving},
};

const POLICY: &str = r#"
[identity]
trust_headers = true
allow_anonymous = true
[[limits]]
name = "all"
requests = "100/minute"
"#;

const SERVE: [&str; 2] = ["--policy", "policy.toml"];

/// A place where nothing listens, so that no other gateway of this machine is asked.
const NOWHERE: &str = "[server]\nadmin_listen = \"127.0.0.1:9\"\n";

/// The whole answer to a chat of this priority.
fn chat(serving: &Serving, priority: &str) -> String {
    let headers = [("x-tollgate-priority", priority)];
    serving.post("/sandbox/v1/chat/completions", &headers, CHAT)
}

fn status(serving: &Serving, priority: &str) -> String {
    chat(serving, priority).split(' ').nth(1).unwrap_or_default().to_owned()
}

fn start() -> Serving {
    Serving::start(&SERVE, &format!("{NOWHERE}{POLICY}"))
}

/// What the gateway logs when it begins.
const ON: &str = "emergency mode is on";

#[test]
fn a_command_begins_one_that_outlives_a_kill_and_a_reload_and_another_ends_it() {
    let mut serving = start();
    let folder = serving.folder().to_owned();
    assert_eq!(status(&serving, "normal"), "200");
    let args = ["emergency", "on", "--for", "30m", "--reason", "a runaway job"];
    let begun = json_of(&folder, &args)["emergency"].clone();
    assert_eq!(
        (&begun["who"], &begun["reason"]),
        (&json!("command:olga"), &json!("a runaway job"))
    );
    serving.wait_for(ON);
    assert_eq!(
        (status(&serving, "normal"), status(&serving, "critical")),
        ("503".into(), "200".into())
    );
    serving.signal("KILL");
    serving.wait();
    let mut serving = serving.again();
    let refused = chat(&serving, "normal");
    assert!(
        refused.starts_with("HTTP/1.1 503 ") && refused.contains("emergency mode"),
        "{refused}"
    );
    assert!(!refused.contains("runaway"), "{refused}");
    let (_, shown) = ask(&control(&serving), "GET", "/v1/emergency", "").expect("an answer");
    assert_eq!(shown["emergency"], begun, "as it was begun");
    serving.write("policy.toml", &format!("{NOWHERE}{}", POLICY.replace("100/", "200/")));
    serving.wait_for("another policy is in force");
    assert_eq!(status(&serving, "normal"), "503");
    let told = command(&folder, &["emergency", "status"], &[]);
    assert_eq!(told.status, Some(1), "{}", told.stderr);
    assert!(
        told.stdout.starts_with("EMERGENCY MODE until ") && told.stdout.contains("runaway"),
        "{}",
        told.stdout
    );
    assert_eq!(json_of(&folder, &["emergency", "--disable"]), json!({ "emergency": null }));
    serving.wait_for("emergency mode was ended");
    assert_eq!(status(&serving, "normal"), "200");
    let ended = command(&folder, &["emergency", "off"], &[]);
    assert_eq!(ended.status, Some(1));
    assert!(ended.stderr.contains("there is no emergency"), "{}", ended.stderr);
    assert_eq!(command(&folder, &["emergency", "status"], &[]).status, Some(0));
}

#[test]
fn it_holds_for_the_next_decision_after_the_command_returned() {
    let serving = start();
    let folder = serving.folder().to_owned();
    let admin = format!("http://{}", control(&serving));
    for _ in 0..5 {
        let on = json_of(&folder, &["emergency", "--enable", "--admin", &admin]);
        assert!(on["emergency"]["who"].as_str().is_some_and(|who| who.starts_with("api:")), "{on}");
        assert_eq!(status(&serving, "normal"), "503");
        json_of(&folder, &["emergency", "off", "--admin", &admin, "--reason", "tried"]);
        assert_eq!(status(&serving, "normal"), "200");
    }
    // A policy that is bad by now stops nobody.
    serving.write("bad.toml", "[emergency]\nenabled = 7\n");
    let on = ["emergency", "on", "--json", "--admin", &admin];
    let ended = command_with(&folder, &on, "bad.toml");
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    json_of(&folder, &["emergency", "off", "--admin", &admin]);
    // By the file, with a gateway that the command finds by its policy.
    let policy = format!("[server]\nadmin_listen = \"{}\"\n{POLICY}", control(&serving));
    serving.write("other.toml", &policy);
    for _ in 0..5 {
        let other = |args: &[&str]| {
            let args = [args, &["--json"]].concat();
            let ended = command_with(&folder, &args, "other.toml");
            assert_eq!(ended.status, Some(0), "{}", ended.stderr);
        };
        other(&["emergency", "on"]);
        assert_eq!(status(&serving, "normal"), "503");
        other(&["emergency", "off"]);
        assert_eq!(status(&serving, "normal"), "200");
    }
}

#[test]
fn a_command_fails_where_the_gateway_that_it_finds_does_not_follow() {
    let other = Serving::start_with(
        &SERVE,
        &format!("[admin]\ntoken = \"env:ADMIN\"\n{POLICY}"),
        &[("ADMIN", "a-token-of-operators-0123456789abcdef")],
    );
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let admin = control(&other);
    let policy = format!("[server]\nadmin_listen = \"{admin}\"\n{POLICY}");
    std::fs::write(folder.join("policy.toml"), policy).expect("a file");
    let token = [("TOKEN", "a-token-of-operators-0123456789abcdef")];
    let on = ["emergency", "on", "--json"];
    for (args, why) in [
        (&on[..], format!("the gateway at http://{admin} does not say whether it follows")),
        (
            &[&on[..], &["--token-env", "TOKEN"]].concat(),
            format!("the gateway at http://{admin} does not follow: does it use another roster?"),
        ),
    ] {
        let ended = command(folder, args, &token);
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
        assert!(ended.stderr.contains(&why), "{why}: {}", ended.stderr);
    }
    let nowhere = format!("{NOWHERE}{POLICY}");
    std::fs::write(folder.join("policy.toml"), nowhere).expect("a file");
    let ended = command(folder, &["emergency", "off"], &[]);
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("no gateway answers at http://127.0.0.1:9"), "{}", ended.stderr);
}

fn command_with(folder: &std::path::Path, args: &[&str], policy: &str) -> crate::process::Ended {
    let file = folder.join("policy.toml");
    let kept = std::fs::read(&file).expect("a file");
    // `command` names the policy itself.
    std::fs::copy(folder.join(policy), &file).expect("a file");
    let ended = command(folder, args, &[]);
    std::fs::write(&file, kept).expect("a file");
    ended
}

#[test]
fn it_is_over_by_itself_and_that_is_written_down() {
    let mut serving = start();
    let folder = serving.folder().to_owned();
    let begun = json_of(&folder, &["emergency", "on", "--for", "1s"]);
    serving.wait_for(ON);
    serving.wait_for("emergency mode is over: its time has passed");
    assert_eq!(status(&serving, "normal"), "200");
    let audit = json_of(&folder, &["keys", "audit"]);
    let row = &audit["changes"][0];
    assert_eq!((&row["what"], &row["who"]), (&json!("emergency.expired"), &json!("system:clock")));
    assert_eq!(row["before"], begun["emergency"]);
    for (args, status, why) in [
        (&["emergency", "on", "--for", "25h"][..], 2, "no longer than 24 hours"),
        (&["emergency", "on", "--for", "soon"], 2, "no length of time"),
        (&["emergency"], 2, "--enable"),
        (&["emergency", "--enable", "--disable"], 2, "cannot be used with"),
    ] {
        let ended = command(&folder, args, &[]);
        assert_eq!(ended.status, Some(status), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(why), "{why}: {}", ended.stderr);
    }
}

#[test]
fn the_control_plane_begins_shows_and_ends_it() {
    let serving = start();
    let control = control(&serving);
    let ask = |method: &str, path: &str, body: Value| {
        ask(&control, method, path, &body.to_string()).expect("an answer")
    };
    let begin = json!({ "for": "10m", "reason": "a test", "downgrade": true });
    let (status_code, begun) = ask("PUT", "/v1/emergency", begin);
    assert_eq!((status_code, &begun["emergency"]["downgrade"]), (200, &json!(true)));
    assert_eq!(status(&serving, "normal"), "503");
    let (_, shown) = ask("GET", "/status", Value::Null);
    assert_eq!(shown["emergency"], begun["emergency"]);
    let told = crate::process::run(&["status", "--admin", &format!("http://{control}")], "");
    assert!(told.stdout.starts_with("EMERGENCY MODE until "), "{}", told.stdout);
    assert_eq!(ask("DELETE", "/v1/emergency?reason=done", Value::Null).0, 200);
    assert_eq!(status(&serving, "normal"), "200");
    for (method, path, body, status, why) in [
        ("DELETE", "/v1/emergency", Value::Null, 404, "there is no emergency"),
        ("PUT", "/v1/emergency", json!({ "for": "25h" }), 400, "no longer than"),
        ("PUT", "/v1/emergency", json!({ "until": "25h" }), 400, "until"),
        ("PUT", "/v1/emergency", json!({ "reason": "x".repeat(501) }), 400, "501 bytes"),
    ] {
        let (answered, problem) = ask(method, path, body);
        let message = problem["message"].as_str().unwrap_or_default().to_lowercase();
        assert!(answered == status && message.contains(why), "{why}: {problem}");
    }
}
