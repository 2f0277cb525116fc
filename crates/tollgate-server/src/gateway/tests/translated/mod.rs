//! Requests that are served by a model of another dialect than their caller's.

mod answers;
mod errors;
mod requests;
mod sandbox;
mod streams;

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::Full;

use super::{Provider, Running, Step, post, running::Answer};

/// `smart` is a model of OpenAI's, and where that cannot serve, one of Anthropic's.
const OPENAI_FIRST: &str = "models = [\"o/m\", \"a/claude\"]";
/// The other way round.
const ANTHROPIC_FIRST: &str = "models = [\"a/claude\", \"o/m\"]";

/// `m` costs $1 and $2 a million tokens, `claude` $3 and $15.
const PRICE: &str = "[prices.models.claude]\ninput = \"3\"\noutput = \"15\"\n";

const ASKED_BY_OPENAI: &str = r#"{"model":"smart","max_tokens":100,"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"hi"}]}"#;
const ASKED_BY_ANTHROPIC: &str = r#"{"model":"smart","max_tokens":100,"system":"Be brief.","messages":[{"role":"user","content":"hi"}]}"#;

const MESSAGE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-1","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":5}}"#;

const JSON: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json";

/// A gateway before one provider of each dialect, which have keys of the policy's.
async fn between(openai: &Provider, anthropic: &Provider, models: &str, more: &str) -> Running {
    let policy = format!(
        "[providers.o]\ndialect = \"openai\"\nbase_url = \"http://{}/v1\"\napi_key = \"env:O\"\nread_timeout = \"5s\"\n[providers.a]\ndialect = \"anthropic\"\nbase_url = \"http://{}\"\napi_key = \"env:A\"\nread_timeout = \"5s\"\n[models.smart]\n{models}\ntranslate = true\n{PRICE}{more}",
        openai.address, anthropic.address
    );
    Running::with_environment(&policy, &[("O", "sk-o"), ("A", "sk-a")]).await
}

/// Who has nothing to do.
async fn nobody() -> Provider {
    Provider::doing(vec![Step::Hang]).await
}

fn by_openai(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = post("/o/v1/chat/completions", body);
    for (name, value) in [
        ("authorization", "Bearer sk-of-the-caller"),
        ("openai-organization", "org"),
        ("x-stainless-lang", "python"),
        ("traceparent", "00-1"),
    ] {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    request
}

fn by_anthropic(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = post("/a/v1/messages?beta=true", body);
    for (name, value) in [
        ("x-api-key", "sk-of-the-caller"),
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "interleaved-thinking"),
    ] {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    request
}

/// The same as a stream.
fn streamed(body: &str) -> String {
    body.replacen('{', r#"{"stream":true,"#, 1)
}

/// Its status, who served it, and why others did not.
fn told(answer: &Answer) -> String {
    let header = |name| answer.header(name).unwrap_or("-");
    let (by, why) = (header("x-tollgate-served-by"), header("x-tollgate-attempts"));
    format!("{} {by} {why}", answer.status.as_u16())
}

/// The body of a request that a provider got.
fn sent(request: &str) -> serde_json::Value {
    let (_, body) = request.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).expect("JSON")
}
