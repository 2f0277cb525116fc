//! Errors as AWS's clients read them.

use bytes::Bytes;
use serde::Serialize;

use crate::{
    StreamError, json,
    refusal::{Native, NativeEvent, Reason, Refusal},
};

/// An error in Bedrock's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error<'a> {
    /// The exception, such as `throttlingException`, as streams write it.
    pub kind: &'a str,
    /// One clear sentence for people.
    pub message: &'a str,
}

#[derive(Serialize)]
struct Body<'a> {
    message: &'a str,
}

/// The header that names the exception, by which clients choose a class.
const ERROR_TYPE: &str = "x-amzn-errortype";

/// When to come back, in milliseconds: the one form that AWS's clients read.
const RETRY_AFTER: &str = "x-amz-retry-after";

/// The body of an error response, `application/json`.
pub fn error_body(message: &str) -> Bytes {
    json::written(&Body { message })
}

/// A refusal in Bedrock's words. In a stream it is an exception of those that streams have.
pub fn refusal(refusal: &Refusal<'_>) -> Native {
    let (status, kind, event) = match refusal.reason {
        Reason::Requests | Reason::Tokens => (429, "ThrottlingException", "throttlingException"),
        // Clients do not try this again. Of exceptions that streams do not have, clients lose
        // the message.
        Reason::Spent => (400, "ServiceQuotaExceededException", "throttlingException"),
        Reason::Overloaded => (503, "ServiceUnavailableException", "serviceUnavailableException"),
        Reason::Invalid | Reason::TooLarge => (400, "ValidationException", "validationException"),
        Reason::TooSlow => (408, "RequestTimeoutException", "validationException"),
        Reason::Unauthorized => (403, "UnrecognizedClientException", "validationException"),
        Reason::Forbidden => (403, "AccessDeniedException", "validationException"),
        Reason::NotFound => (404, "ResourceNotFoundException", "validationException"),
        Reason::BadGateway => (502, "InternalServerException", "internalServerException"),
        Reason::GatewayTimeout => (504, "ModelTimeoutException", "modelStreamErrorException"),
    };
    let body = error_body(refusal.message);
    let mut headers = vec![(ERROR_TYPE, kind.to_owned())];
    let wait = refusal.wait_ms.filter(|_| refusal.reason != Reason::Spent);
    headers.extend(wait.map(|ms| (RETRY_AFTER, ms.to_string())));
    Native { status, headers, event: NativeEvent { name: Some(event), body: body.clone() }, body }
}

impl StreamError for Error<'_> {
    fn name(&self) -> Option<&str> {
        Some(self.kind)
    }

    fn body(&self) -> Bytes {
        error_body(self.message)
    }
}
