//! The `assistant` preset: many tiers and dollars. Every number at its edge, in the
//! service's own bodies.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use tokio::{sync::Semaphore, task::JoinHandle};

use super::{Provider, Running, Step, post, provider::response, running::Answer};

/// The service behind the gateway, and the model behind both.
struct Scene {
    running: Arc<Running>,
    _provider: Provider,
}

const OK: StatusCode = StatusCode::OK;
const REFUSED: StatusCode = StatusCode::TOO_MANY_REQUESTS;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const NANO: Duration = Duration::from_nanos(1);

const STATS: &str = "/api/v1/assistant/stats";

/// A model of which each token made costs one dollar.
const DEAR: &str = "[prices.models.dear]\ninput = \"0\"\noutput = \"1000000\"\n";

fn completion(input: u64, output: u64) -> String {
    format!(
        r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":"hi"}}}}],"usage":{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{}}}}}"#,
        input + output
    )
}

impl Scene {
    async fn new(provider: Provider, overlay: &str, environment: &[(&str, &str)]) -> Self {
        let overlay = format!(
            "[providers.openai]\nbase_url = \"{}\"\nread_timeout = \"60s\"\n{overlay}",
            provider.base_url()
        );
        let running = Running::preset_in("assistant", &overlay, environment).await;
        Self { running: Arc::new(running), _provider: provider }
    }

    /// A model that answers with so many tokens.
    async fn with(input: u64, output: u64, overlay: &str) -> Self {
        Self::new(Provider::json(&completion(input, output)).await, overlay, &[]).await
    }

    async fn ask_for(&self, user: &str, model: &str, output: u64) -> Answer {
        let body = format!(
            r#"{{"model":"{model}","max_tokens":{output},"messages":[{{"role":"user","content":"hi"}}]}}"#
        );
        let mut request = post("/openai/v1/chat/completions", body);
        request.headers_mut().insert("x-tollgate-user", user.parse().expect("a value"));
        // Asked anew each time, since answers are kept.
        request.headers_mut().insert("x-tollgate-cache", HeaderValue::from_static("off"));
        self.running.send(request).await
    }

    async fn ask(&self, user: &str) -> Answer {
        self.ask_for(user, "Llama-3.2-3B-Instruct", 200).await
    }

    async fn all_pass(&self, user: &str, count: usize) {
        for nth in 0..count {
            let answer = self.ask(user).await;
            assert_eq!(answer.status, OK, "{user}, {nth}: {:?}", answer.body);
        }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.running.send(request.body(Full::<Bytes>::default()).expect("a request")).await
    }

    fn advance(&self, by: Duration) {
        self.running.advance(by);
    }

    /// Asks again at the promised instant and just before it.
    async fn keeps_its_promise(&self, refused: &Answer, user: &str) {
        let millis = refused.header("retry-after-ms").expect("a promise");
        let wait = Duration::from_millis(millis.parse().expect("a number"));
        self.advance(wait - Duration::from_millis(1) - NANO);
        assert_eq!(self.ask(user).await.status, REFUSED, "too early");
        self.advance(Duration::from_millis(1) + NANO);
        assert_eq!(self.ask(user).await.status, OK);
    }
}

/// A refusal by this limit that says so in all the ways there are.
fn refused_by(answer: &Answer, limit: &str, detail: &str) {
    let json = answer.json();
    assert_eq!(answer.status, REFUSED, "{json}");
    assert_eq!(answer.header("x-tollgate-limit"), Some(limit));
    assert_eq!(json["detail"], detail);
    let message = json["error"]["message"].as_str().expect("a message");
    assert!(message.starts_with(detail), "{message}");
    for name in ["ratelimit", "ratelimit-policy", "x-ratelimit-remaining", "x-ratelimit-reset"] {
        assert!(answer.header(name).is_some(), "{name}");
    }
}

fn has_retry_after(answer: &Answer) {
    let seconds = answer.header("retry-after").expect("it is told when to come back");
    assert!(seconds.parse::<u64>().expect("whole seconds") > 0);
}

