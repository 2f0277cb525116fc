//! Three gateways behind one Redis, a trace dealt over them, one of them killed and Redis restarted
//! in the middle: their books agree with Redis and with what the clients saw, and no limit is passed.
//!
//! The trace is Azure's where it is at hand (`TOLLGATE_TRACE` names the file), else one that is made
//! from its statistics. `TOLLGATE_TRACE_ROWS=19366` plays all of it, in some minutes.

use std::{
    env, fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use redis_servers::Options;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    nodes::{World, get, status_of},
    process::{self, CHAT, Serving},
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
requests = "MOST/total"
[[limits]]
name = "spend"
usd = "1000/total"
"#;

/// A stream that takes long: it is on its way when its node is killed.
const LONG: &str = r#"{"model":"sandbox","stream":true,"max_tokens":4000,"messages":[{"role":"user","content":"hi"}]}"#;

/// Where Azure's trace is on machines that have it, seen from here.
const AZURE: &str = "../../../shared/data/azure2023_conv.csv";

/// A trace that is dealt over three gateways.
struct Dealt {
    /// How many rows each has.
    rows: usize,
    /// How many times as fast as it was it is played.
    speed: f64,
    /// What names each part to who plays it.
    parts: [[String; 2]; 3],
    _folder: TempDir,
}

/// Deals a trace, each row to the next one.
fn dealt() -> Dealt {
    let rows = env::var("TOLLGATE_TRACE_ROWS").map_or(330, |rows| rows.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a folder");
    let azure = Path::new(env!("CARGO_MANIFEST_DIR")).join(AZURE);
    let azure = Some(azure).filter(|path| path.exists());
    let Some(file) = env::var_os("TOLLGATE_TRACE").map(PathBuf::from).or(azure) else {
        let parts = ["1", "2", "3"].map(|seed| ["--seed".to_owned(), seed.to_owned()]);
        return Dealt { rows: rows / 3, speed: 6.0, parts, _folder: folder };
    };
    let text = fs::read_to_string(file).expect("a trace");
    let (head, rest) = text.split_once('\n').expect("a line of names");
    let lines: Vec<&str> = rest.lines().take(rows).collect();
    let parts = [0, 1, 2].map(|part| {
        let its: Vec<&str> = lines.iter().skip(part).step_by(3).copied().collect();
        let path = folder.path().join(format!("{part}.csv"));
        fs::write(&path, format!("{head}\n{}\n", its.join("\n"))).expect("a file");
        ["--trace".to_owned(), path.to_str().expect("text").to_owned()]
    });
    // A hundred a second, which a busy machine bears.
    let last = lines.last().expect("a row");
    let speed = (seconds(last) - seconds(lines[0])) * 100.0 / lines.len() as f64;
    Dealt { rows: lines.len() / 3, speed, parts, _folder: folder }
}

/// When a row came, in seconds of its day: `2023-11-16 18:15:46.6805900,…`.
fn seconds(row: &str) -> f64 {
    let time = row.split([' ', ',']).nth(1).expect("a time");
    time.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().expect("a number"))
}

impl Dealt {
    /// Plays the first rows of a part at one node.
    fn replay(&self, node: &Serving, part: usize, rows: usize, faster: f64) -> Child {
        let printed = node.printed.split("listening on http://").nth(1).expect("an address");
        let url = format!("http://{}/sandbox/v1", printed.lines().next().expect("a line"));
        let (rows, speed) = (rows.to_string(), (self.speed * faster).to_string());
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.env_clear().stdout(Stdio::piped()).stderr(Stdio::null());
        command.args(["replay", "--client-only", "--json", "--trust-headers", "--url", &url]);
        command.args(["--requests", &rows, "--speed", &speed, "--users", "20"]);
        command.args(["--price-input", "1", "--price-output", "2"]).args(&self.parts[part]);
        command.spawn().expect("a process")
    }
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
    let trace = dealt();
    let most = trace.rows * 20 / 11;
    let store = STORE.replace("MOST", &most.to_string());
    let mut world = World::of(Options::default().durable());
    let [a, b, mut c] = ["a", "b", "c"].map(|name| world.node(name, &store));
    world.until("all decide together", || {
        [&a, &b, &c].iter().all(|node| {
            let monitor = get(node, "/v1/monitor");
            monitor["live_nodes"] == 3 && monitor["redis"]["state"] == "connected"
        })
    });
    let early = trace.rows * 4 / 11;
    let third = played(trace.replay(&c, 2, early, 10.0));
    let clients = [(&a, 0), (&b, 1)].map(|(node, part)| trace.replay(node, part, trace.rows, 1.0));
    let mut stream = c.begin("/sandbox/v1/chat/completions", &[], LONG);
    stream.read_exact(&mut [0; 64]).expect("it is admitted");
    let some = trace.rows as u64 / 7;
    world.until("both are at work", || admitted(&a) >= some && admitted(&b) >= some);
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
    assert!(count("admitted") < most as u64, "{all:#?}");
    // The clients saw each nano-dollar that is in the books of those that went on.
    for (told, ledger) in all.iter().zip(&ledgers).take(2) {
        assert!(same(nanos(&told["cost_usd"]), in_book(ledger, "spend") as f64), "{told:#}");
        assert_eq!(told["admitted"].as_u64(), Some(in_book(ledger, "most")));
    }
    assert!(
        in_book(&ledgers[2], "most") > early as u64,
        "what was on its way is in the book of the third"
    );
    // What an outage refused is still there to be used, and no more than that.
    world.until("it is used up", || {
        let asked = CHAT.replace("\"m\"", "\"sandbox\"");
        status_of(&a.post("/sandbox/v1/chat/completions", &[], &asked)) == "429"
    });
    assert_eq!(used(&a, "most"), most as f64);
}
