//! OpenAI: chat completions, legacy completions, responses, embeddings, transcriptions and the
//! list of models.

mod chat;
mod embeddings;
mod events;
mod models;
mod request;
mod responses;
mod transcriptions;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::json;

use self::request::Style;
use super::{
    dialect::{self, Asked, Call, Dialect, set},
    failure::{Failure, Why, go},
    quotas::{Standing, Standings, Unit},
};

/// What OpenAI speaks.
pub(crate) struct OpenAi;

impl Dialect for OpenAi {
    fn read(&self, call: &Call<'_>) -> Result<Asked, Failure> {
        read(call, call.path.strip_prefix("/v1").unwrap_or(call.path), None)
    }

    fn error(&self, failure: &Failure, _id: &str, headers: &mut HeaderMap) -> Bytes {
        dialect::retry_after(failure, headers);
        json!({"error": error(failure)}).to_string().into()
    }

    fn announce(&self, id: &str, standings: Option<&Standings>, headers: &mut HeaderMap) {
        set(headers, "x-request-id", &format_args!("req_{id}"));
        let Some(standings) = standings else { return };
        if let Some(Standing { limit, remaining, reset_after }) = standings.requests {
            set(headers, "x-ratelimit-limit-requests", &limit);
            set(headers, "x-ratelimit-remaining-requests", &remaining);
            set(headers, "x-ratelimit-reset-requests", &go(reset_after));
        }
        if let Some(Standing { limit, remaining, reset_after }) = standings.tokens {
            set(headers, "x-ratelimit-limit-tokens", &limit);
            set(headers, "x-ratelimit-remaining-tokens", &remaining);
            set(headers, "x-ratelimit-reset-tokens", &go(reset_after));
        }
    }
}

/// What a request asks for whose path, without its version, is `path`. Of a `deployment` the
/// body need not name the model.
pub(crate) fn read(
    call: &Call<'_>,
    path: &str,
    deployment: Option<&str>,
) -> Result<Asked, Failure> {
    match (call.method, path) {
        (&Method::POST, "/chat/completions") => chat::read(Style::Chat, call.body, deployment),
        (&Method::POST, "/completions") => chat::read(Style::Completion, call.body, deployment),
        (&Method::POST, "/responses") => responses::read(call.body),
        (&Method::POST, "/responses/input_tokens") => responses::count(call.body),
        (&Method::POST, "/audio/transcriptions") => transcriptions::read(call.headers, call.body),
        (&Method::POST, "/embeddings") => embeddings::read(call.body, deployment),
        (&Method::GET, "/models") => Ok(Asked::free(|_| models::list())),
        (&Method::GET, other) => match other.strip_prefix("/models/") {
            Some(id) if !id.is_empty() => {
                let id = id.to_owned();
                Ok(Asked::free(move |_| models::one(&id)))
            }
            _ => Err(Failure::unknown_url(call.method, call.path)),
        },
        _ => Err(Failure::unknown_url(call.method, call.path)),
    }
}

/// The object in an error's body.
fn error(failure: &Failure) -> serde_json::Value {
    let (kind, code) = match &failure.why {
        Why::Broken => ("server_error", None),
        Why::Overloaded => ("service_unavailable_error", Some("server_is_overloaded")),
        Why::Limited(exceeded) => {
            let kind = if exceeded.unit == Unit::Tokens { "tokens" } else { "requests" };
            (kind, Some("rate_limit_exceeded"))
        }
        Why::Invalid | Why::NotFound | Why::TooLarge => ("invalid_request_error", None),
    };
    json!({"message": failure.message, "type": kind, "param": failure.param, "code": code})
}
