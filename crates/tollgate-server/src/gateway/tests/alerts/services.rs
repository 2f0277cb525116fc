//! Of providers, circuits, queues, sessions and the whole.

use super::*;

/// A provider that fails some chats, in a policy's words, with more said of it.
async fn failing(more: &str) -> (Provider, String) {
    let well = provider::response("HTTP/1.1 200 OK\r\ncontent-type: application/json", COMPLETION);
    let ill = provider::response("HTTP/1.1 500 Internal Server Error", "");
    let provider = Provider::choosing("\"fail\"", ill, well).await;
    let text = format!("{}retry = {{ attempts = 1 }}\n{more}", up(&provider.base_url()));
    (provider, text)
}

const OBSERVED: &str = "breaker = { mode = \"closed\" }\n";

#[tokio::test]
async fn a_circuit_that_opens_is_told_until_it_is_closed_again() {
    let breaker = "breaker = { failures = 1, recovery = \"30s\", successes = 1 }\n";
    let (_provider, policy) = failing(breaker).await;
    let world = World::new(&["circuit_open = {}"], &policy).await;
    world.chats(FAILING, 1, StatusCode::INTERNAL_SERVER_ERROR).await;
    let message = world.fires("circuit_open", json!("up")).await;
    assert!(message.starts_with("Circuit breaker of up is open for the model m:"), "{message}");
    world.metric("tollgate_alerts_firing{alert=\"circuit_open\"} 1").await;
    let monitor = world.running.look("/v1/monitor").await.json();
    assert_eq!(monitor["services"]["up"]["circuit"], "open");
    assert_eq!(monitor["services"]["up"]["status"], "critical");
    assert_eq!(monitor["overall_status"], "degraded");
    world.running.advance(MINUTE);
    // Half-open is not over.
    world.is_quiet().await;
    world.chats(CHAT, 1, StatusCode::OK).await;
    world.clears("circuit_open", json!("up")).await;
    world.is_quiet().await;
    world.delivered(4).await;
    world.metric("tollgate_alerts_firing{alert=\"circuit_open\"} 0").await;
    world.metric("tollgate_alert_notifications_total{sink=\"hook\",outcome=\"delivered\"} 4").await;
}

#[tokio::test]
async fn a_half_open_circuit_that_nobody_asks_any_more_is_over() {
    let (_provider, policy) = failing("breaker = { failures = 1, recovery = \"30s\" }\n").await;
    let world = World::new(&["circuit_open = {}"], &policy).await;
    look(&world.running.app).await;
    world.chats(FAILING, 1, StatusCode::INTERNAL_SERVER_ERROR).await;
    world.fires("circuit_open", json!("up")).await;
    world.running.advance(MINUTE * 6);
    world.clears("circuit_open", json!("up")).await;
    let monitor = world.running.look("/v1/monitor").await.json();
    assert_eq!(monitor["services"]["up"]["circuit"], "half_open");
    assert_eq!(
        (&monitor["health_score"], &monitor["services"]["up"]["status"]),
        (&json!(100), &json!("idle"))
    );
}

#[tokio::test]
async fn a_provider_that_fails_often_is_told() {
    let (_provider, policy) = failing(OBSERVED).await;
    let alert = "failure_rate = { threshold = 0.5, clear = 0.4, least = 4 }";
    let world = World::new(&[alert], &policy).await;
    look(&world.running.app).await;
    world.chats(FAILING, 3, StatusCode::INTERNAL_SERVER_ERROR).await;
    // Three say nothing.
    world.is_quiet().await;
    world.chats(FAILING, 1, StatusCode::INTERNAL_SERVER_ERROR).await;
    world.fires("failure_rate", json!("up")).await;
    let monitor = world.running.look("/v1/monitor").await.json();
    assert_eq!(monitor["services"]["up"]["success_rate"], 0.0);
    world.chats(CHAT, 6, StatusCode::OK).await;
    world.running.advance(SECOND);
    // Four of ten are no less than 0.4.
    world.is_quiet().await;
    world.chats(CHAT, 1, StatusCode::OK).await;
    world.clears("failure_rate", json!("up")).await;
}

