//! Answers in one piece: told in the caller's dialect, charged by the provider's.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    super::{COMPLETION, provider::response},
    ANTHROPIC_FIRST, ASKED_BY_ANTHROPIC, ASKED_BY_OPENAI, JSON, MESSAGE, OPENAI_FIRST, Provider,
    Step, between, by_anthropic, by_openai, nobody, sent, told,
};

const CACHE: &str = "[cache]\nenabled = true\n";

const TOOLS: &str = r#"{"model":"smart","max_tokens":100,"messages":[{"role":"user","content":"The weather?"}],"tools":[{"type":"function","function":{"name":"weather","description":"Tells it.","parameters":{"type":"object","properties":{"place":{"type":"string"}}}}}],"tool_choice":"required"}"#;

/// What 7 tokens sent and 5 made cost of `claude`, in nano-dollars.
const OF_CLAUDE: u64 = 7 * 3_000 + 5 * 15_000;

#[tokio::test]
async fn an_answer_of_anthropics_is_told_to_openais_client() {
    let head = format!(
        "{JSON}\r\nanthropic-ratelimit-requests-limit: 5\r\nrequest-id: req_1\r\nset-cookie: a=b"
    );
    let anthropic = Provider::doing(vec![Step::Send(response(&head, MESSAGE))]).await;
    let running = between(&nobody().await, &anthropic, ANTHROPIC_FIRST, "").await;
    let answer = running.send(by_openai(ASKED_BY_OPENAI)).await;
    assert_eq!(told(&answer), "200 a/claude -");
    let said = answer.json();
    assert_eq!((&said["object"], &said["model"]), (&json!("chat.completion"), &json!("claude-1")));
    assert_eq!(said["choices"][0]["message"]["content"], "hello");
    assert_eq!(said["choices"][0]["finish_reason"], "stop");
    assert_eq!(
        (&said["usage"]["prompt_tokens"], &said["usage"]["total_tokens"]),
        (&json!(7), &json!(12))
    );
    assert_eq!(said["created"], 1_795_334_400);
    assert_eq!(running.used(), (7, 5, OF_CLAUDE), "as the model that served costs");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        answer.header("content-length").map(str::to_owned),
        Some(answer.body.len().to_string())
    );
    assert_eq!(answer.header("request-id"), Some("req_1"));
    assert_eq!(answer.header("anthropic-ratelimit-requests-limit"), None);
    assert_eq!(answer.header("set-cookie"), None);
}

#[tokio::test]
async fn an_answer_of_openais_is_told_to_anthropics_client() {
    let openai = Provider::json(COMPLETION).await;
    let running = between(&openai, &nobody().await, OPENAI_FIRST, "").await;
    let answer = running.send(by_anthropic(ASKED_BY_ANTHROPIC)).await;
    assert_eq!(told(&answer), "200 o/m -");
    let said = answer.json();
    assert_eq!((&said["type"], &said["role"]), (&json!("message"), &json!("assistant")));
    assert_eq!(said["content"], json!([{"type": "text", "text": "hello"}]));
    assert_eq!(
        (&said["usage"]["input_tokens"], &said["usage"]["output_tokens"]),
        (&json!(7), &json!(5))
    );
    assert_eq!(running.used(), (7, 5, 17_000));
}

