//! What makes no sense is refused with one sentence that says where.

use http::Method;

use super::World;

const POLICY: &str = "store = { kind = \"memory\" }";

#[tokio::test]
async fn a_wrong_body_is_refused_with_its_place() {
    let world = World::new(POLICY);
    let long = format!(r#"{{"user": "{}"}}"#, "x".repeat(257));
    let many: Vec<_> = (0..33).map(|nth| format!(r#""a{nth}": "x""#)).collect();
    let many = format!(r#"{{"attributes": {{{}}}}}"#, many.join(","));
    let deep = format!(r#"{{"attributes": {}"#, "[".repeat(1_000));
    for (body, says) in [
        ("{", "line 1 column 1"),
        ("[]", "expected struct"),
        ("null", "The body is not"),
        (r#"{"usr": "alice"}"#, "unknown field `usr`"),
        (r#"{"demand": {"tokens": 1}}"#, "unknown field `tokens`"),
        (r#"{"user": 7}"#, "`user`"),
        (r#"{"user": ""}"#, "it is empty"),
        (r#"{"user": "a\u0000"}"#, "control characters"),
        (r#"{"user": "a", "user": "b"}"#, "duplicate field `user`"),
        (r#"{"user": "a", "attributes": {"user": "b"}}"#, "`user` is given twice"),
        (r#"{"demand": {"input_tokens": -1}}"#, "`demand.input_tokens`"),
        (r#"{"demand": {"input_tokens": 1.5}}"#, "`demand.input_tokens`"),
        (r#"{"demand": {"requests": 9007199254740993}}"#, "more than 9007199254740992"),
        (r#"{"demand": {"usd": 0.01}}"#, "dollars as a string"),
        (r#"{"demand": {"usd": "-1"}}"#, "`-1` is no amount of dollars"),
        (r#"{"demand": {"usd": "0.0000000001"}}"#, "at most 9 decimals"),
        (r#"{"demand": {"usd": "1000000001"}}"#, "more than $1000000000"),
        (r#"{"demand": {"seconds": -0.5}}"#, "`demand.seconds`"),
        (r#"{"demand": {"seconds": 1e300}}"#, "`demand.seconds`"),
        (r#"{"id": "1"}"#, "`id`"),
        (r#"{"wait_ms": "soon"}"#, "`wait_ms`"),
        (r#"{} {}"#, "goes on after its end"),
        (&long, "257 bytes"),
        (&many, "33 members"),
        (&deep, "`attributes`"),
        ("\u{feff}{}", "The body is not"),
    ] {
        for path in ["/v1/permits", "/v1/check"] {
            let (error, message) = world.post(path, body).await.problem(400);
            assert_eq!(error, "invalid_request");
            assert!(message.contains(says), "{body}: {message}");
            assert!(message.len() < 450, "{message}");
        }
    }
    assert_eq!(world.app.metrics.totals().requests, 0);
}

#[tokio::test]
async fn a_long_body_is_not_read_to_its_end() {
    let world = World::new(POLICY);
    let long = format!(r#"{{"user": "{}"}}"#, "x".repeat(64 << 10));
    let (_, message) = world.post("/v1/permits", &long).await.problem(413);
    assert!(message.contains("65536 bytes"), "{message}");
}

#[tokio::test]
async fn a_wrong_path_or_method_is_said() {
    let world = World::new(POLICY);
    assert!(world.post("/v1/permits/7/settle", "{}").await.problem(400).1.contains("UUID"));
    assert_eq!(world.get("/v1/nothing").await.problem(404).0, "not_found");
    let wrong = world.get("/v1/permits").await;
    wrong.problem(405);
    assert_eq!(wrong.header("allow"), "POST");
    let bad = world.ask(Method::PUT, "/v1/sessions/a?usr=b", &[], "").await;
    assert!(bad.problem(400).1.contains("usr"), "{bad:?}");
    let long = format!("/v1/users/{}/stats", "x".repeat(300));
    world.get(&long).await.problem(400);
    world.get("/v1/users/%FF/stats").await.problem(400);
}

#[tokio::test]
async fn a_settlement_is_read_as_strictly() {
    let world = World::new(POLICY);
    let permit = world.post("/v1/permits", "").await.expect(201);
    let settle = format!("/v1/permits/{}/settle", permit["id"].as_str().unwrap());
    for (body, says) in [
        (r#"{"requests": 1}"#, "unknown field `requests`"),
        (r#"{"outcome": "maybe"}"#, "`success` or `failure`"),
        (r#"{"usd": "a lot"}"#, "no amount of dollars"),
    ] {
        let (_, message) = world.post(&settle, body).await.problem(400);
        assert!(message.contains(says), "{body}: {message}");
    }
    world.post(&settle, "{}").await.expect(200);
}
