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