#[tokio::test]
async fn calls_of_tools_go_there_and_back() {
    let called = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"tool_use","id":"toolu_1","name":"weather","input":{"place":"Bonn"}}],"stop_reason":"tool_use","usage":{"input_tokens":7,"output_tokens":5}}"#;
    let anthropic = Provider::json(called).await;
    let running = between(&nobody().await, &anthropic, ANTHROPIC_FIRST, "").await;
    let said = running.send(by_openai(TOOLS)).await.json();
    let asked = sent(&anthropic.request().await);
    assert_eq!(asked["tools"][0]["name"], "weather");
    assert_eq!(
        asked["tools"][0]["input_schema"]["properties"],
        json!({"place": {"type": "string"}})
    );
    assert_eq!(asked["tool_choice"]["type"], "any");
    let call = &said["choices"][0]["message"]["tool_calls"][0];
    assert_eq!((&call["id"], &call["function"]["name"]), (&json!("toolu_1"), &json!("weather")));
    let arguments: Value =
        serde_json::from_str(call["function"]["arguments"].as_str().expect("text")).expect("JSON");
    assert_eq!(arguments, json!({"place": "Bonn"}));
    assert_eq!(said["choices"][0]["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn one_that_fails_gives_way_to_one_of_the_other_dialect() {
    let failed =
        response("HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json", "{}");
    let openai = Provider::doing(vec![Step::Send(failed)]).await;
    let anthropic = Provider::json(MESSAGE).await;
    let slot = "[[limits]]\nname = \"slots\"\nconcurrency = 1\n[[limits]]\nname = \"spend\"\nusd = \"1/day\"\n";
    let running = between(&openai, &anthropic, OPENAI_FIRST, slot).await;
    for _ in 0..5 {
        let answer = running.send(by_openai(ASKED_BY_OPENAI)).await;
        assert_eq!(told(&answer), "200 a/claude o/m=503");
        assert_eq!(answer.json()["choices"][0]["message"]["content"], "hello");
    }
    // Its breaker is like every other one.
    assert_eq!(told(&running.send(by_openai(ASKED_BY_OPENAI)).await), "200 a/claude o/m=circuit");
    assert_eq!(running.used(), (42, 30, 6 * OF_CLAUDE), "each is counted once");
}

#[tokio::test]
async fn what_is_kept_is_what_its_caller_got() {
    let (openai, anthropic) = (nobody().await, Provider::json(MESSAGE).await);
    let running = between(&openai, &anthropic, ANTHROPIC_FIRST, CACHE).await;
    let first = running.send(by_openai(ASKED_BY_OPENAI)).await;
    let again = running.send(by_openai(ASKED_BY_OPENAI)).await;
    assert_eq!(first.header("x-tollgate-cache"), Some("miss"));
    assert_eq!((again.header("x-tollgate-cache"), &again.body), (Some("hit"), &first.body));
    assert_eq!(running.used(), (7, 5, OF_CLAUDE));
    // Nobody gets it in a dialect that is not its own, whatever the body is.
    let other = running.send(by_anthropic(
        ASKED_BY_OPENAI.replace(r#"{"role":"system","content":"Be brief."},"#, ""),
    ));
    let other = other.await;
    assert_eq!(other.header("x-tollgate-cache"), Some("miss"), "{:?}", other.body);
    assert_eq!(other.json()["type"], "message");
}

#[tokio::test]
async fn an_answer_that_cannot_be_told_is_paid_for_and_neither_kept_nor_asked_for_again() {
    let odd = MESSAGE.replace(
        r#"{"type":"text","text":"hello"}"#,
        r#"{"type":"server_tool_use","id":"s","name":"web_search","input":{}}"#,
    );
    let anthropic = Provider::json(&odd).await;
    let running = between(&nobody().await, &anthropic, ANTHROPIC_FIRST, CACHE).await;
    for _ in 0..2 {
        let lost = running.send(by_openai(ASKED_BY_OPENAI)).await;
        assert_eq!(lost.status, StatusCode::BAD_GATEWAY, "{:?}", lost.body);
        assert_eq!(lost.header("x-should-retry"), Some("false"));
        assert_eq!(lost.header("x-tollgate-served-by"), Some("a/claude"));
        let message = lost.json()["error"]["message"].clone();
        assert!(
            message
                .as_str()
                .is_some_and(|it| it.contains("`content[0].type` cannot be translated")),
            "{message}"
        );
    }
    assert_eq!(running.used(), (14, 10, 2 * OF_CLAUDE));
    assert_eq!(running.app.cache.tally.totals().stored, 0);
}

#[tokio::test]
async fn a_caller_that_leaves_while_an_answer_is_read_pays_what_that_told() {
    // All of the answer is there, and one blank after it does not come.
    let length = MESSAGE.len() + 1;
    let all = format!("{JSON}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{MESSAGE}");
    let failing = response("HTTP/1.1 500 Internal Server Error", "{}");
    let steps =
        vec![Step::Choose { word: "fail", one: failing, other: all.into_bytes() }, Step::Hang];
    let anthropic = Provider::doing(steps).await;
    let breaker = "[providers.a.breaker]\nfailures = 1\nsuccesses = 1\n";
    let only = "models = [\"a/claude\"]";
    let running = between(&nobody().await, &anthropic, only, breaker).await;
    let failed = running.send(by_openai(ASKED_BY_OPENAI.replace("hi", "fail"))).await;
    assert_eq!(failed.status, StatusCode::INTERNAL_SERVER_ERROR);
    anthropic.closed().await;
    let before = running.used();
    running.advance(Duration::from_secs(60));
    // A probe closes the circuit with the first of its answer, which here is all of it.
    let is_read = async {
        while running.look("/v1/circuits").await.json()["circuits"][0]["state"] != "closed" {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = running.begin(by_openai(ASKED_BY_OPENAI)) => panic!("it is not whole"),
        () = is_read => {}
    }
    anthropic.closed().await;
    let (input, output, usd) = running.used();
    assert_eq!((input, output, usd), (before.0 + 7, before.1 + 5, before.2 + OF_CLAUDE));
}

#[tokio::test]
async fn an_answer_that_is_too_long_or_breaks_off_is_an_error() {
    let long = response(JSON, &MESSAGE.replace("hello", &"x".repeat(9_000_000)));
    let long = String::from_utf8(long).expect("text");
    let cut =
        format!("{JSON}\r\ncontent-length: 500\r\nconnection: close\r\n\r\n{}", &MESSAGE[..50]);
    for steps in [long, cut] {
        let anthropic = Provider::doing(vec![Step::Send(steps.into_bytes())]).await;
        let running = between(&nobody().await, &anthropic, ANTHROPIC_FIRST, "").await;
        let lost = running.send(by_openai(ASKED_BY_OPENAI)).await;
        assert_eq!(lost.status, StatusCode::BAD_GATEWAY, "{:?}", lost.body);
        assert_eq!(lost.json()["error"]["type"], "server_error");
        let (_, output, _) = running.used();
        assert_eq!(output, 100, "all that was reserved, since it may have been made");
    }
}
