//! Both dialects of a sandbox behind another gateway, asked by clients of the other one.

use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::{
    ASKED_BY_ANTHROPIC, ASKED_BY_OPENAI, PRICE, Running, by_anthropic, by_openai, streamed, told,
};

/// A gateway whose providers are the sandbox of this one.
async fn before(sandbox: &Running, models: &str) -> Running {
    let at = sandbox.address;
    let policy = format!(
        "[providers.o]\ndialect = \"openai\"\nbase_url = \"http://{at}/sandbox/v1\"\napi_key = \"env:K\"\n[providers.a]\ndialect = \"anthropic\"\nbase_url = \"http://{at}/sandbox/anthropic\"\napi_key = \"env:K\"\n[models.smart]\nmodels = {models}\ntranslate = true\n{PRICE}"
    );
    Running::with_environment(&policy, &[("K", "sk-k")]).await
}

#[tokio::test]
async fn what_a_model_of_the_other_dialect_says_is_the_same_plain_and_streamed() {
    let sandbox = Running::with("").await;
    for (models, openai_asks, cost) in [
        ("[\"a/claude\"]", true, 11 * 3_000 + 9 * 15_000),
        ("[\"o/m\"]", false, 11 * 1_000 + 9 * 2_000),
    ] {
        let running = before(&sandbox, models).await;
        let ask = |body: String| {
            let mut request = if openai_asks { by_openai(body) } else { by_anthropic(body) };
            let headers = request.headers_mut();
            headers.insert("x-sandbox-input-tokens", HeaderValue::from_static("11"));
            headers.insert("x-sandbox-output-tokens", HeaderValue::from_static("9"));
            running.send(request)
        };
        let asked = if openai_asks { ASKED_BY_OPENAI } else { ASKED_BY_ANTHROPIC };
        let plain = ask(asked.to_owned()).await;
        assert_eq!(plain.status, StatusCode::OK, "{} {:?}", told(&plain), plain.body);
        let said = plain.json();
        let text = if openai_asks {
            assert_eq!(said["usage"]["completion_tokens"], json!(9));
            said["choices"][0]["message"]["content"].clone()
        } else {
            assert_eq!(said["usage"]["output_tokens"], json!(9));
            said["content"][0]["text"].clone()
        };
        let stream = ask(streamed(asked)).await;
        let stream = String::from_utf8(stream.body.to_vec()).expect("text");
        let data = stream.lines().filter_map(|line| line.strip_prefix("data: {"));
        let data = data.map(|data| serde_json::from_str(&format!("{{{data}")).expect("JSON"));
        let pieces = data.filter_map(|event: serde_json::Value| {
            let choices = event["choices"][0]["delta"]["content"].as_str();
            choices.or(event["delta"]["text"].as_str()).map(str::to_owned)
        });
        assert_eq!(pieces.collect::<String>(), text.as_str().expect("text"), "{stream}");
        assert_eq!(running.used(), (22, 18, 2 * cost));
    }
}
