//! Errors of providers, told in the words of the other dialect.

use std::borrow::Cow;

use serde::Deserialize;

use crate::{
    json,
    refusal::{Native, Reason, Refusal},
};

/// What providers say is told up to so many bytes.
const MAX_MESSAGE_BYTES: usize = 4 << 10;

/// Why a provider gave no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault<'a> {
    pub(super) reason: Reason,
    pub(super) message: Cow<'a, str>,
}

/// The body of an error, of either dialect.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    error: Inner<'a>,
}

#[derive(Deserialize)]
struct Inner<'a> {
    #[serde(default, borrow)]
    message: Option<Cow<'a, str>>,
    #[serde(default, borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    /// Some compatible providers have a number here.
    #[serde(default)]
    code: Option<serde_json::Value>,
    #[serde(default)]
    details: Option<serde_json::Value>,
}

impl<'a> Fault<'a> {
    /// The stream of a provider that does not keep to its dialect.
    pub(super) const fn of_gateway(message: &'static str) -> Self {
        Self { reason: Reason::BadGateway, message: Cow::Borrowed(message) }
    }

    /// Reads an error that came with this status, or within a stream.
    pub(super) fn read(status: Option<u16>, body: &'a [u8]) -> Self {
        let Some(Body { error }) = json::object::<Body<'_>>(body) else {
            let reason = of_status(status.unwrap_or(500));
            let message = "The provider answered with an error that cannot be read.".into();
            return Self { reason, message };
        };
        let text = |value: Option<&'_ serde_json::Value>| {
            value.and_then(|value| value.as_str()).unwrap_or_default().to_owned()
        };
        let code = text(error.code.as_ref());
        let detail = text(error.details.as_ref().and_then(|details| details.get("error_code")));
        let kind = error.kind.as_deref().unwrap_or_default();
        // An error within a stream has no status of its own.
        let status = status.unwrap_or(if kind == "invalid_request_error" { 400 } else { 500 });
        let reason = of_words(kind, if code.is_empty() { &detail } else { &code })
            .unwrap_or_else(|| of_status(status));
        let message = error.message.filter(|message| !message.is_empty());
        let message = message.unwrap_or("The provider answered with an error.".into());
        Self { reason, message: shortened(message) }
    }

    /// The error in a dialect's words. A failure of the provider's own keeps its status.
    pub(super) fn told(&self, status: Option<u16>, refusal: fn(&Refusal<'_>) -> Native) -> Native {
        let mut native = refusal(&Refusal::new(self.reason, &self.message));
        if let (Reason::BadGateway, Some(status @ 500..600)) = (self.reason, status) {
            native.status = status;
        }
        native
    }
}

/// What the words of either dialect say by themselves.
fn of_words(kind: &str, code: &str) -> Option<Reason> {
    Some(match (kind, code) {
        ("insufficient_quota" | "billing_error", _) => Reason::Spent,
        (_, "insufficient_quota" | "credit_balance_exhausted") => Reason::Spent,
        (_, code) if code.ends_with("_limit_reached") || code.ends_with("spend_limit_exceeded") => {
            Reason::Spent
        }
        (_, "invalid_api_key") => Reason::Unauthorized,
        (_, "model_not_found") => Reason::NotFound,
        ("tokens", _) => Reason::Tokens,
        ("requests" | "rate_limit_error" | "rate_limit_exceeded", _) => Reason::Requests,
        (_, "rate_limit_exceeded" | "slow_down") => Reason::Requests,
        ("authentication_error", _) => Reason::Unauthorized,
        ("permission_error", _) => Reason::Forbidden,
        ("not_found_error", _) => Reason::NotFound,
        ("request_too_large", _) => Reason::TooLarge,
        ("overloaded_error" | "service_unavailable_error", _) => Reason::Overloaded,
        (_, "server_is_overloaded") => Reason::Overloaded,
        ("timeout_error", _) => Reason::GatewayTimeout,
        _ => return None,
    })
}

fn of_status(status: u16) -> Reason {
    match status {
        401 => Reason::Unauthorized,
        402 => Reason::Spent,
        403 => Reason::Forbidden,
        404 => Reason::NotFound,
        408 => Reason::TooSlow,
        413 => Reason::TooLarge,
        429 => Reason::Requests,
        503 | 529 => Reason::Overloaded,
        504 => Reason::GatewayTimeout,
        400..500 => Reason::Invalid,
        _ => Reason::BadGateway,
    }
}

fn shortened(message: Cow<'_, str>) -> Cow<'_, str> {
    if message.len() <= MAX_MESSAGE_BYTES {
        return message;
    }
    let mut end = MAX_MESSAGE_BYTES;
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(format!("{}…", &message[..end]))
}
