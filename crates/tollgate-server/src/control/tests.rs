//! What operators see, and that nobody else does.

use serde_json::json;

use crate::api::tests::World;

const POLICY: &str = r#"
    store = { kind = "memory" }
    admin = { token = "env:ADMIN_TOKEN" }
    [providers.openai]
    dialect = "openai"
    base_url = "https://api.openai.com/v1"
    api_key = "env:API_TOKEN"
    [[limits]]
    name = "user-minute"
    per = ["user"]
    requests = "1/minute"
    [[limits]]
    name = "slots"
    concurrency = 100
    [[limits]]
    name = "watched"
    requests = "1/hour"
    shadow = true
"#;
const RIGHT: [(&str, &str); 1] = [("authorization", "Bearer let me in")];

#[tokio::test]
async fn the_status_counts_exactly() {
    let world = World::new(POLICY);
    let body = r#"{"user": "alice", "demand": {"usd": "1"}}"#;
    let permit = world.post("/v1/permits", body).await.expect(201);
    world.post("/v1/permits", body).await.problem(429);
    world.post("/v1/permits", r#"{"user": "bob"}"#).await.expect(201);
    let settle = format!("/v1/permits/{}/settle", permit["id"].as_str().unwrap());
    let used = r#"{"usd": "0.0002606", "input_tokens": 868, "output_tokens": 145}"#;
    world.post(&settle, used).await.expect(200);
    let status = world.look("/status", &RIGHT).await.expect(200);
    let totals = json!({
        "requests": 3, "admitted": 2, "refused": 1, "input_tokens": 868, "output_tokens": 145,
        "cost_usd": "0.0002606", "overrun_usd": "0",
    });
    assert_eq!(status["totals"], totals);
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["stage"], "serving");
    assert_eq!(status["started_at"], "2026-11-23T12:00:00.000Z");
    assert_eq!(status["store"], json!({"kind": "memory", "healthy": true}));
    assert_eq!(status["policy"]["providers"], json!(["openai", "sandbox"]));
    assert_eq!((&status["concurrent"], &status["users"]), (&json!(1), &json!(1)));
    let limits = status["limits"].as_array().unwrap();
    let counts: Vec<_> =
        limits.iter().map(|l| (l["refused"].as_u64(), l["shadowed"].as_u64())).collect();
    assert_eq!(counts, [(Some(1), Some(0)), (Some(0), Some(0)), (Some(0), Some(2))]);
    assert_eq!(limits[1]["standing"]["remaining"], 99);
    assert_eq!(limits[0].get("standing"), None);
}

#[tokio::test]
async fn prometheus_gets_the_names_it_is_promised() {
    let world = World::new(POLICY);
    world.post("/v1/permits", r#"{"user": "alice"}"#).await.expect(201);
    world.post("/v1/permits", r#"{"user": "alice"}"#).await.problem(429);
    let answer = world.look("/metrics", &RIGHT).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    for line in [
        r#"tollgate_decisions_total{decision="admitted",limit=""} 1"#,
        r#"tollgate_decisions_total{decision="refused",limit="user-minute"} 1"#,
        r#"tollgate_overload_total{reason="too_many_requests"} 1"#,
        "tollgate_concurrent_requests 1",
    ] {
        assert!(answer.text.lines().any(|shown| shown == line), "{line}\n{}", answer.text);
    }
    assert!(!answer.text.contains("alice"));
}

#[tokio::test]
async fn the_policy_is_shown_without_its_secrets() {
    let world = World::new(POLICY);
    let answer = world.look("/policy", &RIGHT).await;
    assert_eq!(answer.header("content-type"), "application/toml");
    assert!(answer.text.contains("env:API_TOKEN"), "{}", answer.text);
    assert!(!answer.text.contains("sesame") && !answer.text.contains("let me in"));
}

#[tokio::test]
async fn the_monitor_names_every_service() {
    let world = World::new(POLICY);
    let monitor = world.look("/v1/monitor", &RIGHT).await.expect(200);
    assert_eq!(monitor["overall_status"], "healthy");
    assert_eq!(monitor["health_score"], 100);
    let openai = json!({
        "status": "idle", "success_rate": null, "circuit": "closed", "concurrent": 0, "queue": 0,
        "cost_per_minute_usd": "0", "latency_ms": null, "served": 0, "failed": 0,
        "requests": 0, "input_tokens": 0, "output_tokens": 0, "cost_usd": "0",
    });
    assert_eq!(monitor["services"]["openai"], openai);
    assert_eq!((&monitor["emergency"], &monitor["alerts"]), (&json!(null), &json!([])));
}

#[tokio::test]
async fn nothing_is_shown_without_the_token() {
    let guarded = World::new(POLICY);
    let open = World::new("store = { kind = \"memory\" }");
    let elsewhere = World::listening("store = { kind = \"memory\" }", "0.0.0.0:8788");
    for path in ["/status", "/metrics", "/policy", "/v1/monitor", "/nowhere"] {
        let (error, message) = guarded.look(path, &[]).await.problem(401);
        assert_eq!(error, "unauthorized", "{path}");
        assert!(message.contains("`[admin]`"), "{message}");
        guarded.look(path, &[("authorization", "Bearer open sesame")]).await.problem(401);
        elsewhere.look(path, &[]).await.problem(401);
        open.look(path, &[("via", "1.1 proxy")]).await.problem(401);
        assert_ne!(open.look(path, &[]).await.status, 401);
    }
    open.look("/nowhere", &[]).await.problem(404);
}
