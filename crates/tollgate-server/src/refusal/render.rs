//! How refusals and failures look on the wire.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use jiff::Timestamp;
use serde::Serialize;
use tollgate::{Cause, Refused};
use tollgate_core::{Attribute, Attributes, Now, Time, Unit};
use tollgate_meter::{
    openai,
    refusal::{Native, Refusal},
};

use super::{Failure, Form, LONGEST_RETRY, Verdict, What, sessions};
use crate::{
    headers::{self, Told},
    net::{self, Body},
};

const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const REDUCED_CAPACITY: &str =
    "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";
const NO_TYPE: &str = "about:blank";

const NANOS_PER_MILLI: u64 = 1_000_000;

/// Whose clients read an error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) form: Form,
    /// The request's name, where the error says it too.
    pub(crate) request_id: Option<&'a str>,
}

/// Problem details with Tollgate's members. Those that do not apply are left out, but for
/// the ones that every refusal has.
#[derive(Debug, Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    error: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    limit: Option<OfLimit<'a>>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    later: Option<Later<'a>>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    sessions: Option<OfSessions>,
}

/// An error of OpenAI's, with the limit for whoever reads `detail` in any answer.
#[derive(Debug, Serialize)]
struct OpenaiRefusal<'a> {
    error: openai::Error<'a>,
    detail: &'a str,
}

#[derive(Debug, Serialize)]
struct OfLimit<'a> {
    limit: &'a str,
    /// Whole seconds, rounded up; null where waiting does not help.
    retry_after: Option<u64>,
    /// Null where no instant can be promised.
    retry_at: Option<String>,
    #[serde(rename = "violated-policies")]
    violated: [&'a str; 1],
}

/// When to come back, where no limit is in the way.
#[derive(Debug, Serialize)]
struct Later<'a> {
    retry_after: u64,
    retry_at: &'a str,
}

#[derive(Debug, Serialize)]
struct OfSessions {
    success: bool,
    active_sessions: u64,
    max_sessions: u64,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    ticket: Option<OfTicket>,
}

#[derive(Debug, Serialize)]
struct OfTicket {
    ticket: String,
    place: Option<usize>,
    estimated_wait_seconds: Option<u64>,
}

impl Reader<'_> {
    /// Whoever reads problem details.
    pub(crate) const PROBLEM: Self = Self { form: Form::Problem, request_id: None };
}

/// The answer to a request that a limit refused.
pub(crate) fn refused(
    refused: &Refused,
    verdict: &Verdict,
    who: &Attributes,
    reader: Reader<'_>,
) -> Response<Body> {
    let form = reader.form;
    let name = refused.limit().map_or("", |limit| limit.name.as_str());
    let retry_at = refused.refusal.retry.promised().and_then(|at| rfc3339(at, refused.now));
    let mut response = match form {
        Form::Problem => {
            let body = problem_refusal(refused, verdict, name, retry_at.clone());
            respond(verdict.status, body, PROBLEM_JSON)
        }
        _ if form.is_openai() => respond(verdict.status, openai_refusal(refused, verdict), JSON),
        _ => native(
            form,
            &Refusal {
                limit: Some(name),
                model: who.value(&Attribute::Model),
                wait_ms: verdict.wait.map(millis_up),
                request_id: reader.request_id,
                ..Refusal::new(verdict.reason(refused), &verdict.message)
            },
        ),
    };
    let headers = response.headers_mut();
    headers::add(
        headers,
        &Told {
            policy: &refused.policy,
            who,
            standings: &refused.refusal.standings,
            binding: Some(refused.refusal.limit),
            now: refused.now,
            form,
        },
    );
    headers.insert(headers::DECISION, HeaderValue::from_static("refuse"));
    headers::set(headers, headers::LIMIT, Some(name.to_owned()));
    headers::set(headers, headers::RETRY_AT, retry_at);
    if let Cause::TimedOut { waited } = refused.cause {
        headers::tell_waited(headers, waited);
    }
    tell_when(headers, verdict, form);
    response
}

