//! Three gateways behind one Redis, a trace dealt over them, one of them killed and Redis restarted
//! in the middle: their books agree with Redis and with what the clients saw, and no limit is passed.

use std::{
    io::Read as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use redis_servers::Options;
use serde_json::Value;

use crate::{
    nodes::{World, get},
    process::{self, Serving},
};

/// One limit is reached in the middle; the other counts money. A machine that is busy is no Redis
/// that is away.
const STORE: &str = r#"
path = "node.db"
hold_timeout = "2s"
timeout = "1s"
[prices.models.sandbox]
input = "1"
output = "2"
[[limits]]
name = "most"
requests = "200/total"
[[limits]]
name = "spend"
usd = "1000/total"
"#;

/// A stream that takes long: it is on its way when its node is killed.
const LONG: &str = r#"{"model":"sandbox","stream":true,"max_tokens":4000,"messages":[{"role":"user","content":"hi"}]}"#;

/// Plays a part of the trace at one node, so many times as fast as it was.
fn replay(node: &Serving, seed: &str, requests: &str, speed: &str) -> Child {
    let printed = node.printed.split("listening on http://").nth(1).expect("an address");
    let url = format!("http://{}/sandbox/v1", printed.lines().next().expect("a line"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.env_clear().stdout(Stdio::piped()).stderr(Stdio::null());
    command.args(["replay", "--client-only", "--json", "--trust-headers", "--url", &url]);
    command.args(["--requests", requests, "--seed", seed, "--speed", speed, "--users", "20"]);
    command.args(["--price-input", "1", "--price-output", "2"]);
    command.spawn().expect("a process")
}

fn played(client: Child) -> Value {
    let output = client.wait_with_output().expect("its end");
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["failed"], 0, "{told:#}");
    told
}

/// What a ledger says was used of a limit: with what a crash left, which may be less.
fn in_book(ledger: &Path, limit: &str) -> u64 {
    let path = ledger.to_str().expect("text");
    let verified = process::run(&["verify", "--json", "--ledger", path], "");
    let found: Value = serde_json::from_str(&verified.stdout).expect("JSON");
    let limits = found["limits"].as_array().cloned().unwrap_or_default();
    let its = limits.iter().find(|it| it["limit"] == limit).cloned().unwrap_or_default();
    let number = |name: &str| its[name].as_u64().unwrap_or_default();
    number("settled") + number("expired") + number("held")
}

/// What all nodes together have used of a limit, as one of them tells it.
fn used(node: &Serving, limit: &str) -> f64 {
    let status = get(node, "/status");
    let limits = status["limits"].as_array().cloned().unwrap_or_default();
    let its = limits.iter().find(|it| it["name"] == limit).cloned().unwrap_or_default();
    let number = |name: &str| its["standing"][name].as_f64().unwrap_or(f64::NAN);
    number("limit") - number("remaining")
}

fn nanos(usd: &Value) -> f64 {
    usd.as_str().and_then(|usd| usd.parse::<f64>().ok()).expect("dollars") * 1e9
}

fn admitted(node: &Serving) -> u64 {
    get(node, "/status")["totals"]["admitted"].as_u64().unwrap_or_default()
}

fn same(a: f64, b: f64) -> bool {
    (a - b).abs() < 0.5
}

#[test]
fn totals_agree_and_no_limit_is_passed_though_a_node_and_redis_die() {
    let mut world = World::of(Options::default().durable());
    let [a, b, mut c] = ["a", "b", "c"].map(|name| world.node(name, STORE));
    world.until("all know each other", || {
        [&a, &b, &c].iter().all(|node| get(node, "/v1/monitor")["live_nodes"] == 3)
    });
    let third = played(replay(&c, "3", "40", "60"));
    let clients = [replay(&a, "1", "110", "6"), replay(&b, "2", "110", "6")];
    let mut stream = c.begin("/sandbox/v1/chat/completions", &[], LONG);
    stream.read_exact(&mut [0; 64]).expect("it is admitted");
    world.until("both are at work", || admitted(&a) >= 15 && admitted(&b) >= 15);
    c.signal("KILL");
    c.wait();
    world.redis.kill();
    let before = admitted(&a);
    world.until("a node decides by itself", || admitted(&a) > before + 3);
    world.restart();
    let [first, second] = clients.map(played);
    let c = c.again();
    let nodes = [&a, &b, &c];
    let ledgers = nodes.map(|node| node.folder().join("node.db"));
    let sum = |limit: &str| ledgers.iter().map(|ledger| in_book(ledger, limit)).sum::<u64>();
    world.until("Redis counts what the books count", || {
        let spent = nodes.map(|node| used(node, "spend") * 1e9);
        spent.iter().all(|one| same(*one, spent[0])) && same(spent[0], sum("spend") as f64)
    });
    let all = [first, second, third];
    let count = |name: &str| all.iter().map(|it| it[name].as_u64().expect("a count")).sum::<u64>();
    assert!(count("refused") > 0 && count("admitted") < 200, "{all:#?}");
    assert_eq!(used(&a, "most"), 200.0, "it was used up, and no more");
    // The clients saw each nano-dollar that is in the books of those that went on.
    for (told, ledger) in all.iter().zip(&ledgers).take(2) {
        assert!(same(nanos(&told["cost_usd"]), in_book(ledger, "spend") as f64), "{told:#}");
        assert_eq!(told["admitted"].as_u64(), Some(in_book(ledger, "most")));
    }
    assert!(in_book(&ledgers[2], "most") > 40, "what was on its way is in the book of the third");
}
