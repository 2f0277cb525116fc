//! Errors as Deepgram's clients read them.

use bytes::Bytes;
use serde::Serialize;

use crate::{
    StreamError, json,
    refusal::{Native, NativeEvent, Reason, Refusal},
};

/// An error in Deepgram's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Error<'a> {
    /// The error itself, such as `TOO_MANY_REQUESTS`.
    #[serde(rename = "err_code")]
    pub code: &'a str,
    /// One clear sentence for people.
    #[serde(rename = "err_msg")]
    pub message: &'a str,
    /// The request's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<&'a str>,
}

/// The body of an error response, `application/json`.
pub fn error_body(error: &Error<'_>) -> Bytes {
    json::written(error)
}

/// The message of a live session that tells an error, which its clients raise or hand on.
pub fn error_message(error: &Error<'_>) -> Bytes {
    let Error { code, message, request_id } = *error;
    json::written(&Told {
        kind: "Error",
        variant: code,
        description: message,
        code,
        message,
        request_id,
    })
}

/// An error as a message of a live session, by the names of both its forms.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    variant: &'a str,
    description: &'a str,
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

/// A refusal in Deepgram's words. Clients try again by the status alone, 402 never. What it is
/// in a stream is a message of a live session.
pub fn refusal(refusal: &Refusal<'_>) -> Native {
    let (status, code) = match refusal.reason {
        Reason::Requests | Reason::Tokens => (429, "TOO_MANY_REQUESTS"),
        Reason::Spent => (402, "ASR_PAYMENT_REQUIRED"),
        Reason::Overloaded => (503, "SERVICE_UNAVAILABLE"),
        Reason::Invalid => (400, "Bad Request"),
        Reason::TooLarge => (413, "PAYLOAD_TOO_LARGE"),
        Reason::TooSlow => (408, "REQUEST_TIMEOUT"),
        Reason::Unauthorized => (401, "INVALID_AUTH"),
        Reason::Forbidden => (403, "INSUFFICIENT_PERMISSIONS"),
        Reason::NotFound => (404, "NOT_FOUND"),
        Reason::BadGateway => (502, "BAD_GATEWAY"),
        Reason::GatewayTimeout => (504, "GATEWAY_TIMEOUT"),
    };
    let Refusal { message, request_id, .. } = *refusal;
    let error = Error { code, message, request_id };
    let event = NativeEvent { name: None, body: error_message(&error) };
    Native { event, ..Native::of(status, None, error_body(&error)) }
}

impl StreamError for Error<'_> {
    fn name(&self) -> Option<&str> {
        None
    }

    fn body(&self) -> Bytes {
        error_body(self)
    }
}
