//! What becomes of permits.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_core::NanoUsd;

use super::World;

const POLICY: &str = r#"
    store = { kind = "memory" }
    [prices.models]
    llama = { input = "0.20", output = "0.60" }
    [[limits]]
    name = "user-spend"
    per = ["user"]
    usd = "5/day"
    [[limits]]
    name = "slots"
    concurrency = 1
"#;

async fn permit(world: &World, body: &str) -> String {
    let permit = world.post("/v1/permits", body).await.expect(201);
    format!("/v1/permits/{}", permit["id"].as_str().unwrap())
}

async fn today(world: &World) -> Value {
    world.get("/v1/users/alice/stats").await.expect(200)["cost"]["today"].clone()
}

#[tokio::test]
async fn what_was_used_is_charged_and_the_rest_given_back() {
    let world = World::new(POLICY);
    let path = permit(&world, r#"{"user": "alice", "demand": {"usd": "1"}}"#).await;
    assert_eq!(today(&world).await, 1.0);
    world.post("/v1/permits", r#"{"user": "alice"}"#).await.problem(503);
    let settled = world.post(&format!("{path}/settle"), r#"{"usd": "0.52"}"#).await.expect(200);
    assert_eq!(settled["usd"], "0.52");
    assert_eq!(settled.get("overrun_usd"), None);
    assert_eq!(today(&world).await, 0.52);
    permit(&world, r#"{"user": "alice"}"#).await;
}

#[tokio::test]
async fn a_second_settlement_changes_nothing_and_answers_the_same() {
    let world = World::new(POLICY);
    let path = permit(&world, r#"{"user": "alice", "demand": {"usd": "1"}}"#).await;
    let settle = format!("{path}/settle");
    let first = world.post(&settle, r#"{"usd": "0.5"}"#).await.expect(200);
    for other in [r#"{"usd": "0.9"}"#, "{}", r#"{"usd": "0.5"}"#] {
        assert_eq!(world.post(&settle, other).await.expect(200), first);
    }
    assert_eq!(world.app.metrics.totals().cost_usd, NanoUsd(500_000_000), "it is counted once");
    assert_eq!(today(&world).await, 0.5);
    for end in ["void", "renew"] {
        let (error, message) = world.post(&format!("{path}/{end}"), "").await.problem(409);
        assert_eq!(error, "invalid_request");
        assert!(message.contains("settled"), "{message}");
    }
    world.post(&format!("{path}/extend"), r#"{"usd": "1"}"#).await.problem(409);
}

#[tokio::test]
async fn tokens_imply_their_cost_to_the_nano_dollar() {
    let world = World::new(POLICY);
    let asked = r#"{"user": "alice", "model": "llama",
        "demand": {"input_tokens": 2000, "output_tokens": 500}}"#;
    let path = permit(&world, asked).await;
    let used = r#"{"input_tokens": 868, "output_tokens": 145, "outcome": "success"}"#;
    let settled = world.post(&format!("{path}/settle"), used).await.expect(200);
    assert_eq!(settled["usd"], "0.0002606");
    let totals = world.app.metrics.totals();
    assert_eq!((totals.input_tokens, totals.output_tokens), (868, 145));
    let text = world.look("/metrics", &[]).await.text;
    let cost = r#"tollgate_cost_usd_total{provider="",model="llama"} 0.0002606"#;
    assert!(text.contains(cost), "{text}");
}

#[tokio::test]
async fn what_is_not_said_was_used_as_reserved() {
    let world = World::new(POLICY);
    let path = permit(&world, r#"{"user": "alice", "demand": {"usd": "0.25"}}"#).await;
    let used = r#"{"outcome": "failure"}"#;
    let settled = world.post(&format!("{path}/settle"), used).await.expect(200);
    assert_eq!(settled["usd"], "0.25");
}

#[tokio::test]
async fn more_than_was_reserved_is_an_overrun() {
    let world = World::new(POLICY);
    let path = permit(&world, r#"{"user": "alice", "demand": {"usd": "0.25"}}"#).await;
    let settled = world.post(&format!("{path}/settle"), r#"{"usd": "0.3"}"#).await.expect(200);
    assert_eq!((&settled["usd"], &settled["overrun_usd"]), (&json!("0.3"), &json!("0.05")));
    assert_eq!(world.app.metrics.totals().overrun_usd, NanoUsd(50_000_000));
}

#[tokio::test]
async fn a_void_gives_all_back() {
    let world = World::new(POLICY);
    let path = permit(&world, r#"{"user": "alice", "demand": {"usd": "1"}}"#).await;
    for _ in 0..2 {
        let voided = world.post(&format!("{path}/void"), "").await.expect(200);
        assert_eq!(voided["usd"], "0");
    }
    assert_eq!(today(&world).await, 0.0);
    let (_, message) = world.post(&format!("{path}/settle"), r#"{"usd": "1"}"#).await.problem(409);
    assert!(message.contains("voided"), "{message}");
    assert_eq!(world.app.metrics.concurrent(), 0);
}

#[tokio::test]
async fn an_extension_holds_more_or_nothing() {
    let world = World::new(POLICY);
    let path = permit(&world, r#"{"user": "alice", "demand": {"usd": "1"}}"#).await;
    let extend = format!("{path}/extend");
    world.post(&extend, r#"{"usd": "3"}"#).await.expect(200);
    let refused = world.post(&extend, r#"{"usd": "1.5"}"#).await;
    assert_eq!(refused.problem(429).0, "budget_exhausted");
    assert_eq!(today(&world).await, 4.0);
    let (_, message) = world.post(&extend, "{}").await.problem(400);
    assert!(message.contains("nothing more"), "{message}");
    let settled = world.post(&format!("{path}/settle"), "{}").await.expect(200);
    assert_eq!(settled["usd"], "4", "what was reserved in all");
}

#[tokio::test]
async fn a_permit_expires_unless_it_is_renewed() {
    let world = World::new(POLICY);
    let path = permit(&world, r#"{"user": "alice", "demand": {"usd": "1"}}"#).await;
    world.advance(Duration::from_secs(590));
    let renewed = world.post(&format!("{path}/renew"), "").await.expect(200);
    assert_eq!(renewed["expires_at"], "2026-11-23T12:19:50.000Z");
    world.advance(Duration::from_secs(590));
    world.post("/v1/permits", r#"{"user": "bob"}"#).await.problem(503);
    assert_eq!(world.get("/v1/stats").await.expect(200)["global_concurrent"], 1);
    world.advance(Duration::from_secs(10));
    let bob = permit(&world, r#"{"user": "bob"}"#).await;
    assert_eq!(world.get("/v1/stats").await.expect(200)["users"][0]["user_id"], "bob");
    world.post(&format!("{path}/renew"), "").await.problem(409);
    assert_eq!(today(&world).await, 1.0, "what it held counts as spent");
    let late = world.post(&format!("{path}/settle"), r#"{"usd": "0.4"}"#).await.expect(200);
    assert_eq!((&late["usd"], today(&world).await), (&json!("0.4"), json!(0.4)));
    world.post(&format!("{bob}/void"), "").await.expect(200);
}

#[tokio::test]
async fn unknown_ids_are_not_found() {
    let world = World::new(POLICY);
    let path = "/v1/permits/01930000-0000-7000-8000-000000000001";
    for (end, body) in [
        ("settle", "{}"),
        ("settle", r#"{"usd": "1"}"#),
        ("void", ""),
        ("renew", ""),
        ("extend", r#"{"usd": "1"}"#),
    ] {
        let (error, _) = world.post(&format!("{path}/{end}"), body).await.problem(404);
        assert_eq!(error, "not_found", "{end} {body}");
    }
}

#[tokio::test]
async fn after_a_restart_permits_can_still_be_settled() {
    let world = World::new(POLICY);
    let path = permit(&world, r#"{"user": "alice", "demand": {"usd": "1"}}"#).await;
    let world = world.restarted();
    let settle = format!("{path}/settle");
    let (_, message) = world.post(&settle, r#"{"input_tokens": 7}"#).await.problem(400);
    assert!(message.contains("give `usd`"), "{message}");
    assert_eq!(today(&world).await, 1.0, "nothing was settled");
    let settled = world.post(&settle, r#"{"usd": "0.5"}"#).await.expect(200);
    assert_eq!(world.post(&settle, "{}").await.expect(200), settled);
    assert_eq!(today(&world).await, 0.5);
}
