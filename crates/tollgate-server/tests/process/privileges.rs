//! Tiers and overrides by command and by the control plane, in a gateway that runs, across
//! kills.

use serde_json::{Value, json};

use crate::{
    keys::{FOLLOWED, ask, command, control, json_of},
    process::{self, Serving},
};

const POLICY: &str = r#"
[identity]
trust_headers = true
[[limits]]
name = "minute"
per = ["user"]
requests = "10/minute"
tiers = { gold = "60/minute" }
[[limits]]
name = "all"
requests = "100000/hour"
"#;

const SERVE: [&str; 2] = ["--policy", "policy.toml"];

/// How many requests per minute a user is told that it has.
fn quota(serving: &Serving, user: &str) -> u64 {
    let user = [("x-tollgate-user", user)];
    let answer = serving.post("/sandbox/v1/chat/completions", &user, process::CHAT);
    let told = answer.split("ratelimit-policy: \"minute\";q=").nth(1);
    let told = told.and_then(|told| told.split(';').next());
    told.and_then(|quota| quota.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

#[test]
fn commands_reach_a_gateway_that_runs_and_outlive_it() {
    let mut serving = Serving::start(&SERVE, POLICY);
    let folder = serving.folder().to_owned();
    assert_eq!(quota(&serving, "alice"), 10);
    let set = json_of(&folder, &["tiers", "set", "alice", "gold"]);
    assert_eq!((&set["user"], &set["tier"]), (&json!("alice"), &json!("gold")));
    serving.wait_for(FOLLOWED);
    assert_eq!((quota(&serving, "alice"), quota(&serving, "bob")), (60, 10));
    let set =
        json_of(&folder, &["overrides", "set", "bob", "minute", "25/minute", "--until", "7d"]);
    assert_eq!((&set["state"], &set["of"]), (&json!("in_force"), &json!("user")));
    serving.wait_for(FOLLOWED);
    assert_eq!((quota(&serving, "alice"), quota(&serving, "bob")), (60, 25));
    let stats = serving.ask("GET", "/v1/users/bob/stats", &[], "");
    assert!(stats.contains("\"limit\":25"), "{stats}");
    serving.signal("KILL");
    serving.wait();
    let mut serving = serving.again();
    assert_eq!((quota(&serving, "alice"), quota(&serving, "bob")), (60, 25));

    let people = command(&folder, &["overrides", "list"], &[]).stdout;
    assert!(people.contains("25/minute") && people.contains("in_force"), "{people}");
    assert!(command(&folder, &["tiers", "list"], &[]).stdout.contains("gold"));
    for (args, status, why) in [
        (&["overrides", "set", "bob", "minute", "25/hour"][..], 2, "write an amount per the same"),
        (&["overrides", "set", "bob", "minuet", "25/minute"], 2, "kept per user are minute"),
        (&["overrides", "remove", "carol", "minute"], 1, "no amount of its own"),
        (&["tiers", "remove", "carol"], 1, "into no tier"),
        (
            &["overrides", "set", "bob", "minute", "1/minute", "--of", "planet"],
            2,
            "possible values",
        ),
    ] {
        let ended = command(&folder, args, &[]);
        assert_eq!(ended.status, Some(status), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(why), "{why}: {}", ended.stderr);
    }
    let odd = command(&folder, &["tiers", "set", "dave", "platinum"], &[]);
    assert!(odd.stderr.contains("no limit of this policy has amounts"), "{}", odd.stderr);
    serving.wait_for(FOLLOWED);
    json_of(&folder, &["tiers", "remove", "alice"]);
    serving.wait_for(FOLLOWED);
    json_of(&folder, &["overrides", "remove", "bob", "minute"]);
    serving.wait_for(FOLLOWED);
    assert_eq!((quota(&serving, "alice"), quota(&serving, "bob")), (10, 10));
    let audit = json_of(&folder, &["keys", "audit"]);
    let what: Vec<&Value> =
        audit["changes"].as_array().into_iter().flatten().map(|row| &row["what"]).collect();
    assert_eq!(what, ["override.remove", "tier.remove", "tier.set", "override.set", "tier.set"]);
    assert_eq!(audit["broken_at"], Value::Null);
}

#[test]
fn the_control_plane_does_the_same_at_once() {
    let serving = Serving::start(&SERVE, POLICY);
    let control = control(&serving);
    let ask = |method: &str, path: &str, body: Value| {
        ask(&control, method, path, &body.to_string()).expect("an answer")
    };
    let (status, set) = ask("PUT", "/v1/tiers/alice", json!({ "tier": "gold" }));
    assert_eq!((status, &set["tier"]), (200, &json!("gold")));
    assert_eq!(quota(&serving, "alice"), 60);
    let path = "/v1/overrides/user/alice/minute";
    let amount = json!({ "amount": "7/minute", "until": "2099-12-31" });
    let (status, set) = ask("PUT", path, amount);
    assert_eq!((status, &set["until_at"]), (200, &json!("2100-01-01T00:00:00.000Z")));
    assert_eq!(quota(&serving, "alice"), 7);
    let (_, listed) = ask("GET", "/v1/overrides", json!({}));
    assert_eq!(listed["overrides"][0]["state"], "in_force");
    assert_eq!(ask("GET", "/v1/tiers", json!({})).1["tiers"][0]["user"], "alice");
    for (method, path, body, status, why) in [
        ("PUT", path, json!({ "amount": "7/hour" }), 400, "`minute` allows"),
        (
            "PUT",
            "/v1/overrides/planet/alice/minute",
            json!({ "amount": "7" }),
            400,
            "user, key or team",
        ),
        ("PUT", path, json!({ "amount": "7/minute", "until": "soon" }), 400, "write a day"),
        ("PUT", "/v1/tiers/alice", json!({}), 400, "tier"),
        ("DELETE", "/v1/tiers/bob", json!({}), 404, "into no tier"),
    ] {
        let (answered, problem) = ask(method, path, body);
        let message = problem["message"].as_str().unwrap_or_default();
        assert!(answered == status && message.contains(why), "{why}: {problem}");
    }
    assert_eq!(ask("DELETE", path, json!({})), (204, Value::Null));
    assert_eq!(ask("DELETE", "/v1/tiers/alice", json!({})), (204, Value::Null));
    assert_eq!(quota(&serving, "alice"), 10);
}
