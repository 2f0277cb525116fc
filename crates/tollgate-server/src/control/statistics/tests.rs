//! What was spent and refused, as operators ask for it.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate::Store as _;

use crate::api::tests::World;

const HOUR: Duration = Duration::from_secs(3_600);

const POLICY: &str = r#"
    [prices]
    unpriced = "free"
    [[limits]]
    name = "user-minute"
    per = ["user"]
    requests = "2/minute"
    [[limits]]
    name = "slots"
    concurrency = 100
"#;

/// A process that has spent: who, on which model, how much, and then a time passes.
async fn spent(folder: &std::path::Path, spent: &[(&str, &str, &str, Duration)]) -> World {
    let world = World::keeping(POLICY, folder);
    for (user, model, usd, then) in spent {
        let body = json!({
            "user": user, "model": model, "provider": "openai", "team": "red", "task": "chat",
            "demand": {"input_tokens": 10, "output_tokens": 5, "usd": usd},
        });
        let permit = world.post("/v1/permits", &body.to_string()).await.expect(201);
        let settle = format!("/v1/permits/{}/settle", permit["id"].as_str().unwrap());
        let used = json!({"input_tokens": 8, "output_tokens": 3, "usd": usd});
        world.post(&settle, &used.to_string()).await.expect(200);
        world.advance(*then);
    }
    world.app.gate.store().durable().await.unwrap();
    world
}

fn rows<'a>(answer: &'a Value, members: &[&str]) -> Vec<Vec<&'a Value>> {
    let rows = answer["rows"].as_array().unwrap().iter();
    rows.map(|row| members.iter().map(|member| &row[*member]).collect()).collect()
}

#[tokio::test]
async fn spend_is_summed_up_by_whom_and_for_what() {
    let folder = tempfile::tempdir().unwrap();
    let world = spent(
        folder.path(),
        &[
            ("alice", "large", "0.5", HOUR),
            ("alice", "small", "0.02", HOUR),
            ("bob", "small", "0.08", HOUR),
            ("carol", "large", "0.0002606", HOUR),
        ],
    )
    .await;
    let all = world.look("/v1/spend?since=1d", &[]).await.expect(200);
    assert_eq!(all["by"], json!([]));
    let total = json!({
        "requests": 4, "input_tokens": 32, "output_tokens": 12, "seconds": 0.0,
        "cost_usd": "0.6002606", "overrun_usd": "0", "estimated": 0,
    });
    assert_eq!(all["total"], total);
    assert_eq!(all["rows"].as_array().unwrap().len(), 1);

    let users = world.look("/v1/spend?by=user&limit=2", &[]).await.expect(200);
    assert_eq!(
        rows(&users, &["user", "cost_usd", "requests"]),
        [[&json!("alice"), &json!("0.52"), &json!(2)], [&json!("bob"), &json!("0.08"), &json!(1)],]
    );
    assert_eq!(users["total"], total, "what has no row is in the total");

    let pairs = world.look("/v1/spend?by=model,user&order=requests&user=alice", &[]).await;
    let pairs = pairs.expect(200);
    assert_eq!(
        rows(&pairs, &["model", "user", "cost_usd"]),
        [
            [&json!("large"), &json!("alice"), &json!("0.5")],
            [&json!("small"), &json!("alice"), &json!("0.02")],
        ]
    );
    for (by, value) in [("team", "red"), ("task", "chat"), ("provider", "openai"), ("tag", "")] {
        let answer = world.look(&format!("/v1/spend?by={by}"), &[]).await.expect(200);
        assert_eq!(rows(&answer, &[by, "requests"]), [[&json!(value), &json!(4)]], "{answer}");
    }

    let top = world.look("/v1/top", &[]).await.expect(200);
    assert_eq!(
        rows(&top, &["user", "share_percent"]),
        [
            [&json!("alice"), &json!(86.6)],
            [&json!("bob"), &json!(13.3)],
            [&json!("carol"), &json!(0.0)],
        ]
    );
}

