//! The provider's own error answers.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;

use super::{
    plan::{BadHeader, Fault},
    request::BadRequest,
};

/// An error as the provider words it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    message: String,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<&'static str>,
}

impl Failure {
    /// The answer's body.
    pub(crate) fn json(&self) -> String {
        let Self { message, kind, code, param, .. } = self;
        json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
            .to_string()
    }

    /// Adds the headers that only this error has.
    pub(crate) fn add_headers(&self, headers: &mut HeaderMap) {
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            headers.insert("retry-after-ms", HeaderValue::from_static("1000"));
        }
    }

    /// The error of a fault that is an error; nothing for a fault of the body.
    pub(crate) fn of_fault(fault: Fault) -> Option<Self> {
        let (status, kind, code, message) = match fault {
            Fault::Error => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "server_error",
                None,
                "The server had an error while processing your request. Sorry about that!",
            ),
            Fault::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "service_unavailable_error",
                Some("server_is_overloaded"),
                "The engine is currently overloaded, please try again later.",
            ),
            Fault::RateLimit => (
                StatusCode::TOO_MANY_REQUESTS,
                "requests",
                Some("rate_limit_exceeded"),
                "Rate limit reached for sandbox on requests per min (RPM): Limit 10000, Used 10000, Requested 1. Please try again in 1s.",
            ),
            Fault::Cut | Fault::End | Fault::Stall | Fault::Hang | Fault::Slow => return None,
        };
        Some(Self { status, message: message.to_owned(), kind, code, param: None })
    }

    /// The error for a path or a method that the provider does not have.
    pub(crate) fn unknown_url(method: &http::Method, path: &str) -> Self {
        let path: String = path.chars().take(200).collect();
        Self::invalid(StatusCode::NOT_FOUND, format!("Unknown request URL: {method} {path}."))
    }

    /// The error for a body that is too long.
    pub(crate) fn too_large(max_bytes: usize) -> Self {
        let message = format!("Your request's body is longer than {max_bytes} bytes.");
        Self::invalid(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// The error for a body that broke off on its way.
    pub(crate) fn unreadable() -> Self {
        Self::invalid(StatusCode::BAD_REQUEST, "Your request's body broke off.".to_owned())
    }

    fn invalid(status: StatusCode, message: String) -> Self {
        Self { status, message, kind: "invalid_request_error", code: None, param: None }
    }
}

impl From<BadRequest> for Failure {
    fn from(bad: BadRequest) -> Self {
        Self { param: bad.param, ..Self::invalid(StatusCode::BAD_REQUEST, bad.message) }
    }
}

impl From<BadHeader> for Failure {
    fn from(bad: BadHeader) -> Self {
        Self::invalid(StatusCode::BAD_REQUEST, format!("{bad}."))
    }
}
