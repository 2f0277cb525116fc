//! The members of a body that decide what is charged.

use serde_json::value::RawValue;

use super::{Endpoint, MAX_CHOICES};
use crate::{Input, MAX_OUTPUT_TOKENS, ScanError, members::Raw, ruler::Ruler, thinking, tier};

/// What the members of a body say.
pub(super) struct Members<'a> {
    raw: Raw<'a, { NAMES.len() }>,
    pub(super) stream: bool,
    pub(super) stream_options: Option<&'a RawValue>,
    pub(super) input: Input,
    /// How many prompts a completion continues.
    prompts: u64,
}

/// What `stream_options` says about usage.
pub(super) enum Options<'a> {
    /// It is `null`.
    Null,
    /// The client asks for it.
    Asked,
    /// The client says, with this value, that it does not ask for it.
    NotAsked(&'a RawValue),
    /// Nothing.
    Silent {
        /// The object has no members at all.
        empty: bool,
    },
}

const NAMES: [&str; 19] = [
    "model",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "best_of",
    "messages",
    "prompt",
    "suffix",
    "input",
    "tools",
    "functions",
    "response_format",
    "service_tier",
    "thinking",
    "reasoning",
    "reasoning_effort",
    "web_search_options",
];

impl<'a> Members<'a> {
    pub(super) fn parse(
        endpoint: Endpoint,
        body: &'a str,
        ruler: Ruler,
    ) -> Result<Self, ScanError> {
        let raw = Raw::parse(&NAMES, body)?;
        let mut prompts = 1;
        let mut input = Input::default();
        match endpoint {
            Endpoint::ChatCompletions => {
                let messages = raw.value("messages").ok_or(ScanError::Missing("messages"))?;
                input = input.and(ruler.messages("messages", messages)?);
                for member in ["tools", "functions", "response_format"] {
                    input = input
                        .and(raw.value(member).map(|json| ruler.written(json)).unwrap_or_default());
                }
            }
            Endpoint::Completions => {
                if let Some(prompt) = raw.value("prompt") {
                    let (size, count) = ruler.texts("prompt", prompt)?;
                    (input, prompts) = (size, count.max(1));
                }
                input = input
                    .and(raw.value("suffix").map(|json| ruler.written(json)).unwrap_or_default());
            }
            Endpoint::Embeddings => {
                let texts = raw.value("input").ok_or(ScanError::Missing("input"))?;
                input = ruler.texts("input", texts)?.0;
            }
        }
        let stream = raw.flag("stream")?;
        let stream_options = raw.written("stream_options");
        Ok(Self { raw, stream, stream_options, input, prompts })
    }

    pub(super) fn model(&self) -> Result<String, ScanError> {
        self.raw.model()
    }

    /// The member that asks for a dearer tier.
    pub(super) fn dearer(&self) -> Result<Option<&'static str>, ScanError> {
        tier::dearer(&self.raw)
    }

    /// Whether the model is asked to think.
    pub(super) fn thinks(&self) -> bool {
        thinking::asked(&self.raw)
    }

    /// Whether the model may search the web.
    pub(super) fn searches(&self) -> bool {
        self.raw.value("web_search_options").is_some()
    }

    /// The members that bound the output, as they are written; `null` bounds nothing.
    pub(super) fn maxima(&self) -> impl Iterator<Item = &'a RawValue> {
        let names = ["max_tokens", "max_completion_tokens"];
        names.into_iter().filter_map(|name| self.raw.written(name))
    }

    /// The most tokens of one choice. Of two members the larger: either may be obeyed.
    pub(super) fn max_output_tokens(&self, endpoint: Endpoint) -> Result<Option<u64>, ScanError> {
        // Completions that only score their prompt ask for 0; elsewhere some providers take
        // 0 for "no bound".
        let least = u64::from(endpoint != Endpoint::Completions);
        let older = self.raw.count("max_tokens", least, MAX_OUTPUT_TOKENS)?;
        let newer = self.raw.count("max_completion_tokens", least, MAX_OUTPUT_TOKENS)?;
        Ok(older.max(newer))
    }

    pub(super) fn choices(&self, endpoint: Endpoint) -> Result<u64, ScanError> {
        if endpoint == Endpoint::Embeddings {
            return Ok(0);
        }
        let n = self.raw.count("n", 1, MAX_CHOICES)?;
        let best_of = self.raw.count("best_of", 1, MAX_CHOICES)?;
        Ok(n.max(best_of).unwrap_or(1).saturating_mul(self.prompts))
    }
}

impl<'a> Options<'a> {
    pub(super) fn parse(options: &'a str) -> Result<Self, ScanError> {
        if options == "null" {
            return Ok(Self::Null);
        }
        if !options.starts_with('{') {
            return Err(ScanError::WrongType { member: "stream_options", wanted: "an object" });
        }
        let raw = Raw::parse(&["include_usage"], options)?;
        Ok(match raw.written("include_usage") {
            None => Self::Silent { empty: raw.empty },
            Some(_) if raw.flag("include_usage")? => Self::Asked,
            Some(value) => Self::NotAsked(value),
        })
    }
}
