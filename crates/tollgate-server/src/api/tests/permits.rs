//! Asking for permits.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{World, world::NOON};
use crate::roster::{By, Draft, Moment, Terms};

const POLICY: &str = r#"
    store = { kind = "memory" }
    [prices.models]
    llama = { input = "0.20", output = "0.60" }
    [[limits]]
    name = "user-minute"
    per = ["user"]
    requests = "2/minute"
    [[limits]]
    name = "user-spend"
    per = ["user"]
    usd = "5/day"
    [[limits]]
    name = "slots"
    concurrency = 3
"#;

#[tokio::test]
async fn a_permit_tells_where_the_limits_stand() {
    let world = World::new(POLICY);
    let answer = world.post("/v1/permits", r#"{"user": "alice", "demand": {"usd": "0.52"}}"#).await;
    let permit = answer.expect(201);
    assert_eq!(permit["waited_ms"], 0);
    assert_eq!(permit["expires_at"], "2026-11-23T12:10:00.000Z");
    let limits = json!([
        {"name": "user-minute", "unit": "requests", "limit": 2, "remaining": 1,
         "reset_at": "2026-11-23T12:01:00.000Z"},
        {"name": "user-spend", "unit": "usd", "limit": 5.0, "remaining": 4.48,
         "reset_at": "2026-11-24T00:00:00.000Z"},
        {"name": "slots", "unit": "requests", "limit": 3, "remaining": 2,
         "reset_at": "2026-11-23T12:00:00.000Z"},
    ]);
    assert_eq!(permit["limits"], limits);
    let id = permit["id"].as_str().unwrap();
    assert_eq!(answer.header("x-tollgate-request-id"), id);
    assert_eq!(answer.header("x-tollgate-decision"), "admit");
    assert_eq!(answer.header("x-ratelimit-remaining"), "1");
    assert!(answer.header("ratelimit").contains(r#""user-minute";r=1"#));
}

#[tokio::test]
async fn a_permit_is_asked_for_a_customer_and_a_tag() {
    let world = World::new(
        r#"
        store = { kind = "memory" }
        [[limits]]
        name = "customer-ever"
        per = ["customer", "tag"]
        requests = "1/total"
    "#,
    );
    for customer in ["acme", "other"] {
        let asked = format!(r#"{{"customer": "{customer}", "tag": "nightly"}}"#);
        let permit = world.post("/v1/permits", &asked).await.expect(201);
        assert_eq!(permit["limits"][0]["remaining"], 0);
        assert_eq!(permit["limits"][0]["reset_at"], serde_json::Value::Null);
        world.post("/v1/permits", &asked).await.problem(429);
    }
}

#[tokio::test]
async fn a_refusal_is_a_problem_that_names_limit_and_instant() {
    let world = World::new(POLICY);
    for _ in 0..2 {
        world.post("/v1/permits", r#"{"user": "alice"}"#).await.expect(201);
    }
    let refused = world.post("/v1/permits", r#"{"user": "alice"}"#).await;
    let (error, message) = refused.problem(429);
    assert_eq!(error, "too_many_requests");
    assert!(message.contains("2 requests per minute"), "{message}");
    let problem = refused.json();
    assert_eq!(problem["limit"], "user-minute");
    assert_eq!(problem["retry_at"], "2026-11-23T12:01:00.000Z");
    assert_eq!(problem["retry_after"], 60);
    assert_eq!(refused.header("retry-after"), "60");
    assert_eq!(refused.header("x-tollgate-limit"), "user-minute");
    world.advance(Duration::from_secs(60) - Duration::from_nanos(1));
    world.post("/v1/permits", r#"{"user": "alice"}"#).await.problem(429);
    world.advance(Duration::from_nanos(1));
    let at_the_instant = world.post("/v1/permits", r#"{"user": "alice"}"#).await;
    at_the_instant.expect(201);
    let totals = world.app.metrics.totals();
    assert_eq!((totals.requests, totals.admitted, totals.refused), (5, 3, 2));
}

#[tokio::test]
async fn a_spent_budget_says_so() {
    let world = World::new(POLICY);
    let all = r#"{"user": "alice", "demand": {"usd": "5"}}"#;
    let held = world.post("/v1/permits", all).await;
    let more = r#"{"user": "alice", "wait_ms": 0, "demand": {"usd": "0.000000001"}}"#;
    let refused = world.post("/v1/permits", more).await;
    let (error, message) = refused.problem(429);
    assert_eq!(error, "too_many_requests", "it is reserved, not spent");
    assert!(message.starts_with("Budget reserved: "), "{message}");
    assert_eq!(refused.header("retry-after"), "5");
    let id = held.json()["id"].as_str().expect("an id").to_owned();
    world.post(&format!("/v1/permits/{id}/settle"), r#"{"usd": "5"}"#).await.expect(200);
    let refused = world.post("/v1/permits", &more.replace(r#""wait_ms": 0, "#, "")).await;
    assert_eq!(refused.problem(429).0, "budget_exhausted");
    assert_eq!(refused.json()["retry_at"], "2026-11-24T00:00:00.000Z");
    assert_eq!(refused.header("x-should-retry"), "false");
    let bob = r#"{"user": "bob", "demand": {"usd": "5.01"}}"#;
    let refused = world.post("/v1/permits", bob).await;
    assert_eq!(refused.json()["retry_after"], json!(null), "waiting does not help");
}

#[tokio::test]
async fn the_same_id_again_answers_the_same() {
    let world = World::new(POLICY);
    let asked = r#"{"id": "0193-bad"}"#;
    assert!(world.post("/v1/permits", asked).await.problem(400).1.contains("`id`"));
    let asked = r#"{"id": "01930000-0000-7000-8000-000000000001", "user": "alice"}"#;
    let first = world.post("/v1/permits", asked).await;
    first.expect(201);
    world.advance(Duration::from_secs(1));
    world.post("/v1/permits", r#"{"user": "alice"}"#).await.expect(201);
    let again = world.post("/v1/permits", asked).await;
    assert_eq!(again.expect(201), first.json());
    assert_eq!(world.app.metrics.totals().admitted, 2, "it was given once");
    let other = r#"{"id": "01930000-0000-7000-8000-000000000001", "user": "bob"}"#;
    let (error, message) = world.post("/v1/permits", other).await.problem(409);
    assert_eq!(error, "invalid_request");
    assert!(message.contains("another request"), "{message}");
    let settle = "/v1/permits/01930000-0000-7000-8000-000000000001/settle";
    world.post(settle, "{}").await.expect(200);
    assert_eq!(world.post("/v1/permits", asked).await.expect(201), first.json());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_id_asked_for_by_many_at_once_is_given_once() {
    let world = Arc::new(World::new(POLICY));
    for round in 0..50 {
        let asked = format!(
            r#"{{"id": "01930000-0000-7000-8000-{round:012}", "user": "u{round}",
                "demand": {{"usd": "1"}}}}"#
        );
        let asks = (0..8).map(|_| {
            let (world, asked) = (Arc::clone(&world), asked.clone());
            tokio::spawn(async move { world.post("/v1/permits", &asked).await.expect(201) })
        });
        let asks: Vec<_> = asks.collect();
        let mut answers = Vec::new();
        for ask in asks {
            answers.push(ask.await.unwrap());
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(answers[0]["limits"][1]["remaining"], 4.0);
        assert_eq!(world.app.metrics.totals().admitted, round + 1);
        let path = format!("/v1/permits/{}/settle", answers[0]["id"].as_str().unwrap());
        world.post(&path, "{}").await.expect(200);
    }
}

#[tokio::test]
async fn tokens_of_a_priced_model_imply_their_cost() {
    let world = World::new(POLICY);
    let asked = r#"{"user": "alice", "model": "llama",
        "demand": {"input_tokens": 868, "output_tokens": 145}}"#;
    let permit = world.post("/v1/permits", asked).await.expect(201);
    assert_eq!(permit["limits"][1]["remaining"], 4.999_739_4);
}

#[tokio::test]
async fn a_model_without_a_price_is_refused_where_money_is_counted() {
    let world = World::new(POLICY);
    let unpriced = r#"{"user": "alice", "model": "nobody-knows"}"#;
    let (error, message) = world.post("/v1/permits", unpriced).await.problem(403);
    assert_eq!(error, "model_unpriced");
    assert!(message.contains("`nobody-knows`"), "{message}");
    assert_eq!(world.app.metrics.totals().refused, 1);
    let told = r#"{"user": "alice", "model": "nobody-knows", "demand": {"usd": "0.01"}}"#;
    world.post("/v1/permits", told).await.expect(201);
    let unlimited = World::new("store = { kind = \"memory\" }");
    unlimited.post("/v1/permits", unpriced).await.expect(201);
}

#[tokio::test]
async fn a_check_holds_nothing() {
    let world = World::new(POLICY);
    for _ in 0..5 {
        let checked = world.post("/v1/check", r#"{"user": "alice"}"#).await;
        assert_eq!(checked.expect(200)["admitted"], true);
        assert_eq!(checked.json()["limits"][0]["remaining"], 2);
        assert_eq!(checked.header("x-tollgate-decision"), "admit");
    }
    for _ in 0..2 {
        world.post("/v1/permits", r#"{"user": "alice"}"#).await.expect(201);
    }
    let refused = world.post("/v1/check", r#"{"user": "alice"}"#).await;
    assert_eq!(refused.problem(429).0, "too_many_requests");
    assert_eq!(world.app.metrics.totals().refused, 0, "a check turns nobody away");
}

#[tokio::test]
async fn attributes_of_the_operators_own_are_counted_by() {
    let policy = r#"
        store = { kind = "memory" }
        [[limits]]
        name = "per-job"
        per = ["job"]
        requests = "1/hour"
    "#;
    let world = World::new(policy);
    let job = |job: &str| json!({"attributes": {"job": job}}).to_string();
    world.post("/v1/permits", &job("a")).await.expect(201);
    world.post("/v1/permits", &job("b")).await.expect(201);
    world.post("/v1/permits", &job("a")).await.problem(429);
}

#[tokio::test]
async fn a_managed_key_that_is_named_is_held_to_what_it_may() {
    let world = World::new(
        "store = { kind = \"memory\" }\n[[limits]]\nname = \"a\"\nper = [\"user\"]\nrequests = \"9/minute\"\n",
    );
    let (at, roster) = (Moment::of(NOON), &world.app.roster);
    let by = By { who: "test".to_owned(), at, reason: None };
    let terms = Terms {
        models: vec!["gpt-*".to_owned()],
        providers: vec!["sandbox".to_owned()],
        budgets: vec!["1/day".parse().unwrap()],
        ..Terms::default()
    };
    let draft = Draft { id: Some("ci".to_owned()), terms, expires: None };
    roster.change(|book| book.create(draft, &by)).unwrap();
    let ask = async |more: &str| {
        let body =
            format!(r#"{{"attributes": {{"key": "ci"}}, "demand": {{"usd": "0.6"}}{more}}}"#);
        world.post("/v1/permits", &body).await
    };
    let (error, message) = ask(r#", "model": "o3""#).await.problem(403);
    assert!(error == "forbidden" && message.contains("it may be for gpt-*"), "{message}");
    let (_, message) = ask(r#", "provider": "openai""#).await.problem(403);
    assert!(message.contains("it may be for sandbox"), "{message}");
    let permit = ask(r#", "model": "gpt-5", "provider": "sandbox""#).await.expect(201);
    let settle = format!("/v1/permits/{}/settle", permit["id"].as_str().unwrap());
    world.post(&settle, r#"{"usd": "0.6"}"#).await.expect(200);
    let refused = ask("").await;
    assert_eq!(refused.problem(429).0, "budget_exhausted");
    assert_eq!(refused.header("x-tollgate-limit"), "key-budget-day");
    roster.change(|book| book.revoke("ci", &by)).unwrap();
    let (error, message) = ask("").await.problem(401);
    assert!(error == "unauthorized" && message.contains("was revoked"), "{message}");
}

#[tokio::test]
async fn a_task_is_told_when_it_should_end_and_its_permit_ends_when_it_must() {
    let world = World::new(
        r#"
        store = { kind = "memory" }
        tasks = { soft_time_limit = "300s", hard_time_limit = "360s" }
        [[limits]]
        name = "slots"
        concurrency = 1
    "#,
    );
    let task = r#"{"task": "analysis", "wait_ms": 0}"#;
    let permit = world.post("/v1/permits", task).await.expect(201);
    let told = |answer: &serde_json::Value| {
        let text = |name: &str| answer[name].as_str().map(|it| it[11..19].to_owned());
        (text("soft_deadline_at"), text("hard_deadline_at"), answer["should_end"].as_bool())
    };
    let (soft, hard) = (Some("12:05:00".to_owned()), Some("12:06:00".to_owned()));
    assert_eq!(told(&permit), (soft.clone(), hard.clone(), Some(false)));
    assert_eq!(permit["expires_at"], "2026-11-23T12:06:00.000Z");
    let path = format!("/v1/permits/{}", permit["id"].as_str().unwrap());
    let nano = Duration::from_nanos(1);
    world.advance(Duration::from_secs(300) - nano);
    let renewed = world.post(&format!("{path}/renew"), "").await.expect(200);
    assert_eq!(told(&renewed), (soft.clone(), hard.clone(), Some(false)));
    world.advance(nano);
    let renewed = world.post(&format!("{path}/renew"), "").await.expect(200);
    assert_eq!(told(&renewed), (soft.clone(), hard.clone(), Some(true)), "it should end now");
    assert_eq!(renewed["expires_at"], "2026-11-23T12:06:00.000Z", "whoever renews it");
    let more = world.post(&format!("{path}/extend"), r#"{"usd": "1"}"#).await.expect(200);
    assert_eq!(told(&more), (soft, hard, Some(true)));
    world.advance(Duration::from_secs(60) - nano);
    world.post("/v1/permits", task).await.problem(503);
    world.advance(nano);
    let (_, message) = world.post(&format!("{path}/renew"), "").await.problem(409);
    assert!(message.contains("hard time limit"), "{message}");
    world.app.gate.expire().await.unwrap();
    world.post("/v1/permits", task).await.expect(201);
    world.post(&format!("{path}/settle"), "{}").await.expect(200);
    // Work that is no task has none of it.
    world.app.gate.expire().await.unwrap();
    world.advance(Duration::from_secs(400));
    world.app.gate.expire().await.unwrap();
    let other = world.post("/v1/permits", r#"{"user": "alice"}"#).await.expect(201);
    assert_eq!(told(&other), (None, None, None));
}
