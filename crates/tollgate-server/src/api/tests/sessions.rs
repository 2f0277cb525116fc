//! Sessions, and the server that is full of them.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::World;
use crate::{
    emergency::{self, Begin},
    roster::{By, Moment},
};

const POLICY: &str = r#"
    store = { kind = "memory" }
    [[limits]]
    name = "sessions"
    sessions = { max = 12, idle = "30m" }
    retry_after = "120s"
    [[limits]]
    name = "requests"
    requests = "1/minute"
"#;

async fn fill(world: &World, count: usize) {
    for nth in 0..count {
        let body = json!({"session": format!("s{nth}")}).to_string();
        world.post("/v1/sessions", &body).await.expect(201);
    }
}

#[tokio::test]
async fn a_session_is_registered_and_counted() {
    let world = World::new(POLICY);
    fill(&world, 7).await;
    let session = world.post("/v1/sessions", r#"{"session": "abc123"}"#).await.expect(201);
    let expected = json!({
        "session": "abc123", "expires_at": "2026-11-23T12:30:00.000Z",
        "active_sessions": 8, "max_sessions": 12,
    });
    assert_eq!(session, expected, "and the limit on requests has no say");
    let again = world.post("/v1/sessions", r#"{"session": "abc123"}"#).await.expect(201);
    assert_eq!(again["active_sessions"], 8);
    let fresh = world.post("/v1/sessions", "").await.expect(201);
    assert_eq!(fresh["session"].as_str().unwrap().len(), 36);
    let text = world.look("/metrics", &[]).await.text;
    assert!(text.contains("tollgate_sessions_active 9\n"), "{text}");
}

#[tokio::test]
async fn a_full_server_answers_in_the_fixed_words() {
    let world = World::new(POLICY);
    fill(&world, 12).await;
    let refused = world.post("/v1/sessions", r#"{"session": "one more"}"#).await;
    let mut body = refused.expect(503);
    let fixed = json!({
        "success": false,
        "error": "server_busy",
        "message": "Server is currently at capacity (12/12 users). Please wait 2-3 minutes and try again.",
        "active_sessions": 12,
        "max_sessions": 12,
        "retry_after": 120,
    });
    for (name, value) in fixed.as_object().unwrap() {
        assert_eq!(body[name], *value, "{name}");
    }
    assert_eq!(body["limit"].take(), "sessions");
    assert_eq!(refused.header("retry-after"), "120");
    world.advance(Duration::from_secs(30 * 60 - 40));
    let soon = world.post("/v1/sessions", "").await.expect(503);
    assert_eq!(soon["retry_after"], 40);
    assert!(soon["message"].as_str().unwrap().contains("40 seconds"), "{soon}");
    world.advance(Duration::from_secs(40));
    world.post("/v1/sessions", "").await.expect(201);
}

#[tokio::test]
async fn activity_keeps_a_session_alive() {
    let world = World::new(POLICY);
    fill(&world, 12).await;
    world.advance(Duration::from_secs(29 * 60));
    let alive = world.ask(Method::PUT, "/v1/sessions/s3", &[], "").await.expect(200);
    assert_eq!(alive["expires_at"], "2026-11-23T12:59:00.000Z");
    world.advance(Duration::from_secs(60));
    let capacity = world.get("/tollgate/health").await.expect(200)["capacity"].clone();
    assert_eq!(capacity["active_sessions"], 1);
}

#[tokio::test]
async fn an_ended_session_frees_its_slot() {
    let world = World::new(POLICY);
    fill(&world, 12).await;
    world.ask(Method::DELETE, "/v1/sessions/s3", &[], "").await.expect(204);
    world.ask(Method::DELETE, "/v1/sessions/s3", &[], "").await.problem(404);
    world.post("/v1/sessions", "").await.expect(201);
}

#[tokio::test]
async fn sessions_per_user_are_asked_for_by_user() {
    let policy = r#"
        store = { kind = "memory" }
        [[limits]]
        name = "own"
        per = ["user"]
        sessions = 1
    "#;
    let world = World::new(policy);
    let of = |user: &str, session: &str| json!({"user": user, "session": session}).to_string();
    world.post("/v1/sessions", &of("alice", "a")).await.expect(201);
    world.post("/v1/sessions", &of("bob", "b")).await.expect(201);
    let refused = world.post("/v1/sessions", &of("alice", "c")).await;
    assert_eq!(refused.problem(429).0, "too_many_requests");
    world.ask(Method::DELETE, "/v1/sessions/a?user=bob", &[], "").await.problem(404);
    world.ask(Method::DELETE, "/v1/sessions/a?user=alice", &[], "").await.expect(204);
    world.ask(Method::PUT, "/v1/sessions/c?user=alice", &[], "").await.expect(200);
}

#[tokio::test]
async fn where_nobody_counts_sessions_there_is_room() {
    let world = World::new("store = { kind = \"memory\" }");
    let session = world.post("/v1/sessions", r#"{"session": "a"}"#).await.expect(201);
    let expected = json!({
        "session": "a", "expires_at": null, "active_sessions": null, "max_sessions": null,
    });
    assert_eq!(session, expected);
}

#[tokio::test]
async fn a_full_limit_with_a_queue_gives_a_ticket_and_nobody_slips_by() {
    let world = World::new(
        "store = { kind = \"memory\" }\n[[limits]]\nname = \"sessions\"\nsessions = { max = 1 }\nqueue = { size = 5 }\n",
    );
    fill(&world, 1).await;
    let busy = world.post("/v1/sessions", r#"{"session": "next"}"#).await.expect(503);
    assert_eq!((&busy["error"], &busy["place"]), (&json!("server_busy"), &json!(1)), "{busy}");
    let ticket = format!("/tollgate/tickets/{}", busy["ticket"].as_str().unwrap());
    assert_eq!(world.get(&ticket).await.expect(200)["state"], "waiting");
    let ended = world.ask(Method::DELETE, "/v1/sessions/s0", &[], "").await;
    assert_eq!(ended.status, 204);
    let at = Moment::of(world.app.gate.clock().now().wall);
    let by = By { who: "test".to_owned(), at, reason: None };
    let how = Begin { by: by.clone(), until: None, downgrade: None };
    emergency::begin(&world.app, how).await.expect("an emergency");
    world.app.sessions.tickets.serve(&world.app).await;
    assert_eq!(world.get(&ticket).await.expect(200)["state"], "waiting", "it could not be used");
    emergency::end(&world.app, by).await.expect("its end");
    // What is free belongs to who waits.
    world.post("/v1/sessions", r#"{"session": "late"}"#).await.expect(503);
    assert_eq!(world.get(&ticket).await.expect(200)["state"], "admitted");
    world.post("/v1/sessions", r#"{"session": "next"}"#).await.expect(201);
    world.get(&ticket).await.expect(404);
}
