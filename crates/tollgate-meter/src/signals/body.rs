//! The bodies of answers that refuse.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Refused, Signals, times};
use crate::json;

/// A body, of whatever dialect; each has members of its own.
#[derive(Default, Deserialize)]
struct Body<'a> {
    /// OpenAI's, Azure's, Anthropic's and Google's.
    #[serde(default, borrow)]
    error: Option<&'a RawValue>,
    /// Bedrock's.
    #[serde(default, borrow, alias = "Message")]
    message: Option<Cow<'a, str>>,
    /// Deepgram's.
    #[serde(default, borrow)]
    err_code: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
struct Error<'a> {
    #[serde(default, borrow)]
    message: Option<Cow<'a, str>>,
    #[serde(default, borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    /// A string of OpenAI's, a number of Google's.
    #[serde(default, borrow)]
    code: Option<&'a RawValue>,
    /// Google's canonical name.
    #[serde(default, borrow)]
    status: Option<Cow<'a, str>>,
    /// An object of Anthropic's, an array of Google's.
    #[serde(default, borrow)]
    details: Option<&'a RawValue>,
}

/// Anthropic's details.
#[derive(Deserialize)]
struct Details<'a> {
    #[serde(default, borrow)]
    error_code: Option<Cow<'a, str>>,
}

/// One of Google's details.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    #[serde(default, borrow)]
    violations: Option<&'a RawValue>,
    #[serde(default, borrow)]
    retry_delay: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Violation<'a> {
    #[serde(default, borrow)]
    quota_metric: Cow<'a, str>,
    #[serde(default, borrow)]
    quota_id: Cow<'a, str>,
}

/// OpenAI's words for money that is gone.
const SPENT: [&str; 5] = [
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_usage_limit_exceeded",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
];

/// What stands before a wait in the sentences of OpenAI and Azure.
const WAITS: [&str; 2] = ["try again in ", "retry after "];

/// Reads why a provider refused, and how long to wait where no header says so.
pub(super) fn read(signals: &mut Signals, status: u16, error_type: Option<&str>, body: &[u8]) {
    let body: Body<'_> = one(body).and_then(json::object).unwrap_or_default();
    let error: Option<Error<'_>> = body.error.and_then(|all| json::object(all.get().as_bytes()));
    let message = error.as_ref().and_then(|error| error.message.as_deref());
    let message = message.or(body.message.as_deref()).unwrap_or_default();
    let told = match &error {
        Some(error) => error.refused(signals, status),
        None => bedrock(error_type, message).or_else(|| deepgram(body.err_code.as_deref())),
    };
    if signals.retry_after.is_none() {
        signals.retry_after = wait_in(message);
    }
    signals.refused = told.or(match status {
        402 => Some(Refused::Spent),
        429 => Some(Refused::Rate),
        503 | 529 => Some(Refused::Overloaded),
        _ => None,
    });
}

/// The object of a body, which Google may have put into an array of one.
fn one(body: &[u8]) -> Option<&[u8]> {
    let body = body.trim_ascii();
    match body.strip_prefix(b"[") {
        Some(rest) => rest.strip_suffix(b"]").map(<[u8]>::trim_ascii),
        None => Some(body),
    }
}

impl Error<'_> {
    fn refused(&self, signals: &mut Signals, status: u16) -> Option<Refused> {
        if let Some(google) = self.status.as_deref() {
            return self.google(signals, google);
        }
        let message = self.message.as_deref().unwrap_or_default();
        let code = self.code.map_or("", |code| code.get().trim_matches('"'));
        let details =
            self.details.and_then(|all| json::object::<Details<'_>>(all.get().as_bytes()));
        let detail = details.and_then(|all| all.error_code);
        if detail.is_some_and(|code| code.ends_with("spend_limit_reached")) {
            return Some(Refused::Spent);
        }
        match self.kind.as_deref().unwrap_or_default() {
            kind if SPENT.contains(&kind) || SPENT.contains(&code) => Some(Refused::Spent),
            "tokens" if asks_for_more_than_all(message) => Some(Refused::TooLarge),
            "tokens" => Some(Refused::Tokens),
            "requests" => Some(Refused::Requests),
            "billing_error" => Some(Refused::Spent),
            // Anthropic's own answer to a spent budget.
            "invalid_request_error" if status == 400 && is_about_money(message) => {
                Some(Refused::Spent)
            }
            "overloaded_error" | "service_unavailable_error" => Some(Refused::Overloaded),
            _ if code == "slow_down" || code == "server_is_overloaded" => Some(Refused::Overloaded),
            // Azure tells it in words alone, and so does Anthropic.
            _ if status == 429 => Some(by_words(message)),
            _ => None,
        }
    }

    fn google(&self, signals: &mut Signals, status: &str) -> Option<Refused> {
        if status == "UNAVAILABLE" {
            return Some(Refused::Overloaded);
        }
        if status != "RESOURCE_EXHAUSTED" {
            return None;
        }
        let mut refused = Refused::Rate;
        // What cannot be read says nothing.
        let _ = self.details.map(|all| {
            json::each(all.get(), |Detail { violations, retry_delay }: Detail<'_>| {
                if let Some(delay) = retry_delay.as_deref().and_then(times::go) {
                    signals.retry_after = signals.retry_after.or(Some(delay));
                }
                let _ = violations.map(|all| json::each(all.get(), |one| refused = violated(&one)));
            })
        });
        Some(refused)
    }
}

fn violated(Violation { quota_metric, quota_id }: &Violation<'_>) -> Refused {
    let name = if quota_metric.is_empty() { quota_id } else { quota_metric };
    if name.contains("token") || quota_id.contains("Token") {
        Refused::Tokens
    } else if name.contains("concurrent") {
        Refused::Concurrency
    } else {
        Refused::Requests
    }
}

fn bedrock(error_type: Option<&str>, message: &str) -> Option<Refused> {
    match error_type? {
        "ThrottlingException" => Some(by_words(message)),
        "ServiceQuotaExceededException" => Some(Refused::Spent),
        "ServiceUnavailableException" | "ModelNotReadyException" => Some(Refused::Overloaded),
        _ => None,
    }
}

fn deepgram(code: Option<&str>) -> Option<Refused> {
    match code? {
        "TOO_MANY_REQUESTS" => Some(Refused::Concurrency),
        "ASR_PAYMENT_REQUIRED" => Some(Refused::Spent),
        _ => None,
    }
}

fn by_words(message: &str) -> Refused {
    let message = message.to_ascii_lowercase();
    if message.contains("concurrent") {
        Refused::Concurrency
    } else if message.contains("token") {
        Refused::Tokens
    } else if message.contains("request") {
        Refused::Requests
    } else {
        Refused::Rate
    }
}

fn is_about_money(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["credit balance", "spend limit", "usage limits"].iter().any(|words| message.contains(words))
}

/// Whether a sentence such as `Limit 30000, Requested 30601` asks for more than there is.
fn asks_for_more_than_all(message: &str) -> bool {
    matches!((after(message, "Limit "), after(message, "Requested ")), (Some(limit), Some(asked)) if asked > limit)
}

fn after(message: &str, word: &str) -> Option<u64> {
    let (_, rest) = message.split_once(word)?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// The wait in a sentence such as `Please try again in 6m0s.`
fn wait_in(message: &str) -> Option<std::time::Duration> {
    let message = message.to_ascii_lowercase();
    let rest = WAITS.iter().find_map(|words| Some(message.split_once(words)?.1))?;
    let wait = rest.split(|c: char| c.is_whitespace() || c == ',').next()?;
    times::go(wait.trim_end_matches('.'))
}
