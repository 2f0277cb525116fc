//! Managed keys by command and by the control plane, across processes, restarts and kills.

#![allow(clippy::unwrap_used, reason = "a test that cannot start has failed")]

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::channel,
};

use serde_json::{Value, json};

use crate::{
    PATIENCE,
    process::{self, Ended, Serving},
};

const POLICY: &str = r#"
[[limits]]
name = "user-minute"
per = ["user"]
requests = "1000/minute"
[prices.models.m]
input = "1"
output = "2"
"#;

const SERVE: [&str; 2] = ["--policy", "policy.toml"];

/// What another process heard of the roster logs.
pub(crate) const FOLLOWED: &str = "the roster was changed by another process";

/// Runs a command of the roster in a folder.
pub(crate) fn command(folder: &Path, args: &[&str], environment: &[(&str, &str)]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.current_dir(folder).env_clear().env("USER", "olga").envs(environment.iter().copied());
    command.args(args).args(["--policy", "policy.toml"]).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The JSON that a command of the roster answers with.
#[track_caller]
pub(crate) fn json_of(folder: &Path, args: &[&str]) -> Value {
    let ended = command(folder, &[args, &["--json"]].concat(), &[]);
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

/// Sends a chat with this key; the status.
fn chat(serving: &Serving, key: &Value) -> String {
    let bearer = format!("Bearer {}", key.as_str().unwrap());
    let answer =
        serving.post("/sandbox/v1/chat/completions", &[("authorization", &bearer)], process::CHAT);
    answer.split(' ').nth(1).unwrap().to_owned()
}

/// Where the control plane of a process listens.
pub(crate) fn control(serving: &Serving) -> String {
    let address = serving.printed.split("control plane listening on http://").nth(1).unwrap();
    address.lines().next().unwrap().to_owned()
}

/// Asks a control plane; nothing where it breaks off.
pub(crate) fn ask(address: &str, method: &str, path: &str, body: &str) -> Option<(u16, Value)> {
    let mut socket = TcpStream::connect(address).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(
        socket,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body).ok()? };
    Some((head.split(' ').nth(1)?.parse().ok()?, body))
}

#[test]
fn commands_change_a_gateway_that_runs() {
    let mut serving = Serving::start(&SERVE, POLICY);
    let folder = serving.folder().to_owned();
    let made = json_of(&folder, &["keys", "create", "--user", "alice", "--budget", "5/day"]);
    let (id, first) = (made["id"].as_str().unwrap(), &made["key"]);
    assert_eq!((&made["user"], &made["budgets"]), (&json!("alice"), &json!(["5/day"])));
    assert!(first.as_str().unwrap().len() == 3 + 64, "256 random bits");
    serving.wait_for(FOLLOWED);
    assert_eq!(chat(&serving, first), "200");

    let made = json_of(&folder, &["keys", "create", "--id", "ci", "--tier", "gold"]);
    let first = &made["key"];
    serving.wait_for(FOLLOWED);
    assert_eq!(chat(&serving, first), "200");
    let second = json_of(&folder, &["keys", "rotate", "ci", "--grace", "1h"]);
    serving.wait_for(FOLLOWED);
    assert_eq!(
        (chat(&serving, first), chat(&serving, &second["key"])),
        ("200".into(), "200".into())
    );
    json_of(&folder, &["keys", "rotate", "ci", "--grace", "0s"]);
    serving.wait_for(FOLLOWED);
    assert_eq!(
        (chat(&serving, first), chat(&serving, &second["key"])),
        ("401".into(), "401".into())
    );

    let third = json_of(&folder, &["keys", "rotate", "ci"]);
    serving.wait_for(FOLLOWED);
    assert_eq!(chat(&serving, &third["key"]), "200");
    let revoked = json_of(&folder, &["keys", "revoke", "ci"]);
    assert_eq!(revoked["state"], "revoked");
    serving.wait_for(FOLLOWED);
    assert_eq!(chat(&serving, &third["key"]), "401");

    let listed = json_of(&folder, &["keys", "list", "--user", "alice"]);
    assert_eq!(listed["keys"][0]["id"], id);
    let people = command(&folder, &["keys", "list"], &[]);
    for part in ["ci", "revoked", "active", "alice", "5/day", "gold"] {
        assert!(people.stdout.contains(part), "{part}: {}", people.stdout);
    }
    let audit = json_of(&folder, &["keys", "audit"]);
    let what: Vec<&str> = audit["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["what"].as_str().unwrap())
        .collect();
    assert_eq!(what[..2], ["key.revoke", "key.rotate"]);
    assert_eq!((&audit["rows"], &audit["broken_at"]), (&json!(6), &Value::Null));
    assert_eq!(audit["changes"][0]["who"], "command:olga");
    let texts = [first, &second["key"], &third["key"]];
    let told = format!("{listed}{audit}{}{}", people.stdout, people.stderr);
    serving.signal("TERM");
    serving.wait();
    let log = serving.log();
    for text in texts.map(|text| text.as_str().unwrap()) {
        assert!(!told.contains(text) && !log.contains(text), "a key was told twice");
    }
}

#[test]
fn what_cannot_be_done_is_said_and_how_it_ends_says_why() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.toml"), POLICY).unwrap();
    for (args, status, why) in [
        (&["keys", "show", "nobody"][..], 1, "there is no key `nobody`"),
        (&["keys", "create", "--budget", "5/fortnight"], 2, "periods are day, week, month, total"),
        (&["keys", "create", "--expires", "yesterday"], 2, "write a day like"),
        (&["keys", "create", "--provider", "opnai"], 2, "has no provider `opnai`"),
        (&["keys", "rotate", "nobody", "--grace", "1 fortnight"], 2, "no length of time"),
        (&["keys", "show", "tg_0123"], 2, "name the key by its id"),
    ] {
        let ended = command(folder.path(), args, &[]);
        assert_eq!(ended.status, Some(status), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(why), "{why}: {}", ended.stderr);
    }
    let short = command(folder.path(), &["keys", "list"], &[("TOLLGATE_SECRET", "hunter2")]);
    assert!(short.status != Some(0) && short.stderr.contains("at least 32"), "{}", short.stderr);
    let memory = command(folder.path(), &["keys", "list"], &[("TOLLGATE_STORE_KIND", "memory")]);
    assert_eq!(memory.status, Some(1));
    assert!(memory.stderr.contains("in memory"), "{}", memory.stderr);
    let help = process::run(&["keys", "--help"], "");
    assert!(help.stdout.contains("tollgate keys rotate key-1f6b8a20c3d4 --grace 24h"));
}

#[test]
fn the_control_plane_does_the_same_at_once() {
    let serving = Serving::start(&SERVE, POLICY);
    let control = control(&serving);
    let ask = |method: &str, path: &str, body: Value| {
        ask(&control, method, path, &body.to_string()).expect("an answer")
    };
    let new = json!({ "id": "ci", "user": "alice", "models": ["m"], "expires": "30d" });
    let (status, made) = ask("POST", "/v1/keys", new.clone());
    assert_eq!(status, 201, "{made}");
    assert_eq!(chat(&serving, &made["key"]), "200");
    assert_eq!(ask("POST", "/v1/keys", new).0, 409);
    let (status, shown) = ask("GET", "/v1/keys/ci", json!({}));
    assert_eq!((status, shown.get("key"), &shown["state"]), (200, None, &json!("active")));
    let (status, rotated) = ask("POST", "/v1/keys/ci/rotate", json!({ "grace": "0s" }));
    assert_eq!(status, 200, "{rotated}");
    assert_eq!(chat(&serving, &made["key"]), "401");
    assert_eq!(chat(&serving, &rotated["key"]), "200");
    assert_eq!(ask("GET", "/v1/keys?user=alice&limit=1", json!({})).1["next"], "ci");
    assert_eq!(ask("POST", "/v1/keys/ci/revoke", json!({})).1["state"], "revoked");
    assert_eq!(chat(&serving, &rotated["key"]), "401");
    assert_eq!(ask("POST", "/v1/keys/ci/rotate", json!({})).0, 409);
    for (path, body, why) in [
        ("/v1/keys", json!({ "colour": "red" }), "unknown field `colour`"),
        ("/v1/keys", json!({ "budgets": ["5"] }), "write dollars per period"),
        ("/v1/keys", json!({ "expires": "2001-01-01" }), "has passed"),
        ("/v1/keys", json!({ "id": 5 }), "`id` is no text"),
        ("/v1/keys/ci/rotate", json!({ "grace": "long" }), "no length of time"),
    ] {
        let (status, problem) = ask("POST", path, body);
        let message = problem["message"].as_str().unwrap();
        assert!(status == 400 && message.contains(why), "{why}: {problem}");
    }
    assert_eq!(ask("GET", "/v1/keys/nobody", json!({})).0, 404);
    let (_, audit) = ask("GET", "/v1/audit?limit=1", json!({}));
    assert_eq!((&audit["rows"], &audit["broken_at"]), (&json!(3), &Value::Null));
    assert_eq!(audit["changes"][0]["who"], "api:127.0.0.1");
}

#[test]
fn no_change_that_was_acknowledged_is_lost_by_a_kill() {
    let mut serving = Serving::start(&SERVE, POLICY);
    for round in 0..6_usize {
        let (tell, acknowledged) = channel();
        let address = control(&serving);
        let working = std::thread::spawn(move || {
            for nth in 0.. {
                let user = json!({ "id": format!("key-{round}-{nth}"), "user": "alice" });
                let Some((201, made)) = ask(&address, "POST", "/v1/keys", &user.to_string()) else {
                    return;
                };
                let revoked = (nth % 2 == 1).then(|| {
                    let path = format!("/v1/keys/{}/revoke", made["id"].as_str().unwrap());
                    ask(&address, "POST", &path, "")
                });
                if matches!(revoked, Some(None)) || tell.send((made, revoked.is_some())).is_err() {
                    return;
                }
            }
        });
        // More or fewer each time, so that it ends in the middle of something else.
        let mut made: Vec<(Value, bool)> =
            (0..5 + 3 * round).map(|_| acknowledged.recv_timeout(PATIENCE).unwrap()).collect();
        serving.signal("KILL");
        serving.wait();
        made.extend(acknowledged.iter());
        working.join().unwrap();
        serving = serving.again();
        for (key, is_revoked) in made {
            let expected = if is_revoked { "401" } else { "200" };
            assert_eq!(chat(&serving, &key["key"]), expected, "{}", key["id"]);
        }
    }
    let (_, audit) = ask(&control(&serving), "GET", "/v1/audit?limit=1", "").unwrap();
    assert_eq!(audit["broken_at"], Value::Null);
}

#[test]
fn what_a_key_has_spent_is_there_after_a_restart() {
    let serving = Serving::start(&SERVE, POLICY);
    let budget = json!({ "id": "ci", "budgets": ["1/total", "0.6/day"] });
    ask(&control(&serving), "POST", "/v1/keys", &budget.to_string()).unwrap();
    let permit = |serving: &Serving, usd: &str| {
        let body = json!({ "attributes": { "key": "ci" }, "demand": { "usd": usd }, "wait_ms": 0 });
        let answer = serving.post("/v1/permits", &[], &body.to_string());
        let limit = answer.lines().find_map(|line| line.strip_prefix("x-tollgate-limit: "));
        (answer.split(' ').nth(1).unwrap().to_owned(), limit.unwrap_or_default().trim().to_owned())
    };
    assert_eq!(permit(&serving, "0.5"), ("201".into(), String::new()));
    assert_eq!(permit(&serving, "0.10000001"), ("429".into(), "key-budget-day".into()));
    let mut serving = serving;
    serving.signal("KILL");
    serving.wait();
    let serving = serving.again();
    assert_eq!(permit(&serving, "0.10000001"), ("429".into(), "key-budget-day".into()));
    assert_eq!(permit(&serving, "0.1"), ("201".into(), String::new()));
    assert_eq!(permit(&serving, "0.5"), ("429".into(), "key-budget-day".into()));
}

#[test]
fn a_providers_key_is_attached_sealed_and_shown_nowhere() {
    let secret = ("TOLLGATE_SECRET", "0123456789abcdef0123456789abcdef");
    let canary = ("CANARY", "sk-canary-0123456789");
    let both = [secret, canary];
    let log = "[log]\nlevel = \"trace\"\n[providers.dead]\ndialect = \"openai\"\nbase_url = \"http://127.0.0.1:9/v1\"\n";
    let mut serving = Serving::start_with(&SERVE, &format!("{POLICY}{log}"), &[secret]);
    let folder = serving.folder().to_owned();
    let made = command(&folder, &["keys", "create", "--id", "ci", "--json"], &both);
    let key: Value = serde_json::from_str(&made.stdout).unwrap();
    let attach = ["keys", "attach", "ci", "dead", "--from-env", "CANARY"];
    let attached = command(&folder, &attach, &both);
    assert_eq!(attached.status, Some(0), "{}", attached.stderr);
    assert!(attached.stdout.contains("own provider keys  dead"), "{}", attached.stdout);
    let path = "/v1/keys/ci/providers/sandbox";
    let body = json!({ "key": canary.1 }).to_string();
    let (status, shown) = ask(&control(&serving), "PUT", path, &body).unwrap();
    assert_eq!((status, &shown["provider_keys"]), (200, &json!(["dead", "sandbox"])));
    assert_eq!(ask(&control(&serving), "DELETE", path, "").unwrap().0, 200);
    for (path, body) in [
        (path, json!({ "key": format!("{} x", canary.1) })),
        (path, json!({ "key": [canary.1] })),
        ("/v1/keys/ci/providers/other", json!({ "key": canary.1 })),
    ] {
        let (status, problem) = ask(&control(&serving), "PUT", path, &body.to_string()).unwrap();
        assert!(status == 400 && !problem.to_string().contains("canary"), "{problem}");
    }
    let bearer = format!("Bearer {}", key["key"].as_str().unwrap());
    let dead =
        serving.post("/dead/v1/chat/completions", &[("authorization", &bearer)], process::CHAT);
    assert!(dead.starts_with("HTTP/1.1 502") && !dead.contains("canary"), "{dead}");

    let none = command(&folder, &attach, &[canary]);
    assert_eq!(none.status, Some(1));
    assert!(none.stderr.contains("set TOLLGATE_SECRET"), "{}", none.stderr);
    for (args, status, why) in [
        (&["keys", "attach", "ci", "dead"][..], 2, "no provider's key"),
        (&["keys", "attach", "ci", "opnai", "--from-env", "CANARY"], 2, "no provider `opnai`"),
        (&["keys", "attach", "ci", "dead", "--from-env", "NONE"], 1, "NONE"),
        (&["keys", "detach", "ci", "sandbox"], 1, "no key of the provider"),
    ] {
        let ended = command(&folder, args, &both);
        assert_eq!(ended.status, Some(status), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(why) && !ended.stderr.contains("canary"), "{}", ended.stderr);
    }
    serving.signal("TERM");
    serving.wait();
    assert!(!serving.log().contains("canary"));
    for file in std::fs::read_dir(&folder).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|bytes| bytes == b"canary"));
    }
}
