//! Usage as Bedrock tells it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Counts, json,
    told::{Told, part},
};

/// Usage of `converse`, and of those models of `invoke` that have its shape.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Usage<'a> {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
    #[serde(default, alias = "cacheReadInputTokenCount")]
    cache_read_input_tokens: Option<u64>,
    #[serde(default, alias = "cacheWriteInputTokenCount")]
    cache_write_input_tokens: Option<u64>,
    #[serde(default, borrow)]
    cache_details: Option<&'a RawValue>,
}

/// How much was written to the cache for how long.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    #[serde(default, borrow)]
    ttl: Cow<'a, str>,
    #[serde(default)]
    input_tokens: u64,
}

/// The metrics that end a stream of `invoke`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metrics {
    #[serde(default)]
    input_token_count: Option<u64>,
    #[serde(default)]
    output_token_count: Option<u64>,
    #[serde(default)]
    cache_read_input_token_count: Option<u64>,
    #[serde(default)]
    cache_write_input_token_count: Option<u64>,
}

/// Reads the value of a `usage` member.
pub(super) fn read(usage: &[u8]) -> Told {
    match usage.trim_ascii() {
        b"null" => Told::Nothing,
        object => json::object::<Usage<'_>>(object).map_or(Told::Implausible, |u| u.told()),
    }
}

/// Reads `amazon-bedrock-invocationMetrics`.
pub(super) fn metrics(metrics: &RawValue) -> Told {
    let Some(all) = json::object::<Metrics>(metrics.get().as_bytes()) else {
        return Told::Implausible;
    };
    let cached = (all.cache_read_input_token_count, all.cache_write_input_token_count);
    counted(all.input_token_count, all.output_token_count, cached)
}

/// The counts of both sides, what was read from the cache and what was written to it apart.
///
/// Bedrock leaves the latter two out of the input, as Anthropic does.
pub(crate) fn counted(
    input: Option<u64>,
    output: Option<u64>,
    (read, written): (Option<u64>, Option<u64>),
) -> Told {
    let (Some(input), Some(output)) = (input, output) else {
        let nothing = input.is_none() && output.is_none();
        return if nothing { Told::Nothing } else { Told::Implausible };
    };
    let (read, written) = (read.unwrap_or(0), written.unwrap_or(0));
    let input = input.saturating_add(read).saturating_add(written);
    Told::counts(Counts {
        cached_tokens: read,
        cache_write_tokens: written,
        ..Counts::tokens(input, output)
    })
}

impl Usage<'_> {
    fn told(&self) -> Told {
        let cached = (self.cache_read_input_tokens, self.cache_write_input_tokens);
        let told = counted(self.input_tokens, self.output_tokens, cached);
        let Told::Counts(counts) = told else { return told };
        let for_an_hour = self.cache_details.map_or(0, for_an_hour);
        let cache_write_hour_tokens = part(Some(for_an_hour), counts.cache_write_tokens);
        Told::Counts(Counts { cache_write_hour_tokens, ..counts })
    }
}

/// Tokens written for an hour; details that cannot be read tell of none.
fn for_an_hour(details: &RawValue) -> u64 {
    let mut tokens = 0_u64;
    let read = json::each(details.get(), |Detail { ttl, input_tokens }: Detail<'_>| {
        if ttl == "1h" {
            tokens = tokens.saturating_add(input_tokens);
        }
    });
    if read.is_ok() { tokens } else { 0 }
}
