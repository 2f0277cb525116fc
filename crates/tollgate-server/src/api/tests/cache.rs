//! Entries of applications: kept, found, cleared, and nobody else's.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::{Answer, World};

const OPEN: &str = "store = { kind = \"memory\" }";
const GUARDED: &str = r#"
    store = { kind = "memory" }
    api = { token = "env:API_TOKEN" }
    admin = { token = "env:ADMIN_TOKEN" }
"#;

async fn put(world: &World, path: &str, body: &str) -> Answer {
    world.ask(Method::PUT, path, &[("content-type", "text/plain; charset=utf-8")], body).await
}

async fn delete(world: &World, path: &str) -> Answer {
    world.ask(Method::DELETE, path, &[], "").await
}

#[tokio::test]
async fn an_entry_is_found_as_it_was_put_until_its_hour_is_over() {
    let world = World::new(OPEN);
    world.get("/v1/cache/notes/a%2Fb").await.problem(404);
    let stored = put(&world, "/v1/cache/notes/a%2Fb", "ünder").await.expect(200);
    assert_eq!(stored, json!({"bytes": 6, "expires_at": "2026-11-23T13:00:00.000Z"}));
    world.advance(Duration::from_secs(3_599));
    let found = world.get("/v1/cache/notes/a%2Fb").await;
    assert_eq!((found.status.as_u16(), &found.text[..]), (200, "ünder"));
    assert_eq!(found.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(found.header("age"), "3599");
    world.advance(Duration::from_secs(1));
    let (error, message) = world.get("/v1/cache/notes/a%2Fb").await.problem(404);
    assert_eq!(error, "not_found");
    assert!(message.contains("`a/b` in `notes`"), "{message}");
}

#[tokio::test]
async fn an_entry_lasts_as_long_as_it_says_and_gives_place_to_the_next() {
    let world = World::new("store = { kind = \"memory\" }\ncache = { contexts = \"10s\" }");
    put(&world, "/v1/cache/n/k?ttl_seconds=60", "one").await.expect(200);
    world.advance(Duration::from_secs(59));
    assert_eq!(world.get("/v1/cache/n/k").await.text, "one");
    put(&world, "/v1/cache/n/k", "two").await.expect(200);
    assert_eq!(world.get("/v1/cache/n/k").await.text, "two");
    world.advance(Duration::from_secs(10));
    world.get("/v1/cache/n/k").await.problem(404);
    put(&world, "/v1/cache/n/k", "").await.expect(200);
    assert_eq!(delete(&world, "/v1/cache/n/k").await.status, 204);
    delete(&world, "/v1/cache/n/k").await.problem(404);
}

#[tokio::test]
async fn an_entry_of_one_tenant_is_nowhere_for_another() {
    let world = World::new(OPEN);
    put(&world, "/v1/cache/n/k?tenant=a", "of a").await.expect(200);
    world.get("/v1/cache/n/k").await.problem(404);
    world.get("/v1/cache/n/k?tenant=b").await.problem(404);
    delete(&world, "/v1/cache/n/k?tenant=b").await.problem(404);
    put(&world, "/v1/cache/n/k?tenant=b", "of b").await.expect(200);
    assert_eq!(world.get("/v1/cache/n/k?tenant=a").await.text, "of a");
}

#[tokio::test]
async fn entries_are_cleared_by_user_model_and_tag() {
    let world = World::new(OPEN);
    for (key, labels) in [
        ("1", "user=alice&model=m&tag=t"),
        ("2", "user=alice&model=m"),
        ("3", "user=bob&tenant=x"),
        ("4", ""),
    ] {
        put(&world, &format!("/v1/cache/n/{key}?{labels}"), "12345").await.expect(200);
    }
    let cleared = delete(&world, "/v1/cache?user=alice&tag=t").await.expect(200);
    assert_eq!(
        (&cleared["entries"]["entries"], &cleared["answers"]["entries"]),
        (&json!(1), &json!(0))
    );
    world.get("/v1/cache/n/1").await.problem(404);
    assert_eq!(delete(&world, "/v1/cache?user=bob").await.expect(200)["entries"]["entries"], 1);
    world.get("/v1/cache/n/3?tenant=x").await.problem(404);
    assert_eq!(delete(&world, "/v1/cache?model=other").await.expect(200)["entries"]["entries"], 0);
    assert_eq!(world.get("/v1/cache/n/2").await.text, "12345");
    assert_eq!(delete(&world, "/v1/cache").await.expect(200)["entries"]["entries"], 2);
    world.get("/v1/cache/n/4").await.problem(404);
}

#[tokio::test]
async fn what_is_wrong_is_told() {
    let world = World::new("store = { kind = \"memory\" }\ncache = { max_entry = \"10B\" }");
    let long = "x".repeat(257);
    for (path, body, status, why) in [
        ("/v1/cache/n/k", "12345678901", 413, "the 10 bytes that one may have"),
        ("/v1/cache/n/k?ttl_seconds=0", "", 400, "1 to 604800 seconds"),
        ("/v1/cache/n/k?ttl_seconds=604801", "", 400, "1 to 604800 seconds"),
        ("/v1/cache/n/k?ttl=1h", "", 400, "unknown field `ttl`"),
        ("/v1/cache/n/k?user=", "", 400, "it is empty"),
        ("/v1/cache/n/%00", "", 400, "The key in the path is none: it has control characters"),
        (&format!("/v1/cache/{long}/k"), "", 400, "The namespace in the path is none"),
    ] {
        let (_, message) = put(&world, path, body).await.problem(status);
        assert!(message.contains(why), "{path}: {message}");
    }
    put(&world, "/v1/cache/n/k", "1234567890").await.expect(200);
    let typed = [("content-type", &long[..])];
    world.ask(Method::PUT, "/v1/cache/n/k", &typed, "1").await.problem(400);
    delete(&world, "/v1/cache?users=a").await.problem(400);
    assert_eq!(world.get("/v1/cache/n/k").await.text, "1234567890");
}

#[tokio::test]
async fn only_the_operator_may_and_sees_what_is_kept() {
    let world = World::new(GUARDED);
    let right = [("authorization", "Bearer open sesame")];
    for (method, path) in [
        (Method::PUT, "/v1/cache/n/k"),
        (Method::GET, "/v1/cache/n/k"),
        (Method::DELETE, "/v1/cache/n/k"),
        (Method::DELETE, "/v1/cache"),
    ] {
        world.ask(method, path, &[], "").await.problem(401);
    }
    world.ask(Method::PUT, "/v1/cache/n/k", &right, "12345").await.expect(200);
    world.look("/v1/cache", &[]).await.problem(401);
    let shown = world.look("/v1/cache", &[("authorization", "Bearer let me in")]).await.expect(200);
    assert_eq!((&shown["enabled"], &shown["scope"]), (&json!(false), &json!("tenant")));
    assert_eq!((&shown["entries"]["entries"], &shown["totals"]["hits"]), (&json!(1), &json!(0)));
    assert!(shown["entries"]["bytes"].as_u64().unwrap() > 5, "{shown}");
    world.advance(Duration::from_secs(3_600));
    let shown = world.look("/v1/cache", &[("authorization", "Bearer let me in")]).await.expect(200);
    assert_eq!(shown["entries"], json!({"entries": 0, "bytes": 0}));
}
