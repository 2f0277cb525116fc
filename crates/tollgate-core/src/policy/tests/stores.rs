//! Where numbers are kept: what holds, and what is wrong.

use std::time::Duration;

use super::{bad::assert_wrong, load, load_with};
use crate::policy::{
    PolicyError,
    settings::{OnStoreFailure, RedisServer, Store, StoreKind, SyncMode},
};

fn store(text: &str, variables: &[(&str, &str)]) -> Store {
    load_with(text, variables).expect(text).settings.store
}

fn server(host: &str, port: u16, is_tls: bool) -> RedisServer {
    RedisServer { host: host.to_owned(), port, is_tls }
}

#[test]
fn a_redis_is_said_by_one_address() {
    let text = "secret = \"env:S\"\n[store]\nkind = \"redis\"\nurl = \"redis://app@[::1]:7000/3\"\npassword = \"env:P\"\n";
    let set = [("S", "0123456789abcdef0123456789abcdef"), ("P", "hunter2")];
    let config = load_with(text, &set).expect("good");
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let store = &config.settings.store;
    assert_eq!(store.servers(), [server("::1", 7000, false)]);
    assert_eq!(
        (store.user(), store.password(), store.database()),
        (Some("app"), Some("hunter2"), 3)
    );
    assert_eq!((store.prefix.as_str(), store.timeout), ("tg", Duration::from_millis(50)));
    assert_eq!((store.ledger(), store.on_store_failure), (None, OnStoreFailure::Share));
    let shown = format!("{:?}\n{}", config.settings, config.to_toml());
    assert!(shown.contains("env:P") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn an_address_with_a_password_comes_from_a_variable() {
    let secret = "rediss://app:hunter2@redis.internal/1";
    for (text, name) in
        [("[store]\nurl = \"env:REDIS_URL\"\n", "REDIS_URL"), ("", "TOLLGATE_STORE_URL")]
    {
        let config = load_with(text, &[(name, secret)]).expect("good");
        let store = &config.settings.store;
        assert_eq!((store.kind, store.password()), (StoreKind::Redis, Some("hunter2")));
        assert_eq!(store.servers(), [server("redis.internal", 6379, true)]);
        let shown = format!("{store:?}\n{}", config.to_toml());
        assert!(shown.contains(&format!("env:{name}")) && !shown.contains("hunter2"), "{shown}");
    }
    let wrong = load_with("[store]\nurl = \"env:REDIS_URL\"\n", &[("REDIS_URL", "hunter2")]);
    let told = wrong.expect_err("no address")[0].on_one_line();
    assert!(
        told.starts_with("p.toml:2:7: `store.url`: what the variable REDIS_URL holds: "),
        "{told}"
    );
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn the_kind_follows_from_what_is_named() {
    assert_eq!(store("", &[]).kind, StoreKind::Embedded);
    assert_eq!(store("", &[]).path, Some("tollgate.db".into()));
    assert_eq!(store("[store]\nport = 7000", &[]).servers(), [server("localhost", 7000, false)]);
    let named = store("[store]\nhost = \"redis\"\npath = \"node.db\"", &[]);
    assert_eq!((named.kind, named.ledger()), (StoreKind::Redis, Some("node.db".as_ref())));
    let config = load("[store]\nkind = \"memory\"\nhost = \"redis\"").expect("good");
    assert_eq!(config.settings.store.kind, StoreKind::Memory);
    let told: Vec<String> = config.warnings.iter().map(PolicyError::on_one_line).collect();
    assert_eq!(told, ["p.toml:3:8: `store.host` has no effect: the store's kind is not redis"]);
}

#[test]
fn clusters_and_sentinels_have_several_addresses() {
    let cluster = store("[store]\ncluster = true\nurls = [\"redis://a:1\", \"redis://b\"]", &[]);
    assert_eq!(cluster.servers(), [server("a", 1, false), server("b", 6379, false)]);
    let watched =
        "[store]\nsentinel = \"mymaster\"\nurl = \"redis://a\"\nsentinel_password = \"env:P\"";
    let watched = store(watched, &[("P", "x")]);
    assert_eq!(watched.servers(), [server("a", 26_379, false)]);
    let listed =
        [("TOLLGATE_STORE_CLUSTER", "true"), ("TOLLGATE_STORE_URLS", "redis://a, redis://b")];
    assert_eq!(store("", &listed).servers().len(), 2);
}

#[test]
fn who_makes_keys_from_a_secret_of_its_own_is_warned() {
    let config = load("[store]\nkind = \"redis\"\nurl = \"redis://a\"").expect("good");
    let told: Vec<String> = config.warnings.iter().map(PolicyError::on_one_line).collect();
    assert_eq!(
        told,
        [
            "p.toml:2:8: each node makes keys and cookies from a secret of its own, which no other knows (set secret = \"env:TOLLGATE_SECRET\", the same at every node)"
        ]
    );
}

#[test]
fn a_limit_says_how_nodes_share_it() {
    let text = "[[limits]]\nname = \"a\"\nrequests = \"100/minute\"\nsync = \"leased\"\non_store_failure = \"closed\"\n[[limits]]\nname = \"b\"\nconcurrency = 1\n";
    let config = load_with(text, &[("TOLLGATE_LIMITS_B_SYNC", "exact")]).expect("good");
    let said: Vec<_> =
        config.policy.limits().iter().map(|it| (it.sync, it.on_store_failure)).collect();
    assert_eq!(said, [(SyncMode::Leased, Some(OnStoreFailure::Closed)), (SyncMode::Exact, None)]);
    let minima: Vec<_> =
        config.policy.granted_limits().iter().filter(|it| it.name.starts_with("a ")).collect();
    assert_eq!(minima[0].on_store_failure, Some(OnStoreFailure::Closed), "{minima:?}");
}

#[test]
fn what_can_t_be_leased_is_not_said_to_be() {
    for (says, why) in [
        ("sessions = 300", "sessions are told apart one by one: they have no leases"),
        ("concurrency = 300", "slots are held until their requests end: they have no leases"),
        ("usd = \"5/day\"", "budgets of calendar periods are decided exactly: they have no leases"),
        (
            "requests = \"64/minute\"",
            "a limit of 64 is decided exactly, so that each unit counts: leases begin at 65",
        ),
        (
            "requests = \"900/5s\"",
            "a lease lasts no longer than a sixtieth of its window, which is too short here: it takes 6 s or more",
        ),
        (
            "bucket = { rate = \"1000/s\", burst = 399 }",
            "a lease lasts no longer than a quarter of the burst takes to refill, which is too short here: it takes a burst of 400 or more",
        ),
    ] {
        let text = format!("[[limits]]\nname = \"a\"\n{says}\nsync = \"leased\"");
        assert_wrong(&text, &[&format!("4:8: `limits.a.sync`: {why}")]);
    }
    for says in ["requests = \"900/6s\"", "bucket = { rate = \"1000/s\", burst = 400 }"] {
        let text = format!("[[limits]]\nname = \"a\"\n{says}\nsync = \"leased\"");
        load(&text).expect("it can be leased");
        let shadow = "a limit in shadow refuses nobody: it has no leases";
        let text = text + "\nshadow = true";
        assert_wrong(&text, &[&format!("4:8: `limits.a.sync`: {shadow}")]);
    }
}

#[test]
fn what_does_not_go_together_is_pointed_at() {
    let redis = "[store]\nkind = \"redis\"\n";
    for (lines, expected) in [
        (
            "",
            "2:8: `store.kind`: it is not said where Redis is: set url = \"redis://127.0.0.1:6379/0\"",
        ),
        (
            "url = \"redis://a\"\nurls = [\"redis://b\"]",
            "4:8: `store.urls`: `url` says already where Redis is: keep one of both",
        ),
        (
            "url = \"redis://a\"\nport = 7",
            "4:8: `store.port`: the address says already where Redis is: write it there, or leave the address out",
        ),
        (
            "urls = [\"redis://a\", \"redis://b\"]",
            "3:8: `store.urls`: several servers are a cluster (cluster = true) or sentinels (sentinel = \"NAME\"): say which",
        ),
        (
            "url = \"redis://a\"\ncluster = true\nsentinel = \"m\"",
            "5:12: `store.sentinel`: a cluster has no sentinels: leave one of `cluster` and `sentinel` out",
        ),
        (
            "url = \"redis://a/1\"\ncluster = true",
            "4:11: `store.cluster`: a cluster has database 0 alone",
        ),
        (
            "cluster = true\nurls = [\"redis://a\", \"rediss://b\"]",
            "4:8: `store.urls`: scheme, user, password and database are the same in every address",
        ),
        (
            "url = \"redis://a\"\nca = \"ca.pem\"",
            "4:6: `store.ca`: nothing is reached by TLS: begin the address with rediss://",
        ),
        (
            "url = \"redis://a@b\"\nuser = \"c\"",
            "4:8: `store.user`: the address has a user already: keep one of both",
        ),
        (
            "url = \"redis://a\"\ntimeout = \"0s\"",
            "4:11: `store.timeout`: a call of Redis may take up to 5s, and at least 1ms",
        ),
        (
            "url = \"redis://:hunter2@a\"",
            "3:7: `store.url`: a password is never written into a policy: give it as password = \"env:NAME\" beside the address, or the whole address as \"env:NAME\"",
        ),
        (
            "url = \"redis://a\"\nprefix = \"{a}\"",
            "4:10: `store.prefix`: `{a}` cannot begin keys: write 1 to 32 letters, digits and signs of `-_.:`",
        ),
    ] {
        assert_wrong(&format!("{redis}{lines}"), &[expected]);
    }
}

#[test]
fn what_redis_cannot_count_exactly_is_refused_with_redis_alone() {
    let redis = "[store]\nkind = \"redis\"\nurl = \"redis://127.0.0.1\"\n";
    let limit = |lines: &str| format!("[[limits]]\nname = \"x\"\n{lines}\n");
    for (lines, is_good) in [
        ("usd = \"9007199/month\"", true),
        ("usd = \"9007200/month\"", false),
        ("tokens = \"9007199254740993/day\"", false),
    ] {
        assert!(load(&limit(lines)).is_ok(), "{lines}: {:?}", load(&limit(lines)));
        let told = load(&format!("{redis}{}", limit(lines)));
        assert_eq!(told.is_ok(), is_good, "{lines}: {told:?}");
        if let Err(errors) = told {
            let told = errors[0].on_one_line();
            assert!(told.contains("the limit `x` allows more than Redis can count"), "{told}");
        }
    }
}
