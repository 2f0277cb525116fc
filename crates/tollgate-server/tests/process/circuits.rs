//! Circuits forced by command and by the control plane, in a gateway that runs, across a kill.

use serde_json::{Value, json};

use crate::{
    keys::{FOLLOWED, ask, command, control, json_of},
    process::{self, Serving},
};

const SERVE: [&str; 2] = ["--policy", "policy.toml"];

/// The status of a chat with the simulated model.
fn status(serving: &Serving) -> String {
    let answer = serving.post("/sandbox/v1/chat/completions", &[], process::CHAT);
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn a_circuit_that_is_forced_open_stays_so_across_a_kill_until_it_is_released() {
    let mut serving = Serving::start(&SERVE, "[sandbox]\n");
    let folder = serving.folder().to_owned();
    assert_eq!(status(&serving), "200");
    let args = ["circuits", "open", "sandbox", "--reason", "an incident"];
    let forced = json_of(&folder, &args);
    assert_eq!((&forced["provider"], &forced["mode"]), (&json!("sandbox"), &json!("open")));
    serving.wait_for(FOLLOWED);
    assert_eq!(status(&serving), "503");
    serving.signal("KILL");
    serving.wait();
    let mut serving = serving.again();
    assert_eq!(status(&serving), "503");
    json_of(&folder, &["circuits", "release", "sandbox"]);
    serving.wait_for(FOLLOWED);
    assert_eq!(status(&serving), "200");
    let audit = json_of(&folder, &["keys", "audit"]);
    let what: Vec<&Value> =
        audit["changes"].as_array().into_iter().flatten().map(|row| &row["what"]).collect();
    assert_eq!(what, ["circuit.release", "circuit.force"]);
    for (args, status, why) in [
        (&["circuits", "open", "nobody"][..], 2, "no provider `nobody`; it has"),
        (&["circuits", "release", "sandbox"], 1, "is not forced"),
        (&["circuits", "close", "/m"], 2, "the provider"),
    ] {
        let ended = command(&folder, args, &[]);
        assert_eq!(ended.status, Some(status), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(why), "{why}: {}", ended.stderr);
    }
}

/// A provider that is not there, whose circuit opens at once and for long.
const DOWN: &str = r#"
[log]
level = "debug"
[providers.down]
dialect = "openai"
base_url = "http://127.0.0.1:9"
retry = { attempts = 1 }
breaker = { failures = 1, recovery = "30m" }
"#;

/// How the circuit of `down/m` is, and until when.
fn circuit(serving: &Serving) -> (Value, Value) {
    let (_, listed) = ask(&control(serving), "GET", "/v1/circuits", "{}").expect("an answer");
    let all = listed["circuits"].as_array().expect("a list");
    let one = all.iter().find(|one| one["provider"] == "down").cloned().unwrap_or_default();
    (one["state"].clone(), one["until_at"].clone())
}

/// Milliseconds since the Unix epoch.
fn instant(told: &Value) -> i64 {
    let told = told.as_str().expect("an instant");
    told.parse::<jiff::Timestamp>().expect("an instant").as_millisecond()
}

#[test]
fn a_circuit_that_opened_by_itself_is_as_open_after_a_kill_and_after_a_stop() {
    let mut serving = Serving::start(&SERVE, DOWN);
    let failed = serving.post("/down/v1/chat/completions", &[], process::CHAT);
    assert!(failed.starts_with("HTTP/1.1 502 "), "{failed}");
    serving.wait_for("circuits that are not closed are kept");
    let (state, until) = circuit(&serving);
    assert_eq!(state, "open");
    for signal in ["KILL", "TERM", "KILL"] {
        serving.signal(signal);
        serving.wait();
        serving = serving.again();
        let (state, then) = circuit(&serving);
        assert_eq!(state, "open", "after {signal}");
        // Clocks of two processes agree to some microseconds.
        assert!((instant(&then) - instant(&until)).abs() <= 10, "{then} after {until}");
        let refused = serving.post("/down/v1/chat/completions", &[], process::CHAT);
        assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    }
}

#[test]
fn the_control_plane_lists_and_forces_them_at_once() {
    let serving = Serving::start(&SERVE, "[sandbox]\n");
    let control = control(&serving);
    let ask = |method: &str, path: &str, body: Value| {
        ask(&control, method, path, &body.to_string()).expect("an answer")
    };
    assert_eq!(status(&serving), "200");
    let force = json!({ "mode": "open", "model": "m", "reason": "an incident" });
    assert_eq!(ask("PUT", "/v1/circuits/sandbox", force).0, 200);
    assert_eq!(status(&serving), "503");
    let (_, listed) = ask("GET", "/v1/circuits", json!({}));
    let one = &listed["circuits"][0];
    assert_eq!((&one["model"], &one["state"]), (&json!("m"), &json!("forced open")));
    let admin = format!("http://{control}");
    let people = process::run(&["circuits", "list", "--admin", &admin], "").stdout;
    assert!(people.contains("forced open"), "{people}");
    let of_model = "/v1/circuits/sandbox?model=m";
    assert_eq!(ask("DELETE", of_model, json!({})), (204, Value::Null));
    assert_eq!(status(&serving), "200");
    for (method, path, body, status, why) in [
        ("DELETE", of_model, json!({}), 404, "is not forced"),
        ("PUT", "/v1/circuits/nobody", json!({ "mode": "open" }), 404, "it has sandbox"),
        ("PUT", "/v1/circuits/sandbox", json!({ "mode": "ajar" }), 400, "mode"),
    ] {
        let (answered, problem) = ask(method, path, body);
        let message = problem["message"].as_str().unwrap_or_default();
        assert!(answered == status && message.contains(why), "{why}: {problem}");
    }
}

#[test]
fn tries_that_made_nothing_leave_a_clean_ledger() {
    let policy = r#"
[providers.down]
dialect = "openai"
base_url = "http://127.0.0.1:9"
[models.smart]
models = ["down/m", "sandbox/m"]
[prices.models.m]
input = "1"
output = "2"
[[limits]]
name = "spend"
usd = "5/day"
[[limits]]
name = "slots"
concurrency = 1
"#;
    let mut serving = Serving::start(&SERVE, policy);
    let smart = process::CHAT.replace("\"m\"", "\"smart\"");
    for nth in 0..8 {
        let answer = serving.post("/down/v1/chat/completions", &[], &smart);
        // The fifth that fails opens the circuit.
        let why = if nth < 5 { "unreachable" } else { "circuit" };
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains("x-tollgate-served-by: sandbox/m"), "{answer}");
        assert!(answer.contains(&format!("x-tollgate-attempts: down/m={why}")), "{answer}");
    }
    serving.signal("TERM");
    assert_eq!(serving.wait(), Some(0));
    let ledger = serving.folder().join("tollgate.db");
    let args = ["verify", "--json", "--ledger", ledger.to_str().expect("a path")];
    let found: Value = serde_json::from_str(&process::run(&args, "").stdout).expect("JSON");
    assert_eq!((&found["wrong"], &found["outstanding"]), (&json!(0), &json!(0)), "{found:#}");
}