#[tokio::test]
async fn a_user_has_ten_a_minute_and_another_has_its_own() {
    let scene = Scene::with(7, 5, "").await;
    scene.all_pass("alice", 10).await;
    let refused = scene.ask("alice").await;
    refused_by(&refused, "user-minute", "Rate limit exceeded: 10 requests per minute");
    has_retry_after(&refused);
    assert_eq!(refused.header("x-ratelimit-limit-requests"), Some("10"));
    assert_eq!(refused.header("x-ratelimit-remaining-requests"), Some("0"));
    scene.all_pass("bob", 10).await;
    scene.keeps_its_promise(&refused, "alice").await;
}

#[tokio::test]
async fn no_minute_has_a_burst_of_twice_the_limit() {
    let scene = Scene::with(7, 5, "").await;
    // Ten at the end of a minute of the clock leave nothing for the beginning of the next.
    scene.advance(Duration::from_secs(59));
    scene.all_pass("alice", 10).await;
    scene.advance(Duration::from_secs(2));
    assert_eq!(scene.ask("alice").await.status, REFUSED);
    // And whoever asks all the time gets ten in any minute, never more, and no fewer.
    let mut admitted = vec![];
    for second in (0..300_u64).step_by(2) {
        if scene.ask("carol").await.status == OK {
            admitted.push(second);
        }
        scene.advance(Duration::from_secs(2));
    }
    for second in 0..240 {
        let count = admitted.iter().filter(|at| (second..second + 60).contains(*at)).count();
        assert!(count <= 10, "{count} from second {second}: {admitted:?}");
    }
    assert_eq!(admitted.len(), 50, "{admitted:?}");
}

#[tokio::test]
async fn a_user_has_a_hundred_an_hour() {
    let scene = Scene::with(7, 5, "").await;
    for _ in 0..10 {
        scene.all_pass("alice", 10).await;
        scene.advance(MINUTE);
    }
    let refused = scene.ask("alice").await;
    refused_by(&refused, "user-hour", "Rate limit exceeded: 100 requests per hour");
    has_retry_after(&refused);
    // The first ten leave when they are an hour old: a sixtieth of it late at most.
    let wait = refused.header("retry-after").and_then(|it| it.parse().ok()).expect("a number");
    assert!((3_000..=3_060_u64).contains(&wait), "{wait}");
    scene.keeps_its_promise(&refused, "alice").await;
}

#[tokio::test]
async fn a_user_has_five_hundred_a_day() {
    let scene = Scene::with(7, 5, "").await;
    for _ in 0..5 {
        for _ in 0..10 {
            scene.all_pass("alice", 10).await;
            scene.advance(MINUTE);
        }
        scene.advance(HOUR);
    }
    let refused = scene.ask("alice").await;
    refused_by(&refused, "user-day", "Rate limit exceeded: 500 requests per day");
    has_retry_after(&refused);
    // A long wait is not to be sat out by clients that would rather ask at once.
    assert_eq!(refused.header("x-should-retry"), Some("false"));
    scene.keeps_its_promise(&refused, "alice").await;
}

#[tokio::test]
async fn the_system_has_a_thousand_an_hour() {
    let scene = Scene::with(7, 5, "").await;
    for user in 0..100 {
        scene.all_pass(&format!("user-{user}"), 10).await;
    }
    let refused = scene.ask("somebody else").await;
    refused_by(&refused, "global-hour", "Rate limit exceeded: 1000 requests per hour");
    has_retry_after(&refused);
    let stats = scene.get(STATS, &[("x-tollgate-user", "somebody else")]).await.json();
    assert_eq!(stats["limits"]["minute"]["current"], 0, "what is refused is charged nowhere");
    scene.keeps_its_promise(&refused, "somebody else").await;
}

#[tokio::test]
async fn the_system_runs_a_hundred_at_once() {
    let go = Arc::new(Semaphore::new(0));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json";
    let answer = Step::Send(response(head, &completion(7, 5)));
    let provider = Provider::doing(vec![Step::Hold(Arc::clone(&go)), answer]).await;
    let scene = Arc::new(Scene::new(provider, "", &[]).await);
    let all: Vec<JoinHandle<Answer>> = (0..100)
        .map(|nth| {
            let scene = Arc::clone(&scene);
            tokio::spawn(async move { scene.ask(&format!("user-{}", nth % 10)).await })
        })
        .collect();
    while scene.running.app.metrics.concurrent() != 100 {
        tokio::task::yield_now().await;
    }
    let refused = scene.ask("somebody else").await;
    refused_by(&refused, "global-slots", "Too many concurrent requests: 100 at once");
    has_retry_after(&refused);
    go.add_permits(101);
    for answer in all {
        assert_eq!(answer.await.expect("an answer").status, OK);
    }
    assert_eq!(scene.ask("somebody else").await.status, OK);
}

