//! Limits whose `sync` is said: how often Redis is asked about them.

use serde_json::Value;

use crate::{
    keys::control,
    nodes::{World, get, status_of},
    process::{self, CHAT, Serving},
};

/// A gateway with one limit for all, by its `sync`.
fn gateway(world: &World, name: &str, sync: &str) -> Serving {
    let url = world.redis.url();
    let policy = format!(
        "[store]\nkind = \"redis\"\nurl = {url:?}\nnode = {name:?}\n[[limits]]\nname = {name:?}\nrequests = \"1000/minute\"\nsync = {sync:?}\n"
    );
    let secret = ("TOLLGATE_SECRET", "0123456789abcdef0123456789abcdef");
    let serving = Serving::start_with(&["--policy", "policy.toml"], &policy, &[secret]);
    world.until("Redis decides", || {
        get(&serving, "/status")["store"]["redis"]["state"] == "connected"
    });
    serving
}

/// So many chats; how many more of them leases decided alone, and by how many calls.
fn chats(serving: &Serving, count: u64) -> (u64, u64) {
    let before = counted(serving);
    for _ in 0..count {
        let answer = serving.post("/sandbox/v1/chat/completions", &[], CHAT);
        assert_eq!(status_of(&answer), "200", "{answer}");
    }
    let after = counted(serving);
    (after.0 - before.0, after.1 - before.1)
}

/// What leases have decided alone, and their calls.
fn counted(serving: &Serving) -> (u64, u64) {
    let admin = format!("http://{}", control(serving));
    let told = process::run(&["export", "metrics", "--admin", &admin], "").stdout;
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let metrics = told["metrics"].as_array().expect("a list");
    let value = |name: &str| {
        let metric = metrics.iter().find(|metric| metric["name"] == name).expect("it");
        metric["samples"][0]["value"].as_u64().expect("a count")
    };
    (value("tollgate_leased_decisions"), value("tollgate_lease_calls"))
}

#[test]
fn a_leased_limit_is_decided_here_from_the_first_request_and_an_exact_one_never() {
    let world = World::new();
    let leased = gateway(&world, "leased", "leased");
    // Just before a part of the window ends nothing is leased of it, and Redis decides.
    world.begin_a_second();
    let (decided, calls) = chats(&leased, 5);
    assert!(decided > 0, "by {calls} calls");
    let exact = gateway(&world, "exact", "exact");
    assert_eq!(chats(&exact, 60), (0, 0), "however hot it is");
    let hot = gateway(&world, "auto", "auto");
    assert_eq!(chats(&hot, 5), (0, 0), "while it is not hot");
}

#[test]
fn what_a_gateway_had_leased_is_there_for_others_when_it_has_ended() {
    let world = World::new();
    let mut first = gateway(&world, "a", "leased");
    chats(&first, 20);
    let policy = std::fs::read_to_string(first.folder().join("policy.toml")).expect("a file");
    first.signal("TERM");
    assert_eq!(first.wait(), Some(0));
    let policy = policy.replace("node = \"a\"", "node = \"b\"").replace("leased", "exact");
    let secret = ("TOLLGATE_SECRET", "0123456789abcdef0123456789abcdef");
    let second = Serving::start_with(&["--policy", "policy.toml"], &policy, &[secret]);
    world.until("Redis decides", || {
        get(&second, "/status")["store"]["redis"]["state"] == "connected"
    });
    let answer = second.post("/sandbox/v1/chat/completions", &[], CHAT);
    let remaining = answer.lines().find(|line| line.starts_with("x-ratelimit-remaining:"));
    assert_eq!(remaining, Some("x-ratelimit-remaining: 979"), "{answer}");
}
