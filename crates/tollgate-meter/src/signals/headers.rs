//! The headers that tell of limits.

use std::time::Duration;

use tollgate_core::Time;

use super::{Quota, Signals, fields::Fields, times};

/// What the headers said beside quotas.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The finer of two forms, which takes precedence.
    retry_after_ms: Option<Duration>,
    error_type: Option<String>,
    fields: Fields,
}

/// The longest name of an error that is read, in bytes.
const MAX_ERROR_TYPE_BYTES: usize = 128;

impl Told {
    pub(super) fn header(&mut self, signals: &mut Signals, name: &str, value: &str, wall: Time) {
        if let Some(rest) = name.strip_prefix("x-ratelimit-") {
            openai(signals, rest, value, wall);
        } else if let Some(rest) = name.strip_prefix("anthropic-ratelimit-") {
            anthropic(signals, rest, value, wall);
        } else if let Some(rest) = name.strip_prefix("ratelimit") {
            self.fields.field(rest, value);
        } else {
            match name {
                "retry-after" => signals.retry_after = times::retry_after(value, wall),
                "retry-after-ms" | "x-amz-retry-after" => {
                    self.retry_after_ms = times::millis(value).or(self.retry_after_ms);
                }
                "x-should-retry" => signals.should_retry = value.parse().ok(),
                "x-amzn-errortype" if value.len() <= MAX_ERROR_TYPE_BYTES => {
                    // What follows a colon is where its description stands.
                    self.error_type = value.split(':').next().map(str::to_owned);
                }
                _ => {}
            }
        }
    }

    /// Both forms have been seen, and which quotas are true.
    pub(super) fn finish(&self, signals: &mut Signals) {
        signals.retry_after = self.retry_after_ms.or(signals.retry_after);
        self.fields.finish(signals);
        let Signals { requests, tokens, input_tokens, output_tokens, .. } = signals;
        for quota in [requests, tokens, input_tokens, output_tokens] {
            // Azure has sent a limit of 0 with answers that it gave.
            if quota.limit == Some(0) {
                *quota = Quota::default();
            }
        }
    }

    /// The name that AWS gives an error.
    pub(super) fn error_type(&self) -> Option<&str> {
        self.error_type.as_deref()
    }
}

/// OpenAI's, Azure's and those of compatible providers; and those without a unit, which count
/// requests.
fn openai(signals: &mut Signals, name: &str, value: &str, wall: Time) {
    let (what, unit) = name.split_once('-').unwrap_or((name, ""));
    let quota = match unit {
        "requests" | "" => &mut signals.requests,
        "tokens" => &mut signals.tokens,
        _ => return,
    };
    match what {
        "limit" => quota.limit = value.parse().ok(),
        "remaining" => quota.remaining = value.parse().ok(),
        "reset" if unit.is_empty() => quota.reset_after = times::epoch(value, wall),
        "reset" => quota.reset_after = times::go(value),
        _ => {}
    }
}

fn anthropic(signals: &mut Signals, name: &str, value: &str, wall: Time) {
    let Some((unit, what)) = name.rsplit_once('-') else { return };
    let quota = match unit {
        "requests" => &mut signals.requests,
        "tokens" => &mut signals.tokens,
        "input-tokens" => &mut signals.input_tokens,
        "output-tokens" => &mut signals.output_tokens,
        _ => return,
    };
    match what {
        "limit" => quota.limit = value.parse().ok(),
        "remaining" => quota.remaining = value.parse().ok(),
        "reset" => quota.reset_after = times::rfc3339(value, wall),
        _ => {}
    }
}