/// The answer to a request that failed.
pub(crate) fn failed(failure: &Failure, reader: Reader<'_>) -> Response<Body> {
    let status = failure.what.status();
    let mut response = match reader.form {
        Form::Problem => {
            let problem = Problem {
                kind: NO_TYPE,
                title: status.canonical_reason().unwrap_or_default(),
                status: status.as_u16(),
                detail: &failure.message,
                error: failure.what.error(),
                message: &failure.message,
                param: failure.param.as_deref(),
                limit: None,
                later: failure.wait.zip(failure.retry_at.as_deref()).map(|(wait, retry_at)| {
                    Later { retry_after: headers::seconds_up(wait).max(1), retry_at }
                }),
                sessions: None,
            };
            respond(status, json(&problem), PROBLEM_JSON)
        }
        form if form.is_openai() => {
            let (kind, code) = failure.what.openai();
            let param = failure.param.as_deref();
            let error = openai::Error { message: &failure.message, kind, param, code };
            respond(status, openai::error_body(&error), JSON)
        }
        form => native(form, &Refusal { request_id: reader.request_id, ..failure.told() }),
    };
    if let Some(wait) = failure.wait {
        tell_wait(response.headers_mut(), wait);
    }
    if failure.what == What::Emergency {
        let headers = response.headers_mut();
        headers.insert(headers::DECISION, HeaderValue::from_static("refuse"));
        headers::set(headers, headers::RETRY_AT, failure.retry_at.clone());
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        // RFC 9110 §15.5.2 wants to be told how.
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// What a dialect has for it.
fn native(form: Form, refusal: &Refusal<'_>) -> Response<Body> {
    let Native { status, headers, body, .. } = form.native(refusal);
    // Every status of a dialect is one.
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = respond(status, body, JSON);
    for (name, value) in headers {
        headers::set(response.headers_mut(), HeaderName::from_static(name), Some(value));
    }
    response
}

fn tell_wait(headers: &mut HeaderMap, wait: Duration) {
    headers.insert(RETRY_AFTER, headers::seconds_up(wait).max(1).into());
    headers.insert(RETRY_AFTER_MS, millis_up(wait).max(1).into());
    if wait > LONGEST_RETRY {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
}

/// When to come back, in every form that clients read.
fn tell_when(headers: &mut HeaderMap, verdict: &Verdict, form: Form) {
    // Providers' own answers for a spent budget bear none: waiting is not what they ask for.
    let is_silent = form != Form::Problem && verdict.is_budget;
    if let Some(wait) = verdict.wait.filter(|_| !is_silent) {
        tell_wait(headers, wait);
    }
    if !verdict.is_worth_retrying() {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
}

fn openai_refusal(refused: &Refused, verdict: &Verdict) -> Bytes {
    let (kind, code) = openai_words(refused, verdict);
    let message = &verdict.message;
    let error = openai::Error { message, kind, param: None, code: Some(code) };
    // Strings and nulls always have a JSON form.
    serde_json::to_vec(&OpenaiRefusal { error, detail: &verdict.detail }).unwrap_or_default().into()
}

/// Type and code of a refusal in OpenAI's words.
fn openai_words(refused: &Refused, verdict: &Verdict) -> (&'static str, &'static str) {
    let unit = refused.limit().map(|limit| limit.unit);
    match unit {
        _ if verdict.is_budget => ("insufficient_quota", "project_spend_limit_exceeded"),
        _ if verdict.status == StatusCode::SERVICE_UNAVAILABLE => {
            ("service_unavailable_error", verdict.error)
        }
        Some(Unit::Tokens | Unit::InputTokens | Unit::OutputTokens) => {
            ("tokens", "rate_limit_exceeded")
        }
        _ => ("requests", "rate_limit_exceeded"),
    }
}

fn problem_refusal(
    refused: &Refused,
    verdict: &Verdict,
    name: &str,
    retry_at: Option<String>,
) -> Bytes {
    let counts_sessions = refused.limit().is_some_and(|limit| {
        matches!(limit.measure, tollgate_core::policy::Measure::Sessions { .. })
    });
    let sessions = sessions(refused).filter(|_| counts_sessions);
    let kind = match verdict.status {
        StatusCode::SERVICE_UNAVAILABLE => REDUCED_CAPACITY,
        _ => QUOTA_EXCEEDED,
    };
    json(&Problem {
        kind,
        title: verdict.status.canonical_reason().unwrap_or_default(),
        status: verdict.status.as_u16(),
        detail: &verdict.detail,
        error: verdict.error,
        message: &verdict.message,
        param: None,
        limit: Some(OfLimit {
            limit: name,
            retry_after: verdict.wait.map(|wait| headers::seconds_up(wait).max(1)),
            retry_at,
            violated: [name],
        }),
        later: None,
        sessions: sessions.map(|(active_sessions, max_sessions)| OfSessions {
            success: false,
            active_sessions,
            max_sessions,
            ticket: verdict.ticket.as_ref().map(|given| OfTicket {
                ticket: given.ticket.to_string(),
                place: given.place,
                estimated_wait_seconds: given.estimate.map(headers::seconds_up),
            }),
        }),
    })
}

fn json(problem: &Problem<'_>) -> Bytes {
    // Strings and numbers always have a JSON form.
    serde_json::to_vec(problem).unwrap_or_default().into()
}

fn respond(status: StatusCode, body: Bytes, content_type: HeaderValue) -> Response<Body> {
    let mut response = Response::new(net::full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// The wall clock's time at an instant, in milliseconds rounded up: never too early.
pub(crate) fn rfc3339(at: Time, now: Now) -> Option<String> {
    let millis = headers::wall_at(at, now).as_nanos().div_ceil(NANOS_PER_MILLI);
    let stamp = Timestamp::from_millisecond(i64::try_from(millis).ok()?).ok()?;
    Some(format!("{stamp:.3}"))
}

pub(super) fn millis_up(duration: Duration) -> u64 {
    let millis = duration.as_nanos().div_ceil(u128::from(NANOS_PER_MILLI));
    u64::try_from(millis).unwrap_or(u64::MAX)
}
