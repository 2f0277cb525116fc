//! What begins no session is told in plain HTTP, in the dialect's words.

use http::StatusCode;

use super::{
    super::Running,
    LIMITS, RAW, SECOND, before_sandbox,
    caller::{call, send},
    heard,
    provider::Provider,
    sandbox, seconds, settled, up,
};

#[tokio::test]
async fn what_has_no_room_for_a_first_slice_is_refused_before_it_begins() {
    // A tenth of what it asks for is the least that it begins with.
    let running = before_sandbox(&seconds(1)).await;
    let two = RAW.replace("channels=1", "channels=2&multichannel=true");
    let refused = call(&running, &two, "").await.err().expect("a refusal");
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.json()["err_code"], "TOO_MANY_REQUESTS");
    assert!(refused.json()["request_id"].is_string());
    assert_eq!(refused.header("x-tollgate-limit"), Some("heard"));
    let running = before_sandbox("[[limits]]\nname = \"spend\"\nusd = \"0.00007/day\"\n").await;
    let spent = call(&running, RAW, "").await.err().expect("a refusal");
    assert_eq!(
        (spent.status, &spent.json()["err_code"]),
        (StatusCode::PAYMENT_REQUIRED, &"ASR_PAYMENT_REQUIRED".into())
    );
    let running = before_sandbox("[[limits]]\nname = \"rate\"\nrequests = \"1/minute\"\n").await;
    call(&running, RAW, "").await.expect("a session");
    let again = call(&running, RAW, "").await.err().expect("a refusal");
    assert_eq!(
        (again.status, again.header("retry-after")),
        (StatusCode::TOO_MANY_REQUESTS, Some("60"))
    );
    assert_eq!(settled(&running).await, (0, 0));
}

#[tokio::test]
async fn who_is_not_known_or_asks_for_what_makes_no_sense_is_told_so() {
    let running = before_sandbox(&seconds(1_000)).await;
    let token = "authorization: Token tg_unknown\r\n";
    let protocol = "sec-websocket-protocol: token, tg_unknown\r\n";
    let callback = format!("{RAW}&callback=https://a");
    for (query, headers, status) in [
        (RAW, token, StatusCode::UNAUTHORIZED),
        (RAW, protocol, StatusCode::UNAUTHORIZED),
        ("encoding=linear16", "", StatusCode::BAD_REQUEST),
        ("model=a&model=b", "", StatusCode::BAD_REQUEST),
        (&callback, "", StatusCode::BAD_REQUEST),
        ("model=unpriced-by-anybody", "", StatusCode::FORBIDDEN),
    ] {
        let refused = call(&running, query, headers).await.err().expect("a refusal");
        assert_eq!(refused.status, status, "{query}: {:?}", refused.body);
        assert!(refused.json()["err_msg"].is_string());
    }
    for (head, named) in [
        ("sec-websocket-version: 8\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "13"),
        ("sec-websocket-version: 13\r\nsec-websocket-key: short\r\n", "Sec-WebSocket-Key"),
    ] {
        let head = format!(
            "GET /up/v1/listen?{RAW} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n{head}\r\n"
        );
        let refused = send(&running, &head).await.err().expect("a refusal");
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        let sentence = refused.json()["err_msg"].as_str().expect("a sentence").to_owned();
        assert!(sentence.contains(named), "{sentence}");
    }
    assert_eq!(settled(&running).await, heard(0));
}

#[tokio::test]
async fn what_the_provider_answers_instead_passes_and_costs_one_request() {
    let provider = Provider::answering(
        "HTTP/1.1 401 No\r\ncontent-type: application/json\r\ncontent-length: 33\r\n\r\n{\"err_code\":\"INVALID_AUTH\",\"a\":1}",
    )
    .await;
    let running = Running::with(&format!("{}{}", up(provider.address), seconds(1_000))).await;
    let refused = call(&running, RAW, "").await.err().expect("an answer");
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.json()["err_code"], "INVALID_AUTH");
    assert_eq!(settled(&running).await, heard(0));
}

#[tokio::test]
async fn a_provider_that_agrees_to_no_session_is_none() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: wrong\r\n\r\n",
        "",
        "HTTP/1.1 101 x\r\n\r\n",
    ] {
        let provider = Provider::answering(answer).await;
        let running = Running::with(&format!("{}{LIMITS}", up(provider.address))).await;
        let refused = call(&running, RAW, "").await.err().expect("an answer");
        assert_eq!(refused.status, StatusCode::BAD_GATEWAY, "{answer}");
        assert_eq!(refused.json()["err_code"], "BAD_GATEWAY");
        settled(&running).await;
    }
}

#[tokio::test]
async fn a_provider_that_refuses_is_passed_over_for_the_next_one_behind_a_name() {
    let busy = Provider::answering(
        "HTTP/1.1 429 Too Many\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
    )
    .await;
    let other = up(sandbox().await).replace("providers.up", "providers.other");
    let names = "[models.heard]\nmodels = [\"up/nova-2\", \"other/nova-3\"]\n";
    let price = "[prices.models.\"streaming/nova-2\"]\ninput = 0\nminute = 0.0058\n";
    let policy = format!("{}{other}{names}{price}{}", up(busy.address), seconds(1_000));
    let running = Running::with(&policy).await;
    let query = RAW.replace("nova-3", "heard");
    let mut caller = call(&running, &query, "").await.expect("a session");
    assert!(busy.head().await.starts_with("GET /v1/listen?model=nova-2&"));
    assert_eq!(caller.headers["x-tollgate-served-by"], "other/nova-3");
    caller.speak(SECOND).await;
    caller.finish().await;
    caller.until("Metadata").await;
    assert_eq!(settled(&running).await, heard(1_000));
}

#[tokio::test]
async fn who_waits_for_the_slot_begins_when_it_is_free() {
    let queue = "[[limits]]\nname = \"slots\"\nconcurrency = 1\nqueue = { size = 1 }\n";
    let running = before_sandbox(queue).await;
    let mut first = call(&running, RAW, "").await.expect("a session");
    let (mut second, ()) =
        tokio::join!(async { call(&running, RAW, "").await.expect("a session") }, async {
            while running.app.gate.waiting() == 0 {
                tokio::task::yield_now().await;
            }
            first.finish().await;
            first.until("Metadata").await;
        });
    second.finish().await;
    second.until("Metadata").await;
}
