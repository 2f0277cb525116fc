//! What operators see, and that nobody else does.

use serde_json::json;

use crate::{
    api::tests::World,
    roster::{By, Force, Moment, Which},
};

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

#[tokio::test]
async fn a_refusal_is_explained_by_its_id_and_to_operators_alone() {
    let world = World::new(POLICY);
    let body = r#"{"user": "alice", "session": "s3cret", "demand": {"usd": "1"}}"#;
    world.post("/v1/permits", body).await.expect(201);
    let refused = world.post("/v1/permits", body).await;
    refused.problem(429);
    let id = refused.header("x-tollgate-request-id").to_owned();
    let path = format!("/v1/decisions/{id}");
    let told = world.look(&path, &RIGHT).await.expect(200);
    assert_eq!(told["id"], id);
    let [decision] = told["decisions"].as_array().unwrap().as_slice() else { panic!("{told}") };
    assert_eq!(decision["decision"], "refuse");
    assert_eq!(decision["at"], "2026-11-23T12:00:00.000Z");
    assert_eq!((&decision["status"], &decision["limit"]), (&json!(429), &json!("user-minute")));
    assert_eq!(decision["error"], "too_many_requests");
    assert_eq!(decision["retry_at"], "2026-11-23T12:01:00.000Z");
    assert_eq!(decision["who"], json!({"user": "alice"}), "a session's name lets in");
    let limits = decision["limits"].as_array().unwrap();
    let stood: Vec<_> = limits
        .iter()
        .map(|it| (it["name"].as_str().unwrap(), it["asked"].as_u64(), it["in_the_way"] == true))
        .collect();
    assert_eq!(
        stood,
        [("user-minute", Some(1), true), ("slots", Some(1), false), ("watched", Some(1), false),]
    );
    world.look(&path, &[]).await.problem(401);
    let (_, message) = world.look("/v1/decisions/alice", &RIGHT).await.problem(400);
    assert!(message.contains("X-Tollgate-Request-Id"), "{message}");
    let unknown = format!("/v1/decisions/{}", uuid::Uuid::nil());
    let (error, message) = world.look(&unknown, &RIGHT).await.problem(404);
    assert!(error == "not_found" && message.contains("is in the ledger"), "{message}");
}

#[tokio::test]
async fn an_open_circuit_is_in_the_way_where_no_other_model_may_serve() {
    let up = |name: &str| {
        format!("[providers.{name}]\ndialect = \"openai\"\nbase_url = \"http://127.0.0.1:9\"\n")
    };
    let behind = "[models.both]\nmodels = [\"a/m\", \"b/m\"]\n";
    let world =
        World::new(&format!("store = {{ kind = \"memory\" }}\n{}{}{behind}", up("a"), up("b")));
    let force = |path: &str| {
        let which = path.parse::<Which>().unwrap();
        let by = By {
            who: "test".into(),
            reason: None,
            at: Moment::of(world.app.gate.clock().now().wall),
        };
        world.app.roster.change(|book| book.force_circuit(which, Force::Open, &by)).unwrap();
        world.app.force_circuits();
    };
    let ask = async |body: &str| {
        let told = world.plan("/v1/explain", body).await.expect(200);
        let open = told["circuits"].as_array().unwrap().len();
        format!("{} {} {open}", told["decision"].as_str().unwrap(), told["error"])
    };
    let (one, both) =
        (r#"{"provider": "a", "model": "m"}"#, r#"{"provider": "a", "model": "both"}"#);
    assert_eq!(ask(one).await, "admit null 0");
    force("a/m");
    assert_eq!(ask(one).await, r#"refuse "circuit_open" 1"#);
    assert_eq!(ask(r#"{"provider": "a", "model": "other"}"#).await, "admit null 0");
    assert_eq!(ask(both).await, "admit null 1", "the other one may serve it");
    force("b");
    assert_eq!(ask(both).await, r#"refuse "circuit_open" 2"#);
    assert_eq!(ask("{}").await, "admit null 0", "it goes to no provider");
}

#[tokio::test]
async fn what_would_become_of_a_request_is_told_limit_by_limit_and_holds_nothing() {
    let world = World::new(
        r#"
        store = { kind = "memory" }
        [[limits]]
        name = "user-minute"
        per = ["user"]
        requests = "1/minute"
        [[limits]]
        name = "user-hour"
        per = ["user"]
        requests = "2/hour"
        [[limits]]
        name = "slots"
        concurrency = 1
        queue = { size = 5, timeout = "30s" }
        [[limits]]
        name = "watched"
        requests = "1/hour"
        shadow = true
        [[limits]]
        name = "others"
        when = { model = "x" }
        requests = "1/hour"
    "#,
    );
    let ask = async |body: &str| world.plan("/v1/explain", body).await.expect(200);
    let verdicts = |told: &serde_json::Value| -> Vec<String> {
        let limits = told["limits"].as_array().unwrap().iter();
        limits
            .map(|it| {
                let at = it["retry_at"].as_str().unwrap_or("-");
                format!("{} {} {at}", it["name"].as_str().unwrap(), it["verdict"].as_str().unwrap())
            })
            .collect()
    };
    let told = ask(r#"{"user": "alice"}"#).await;
    assert_eq!((&told["decision"], &told["message"]), (&json!("admit"), &json!(null)));
    assert_eq!(
        verdicts(&told),
        ["user-minute passes -", "user-hour passes -", "slots passes -", "watched passes -"]
    );
    world.post("/v1/permits", r#"{"user": "alice"}"#).await.expect(201);
    // Another user has the minute; the slot is taken, and would be waited for.
    let told = ask(r#"{"user": "bob"}"#).await;
    assert_eq!((&told["decision"], &told["limit"]), (&json!("wait"), &json!("slots")));
    let told = ask(r#"{"user": "alice"}"#).await;
    assert_eq!(told["decision"], "refuse");
    let told = ask(r#"{"user": "alice", "demand": {"requests": 2}}"#).await;
    assert_eq!(
        verdicts(&told),
        [
            "user-minute in the way -",
            "user-hour in the way 2026-11-23T13:00:00.000Z",
            "slots in the way -",
            "watched would refuse -",
        ]
    );
    assert_eq!(
        (&told["limits"][0]["asked"], &told["limits"][0]["remaining"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(told["limits"][0]["allows"], "1 requests per minute");
    let again = ask(r#"{"user": "alice", "demand": {"requests": 2}}"#).await;
    assert_eq!(again, told, "it holds nothing");
    let (_, message) = world.plan("/v1/explain", r#"{"colour": "red"}"#).await.problem(400);
    assert!(message.contains("colour"), "{message}");
}