#[tokio::test]
async fn time_is_cut_where_the_zone_cuts_it() {
    let folder = tempfile::tempdir().unwrap();
    // From noon in UTC: 20:00 and 01:00 in Tokyo.
    let world = spent(
        folder.path(),
        &[
            ("alice", "m", "1", 4 * HOUR),
            ("alice", "m", "2", HOUR),
            ("bob", "m", "4", 24 * 8 * HOUR),
            ("bob", "m", "8", HOUR),
        ],
    )
    .await;
    let days = |zone: &str| format!("/v1/spend?since=30d&bucket=day&time_zone={zone}");
    let utc = world.look(&days("UTC"), &[]).await.expect(200);
    assert_eq!(
        rows(&utc, &["start", "cost_usd"]),
        [
            [&json!("2026-11-23T00:00:00+00:00"), &json!("7")],
            [&json!("2026-12-01T00:00:00+00:00"), &json!("8")],
        ]
    );
    let tokyo = world.look(&days("Asia/Tokyo"), &[]).await.expect(200);
    assert_eq!(
        rows(&tokyo, &["start", "cost_usd"]),
        [
            [&json!("2026-11-23T00:00:00+09:00"), &json!("1")],
            [&json!("2026-11-24T00:00:00+09:00"), &json!("6")],
            [&json!("2026-12-02T00:00:00+09:00"), &json!("8")],
        ]
    );
    let months = world.look("/v1/spend?since=30d&bucket=month&by=user", &[]).await.expect(200);
    assert_eq!(
        rows(&months, &["start", "user", "cost_usd"]),
        [
            [&json!("2026-11-01T00:00:00+00:00"), &json!("bob"), &json!("4")],
            [&json!("2026-11-01T00:00:00+00:00"), &json!("alice"), &json!("3")],
            [&json!("2026-12-01T00:00:00+00:00"), &json!("bob"), &json!("8")],
        ]
    );
    let hours = "/v1/spend?from=2026-11-23&to=2026-11-24&bucket=hour";
    let hours = world.look(hours, &[]).await.expect(200);
    assert_eq!(rows(&hours, &["cost_usd"]), [[&json!("1")], [&json!("2")], [&json!("4")]]);
    assert_eq!(hours["total"]["cost_usd"], "7");
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_told_why() {
    let folder = tempfile::tempdir().unwrap();
    let world = spent(folder.path(), &[]).await;
    for (query, why) in [
        ("by=colour", "`by` has `colour`: choose of user, key"),
        ("by=user,user", "twice"),
        ("bucket=week", "`bucket` is `week`: choose one of hour, day, month"),
        ("order=fame", "choose one of cost, requests, tokens"),
        ("limit=0", "from 1 to 1000"),
        ("limit=1001", "from 1 to 1000"),
        ("limit=1000&bucket=day&since=30d", "ask for less"),
        ("colour=red", "`colour`, which is not known here: known are from, to"),
        ("since=7d&since=8d", "twice"),
        ("since=soon", "`since` is `soon`"),
        ("since=500d", "longer than 400 days"),
    ] {
        let (error, message) = world.look(&format!("/v1/spend?{query}"), &[]).await.problem(400);
        assert_eq!(error, "invalid_request");
        assert!(message.contains(why), "{query}: {message}");
    }
    let nothing = world.look("/v1/spend?by=user", &[]).await.expect(200);
    assert_eq!((&nothing["rows"], &nothing["total"]["cost_usd"]), (&json!([]), &json!("0")));
    let memory = World::new("store = { kind = \"memory\" }");
    let (_, message) = memory.look("/v1/spend", &[]).await.problem(501);
    assert!(message.contains("in memory"), "{message}");
}

#[tokio::test]
async fn refusals_are_counted_by_limit_and_hour() {
    let world = World::new(&format!("{POLICY}\n[store]\nkind = \"memory\""));
    let ask = async |status: u16| {
        let answer = world.post("/v1/permits", r#"{"user": "alice"}"#).await;
        assert_eq!(answer.status.as_u16(), status);
    };
    for status in [201, 201, 429, 429] {
        ask(status).await;
    }
    world.app.metrics.remember(world.app.gate.clock().now().wall);
    world.advance(HOUR);
    for status in [201, 201, 429] {
        ask(status).await;
    }
    let answer = world.look("/v1/refusals?since=6h", &[]).await.expect(200);
    let expected = json!({
        "known_from": "2026-11-23T12:00:00+00:00",
        "requests": 7, "refused": 3, "refused_percent": 42.86,
        "by_limit": [
            {"limit": "user-minute", "refused": 3, "refused_percent": 42.86, "shadowed": 0},
        ],
        "by_reason": {"too_many_requests": 3},
        "buckets": [{
            "start": "2026-11-23T12:00:00+00:00",
            "requests": 4, "refused": 2, "refused_percent": 50.0,
            "by_limit": {"user-minute": 2},
        }],
    });
    // The hour that has just begun is not over: it is asked about with the next.
    assert_eq!(answer["buckets"], expected["buckets"]);
    let answer = world.look("/v1/refusals?since=6h&to=2026-11-23T13:30:00Z", &[]).await;
    let answer = answer.expect(200);
    for member in ["known_from", "requests", "refused", "refused_percent", "by_limit", "by_reason"]
    {
        assert_eq!(answer[member], expected[member], "{member}");
    }
    assert_eq!(answer["buckets"][1]["refused"], 1);
    let day = "/v1/refusals?bucket=day&to=2026-11-24";
    let day = world.look(day, &[]).await.expect(200);
    assert_eq!(day["buckets"][0]["by_limit"], json!({"user-minute": 3}));
    world.look("/v1/refusals?by=user", &[]).await.problem(400);
}
