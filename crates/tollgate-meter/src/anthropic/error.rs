//! Errors as Anthropic's clients read them.

use bytes::Bytes;
use serde::Serialize;

use crate::{
    StreamError, json,
    refusal::{Native, Reason, Refusal},
};

/// An error in Anthropic's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error<'a> {
    /// The family of errors, such as `rate_limit_error`; by it clients choose a class.
    pub kind: &'a str,
    /// One clear sentence for people.
    pub message: &'a str,
    /// The error itself, such as `enforced_spend_limit_reached`.
    pub code: Option<&'a str>,
    /// The request's name, as the header `request-id` has it.
    pub request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: Inner<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Inner<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details<'a>>,
}

#[derive(Serialize)]
struct Details<'a> {
    error_code: &'a str,
}

/// The name of the event that ends a stream with an error.
const EVENT: &str = "error";

/// The body of an error response, `application/json`; in a stream it is the data of an event
/// `error`.
pub fn error_body(error: &Error<'_>) -> Bytes {
    json::written(&Body {
        kind: EVENT,
        error: Inner {
            kind: error.kind,
            message: error.message,
            details: error.code.map(|error_code| Details { error_code }),
        },
        request_id: error.request_id,
    })
}

/// A refusal in Anthropic's words.
pub fn refusal(refusal: &Refusal<'_>) -> Native {
    let (status, kind, code) = match refusal.reason {
        Reason::Requests | Reason::Tokens => (429, "rate_limit_error", None),
        Reason::Spent => (429, "rate_limit_error", Some("enforced_spend_limit_reached")),
        Reason::Overloaded => (529, "overloaded_error", None),
        Reason::Invalid => (400, "invalid_request_error", None),
        Reason::TooLarge => (413, "request_too_large", None),
        Reason::TooSlow => (408, "invalid_request_error", None),
        Reason::Unauthorized => (401, "authentication_error", None),
        Reason::Forbidden => (403, "permission_error", None),
        Reason::NotFound => (404, "not_found_error", None),
        Reason::BadGateway => (502, "api_error", None),
        Reason::GatewayTimeout => (504, "timeout_error", None),
    };
    let (message, request_id) = (refusal.message, refusal.request_id);
    let mut native =
        Native::of(status, Some(EVENT), error_body(&Error { kind, message, code, request_id }));
    native.headers.extend(request_id.map(|id| ("request-id", id.to_owned())));
    native
}

impl StreamError for Error<'_> {
    fn name(&self) -> Option<&str> {
        Some(EVENT)
    }

    fn body(&self) -> Bytes {
        error_body(self)
    }
}