#[tokio::test]
async fn a_provider_that_bars_the_gateways_key_or_account_is_told_and_its_circuit_stays_closed() {
    let spent = r#"{"error":{"type":"insufficient_quota","message":"no"}}"#;
    for (head, body) in [
        ("HTTP/1.1 401 Unauthorized", ""),
        ("HTTP/1.1 403 Forbidden", ""),
        ("HTTP/1.1 402 Payment Required", ""),
        ("HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json", spent),
    ] {
        let provider = Provider::doing(vec![Step::Send(provider::response(head, body))]).await;
        let keyed = "retry = { attempts = 1 }\napi_key = \"env:HOOK\"\n";
        let policy = format!("{}{keyed}", up(&provider.base_url()));
        let world = World::new(&["failure_rate = { least = 4 }", "circuit_open = {}"], &policy);
        let world = world.await;
        look(&world.running.app).await;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        world.chats(CHAT, 10, status).await;
        world.fires("failure_rate", json!("up")).await;
        world.is_quiet().await;
    }
}

#[tokio::test]
async fn a_queue_that_fills_is_told() {
    let held = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let answer =
        provider::response("HTTP/1.1 200 OK\r\ncontent-type: application/json", COMPLETION);
    let provider = Provider::doing(vec![Step::Hold(held.clone()), Step::Send(answer)]).await;
    let policy = format!(
        "{}[[limits]]\nname = \"one\"\nwhen = {{ provider = \"up\" }}\nconcurrency = 1\nqueue = {{ size = 2, timeout = \"1h\" }}\n",
        up(&provider.base_url())
    );
    let world = World::new(&["queue_filling = {}"], &policy).await;
    let chat = || tokio::spawn(world.running.sending(post("/up/v1/chat/completions", CHAT)));
    let mut running = vec![chat(), chat()];
    while world.running.app.metrics.queued() < 1 {
        tokio::task::yield_now().await;
    }
    // Half of it is not yet full.
    world.is_quiet().await;
    running.push(chat());
    while world.running.app.metrics.queued() < 2 {
        tokio::task::yield_now().await;
    }
    world.fires("queue_filling", json!("one")).await;
    let monitor = world.running.look("/v1/monitor").await.json();
    assert_eq!(
        (&monitor["services"]["up"]["queue"], &monitor["services"]["up"]["concurrent"]),
        (&json!(2), &json!(1))
    );
    held.add_permits(3);
    for request in running {
        assert_eq!(request.await.expect("an answer").status, StatusCode::OK);
    }
    world.clears("queue_filling", json!("one")).await;
}

#[tokio::test]
async fn a_minute_that_costs_far_more_than_usual_is_told() {
    let (_provider, policy) = failing("").await;
    let alert = "cost_spike = { threshold = 4, clear = 2, least_usd = 0.00001, for = \"0s\" }";
    let world = World::new(&[alert], &policy).await;
    for _ in 0..15 {
        look(&world.running.app).await;
        world.chats(CHAT, 1, StatusCode::OK).await;
        world.running.advance(MINUTE);
    }
    world.is_quiet().await;
    // Each costs 17,000 nano-dollars, which is more than the least that counts.
    world.chats(CHAT, 10, StatusCode::OK).await;
    let message = world.fires("cost_spike", json!(null)).await;
    assert!(message.contains("Cost spike: all services together cost $0.000"), "{message}");
    let message = world.fires("cost_spike", json!("up")).await;
    assert!(message.starts_with("Cost spike: up cost"), "{message}");
    let monitor = world.running.look("/v1/monitor").await.json();
    assert_eq!(monitor["services"]["up"]["cost_per_minute_usd"], "0.000187");
    assert_eq!(monitor["services"]["up"]["cost_usd"], "0.000425");
    world.running.advance(MINUTE * 2);
    world.clears("cost_spike", json!(null)).await;
    world.clears("cost_spike", json!("up")).await;
    world.is_quiet().await;
}

#[tokio::test]
async fn the_first_requests_after_a_quiet_night_are_no_spike_and_many_are() {
    let (_provider, policy) = failing("").await;
    let alert = "cost_spike = { threshold = 4, clear = 2, least_usd = 0.00001, for = \"0s\" }";
    let world = World::new(&[alert], &policy).await;
    for _ in 0..15 {
        look(&world.running.app).await;
        world.running.advance(MINUTE);
    }
    // Each costs 17,000 nano-dollars, 1.7 times the least that counts.
    world.chats(CHAT, 2, StatusCode::OK).await;
    world.is_quiet().await;
    world.chats(CHAT, 1, StatusCode::OK).await;
    world.fires("cost_spike", json!(null)).await;
}

