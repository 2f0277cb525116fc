//! What providers get of a request that was translated, and who is passed over.

use http::StatusCode;
use serde_json::json;

use super::{
    super::{COMPLETION, provider::response},
    ANTHROPIC_FIRST, ASKED_BY_ANTHROPIC, ASKED_BY_OPENAI, JSON, MESSAGE, OPENAI_FIRST, Provider,
    Running, Step, between, by_anthropic, by_openai, nobody, sent, told,
};

const LOGPROBS: &str =
    r#"{"model":"smart","logprobs":true,"messages":[{"role":"user","content":"hi"}]}"#;

#[tokio::test]
async fn anthropic_gets_a_request_of_its_own() {
    let (openai, anthropic) = (nobody().await, Provider::json(MESSAGE).await);
    let running = between(&openai, &anthropic, ANTHROPIC_FIRST, "").await;
    let answer = running.send(by_openai(ASKED_BY_OPENAI)).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    let request = anthropic.request().await;
    assert!(request.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{request}");
    for header in
        ["x-api-key: sk-a\r\n", "anthropic-version: 2023-06-01\r\n", "traceparent: 00-1\r\n"]
    {
        assert!(request.contains(header), "{header} is missing in {request}");
    }
    for header in ["authorization", "sk-of-the-caller", "openai-", "x-stainless-"] {
        assert!(!request.contains(header), "{header} is in {request}");
    }
    let body = sent(&request);
    assert_eq!((&body["model"], &body["max_tokens"]), (&json!("claude"), &json!(100)));
    assert_eq!(
        body["messages"],
        json!([{"role": "user", "content": [{"type": "text", "text": "hi"}]}])
    );
}

#[tokio::test]
async fn openai_gets_a_request_of_its_own() {
    let (openai, anthropic) = (Provider::json(COMPLETION).await, nobody().await);
    let running = between(&openai, &anthropic, OPENAI_FIRST, "").await;
    let answer = running.send(by_anthropic(ASKED_BY_ANTHROPIC)).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    let request = openai.request().await;
    assert!(request.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: Bearer sk-o\r\n"), "{request}");
    for header in ["x-api-key", "sk-of-the-caller", "anthropic-"] {
        assert!(!request.contains(header), "{header} is in {request}");
    }
    let body = sent(&request);
    assert_eq!(body["model"], "m");
    assert_eq!(body["messages"][0], json!({"role": "system", "content": "Be brief."}));
}

#[tokio::test]
async fn who_does_not_say_how_much_asks_for_what_the_model_can_make() {
    let (openai, anthropic) = (nobody().await, Provider::json(MESSAGE).await);
    let body = r#"{"model":"smart","messages":[{"role":"user","content":"hi"}]}"#;
    for (model, most) in [("claude", 4_096), ("claude-haiku-4-5", 64_000)] {
        let models = format!("models = [\"a/{model}\"]");
        let running = between(&openai, &anthropic, &models, "").await;
        assert_eq!(running.send(by_openai(body)).await.status, StatusCode::OK);
        assert_eq!(sent(&anthropic.request().await)["max_tokens"], most);
    }
}

#[tokio::test]
async fn what_is_reserved_is_what_the_model_that_serves_costs() {
    let (openai, anthropic) = (Provider::json(COMPLETION).await, Provider::json(MESSAGE).await);
    // A hundred tokens of `claude` cost $0.0015 and more, those of `m` $0.0002.
    let budget = "[[limits]]\nname = \"spend\"\nusd = \"0.001/day\"\n";
    let running = between(&openai, &anthropic, ANTHROPIC_FIRST, budget).await;
    let answer = running.send(by_openai(ASKED_BY_OPENAI)).await;
    assert_eq!(told(&answer), "200 o/m a/claude=limit");
    assert!(anthropic.is_idle().await);
    assert_eq!(running.used(), (7, 5, 17_000));
}

#[tokio::test]
async fn what_cannot_be_said_passes_over_whom_it_cannot_be_said_to() {
    let (openai, anthropic) = (Provider::json(COMPLETION).await, Provider::json(MESSAGE).await);
    let running = between(&openai, &anthropic, ANTHROPIC_FIRST, "").await;
    let answer = running.send(by_openai(LOGPROBS)).await;
    assert_eq!(told(&answer), "200 o/m a/claude=untranslatable");
    assert_eq!(&answer.body[..], COMPLETION.as_bytes(), "as it came");
    assert!(anthropic.is_idle().await);
    let running = between(&openai, &anthropic, "models = [\"a/claude\"]", "").await;
    let refused = running.send(by_openai(LOGPROBS)).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let error = &refused.json()["error"];
    assert_eq!((&error["param"], &error["code"]), (&json!("logprobs"), &json!("untranslatable")));
    assert_eq!(
        error["message"],
        "`logprobs` cannot be translated: probabilities of tokens are not told there. `a/claude` speaks another dialect."
    );
    assert_eq!(running.used(), (0, 0, 0));
    assert!(anthropic.is_idle().await);
}

#[tokio::test]
async fn an_answer_is_not_given_up_for_a_model_that_it_cannot_be_said_to() {
    let busy = r#"{"error":{"type":"requests","code":"rate_limit_exceeded","message":"slower"}}"#;
    let head =
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 90\r\ncontent-type: application/json";
    let openai = Provider::answering(head, busy).await;
    let anthropic = Provider::json(MESSAGE).await;
    let running = between(&openai, &anthropic, OPENAI_FIRST, "").await;
    let refused = running.send(by_openai(LOGPROBS)).await;
    assert_eq!(told(&refused), "429 o/m a/claude=untranslatable, o/m=429");
    assert_eq!(&refused.body[..], busy.as_bytes(), "the provider's own");
    // What can be said goes there.
    assert_eq!(told(&running.send(by_openai(ASKED_BY_OPENAI)).await), "200 a/claude o/m=quota");
}

#[tokio::test]
async fn whom_a_limit_refused_is_told_that_and_not_what_cannot_be_translated() {
    let (openai, anthropic) = (Provider::json(COMPLETION).await, Provider::json(MESSAGE).await);
    let limit =
        "[[limits]]\nname = \"first\"\nwhen = { provider = \"o\" }\nrequests = \"1/minute\"\n";
    let running = between(&openai, &anthropic, OPENAI_FIRST, limit).await;
    assert_eq!(told(&running.send(by_openai(LOGPROBS)).await), "200 o/m -");
    let refused = running.send(by_openai(LOGPROBS)).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{:?}", refused.body);
    assert_eq!(refused.header("x-tollgate-limit"), Some("first"));
}

#[tokio::test]
async fn without_leave_to_translate_others_are_passed_over() {
    let (openai, anthropic) = (nobody().await, Provider::json(MESSAGE).await);
    let policy = |models: &str| {
        format!(
            "[providers.o]\ndialect = \"openai\"\nbase_url = \"http://{}/v1\"\n[providers.a]\ndialect = \"anthropic\"\nbase_url = \"http://{}\"\n[models.smart]\nmodels = {models}\n",
            openai.address, anthropic.address
        )
    };
    let running = Running::with(&policy("[\"a/claude\"]")).await;
    let refused = running.send(by_openai(ASKED_BY_OPENAI)).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    assert!(anthropic.is_idle().await);
    // Nor is what nobody translates.
    let running = Running::with(&format!("{}translate = true\n", policy("[\"a/claude\"]"))).await;
    let responses = super::post("/o/v1/responses", r#"{"model":"smart","input":"hi"}"#);
    assert_eq!(running.send(responses).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_provider_without_a_key_of_the_policys_does_not_see_the_callers() {
    let anthropic = Provider::doing(vec![Step::Send(response(JSON, MESSAGE))]).await;
    let policy = format!(
        "[providers.o]\ndialect = \"openai\"\nbase_url = \"http://127.0.0.1:9/v1\"\n[providers.a]\ndialect = \"anthropic\"\nbase_url = \"http://{}\"\n[models.smart]\nmodels = [\"a/claude\"]\ntranslate = true\n{}",
        anthropic.address,
        super::PRICE,
    );
    let running = Running::with(&policy).await;
    assert_eq!(running.send(by_openai(ASKED_BY_OPENAI)).await.status, StatusCode::OK);
    assert!(!anthropic.request().await.contains("sk-of-the-caller"));
}
