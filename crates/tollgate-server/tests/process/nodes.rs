//! Several gateways behind one Redis: what is changed at one of them holds at the others.

use redis_servers::{Options, Server};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::{
    keys::{ask, control},
    process::{self, CHAT, Serving},
};

const POLICY: &str = r#"
[identity]
trust_headers = true
allow_anonymous = true
[[limits]]
name = "all"
requests = "1000/minute"
"#;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// What a node logs once it has taken over what another one changed.
const FOLLOWED: &str = "the roster was changed by another node";

/// What it logs once it decides by itself.
const AWAY: &str = "the shared store is away";

/// Gateways of one Redis.
pub(crate) struct World {
    runtime: Runtime,
    pub(crate) redis: Server,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::of(Options::default())
    }

    /// With a Redis of its own.
    pub(crate) fn of(redis: Options) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let redis = runtime.block_on(redis.start()).expect("a server");
        Self { runtime, redis }
    }

    /// One more node, with further lines in its `[store]`.
    pub(crate) fn node(&self, name: &str, further: &str) -> Serving {
        let url = self.redis.url();
        let policy =
            format!("{POLICY}[store]\nkind = \"redis\"\nurl = {url:?}\nnode = {name:?}\n{further}");
        start(&policy)
    }

    /// Several, which know each other.
    fn nodes<const N: usize>(&self, names: [&str; N]) -> [Serving; N] {
        let nodes = names.map(|name| self.node(name, ""));
        for node in &nodes {
            self.until("it knows the others", || live(node) == N);
        }
        nodes
    }

    /// Waits, but not for ever.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let waited = redis_servers::until(what, async || is_so().then_some(()));
        self.runtime.block_on(waited).expect("it comes to that");
    }

    /// Asks Redis something.
    fn command(&self, command: &[&str]) {
        self.runtime.block_on(self.redis.command(command)).expect("an answer");
    }

    /// Has Redis forget all that it was told.
    pub(crate) fn forget_everything(&self) {
        self.command(&["FLUSHALL"]);
    }

    /// Waits until a second of Redis' clock has just begun, which is a part of a minute's window.
    pub(crate) fn begin_a_second(&self) {
        let micros = ["EVAL", "return redis.call('TIME')[2]", "0"];
        let begun = redis_servers::until("a second has begun", async || {
            let micros: u32 = self.redis.text(&micros).await.parse().ok()?;
            (micros < 300_000).then_some(())
        });
        self.runtime.block_on(begun).expect("it begins");
    }

    /// Starts Redis again, with what it has in its files.
    pub(crate) fn restart(&mut self) {
        self.runtime.block_on(self.redis.restart()).expect("it starts again");
    }
}

fn start(policy: &str) -> Serving {
    let args = ["--policy", "policy.toml"];
    Serving::start_with(&args, policy, &[("TOLLGATE_SECRET", SECRET)])
}