#[tokio::test]
async fn a_bucket_that_runs_dry_is_told() {
    let (_provider, policy) = failing("").await;
    let bucket = "[[limits]]\nname = \"drops\"\nbucket = { rate = \"1/minute\", burst = 10 }\n";
    let world = World::new(&["low_tokens = { for = \"10s\" }"], &format!("{policy}{bucket}")).await;
    world.chats(CHAT, 9, StatusCode::OK).await;
    // A tenth is not less than a tenth.
    world.is_quiet().await;
    world.chats(CHAT, 1, StatusCode::OK).await;
    look(&world.running.app).await;
    world.running.advance(SECOND * 9);
    world.is_quiet().await;
    world.running.advance(SECOND);
    world.fires("low_tokens", json!("drops")).await;
    world.running.advance(MINUTE * 2);
    world.is_quiet().await;
    world.running.advance(MINUTE);
    world.clears("low_tokens", json!("drops")).await;
}

#[tokio::test]
async fn sessions_that_fill_a_server_are_told() {
    let policy = "[[limits]]\nname = \"seats\"\nsessions = { max = 10, idle = \"10m\" }\n";
    let world = World::new(&["utilisation = {}"], policy).await;
    for nth in 0..9 {
        if nth == 8 {
            world.is_quiet().await;
        }
        let body = format!("{{\"session\":\"s{nth}\"}}");
        assert_eq!(
            world.running.send(post("/v1/sessions", body)).await.status,
            StatusCode::CREATED
        );
    }
    let message = world.fires("utilisation", json!("seats")).await;
    assert_eq!(message, "90 % of the sessions of seats are taken: the alert begins at 90 %");
    world.running.advance(MINUTE * 11);
    world.clears("utilisation", json!("seats")).await;
}

#[tokio::test]
async fn many_refusals_are_told() {
    let (_provider, policy) = failing("").await;
    let limit = "[[limits]]\nname = \"few\"\nrequests = \"9/hour\"\n";
    let world =
        World::new(&["refused = { least = 10, over = \"2m\" }"], &format!("{policy}{limit}")).await;
    look(&world.running.app).await;
    world.chats(CHAT, 9, StatusCode::OK).await;
    // What is asked amiss is not held back.
    for _ in 0..20 {
        let lost = world.running.send(post("/nowhere/v1/chat/completions", CHAT)).await;
        assert_eq!(lost.status, StatusCode::NOT_FOUND);
    }
    world.is_quiet().await;
    world.chats(CHAT, 1, StatusCode::TOO_MANY_REQUESTS).await;
    world.fires("refused", json!(null)).await;
    world.running.advance(MINUTE * 3);
    world.clears("refused", json!(null)).await;
}

#[tokio::test]
async fn a_whole_that_fails_is_told_and_more_failures_never_raise_its_score() {
    let (_provider, policy) = failing(OBSERVED).await;
    let world = World::new(&["critical_health = { for = \"10s\" }"], &policy).await;
    look(&world.running.app).await;
    let mut before = 100;
    for _ in 0..20 {
        world.chats(FAILING, 1, StatusCode::INTERNAL_SERVER_ERROR).await;
        let monitor = world.running.look("/v1/monitor").await.json();
        let score = monitor["health_score"].as_u64().expect("a score");
        assert!(score <= before, "{score} after {before}");
        before = score;
    }
    assert_eq!(before, 46);
    world.is_quiet().await;
    world.running.advance(SECOND * 10);
    let message = world.fires("critical_health", json!(null)).await;
    assert!(message.contains("46, below 50"), "{message}");
    world.metric("tollgate_health_score 46").await;
    world.running.advance(MINUTE * 6);
    world.clears("critical_health", json!(null)).await;
}

#[tokio::test]
async fn decisions_that_the_store_could_not_make_are_told_for_a_minute() {
    let world = World::new(&["fail_open = {}"], "").await;
    look(&world.running.app).await;
    world.running.app.metrics.store_failed("closed");
    let message = world.fires("fail_open", json!(null)).await;
    assert_eq!(message, "1 decisions could not be made by the store");
    world.running.advance(MINUTE + SECOND * 2);
    world.clears("fail_open", json!(null)).await;
}

#[tokio::test]
async fn an_alert_that_is_switched_off_by_a_reload_is_over() {
    let policy = "[[limits]]\nname = \"seats\"\nsessions = { max = 1, idle = \"10m\" }\n";
    let world = World::new(&["utilisation = {}"], policy).await;
    world.running.send(post("/v1/sessions", "{\"session\":\"s\"}")).await;
    world.fires("utilisation", json!("seats")).await;
    let hook = format!(
        "{policy}[alerts]\nutilisation = {{ enabled = false }}\n[[alerts.sinks]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"http://{}/told?by=tollgate\"\nsecret = \"env:HOOK\"\n",
        world.hook.address
    );
    let config = super::super::running::config(&hook, &[("HOOK", SECRET)]);
    world.running.app.replace(config).expect("a good policy");
    world.clears("utilisation", json!("seats")).await;
}
