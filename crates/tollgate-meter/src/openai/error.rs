//! Errors as OpenAI's clients read them.

use bytes::Bytes;
use serde::Serialize;

use crate::{
    StreamError, json,
    refusal::{Native, Reason, Refusal},
    sse,
};

/// An error in OpenAI's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Error<'a> {
    /// One clear sentence for people.
    pub message: &'a str,
    /// The family of errors, such as `requests`, `tokens` or `insufficient_quota`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// The member of the request at fault, if it is one.
    pub param: Option<&'a str>,
    /// The error itself, such as `rate_limit_exceeded`.
    pub code: Option<&'a str>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a Error<'a>,
}

/// The body of an error response, `application/json`.
pub fn error_body(error: &Error<'_>) -> Bytes {
    json::written(&Body { error })
}

/// The event that ends a stream with an error, `text/event-stream`.
///
/// Clients take a stream that merely stops for a complete answer; this one they raise.
pub fn error_event(error: &Error<'_>) -> Bytes {
    sse::event(None, &error_body(error))
}

/// A refusal in OpenAI's words.
pub fn refusal(refusal: &Refusal<'_>) -> Native {
    let (status, error) = of(refusal);
    Native::of(status, None, error_body(&error))
}

/// The status and the error of a refusal.
pub(super) fn of<'a>(refusal: &Refusal<'a>) -> (u16, Error<'a>) {
    let invalid = "invalid_request_error";
    let (status, kind, code) = match refusal.reason {
        Reason::Requests => (429, "requests", Some("rate_limit_exceeded")),
        Reason::Tokens => (429, "tokens", Some("rate_limit_exceeded")),
        Reason::Spent => (429, "insufficient_quota", Some("project_spend_limit_exceeded")),
        Reason::Overloaded => (503, "service_unavailable_error", Some("server_is_overloaded")),
        Reason::Invalid => (400, invalid, None),
        Reason::TooLarge => (413, invalid, None),
        Reason::TooSlow => (408, invalid, None),
        Reason::Unauthorized => (401, invalid, Some("invalid_api_key")),
        Reason::Forbidden => (403, invalid, Some("forbidden")),
        Reason::NotFound => (404, invalid, Some("not_found")),
        Reason::BadGateway => (502, "server_error", Some("bad_gateway")),
        Reason::GatewayTimeout => (504, "server_error", Some("gateway_timeout")),
    };
    (status, Error { message: refusal.message, kind, param: refusal.param, code })
}

impl StreamError for Error<'_> {
    fn name(&self) -> Option<&str> {
        None
    }

    fn body(&self) -> Bytes {
        error_body(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR: Error<'_> = Error {
        message: "The day's budget of $5 is spent.\n",
        kind: "insufficient_quota",
        param: None,
        code: Some("project_spend_limit_exceeded"),
    };

    #[test]
    fn an_error_has_the_members_that_clients_read() {
        assert_eq!(
            error_body(&ERROR),
            r#"{"error":{"message":"The day's budget of $5 is spent.\n","type":"insufficient_quota","param":null,"code":"project_spend_limit_exceeded"}}"#
        );
    }

    #[test]
    fn an_error_event_is_one_event() {
        let mut chunk = error_event(&ERROR);
        let block = crate::sse::Reader::default().next(&mut chunk).expect("an event");
        assert!(chunk.is_empty());
        assert_eq!(block.event.expect("with data").data, error_body(&ERROR));
    }
}