pub(crate) fn status_of(answer: &str) -> String {
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn chat(node: &Serving, priority: &str) -> String {
    let headers = [("x-tollgate-priority", priority)];
    status_of(&node.post("/sandbox/v1/chat/completions", &headers, CHAT))
}

fn keyed(node: &Serving, key: &str) -> String {
    let bearer = format!("Bearer {key}");
    node.post("/sandbox/v1/chat/completions", &[("authorization", &bearer)], CHAT)
}

pub(crate) fn get(node: &Serving, path: &str) -> Value {
    ask(&control(node), "GET", path, "").expect("an answer").1
}

/// Asks a control plane for a change.
fn change(node: &Serving, method: &str, path: &str, body: &Value) -> Value {
    let (status, told) = ask(&control(node), method, path, &body.to_string()).expect("an answer");
    assert!((200..300).contains(&status), "{status}: {told}");
    told
}

fn live(node: &Serving) -> usize {
    let nodes = get(node, "/status")["nodes"].as_array().cloned().unwrap_or_default();
    nodes.iter().filter(|node| node["is_live"] == true).count()
}

#[test]
fn an_emergency_at_one_node_holds_at_the_next_and_ends_at_any() {
    let world = World::new();
    let [mut a, mut b] = world.nodes(["a", "b"]);
    assert_eq!((chat(&a, "normal"), chat(&b, "normal")), ("200".into(), "200".into()));
    let asked = json!({ "for": "30m", "reason": "a runaway job" });
    let begun = change(&a, "PUT", "/v1/emergency", &asked);
    b.wait_for(FOLLOWED);
    assert_eq!((chat(&b, "normal"), chat(&b, "critical")), ("503".into(), "200".into()));
    assert_eq!(get(&b, "/v1/emergency")["emergency"], begun["emergency"], "as it was begun");
    let row = get(&b, "/v1/audit")["changes"][0].clone();
    assert_eq!((&row["what"], &row["reason"]), (&json!("emergency.on"), &asked["reason"]));
    assert!(row["who"].as_str().is_some_and(|who| who.starts_with("node:a api:")), "{row}");
    change(&b, "DELETE", "/v1/emergency", &json!({}));
    a.wait_for(FOLLOWED);
    assert_eq!(chat(&a, "normal"), "200");
}

#[test]
fn a_key_works_at_every_node_until_it_is_revoked_at_one() {
    let world = World::new();
    let [a, mut b] = world.nodes(["a", "b"]);
    let made = change(&a, "POST", "/v1/keys", &json!({ "id": "k", "user": "alice" }));
    let text = made["key"].as_str().expect("its text").to_owned();
    b.wait_for(FOLLOWED);
    assert_eq!(status_of(&keyed(&b, &text)), "200");
    change(&a, "POST", "/v1/keys/k/revoke", &json!({}));
    b.wait_for(FOLLOWED);
    let refused = keyed(&b, &text);
    assert!(status_of(&refused) == "401" && refused.contains("revoked"), "{refused}");
    let mut late = world.node("late", "");
    late.wait_for(FOLLOWED);
    let refused = keyed(&late, &text);
    assert!(status_of(&refused) == "401" && refused.contains("revoked"), "{refused}");
}

#[test]
fn what_is_forged_or_makes_no_sense_in_redis_changes_nothing_and_stops_nothing() {
    let world = World::new();
    let [mut a, mut b] = world.nodes(["a", "b"]);
    let made = change(&a, "POST", "/v1/keys", &json!({ "id": "k", "user": "alice" }));
    let text = made["key"].as_str().expect("its text").to_owned();
    b.wait_for(FOLLOWED);
    let (items, versions) = ("tg:{0}:roster", "tg:{0}:roster:versions");
    let forged = r#"1790000000000000 - {"state":"{\"tier\":\"gold\",\"since\":1}","change":null,"node":"a"}"#;
    let tier = r#"["tier","mallory"]"#;
    world.command(&["HSET", items, tier, forged, r#"["key","k"]"#, "nonsense"]);
    world.command(&["ZADD", versions, "2000000000000000", tier]);
    world.command(&["PUBLISH", "tg:roster", "news"]);
    for node in [&mut a, &mut b] {
        node.wait_for("not signed with the secret");
    }
    change(&a, "POST", "/v1/keys/k/revoke", &json!({}));
    b.wait_for(FOLLOWED);
    let refused = keyed(&b, &text);
    assert!(status_of(&refused) == "401" && refused.contains("revoked"), "{refused}");
    assert_eq!(get(&b, "/v1/tiers")["tiers"], json!([]));
}

#[test]
fn what_was_changed_while_redis_was_away_holds_everywhere_once_it_is_back() {
    let mut world = World::new();
    let [mut a, mut b] = world.nodes(["a", "b"]);
    change(&a, "PUT", "/v1/tiers/alice", &json!({ "tier": "gold" }));
    b.wait_for(FOLLOWED);
    world.redis.kill();
    a.wait_for(AWAY);
    change(&a, "PUT", "/v1/emergency", &json!({ "for": "30m" }));
    change(&b, "PUT", "/v1/tiers/bob", &json!({ "tier": "silver" }));
    assert_eq!(chat(&b, "normal"), "200", "it goes on with what it knows");
    world.restart();
    b.wait_for(FOLLOWED);
    assert_eq!(chat(&b, "normal"), "503");
    a.wait_for(FOLLOWED);
    let mut late = world.node("late", "");
    late.wait_for(FOLLOWED);
    let tiers = get(&late, "/v1/tiers")["tiers"].clone();
    let tiers: Vec<_> = tiers.as_array().expect("a list").iter().map(|it| &it["tier"]).collect();
    assert_eq!(tiers, [&json!("gold"), &json!("silver")], "nothing was lost with Redis");
}

#[test]
fn nodes_are_told_of_and_one_that_leaves_is_gone_at_once() {
    let world = World::new();
    let [a, mut b] = world.nodes(["a", "b"]);
    let base = format!("http://{}", control(&a));
    let shown = process::run(&["status", "--admin", &base], "");
    assert_eq!(shown.status, Some(0), "{}{}", shown.stdout, shown.stderr);
    assert!(shown.stdout.contains("redis: connected"), "{}", shown.stdout);
    assert!(shown.stdout.contains("a (this)") && shown.stdout.contains("live"), "{}", shown.stdout);
    let told = process::run(&["status", "--json", "--admin", &base], "").stdout;
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["store"]["kind"], "redis");
    assert_eq!(told["nodes"].as_array().map(Vec::len), Some(2), "{told}");
    assert_eq!(told["nodes"][0]["policy"].as_str().map(str::len), Some(12));
    b.signal("TERM");
    assert_eq!(b.wait(), Some(0));
    world.until("it is gone", || get(&a, "/status")["nodes"].as_array().map(Vec::len) == Some(1));
}

#[test]
fn a_node_that_decides_by_itself_says_so_though_redis_is_there() {
    let world = World::new();
    let [a, b] = ["a", "b"].map(|name| world.node(name, "on_store_failure = \"closed\"\n"));
    let is_ready = |node: &Serving| status_of(&node.ask("GET", "/readyz", &[], "")) == "200";
    let state = |node: &Serving| get(node, "/status")["store"]["redis"]["state"].clone();
    world.until("both decide together", || {
        live(&a) == 2 && is_ready(&a) && state(&a) == "connected"
    });
    // It waits for the other one, which cannot tell what it knows.
    b.signal("STOP");
    world.forget_everything();
    world.until("it says so", || state(&a) == "catching_up");
    assert!(!is_ready(&a), "nothing passes there");
    b.signal("CONT");
    world.until("both decide together", || is_ready(&a) && state(&a) == "connected");
}

#[test]
fn operators_are_told_that_nodes_disagree_and_that_the_memory_of_redis_is_full() {
    let world = World::new();
    let alerts = "[alerts]\nnodes_disagree = { for = \"0s\" }\nredis_memory = { threshold = 0.4, clear = 0.3 }\n";
    let mut a = world.node("a", alerts);
    let b = world.node("b", &format!("{alerts}refused = {{ threshold = 0.5 }}\n"));
    a.wait_for("the nodes that live serve 2 policies");
    drop(b);
    a.wait_for("nodes_disagree of policy is over");
    world.command(&["SETRANGE", "something-else", "33554431", "x"]);
    world.command(&["CONFIG", "SET", "maxmemory", "64mb"]);
    a.wait_for("the memory of Redis at 127.0.0.1");
    world.command(&["DEL", "something-else"]);
    a.wait_for("redis_memory is over");
}

#[test]
fn the_rights_that_the_guide_gives_a_user_of_redis_are_enough_for_everything() {
    let world = World::new();
    let guide = include_str!("../../../../docs/scaling.md");
    let user = guide.lines().find(|line| line.starts_with("user tollgate ")).expect("a user");
    let rights = user.replace(">PASSWORD", ">let-me-in");
    let rights: Vec<&str> =
        ["ACL", "SETUSER"].into_iter().chain(rights.split(' ').skip(1)).collect();
    world.command(&rights);
    let url = world.redis.url().replace("redis://", "redis://tollgate:let-me-in@");
    let args = ["--policy", "policy.toml"];
    let example = include_str!("../../../../examples/nodes.toml");
    let [mut a, mut b] = ["a", "b"].map(|name| {
        let of_store = [("TOLLGATE_STORE_URL", url.as_str()), ("TOLLGATE_STORE_NODE", name)];
        let variables = [("TOLLGATE_SECRET", SECRET), of_store[0], of_store[1]];
        Serving::start_with(&args, example, &variables)
    });
    world.until("both decide together", || {
        [&a, &b].iter().all(|node| {
            live(node) == 2 && get(node, "/status")["store"]["redis"]["state"] == "connected"
        })
    });
    let asked = CHAT.replace("\"m\"", "\"sandbox\"");
    assert_eq!(status_of(&a.post("/sandbox/v1/chat/completions", &[], &asked)), "200");
    change(&a, "PUT", "/v1/tiers/alice", &json!({ "tier": "gold" }));
    b.wait_for(FOLLOWED);
    let refused = world.runtime.block_on(world.redis.command(&["ACL", "LOG"]));
    assert_eq!(format!("{:?}", refused.expect("a log")), "array([])");
    for node in [&mut a, &mut b] {
        node.signal("TERM");
        node.wait();
        let log = node.log();
        assert!(!log.contains("may not") && !log.contains("NOPERM"), "{log}");
    }
}

#[test]
fn a_node_starts_without_redis_unless_redis_refuses_it() {
    let nowhere = "[store]\nurl = \"redis://127.0.0.1:1\"\n";
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = folder.path().join("node.db");
    let with_ledger = format!("{POLICY}{nowhere}path = {ledger:?}\n");
    let mut new = start(&with_ledger);
    new.wait_for("Redis is away");
    assert_eq!(chat(&new, "normal"), "503", "it never knew with how many it shares");
    assert_eq!(status_of(&new.ask("GET", "/readyz", &[], "")), "503");
    drop(new);
    std::fs::write(folder.path().join("node.db-nodes"), "2\n").expect("a file");
    let alone = start(&with_ledger);
    assert_eq!(chat(&alone, "normal"), "200");
    assert_eq!(status_of(&alone.ask("GET", "/readyz", &[], "")), "200");
    let health = alone.ask("GET", "/v1/health", &[], "");
    assert!(health.contains(r#""redis":"unavailable""#), "{health}");
    let closed = start(&format!("{POLICY}{nowhere}on_store_failure = \"closed\"\n"));
    assert_eq!(status_of(&closed.ask("GET", "/readyz", &[], "")), "503");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let guarded = Options::default().set("requirepass", "hunter2");
    let guarded = runtime.block_on(guarded.start()).expect("a server");
    let url = guarded.url().replace("redis://", "redis://:hunter3@");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("policy.toml"), POLICY).expect("a file");
    std::fs::write(folder.path().join(".env"), format!("TOLLGATE_STORE_URL={url}\n"))
        .expect("a file");
    let ended = process::serve_in(folder.path(), &["--policy", "policy.toml"]);
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("does not know the user or the password"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("hunter"), "{}", ended.stderr);
}

#[test]
fn the_assistant_finds_its_redis_by_the_names_that_it_has_always_had() {
    let world = World::new();
    let port = world.redis.port().to_string();
    let set = [("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", port.as_str()), ("REDIS_DB", "1")];
    let serving = Serving::start_with(&["--preset", "assistant"], "", &set);
    world.until("it has heard of itself", || live(&serving) == 1);
    let health = serving.ask("GET", "/api/v1/assistant/health", &[], "");
    assert!(health.contains(r#""redis":"connected""#), "{health}");
    assert!(health.contains(r#""redis_response_ms":"#), "{health}");
}

#[test]
fn each_node_tells_how_far_it_may_pass_a_limit_when_redis_fails() {
    let world = World::new();
    let limits = r#"
[[limits]]
name = "spend"
per = ["user"]
usd = "1/day"
[[limits]]
name = "free"
requests = "10/minute"
on_store_failure = "open"
[[limits]]
name = "never"
requests = "10/day"
on_store_failure = "closed"
"#;
    let [a, mut b] = ["a", "b"].map(|name| world.node(name, limits));
    world.until("it knows the other", || live(&a) == 2);
    let told = |node: &Serving| {
        let answer = node.ask("GET", "/v1/stats", &[], "");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
        serde_json::from_str::<Value>(body).expect("JSON")["overspend"].clone()
    };
    let bounds = |node: &Serving| told(node)["while_away"].clone();
    let expected = |most: Value, all: u64| {
        let bound = |limit, unit, at_most: Value| json!({ "limit": limit, "unit": unit, "at_most": at_most });
        json!([
            bound("all", "requests", json!(all)),
            bound("spend", "usd", most),
            bound("free", "requests", Value::Null),
            bound("never", "requests", json!(0)),
        ])
    };
    world.until("they are shares of two", || bounds(&a) == expected(json!(0.5), 500));
    assert_eq!(told(&a)["unacknowledged"]["usd"], 0.0);
    b.signal("TERM");
    assert_eq!(b.wait(), Some(0));
    world.until("it is alone", || bounds(&a) == expected(json!(1.0), 1_000));
}
