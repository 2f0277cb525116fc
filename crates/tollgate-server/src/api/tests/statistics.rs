//! Statistics and health, in the bodies that are fixed.

use serde_json::json;

use super::World;
use crate::app::Stage;

const ASSISTANT: &str = "extends = \"assistant\"\nstore = { kind = \"memory\" }";

#[tokio::test]
async fn a_users_statistics_are_named_by_their_window() {
    let world = World::new(ASSISTANT);
    for _ in 0..2 {
        world.post("/v1/permits", r#"{"user": "alice"}"#).await.expect(201);
    }
    let body = r#"{"user": "alice", "demand": {"usd": "0.52"}}"#;
    world.post("/v1/permits", body).await.expect(201);
    let stats = world.get("/v1/users/alice/stats").await.expect(200);
    assert_eq!(stats["user_id"], "alice");
    for (window, limit) in [("minute", 10), ("hour", 100), ("day", 500)] {
        let shown = &stats["limits"][window];
        assert_eq!(shown["current"], 3, "{window}");
        assert_eq!(shown["limit"], limit);
        assert_eq!(shown["remaining"], limit - 3);
    }
    assert_eq!(stats["limits"].as_object().unwrap().len(), 3);
    let cost = json!({"today": 0.52, "limit": 5.0, "remaining": 4.48});
    assert_eq!(stats["cost"], cost);
    assert_eq!((&stats["concurrent"], &stats["queued"]), (&json!(3), &json!(0)));
    let stranger = world.get("/v1/users/nobody/stats").await.expect(200);
    assert_eq!(stranger["limits"]["minute"]["current"], 0);
    assert_eq!(stranger["cost"]["today"], 0.0);
}

#[tokio::test]
async fn limits_that_have_no_window_go_by_their_name() {
    let policy = r#"
        store = { kind = "memory" }
        [[limits]]
        name = "tokens"
        per = ["user"]
        tokens = "1000/minute"
        [[limits]]
        name = "slots"
        per = ["user"]
        concurrency = 3
        [[limits]]
        name = "of-gpt"
        per = ["user"]
        when = { model = "gpt-*" }
        requests = "5/minute"
        [[limits]]
        name = "of-premium"
        per = ["user"]
        when = { tier = "premium" }
        requests = "9/minute"
        [[limits]]
        name = "of-team"
        per = ["team"]
        requests = "5/minute"
    "#;
    let world = World::new(policy);
    let body = r#"{"user": "alice", "model": "gpt-5", "demand": {"input_tokens": 10}}"#;
    world.post("/v1/permits", body).await.expect(201);
    let stats = world.get("/v1/users/alice/stats").await.expect(200);
    let limits = stats["limits"].as_object().unwrap();
    let current = |name: &str| limits[name]["current"].as_u64().unwrap();
    assert_eq!(limits.keys().collect::<Vec<_>>(), ["of-gpt", "slots", "tokens"]);
    assert_eq!((current("of-gpt"), current("slots"), current("tokens")), (1, 1, 10));
    let tokens = &stats["tokens"]["minute"];
    assert_eq!((&tokens["current"], &tokens["remaining"]), (&json!(10), &json!(990)), "{stats}");
    assert_eq!(stats["cost"], json!({"today": null, "limit": null, "remaining": null}));
    let premium = world.get("/v1/users/alice/stats?tier=premium").await.expect(200);
    assert_eq!(premium["limits"]["of-premium"]["current"], 0, "{premium}");
}

#[tokio::test]
async fn the_systems_statistics_have_all_members() {
    let world = World::new(ASSISTANT);
    world.post("/v1/permits", r#"{"user": "alice"}"#).await.expect(201);
    let stats = world.get("/v1/stats").await.expect(200);
    assert_eq!(stats["global_concurrent"], 1);
    assert_eq!(stats["global_queue_size"], 0);
    assert_eq!(stats["total_users"], 1);
    let users = json!([{"user_id": "alice", "concurrent": 1, "queued": 0}]);
    assert_eq!(stats["users"], users);
    let first = json!({
        "name": "user-minute", "per": ["user"], "allows": "10 requests per minute", "shadow": false,
        "soft": false,
    });
    assert_eq!(stats["config"]["limits"][0], first);
    let totals = json!({
        "requests": 1, "admitted": 1, "refused": 0, "input_tokens": 0, "output_tokens": 0,
        "cost_usd": "0", "overrun_usd": "0",
    });
    assert_eq!(stats["totals"], totals);
    let names: Vec<_> = stats["limits"].as_array().unwrap().iter().map(|l| &l["name"]).collect();
    assert_eq!(names, ["global-slots", "global-hour", "global-spend"]);
}

#[tokio::test]
async fn health_has_the_members_of_all_systems() {
    let policy = r#"
        store = { kind = "memory" }
        [providers.openai]
        dialect = "openai"
        base_url = "https://api.openai.com/v1"
        api_key = "env:API_TOKEN"
        [[limits]]
        name = "sessions"
        sessions = 12
    "#;
    let world = World::new(policy);
    for nth in 0..8 {
        let body = json!({"session": format!("s{nth}")}).to_string();
        world.post("/v1/sessions", &body).await.expect(201);
    }
    let health = world.get("/v1/health").await.expect(200);
    let expected = json!({
        "status": "healthy",
        "emergency": false,
        "version": env!("CARGO_PKG_VERSION"),
        "api_key_configured": true,
        "capacity": {
            "active_sessions": 8, "max_sessions": 12, "available": true,
            "utilization_percent": 66.7,
        },
        "checks": {
            "assistant_service": "available", "database": "not_configured", "redis": "not_configured",
        },
    });
    assert_eq!(health, expected);
    let open = world.get("/tollgate/health").await.expect(200);
    assert_eq!(
        open,
        json!({"status": "healthy", "emergency": false, "capacity": expected["capacity"]})
    );
}

#[tokio::test]
async fn readiness_follows_the_life_of_the_process() {
    let world = World::new(ASSISTANT);
    assert_eq!(world.get("/livez").await.expect(200)["status"], "alive");
    assert_eq!(world.get("/readyz").await.expect(200)["status"], "ready");
    world.app.enter(Stage::Draining);
    let (error, message) = world.get("/readyz").await.problem(503);
    assert_eq!(error, "overloaded");
    assert!(message.contains("stopping"), "{message}");
    assert_eq!(world.get("/v1/health").await.expect(503)["status"], "draining");
    world.get("/livez").await.expect(200);
}