#[tokio::test]
async fn a_user_has_five_dollars_a_day_and_all_have_a_hundred() {
    let scene = Scene::with(7, 1, DEAR).await;
    for user in 0..20 {
        let user = format!("user-{user}");
        for _ in 0..5 {
            assert_eq!(scene.ask_for(&user, "dear", 1).await.status, OK, "{user}");
        }
        let refused = scene.ask_for(&user, "dear", 1).await;
        if user == "user-0" {
            refused_by(&refused, "user-spend", "Budget exhausted: $5 per calendar day");
            assert_eq!(refused.json()["error"]["type"], "insufficient_quota");
            assert_eq!(refused.header("x-should-retry"), Some("false"));
            assert_eq!(refused.header("x-tollgate-retry-at"), Some("2026-11-23T00:00:00.000Z"));
            let told = ["limit", "remaining", "reset"]
                .map(|what| refused.header(&format!("x-tollgate-budget-{what}")));
            assert_eq!(told, [Some("5"), Some("0"), Some("1795392000")]);
        }
    }
    assert_eq!(scene.running.used().2, 100_000_000_000);
    // How much all may spend is nobody's business.
    let refused = scene.ask_for("somebody else", "dear", 1).await;
    refused_by(&refused, "global-spend", "Budget exhausted: global-spend");
    let told = ["ratelimit", "ratelimit-policy"].map(|name| refused.header(name));
    assert!(!told.into_iter().flatten().any(|told| told.contains("global-spend")), "{told:?}");
    assert_eq!(refused.header("x-tollgate-budget-limit"), Some("5"));
    scene.advance(16 * HOUR - NANO);
    assert_eq!(scene.ask_for("user-0", "dear", 1).await.status, REFUSED);
    scene.advance(NANO);
    assert_eq!(scene.ask_for("user-0", "dear", 1).await.status, OK);
}

