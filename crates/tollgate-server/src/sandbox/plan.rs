//! What one request is given: the settings, overlaid by the request's own headers.
//!
//! | header | value |
//! |---|---|
//! | `x-sandbox-latency-ms` | milliseconds to the response head, at most 600,000 |
//! | `x-sandbox-first-token-ms` | further milliseconds to the first token, at most 600,000 |
//! | `x-sandbox-tokens-per-second` | pace of the tokens, 0 for all at once |
//! | `x-sandbox-input-tokens` | input tokens reported in the usage |
//! | `x-sandbox-output-tokens` | output tokens made and reported, at most 1,000,000; also beyond `max_tokens` |
//! | `x-sandbox-usage` | `exact`, `none` (left out) or `lie` (numbers that cannot be) |
//! | `x-sandbox-error-rate`, `-rate-limit-rate`, `-truncate-rate` | shares of requests, 0 to 1 |
//! | `x-sandbox-fault` | a [`Fault`] that this request has in any case |
//! | `x-sandbox-seed` | the number that the request's chances are drawn by, instead of its place in the order |

use std::{str::FromStr, time::Duration};

use http::HeaderMap;

use super::{SandboxSettings, Share, dice::Draw, outage, parse_share};

/// What one request is given.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    /// The settings, as overlaid.
    pub(crate) settings: SandboxSettings,
    /// The input tokens to report, where the request does not leave it to its own text.
    pub(crate) input_tokens: Option<u32>,
    /// The output tokens to make, where the request does not leave it to its own maximum.
    pub(crate) output_tokens: Option<u32>,
    /// What the answer says of its usage.
    pub(crate) report: Report,
    /// What goes wrong.
    pub(crate) fault: Option<Fault>,
}

/// What an answer says of its usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Report {
    /// The truth.
    Exact,
    /// Nothing.
    Omit,
    /// Numbers that cannot be: negative, far too big, no number.
    Lie,
}

/// What goes wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `error`: it is a 500.
    Error,
    /// `unavailable`: it is a 503.
    Unavailable,
    /// `rate-limit`: it is a 429 of the provider's own.
    RateLimit,
    /// `cut`: the connection breaks in the middle of the body.
    Cut,
    /// `end`: the body ends in its middle as if it were whole.
    End,
    /// `stall`: the body stops in its middle and the connection stays.
    Stall,
    /// `hang`: nothing is ever answered.
    Hang,
    /// `slow`: the body comes in small pieces, ten a second.
    Slow,
    /// `stream-error`: a stream ends in its middle with an error; what is no stream is a 500.
    StreamError,
}

/// Why a request's header cannot be followed; the text is one sentence for its sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("The header `{name}` is `{value}`, but must be {expected}")]
pub(crate) struct BadHeader {
    name: &'static str,
    value: String,
    expected: &'static str,
}

const MAX_WAIT_MS: u32 = 600_000;
const MAX_OUTPUT_TOKENS: u32 = 1_000_000;

impl Plan {
    /// The plan for a request that came with `headers` so long after the start, its chances
    /// drawn by `draw`.
    pub(crate) fn new(
        settings: &SandboxSettings,
        headers: &HeaderMap,
        draw: &Draw<'_>,
        since_start: Duration,
    ) -> Result<Self, BadHeader> {
        let mut plan = Self {
            settings: settings.clone(),
            input_tokens: None,
            output_tokens: None,
            report: Report::Exact,
            fault: None,
        };
        let mut seed = None;
        if headers.keys().any(|name| name.as_str().starts_with("x-sandbox-")) {
            plan.overlay(headers)?;
            seed = header(headers, "x-sandbox-seed", "a whole number")?;
        }
        let by_chance = || draw.fault(&plan.settings, seed);
        let scheduled = || outage::fault(&plan.settings.outage, since_start);
        plan.fault = plan.fault.or_else(scheduled).or_else(by_chance);
        Ok(plan)
    }

    fn overlay(&mut self, headers: &HeaderMap) -> Result<(), BadHeader> {
        let settings = &mut self.settings;
        if let Some(wait) = millis(headers, "x-sandbox-latency-ms")? {
            settings.latency = wait;
        }
        if let Some(wait) = millis(headers, "x-sandbox-first-token-ms")? {
            settings.first_token = wait;
        }
        const TOKENS: &str = "a whole number of tokens";
        if let Some(pace) = header(headers, "x-sandbox-tokens-per-second", TOKENS)? {
            settings.tokens_per_second = pace;
        }
        if let Some(share) = share(headers, "x-sandbox-error-rate")? {
            settings.error_rate = share;
        }
        if let Some(share) = share(headers, "x-sandbox-rate-limit-rate")? {
            settings.rate_limit_rate = share;
        }
        if let Some(share) = share(headers, "x-sandbox-truncate-rate")? {
            settings.truncate_rate = share;
        }
        self.input_tokens = header(headers, "x-sandbox-input-tokens", TOKENS)?;
        self.output_tokens = bounded(
            headers,
            "x-sandbox-output-tokens",
            MAX_OUTPUT_TOKENS,
            "a whole number of tokens, at most 1000000",
        )?;
        if let Some(report) = header(headers, "x-sandbox-usage", "exact, none or lie")? {
            self.report = report;
        }
        self.fault = header(
            headers,
            "x-sandbox-fault",
            "error, unavailable, rate-limit, cut, end, stall, hang, slow or stream-error",
        )?;
        Ok(())
    }
}

impl FromStr for Report {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Ok(match name {
            "exact" => Self::Exact,
            "none" => Self::Omit,
            "lie" => Self::Lie,
            _ => return Err(()),
        })
    }
}

impl FromStr for Fault {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Ok(match name {
            "error" => Self::Error,
            "unavailable" => Self::Unavailable,
            "rate-limit" => Self::RateLimit,
            "cut" => Self::Cut,
            "end" => Self::End,
            "stall" => Self::Stall,
            "hang" => Self::Hang,
            "slow" => Self::Slow,
            "stream-error" => Self::StreamError,
            _ => return Err(()),
        })
    }
}

fn header<T: FromStr>(
    headers: &HeaderMap,
    name: &'static str,
    expected: &'static str,
) -> Result<Option<T>, BadHeader> {
    read(headers, name, expected, |text| text.parse().ok())
}

fn share(headers: &HeaderMap, name: &'static str) -> Result<Option<Share>, BadHeader> {
    read(headers, name, "a number from 0 to 1", |text| parse_share(text).ok())
}

fn read<T>(
    headers: &HeaderMap,
    name: &'static str,
    expected: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, BadHeader> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(|text| parse(text.trim()));
    parsed.map(Some).ok_or_else(|| bad(name, value.as_bytes(), expected))
}

fn bounded(
    headers: &HeaderMap,
    name: &'static str,
    max: u32,
    expected: &'static str,
) -> Result<Option<u32>, BadHeader> {
    match header::<u32>(headers, name, expected)? {
        Some(value) if value > max => Err(bad(name, value.to_string().as_bytes(), expected)),
        value => Ok(value),
    }
}

fn millis(headers: &HeaderMap, name: &'static str) -> Result<Option<Duration>, BadHeader> {
    let expected = "a whole number of milliseconds, at most 600000";
    let millis = bounded(headers, name, MAX_WAIT_MS, expected)?;
    Ok(millis.map(|ms| Duration::from_millis(ms.into())))
}

fn bad(name: &'static str, value: &[u8], expected: &'static str) -> BadHeader {
    let value = String::from_utf8_lossy(value).chars().take(40).collect();
    BadHeader { name, value, expected }
}
