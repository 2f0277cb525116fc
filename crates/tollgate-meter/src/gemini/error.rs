//! Errors as Google's clients read them.

use bytes::Bytes;
use serde::Serialize;

use crate::{
    StreamError, json,
    refusal::{Native, Reason, Refusal},
};

/// An error in Google's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error<'a> {
    /// The status of the answer, which the body repeats.
    pub code: u16,
    /// One clear sentence for people.
    pub message: &'a str,
    /// The canonical name, such as `RESOURCE_EXHAUSTED`.
    pub status: &'a str,
    /// The limit that refused, by its name.
    pub quota: Option<Quota<'a>>,
    /// Milliseconds to wait, where waiting helps.
    pub retry_ms: Option<u64>,
}

/// A limit that refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota<'a> {
    /// What it counts.
    pub metric: &'a str,
    /// Its name.
    pub id: &'a str,
    /// The model that it was asked for.
    pub model: Option<&'a str>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: Inner<'a>,
}

#[derive(Serialize)]
struct Inner<'a> {
    code: u16,
    message: &'a str,
    status: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Detail<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "@type")]
enum Detail<'a> {
    #[serde(rename = "type.googleapis.com/google.rpc.QuotaFailure")]
    QuotaFailure { violations: [Violation<'a>; 1] },
    #[serde(rename = "type.googleapis.com/google.rpc.RetryInfo", rename_all = "camelCase")]
    RetryInfo { retry_delay: String },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Violation<'a> {
    quota_metric: &'a str,
    quota_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    quota_dimensions: Option<Dimensions<'a>>,
}

#[derive(Serialize)]
struct Dimensions<'a> {
    model: &'a str,
}

/// The body of an error response, `application/json`; in a stream it is an event like others.
pub fn error_body(error: &Error<'_>) -> Bytes {
    let quota = error.quota.map(|Quota { metric, id, model }| Detail::QuotaFailure {
        violations: [Violation {
            quota_metric: metric,
            quota_id: id,
            quota_dimensions: model.map(|model| Dimensions { model }),
        }],
    });
    let retry = error.retry_ms.map(|ms| Detail::RetryInfo { retry_delay: seconds(ms) });
    json::written(&Body {
        error: Inner {
            code: error.code,
            message: error.message,
            status: error.status,
            details: quota.into_iter().chain(retry).collect(),
        },
    })
}

/// A refusal in Google's words. Who waits in vain is not told when to come back.
pub fn refusal(refusal: &Refusal<'_>) -> Native {
    let (code, status, metric) = match refusal.reason {
        Reason::Requests => (429, "RESOURCE_EXHAUSTED", Some("requests")),
        Reason::Tokens => (429, "RESOURCE_EXHAUSTED", Some("tokens")),
        Reason::Spent => (429, "RESOURCE_EXHAUSTED", Some("budget")),
        Reason::Overloaded => (503, "UNAVAILABLE", None),
        Reason::Invalid | Reason::TooLarge => (400, "INVALID_ARGUMENT", None),
        Reason::TooSlow => (408, "DEADLINE_EXCEEDED", None),
        Reason::Unauthorized => (401, "UNAUTHENTICATED", None),
        Reason::Forbidden => (403, "PERMISSION_DENIED", None),
        Reason::NotFound => (404, "NOT_FOUND", None),
        Reason::BadGateway => (502, "UNAVAILABLE", None),
        Reason::GatewayTimeout => (504, "DEADLINE_EXCEEDED", None),
    };
    let Refusal { message, limit, model, .. } = *refusal;
    let quota = metric.map(|metric| Quota { metric, id: limit.unwrap_or(metric), model });
    let retry_ms = refusal.wait_ms.filter(|_| refusal.reason != Reason::Spent);
    Native::of(code, None, error_body(&Error { code, message, status, quota, retry_ms }))
}

/// A duration as Google writes it.
fn seconds(ms: u64) -> String {
    match ms % 1000 {
        0 => format!("{}s", ms / 1000),
        part => format!("{}.{part:03}s", ms / 1000),
    }
}

impl StreamError for Error<'_> {
    fn name(&self) -> Option<&str> {
        None
    }

    fn body(&self) -> Bytes {
        error_body(self)
    }
}