#[tokio::test]
async fn a_budget_is_kept_to_the_nano_dollar() {
    let scene = Scene::with(7, 5, "").await;
    for (usd, status) in [
        ("4.999999999", StatusCode::CREATED),
        ("0.000000002", REFUSED),
        ("0.000000001", StatusCode::CREATED),
        ("0.000000001", REFUSED),
    ] {
        let body = format!(r#"{{"user": "alice", "demand": {{"usd": "{usd}"}}}}"#);
        let answer = scene.running.send(post("/v1/permits", body)).await;
        assert_eq!(answer.status, status, "{usd}");
        let json = answer.json();
        if status == REFUSED {
            assert_eq!(json["detail"], "Budget exhausted: $5 per calendar day");
        } else {
            // What is spent is waited for by nobody, as what is only held would be.
            let settle = format!("/v1/permits/{}/settle", json["id"].as_str().expect("an id"));
            let settled = post(&settle, format!(r#"{{"usd": "{usd}"}}"#));
            assert_eq!(scene.running.send(settled).await.status, OK);
        }
    }
}

/// 12 tokens of question and 856 of notes in, 145 out.
#[tokio::test]
async fn the_example_costs_what_it_costs() {
    let scene = Scene::with(12 + 856, 145, "").await;
    scene.all_pass("alice", 1).await;
    assert_eq!(scene.running.used(), (868, 145, 260_600));
    assert_eq!(scene.running.app.metrics.totals().cost_usd.to_string(), "0.0002606");
    let stats = scene.get(STATS, &[("x-tollgate-user", "alice")]).await.json();
    let cost = serde_json::json!({"today": 0.0002606, "limit": 5.0, "remaining": 4.9997394});
    assert_eq!(stats["cost"], cost);
}

#[tokio::test]
async fn a_user_is_told_what_it_has_used_in_the_services_own_words() {
    let scene = Scene::with(7, 5, "").await;
    for usd in ["0.5", "0.01", "0.01"] {
        let body = format!(r#"{{"user": "alice", "demand": {{"usd": "{usd}"}}}}"#);
        assert_eq!(scene.running.send(post("/v1/permits", body)).await.status, StatusCode::CREATED);
    }
    let answer = scene.get(STATS, &[("x-tollgate-user", "alice")]).await;
    assert_eq!(
        answer.body,
        concat!(
            r#"{"user_id":"alice","limits":{"minute":{"current":3,"limit":10,"remaining":7},"#,
            r#""hour":{"current":3,"limit":100,"remaining":97},"#,
            r#""day":{"current":3,"limit":500,"remaining":497}},"#,
            r#""cost":{"today":0.52,"limit":5.0,"remaining":4.48}}"#
        )
    );
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let (own, all) = (answer.json(), scene.get("/v1/users/alice/stats", &[]).await.json());
    assert_eq!((&all["user_id"], &all["cost"]), (&own["user_id"], &own["cost"]));
    for window in ["minute", "hour", "day"] {
        for member in ["current", "limit", "remaining"] {
            assert_eq!(all["limits"][window][member], own["limits"][window][member]);
        }
    }
}

#[tokio::test]
async fn a_user_sees_only_its_own() {
    let hash = |key: &str| blake3::hash(key.as_bytes()).to_hex();
    let keys = format!(
        "[identity]\ntrust_headers = false\n[[keys]]\nid = \"k1\"\nhash = \"blake3:{}\"\nuser = \"alice\"\n[[keys]]\nid = \"k2\"\nhash = \"blake3:{}\"\n",
        hash("tg_alice"),
        hash("tg_nameless")
    );
    let scene = Scene::with(7, 5, &keys).await;
    for (headers, user) in [
        (&[("authorization", "Bearer tg_alice")] as &[(&str, &str)], Some("alice")),
        (&[("x-api-key", "tg_alice"), ("x-tollgate-user", "bob")], Some("alice")),
        (&[("authorization", "Bearer tg_nameless")], Some("k2")),
        (&[("authorization", "Bearer tg_unknown")], None),
        (&[("x-tollgate-user", "bob")], None),
        (&[], None),
    ] {
        let answer = scene.get(STATS, headers).await;
        let json = answer.json();
        match user {
            Some(user) => assert_eq!((answer.status, &json["user_id"]), (OK, &user.into())),
            None => {
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{headers:?}");
                assert_eq!(json["error"], "unauthorized");
            }
        }
    }
}

#[tokio::test]
async fn health_tells_of_every_part_where_the_service_told_it() {
    let scene = Scene::with(7, 5, "").await;
    let answer = scene.get("/api/v1/assistant/health", &[]).await;
    let expected = serde_json::json!({
        "status": "healthy",
        "checks": {
            "assistant_service": "available",
            "redis": "not_configured",
            "database": "not_configured",
        },
    });
    assert_eq!((answer.status, answer.json()), (OK, expected));
}

#[tokio::test]
async fn each_profile_is_as_strict_as_its_name() {
    let scene = |environment| async move {
        Scene::new(Provider::json(&completion(7, 5)).await, "", environment).await
    };
    let development = scene(&[("TOLLGATE_ENV", "development")]).await;
    development.all_pass("alice", 110).await;

    let testing = scene(&[("TOLLGATE_ENV", "testing")]).await;
    testing.all_pass("alice", 3).await;
    refused_by(
        &testing.ask("alice").await,
        "user-minute",
        "Rate limit exceeded: 3 requests per minute",
    );

    let production = scene(&[("TOLLGATE_ENV", "production")]).await;
    production.all_pass("alice", 10).await;
    assert_eq!(production.ask("alice").await.status, REFUSED);
    let nameless = production.get("/openai/v1/models", &[]).await;
    assert_eq!(nameless.status, StatusCode::UNAUTHORIZED);

    let off = scene(&[("RATE_LIMITING_ENABLED", "false")]).await;
    off.all_pass("alice", 110).await;
    let stats = off.get(STATS, &[("x-tollgate-user", "alice")]).await.json();
    assert_eq!(
        (&stats["limits"], &stats["cost"]["limit"]),
        (&Value::Object(<_>::default()), &Value::Null)
    );
}
