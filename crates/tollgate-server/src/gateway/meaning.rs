//! What a request means, as far as its last question does: asked of the embedding model that the
//! policy names.
//!
//! That is a request of the caller's own: it passes the same limits, is charged what it used,
//! and has its own row in the ledger; its answer is kept as every embedding is. Where it is
//! refused or fails, nothing is known of the meaning, and the provider is asked as ever.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;
use serde_json::{Value, json};
use tollgate_core::{Attribute, policy::settings};
use tollgate_meter::openai::Endpoint;

use super::{
    body::Sent,
    dialect::Target,
    exchange::{Exchange, Incoming},
    tries,
};
use crate::{
    cache::{Digest, Vector, digest},
    net,
};

/// A question, and what it stands in.
#[derive(Debug, PartialEq)]
pub(super) struct Asked {
    pub(super) question: String,
    /// Of the request without it.
    pub(super) frame: Digest,
}

/// The answer of an embedding model.
#[derive(Deserialize)]
struct Embeddings {
    data: [Embedding; 1],
}

#[derive(Deserialize)]
struct Embedding {
    embedding: Vec<f32>,
}

/// The longest question that is compared, in bytes: longer ones are seldom asked twice.
const MAX_QUESTION: usize = 8 * 1024;

/// The longest answer of an embedding model that is read, in bytes.
const MAX_ANSWER: usize = 512 * 1024;

/// The question of a request: the text of its last turn, if that is all there is of the turn.
pub(super) fn question(body: &Bytes) -> Option<Asked> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    let text = text(&mut body)?;
    let Value::String(question) = std::mem::take(text) else { return None };
    if question.trim().is_empty() || question.len() > MAX_QUESTION {
        return None;
    }
    Some(Asked { question, frame: digest(body.to_string().as_bytes())? })
}

/// Where the text of the last turn is.
fn text(body: &mut Value) -> Option<&mut Value> {
    let body = body.as_object_mut()?;
    for whole in ["input", "prompt"] {
        if body.get(whole).is_some_and(Value::is_string) {
            return body.get_mut(whole);
        }
    }
    let turns = ["messages", "input", "contents"].into_iter().find(|it| body.contains_key(*it))?;
    let turn = body.get_mut(turns)?.as_array_mut()?.last_mut()?.as_object_mut()?;
    if turn.get("role").is_some_and(|role| role != "user") {
        return None;
    }
    let said = if turn.contains_key("content") { "content" } else { "parts" };
    match turn.get_mut(said)? {
        text @ Value::String(_) => Some(text),
        Value::Array(parts) => match parts.as_mut_slice() {
            [part] => part.get_mut("text").filter(|text| text.is_string()),
            _ => None,
        },
        _ => None,
    }
}

/// What a question means.
pub(super) async fn of(
    exchange: &Exchange,
    settings: &settings::Meaning,
    question: &str,
) -> Option<Vector> {
    let (app, live) = (Arc::clone(&exchange.app), Arc::clone(&exchange.live));
    let provider = Arc::clone(live.providers.named(&settings.provider)?);
    let path = "/v1/embeddings";
    let dialect = provider.dialect_at(path);
    let name = provider.name.clone();
    let arrived = app.gate.clock().now();
    let mut own = Exchange::new(app, live, provider, dialect, arrived);
    own.who = exchange.who.clone();
    own.who.set(Attribute::Provider, name);
    own.patience = exchange.patience;
    let body = json!({ "model": settings.model, "input": question }).to_string();
    let mut request = Request::new(net::full(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static("/v1/embeddings");
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(CONTENT_TYPE, json);
    let (head, body) = request.into_parts();
    let incoming = Incoming { head, body, prefix: 0, rest: None, call: None };
    let target = Target::Text(Endpoint::Embeddings);
    let answered = Box::pin(tries::metered(&mut own, incoming, target)).await;
    let response = answered.unwrap_or_else(|stop| own.stopped(&stop));
    if !response.status().is_success() {
        tracing::warn!(status = %response.status(), "nobody says what a question means");
        return None;
    }
    let body = Limited::new(Sent(response.into_body()), MAX_ANSWER).collect().await.ok()?;
    let Embeddings { data: [Embedding { embedding }] } =
        serde_json::from_slice(&body.to_bytes()).ok()?;
    Vector::new(embedding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &Value) -> Option<Asked> {
        question(&Bytes::from(body.to_string()))
    }

    #[test]
    fn the_question_is_the_last_turn_of_whatever_dialect() {
        for body in [
            json!({"model": "m", "messages": [{"role": "system", "content": "be"}, {"role": "user", "content": "why?"}]}),
            json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "why?"}]}]}),
            json!({"model": "m", "input": "why?"}),
            json!({"model": "m", "input": [{"role": "user", "content": "why?"}]}),
            json!({"model": "m", "prompt": "why?"}),
            json!({"contents": [{"parts": [{"text": "why?"}]}]}),
        ] {
            assert_eq!(of(&body).map(|asked| asked.question).as_deref(), Some("why?"), "{body}");
        }
    }

    #[test]
    fn what_is_no_single_text_of_the_user_is_no_question() {
        let long = "x".repeat(MAX_QUESTION + 1);
        for body in [
            json!({"messages": []}),
            json!({"messages": [{"role": "user", "content": "why?"}, {"role": "assistant", "content": "so"}]}),
            json!({"messages": [{"role": "tool", "content": "why?"}]}),
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]}]}),
            json!({"messages": [{"role": "user", "content": " "}]}),
            json!({"messages": [{"role": "user", "content": long}]}),
            json!({"input": ["why?"]}),
            json!([]),
        ] {
            assert_eq!(of(&body), None, "{body}");
        }
    }

    #[test]
    fn all_but_the_question_is_its_frame() {
        let asked = |system: &str, question: &str| {
            let turns = json!([{"role": "system", "content": system}, {"role": "user", "content": question}]);
            of(&json!({"model": "m", "messages": turns})).expect("a question")
        };
        assert_eq!(asked("a", "why?").frame, asked("a", "how?").frame);
        assert_ne!(asked("a", "why?").frame, asked("b", "why?").frame);
    }
}
