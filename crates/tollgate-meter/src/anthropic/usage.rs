//! Usage as Anthropic tells it.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Calls, Counts, Tool, json,
    told::{Told, part},
};

/// What has been told so far; later members take the place of earlier ones.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct Usage {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
    /// Of those written to the cache, how many for how long.
    #[serde(default)]
    cache_creation: Option<Written>,
    #[serde(default)]
    output_tokens_details: Option<Made>,
    #[serde(default)]
    server_tool_use: Option<Called>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct Written {
    #[serde(default)]
    ephemeral_1h_input_tokens: Option<u64>,
}

/// Calls of the provider's own tools.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct Called {
    #[serde(default)]
    web_search_requests: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct Made {
    #[serde(default)]
    thinking_tokens: Option<u64>,
}

/// Reads the value of a `usage` member.
pub(crate) fn read(usage: &[u8]) -> Told {
    match usage.trim_ascii() {
        b"null" => Told::Nothing,
        object => json::object::<Usage>(object).map_or(Told::Implausible, |usage| usage.told()),
    }
}

impl Usage {
    /// What a member says; nothing if it cannot be read.
    pub(crate) fn parse(raw: &RawValue) -> Option<Self> {
        json::object(raw.get().as_bytes())
    }

    /// This where it says something, and what was known before elsewhere.
    pub(crate) fn over(self, before: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.or(before.input_tokens),
            cache_creation_input_tokens: self
                .cache_creation_input_tokens
                .or(before.cache_creation_input_tokens),
            cache_read_input_tokens: self
                .cache_read_input_tokens
                .or(before.cache_read_input_tokens),
            output_tokens: self.output_tokens.or(before.output_tokens),
            cache_creation: self.cache_creation.or(before.cache_creation),
            output_tokens_details: self.output_tokens_details.or(before.output_tokens_details),
            server_tool_use: self.server_tool_use.or(before.server_tool_use),
        }
    }

    /// How often the web was searched, where that is told.
    pub(super) fn searches(&self) -> Option<u64> {
        self.server_tool_use?.web_search_requests
    }

    pub(crate) fn told(&self) -> Told {
        let (Some(plain), Some(output)) = (self.input_tokens, self.output_tokens) else {
            let nothing = self.input_tokens.is_none() && self.output_tokens.is_none();
            return if nothing { Told::Nothing } else { Told::Implausible };
        };
        let read = self.cache_read_input_tokens.unwrap_or(0);
        let written = self.cache_creation_input_tokens.unwrap_or(0);
        let input = plain.saturating_add(read).saturating_add(written);
        let for_an_hour = self.cache_creation.and_then(|all| all.ephemeral_1h_input_tokens);
        let thinking = self.output_tokens_details.and_then(|all| all.thinking_tokens);
        let mut calls = Calls::NONE;
        calls[Tool::Search] = self.searches().unwrap_or(0);
        Told::counts(Counts {
            calls,
            cached_tokens: read,
            cache_write_tokens: written,
            cache_write_hour_tokens: part(for_an_hour, written),
            reasoning_tokens: part(thinking, output),
            ..Counts::tokens(input, output)
        })
    }
}
