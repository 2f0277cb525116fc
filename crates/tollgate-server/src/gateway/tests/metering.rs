//! What an answer is charged, and that it passes as it came.

use http::StatusCode;

use super::{CHAT, CHAT_INPUT_BOUND, COMPLETION, Provider, Running, STREAM, post, running::up};

const CHUNKS: &str = concat!(
    ": hello\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"abc\"}}],\"usage\":null}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"def\"}}],\"usage\":null}\n\n",
);
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

async fn before(provider: &Provider) -> Running {
    Running::with(&up(&provider.base_url())).await
}

#[tokio::test]
async fn a_stream_is_metered_by_a_chunk_that_the_caller_does_not_see() {
    let provider = Provider::events(&[CHUNKS, USAGE, DONE].concat()).await;
    let running = before(&provider).await;
    let answer = running.chat(STREAM).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(&answer.body[..], [CHUNKS, DONE].concat().as_bytes());
    assert_eq!(running.used(), (7, 5, 17_000));
    let sent = provider.request().await;
    assert!(sent.contains(r#"{"stream_options":{"include_usage":true},"model":"m""#), "{sent}");
}

#[tokio::test]
async fn a_caller_that_asks_for_the_usage_gets_it() {
    let whole = [CHUNKS, USAGE, DONE].concat();
    let provider = Provider::events(&whole).await;
    let running = before(&provider).await;
    let asked = STREAM
        .replace("\"stream\":true", "\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    let answer = running.chat(&asked).await;
    assert_eq!(&answer.body[..], whole.as_bytes());
    assert_eq!(running.used(), (7, 5, 17_000));
    assert!(provider.request().await.ends_with(&asked), "the body passes as it came");
}

#[tokio::test]
async fn usage_that_is_missing_or_cannot_be_true_is_estimated() {
    let lies = [
        USAGE.replace(":5,", ":-5,"),
        USAGE.replace(":5,", ":5.5,"),
        USAGE.replace(":5,", ":99999999999999999999,"),
        USAGE.replace(":5,", ":\"5\","),
        String::new(),
    ];
    for lie in lies {
        let provider = Provider::events(&[CHUNKS, &lie, DONE].concat()).await;
        let running = before(&provider).await;
        assert_eq!(running.chat(STREAM).await.status, StatusCode::OK);
        let (input, output, cost) = running.used();
        assert!(input > 0 && input <= CHAT_INPUT_BOUND, "{lie}: {input}");
        assert!((2..=100).contains(&output), "{lie}: {output}");
        assert_eq!(cost, input * 1_000 + output * 2_000);
    }
    for usage in ["null", "{\"prompt_tokens\":-1}", "7"] {
        let told = "{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12}";
        let provider = Provider::json(&COMPLETION.replace(told, usage)).await;
        let running = before(&provider).await;
        let answer = running.chat(CHAT).await;
        assert_eq!(&answer.body[..], COMPLETION.replace(told, usage).as_bytes());
        let (input, output, _) = running.used();
        assert!(input > 0 && output > 0 && output <= 100, "{usage}: {input} {output}");
    }
}

#[tokio::test]
async fn more_than_was_reserved_is_charged_and_counted_as_overrun() {
    let provider = Provider::json(&COMPLETION.replace(
        "\"completion_tokens\":5,\"total_tokens\":12",
        "\"completion_tokens\":500,\"total_tokens\":507",
    ))
    .await;
    let running = before(&provider).await;
    running.chat(CHAT).await;
    assert_eq!(running.used(), (7, 500, 1_007_000));
    let reserved = (CHAT_INPUT_BOUND * 1_000) + 100 * 2_000;
    assert_eq!(running.app.metrics.totals().overrun_usd.0, 1_007_000 - reserved);
}

#[tokio::test]
async fn embeddings_are_charged_for_their_input() {
    let body = r#"{"object":"list","data":[],"usage":{"prompt_tokens":8,"total_tokens":8}}"#;
    let provider = Provider::json(body).await;
    let running = before(&provider).await;
    let answer =
        running.send(post("/up/v1/embeddings", r#"{"model":"m","input":["ab","cd"]}"#)).await;
    assert_eq!(&answer.body[..], body.as_bytes());
    assert_eq!(running.used(), (8, 0, 8_000));
}

#[tokio::test]
async fn a_providers_error_passes_as_it_came_and_costs_no_tokens() {
    let body = r#"{"error":{"message":"slow down","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#;
    for status in ["429 Too Many Requests", "500 Oops", "400 Bad Request"] {
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nretry-after: 3");
        let provider = Provider::answering(&head, body).await;
        let policy = format!(
            "{}retry = {{ attempts = 1 }}\nlearn = {{ announced = false }}\n[[limits]]\nname = \"all\"\nrequests = \"9/minute\"\n",
            up(&provider.base_url())
        );
        let running = Running::with(&policy).await;
        let answer = running.chat(CHAT).await;
        assert_eq!(answer.status.as_str(), &status[..3]);
        assert_eq!((&answer.body[..], answer.header("retry-after")), (body.as_bytes(), Some("3")));
        assert_eq!(answer.header("x-tollgate-decision"), Some("admit"));
        assert_eq!(running.used(), (0, 0, 0));
        assert_eq!(running.chat(CHAT).await.header("ratelimit"), Some("\"all\";r=7;t=60"));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let provider =
        Provider::answering("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/v1", "").await;
    let running = before(&provider).await;
    let answer = running.chat(CHAT).await;
    assert_eq!(answer.status, StatusCode::FOUND);
    assert_eq!(answer.header("location"), Some("http://127.0.0.1:1/v1"));
}

#[tokio::test]
async fn the_sandbox_is_a_provider_of_every_policy() {
    let running = Running::with("").await;
    let answer = running.send(post("/sandbox/v1/chat/completions", CHAT)).await;
    assert_eq!(answer.status, StatusCode::OK);
    let usage = &answer.json()["usage"];
    let told = |name: &str| usage[name].as_u64().expect("a count");
    let (input, output, cost) = running.used();
    assert_eq!((input, output), (told("prompt_tokens"), told("completion_tokens")));
    assert_eq!(cost, input * 1_000 + output * 2_000, "the policy's prices hold for it");
    let gone = Running::with("[sandbox]\nenabled = false\n").await;
    let answer = gone.send(post("/sandbox/v1/chat/completions", CHAT)).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}
