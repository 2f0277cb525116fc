//! Servers that the store cannot rely on: too old, or free to forget what they were told.

use redis_servers::{Mode, Options, Proxy, Server};
use tokio::time::timeout;
use tollgate::store::redis::link::Link;

use crate::support::{becomes_up, link, settings};

#[tokio::test]
async fn a_server_that_is_too_old_is_refused_with_its_version_and_what_is_needed() {
    let server = Server::start().await.unwrap();
    let proxy = Proxy::before(server.port()).await.unwrap();
    proxy.set(Mode::Old);
    let error = Link::connect(&settings(&proxy.url())).await.unwrap_err().to_string();
    assert!(error.contains("is Redis 6.2, and 7.0 is needed"), "{error}");
    proxy.set(Mode::Pass);
    becomes_up(&link(&proxy.url()).await).await;
}

#[tokio::test]
async fn a_server_that_may_evict_is_warned_of_and_one_that_may_not_is_none_to_warn_of() {
    for (limit, policy, is_risk) in [
        ("100mb", "allkeys-lru", true),
        ("100mb", "volatile-ttl", true),
        ("100mb", "noeviction", false),
        ("0", "allkeys-lru", false),
    ] {
        let options = Options::default().set("maxmemory", limit).set("maxmemory-policy", policy);
        let server = options.start().await.unwrap();
        let warnings = link(&server.url()).await.warnings();
        assert_eq!(warnings.len(), usize::from(is_risk), "{limit} {policy}: {warnings:?}");
        for warning in warnings {
            assert!(warning.contains(policy) && warning.contains("noeviction"), "{warning}");
        }
    }
}

#[tokio::test]
async fn that_a_server_has_evicted_is_seen() {
    let options = Options::default().set("maxmemory", "4mb");
    let server = options.set("maxmemory-policy", "allkeys-lru").start().await.unwrap();
    let link = link(&server.url()).await;
    let mut evictions = link.evictions();
    assert_eq!(*evictions.borrow_and_update(), 0);
    let fill = "for i = 1, 1000 do redis.call('SET', 'x' .. i, string.rep('x', 10000)) end";
    server.command(&["EVAL", fill, "0"]).await.unwrap();
    server.command(&["SET", "last", "x"]).await.unwrap();
    let seen = timeout(redis_servers::PATIENCE, evictions.changed()).await;
    seen.expect("it is seen in time").unwrap();
}
