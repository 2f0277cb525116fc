//! Errors as OpenAI's clients read them.

use bytes::Bytes;
use serde::Serialize;

use crate::{StreamError, json, sse};

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
