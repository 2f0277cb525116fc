//! A dialect: what a request asks for, and how its answers, streams and errors look.
//!
//! Each provider's is one file or folder beside this one, and knows nothing of latency, chance
//! and limits, which the service sees to. [`of_path`] finds the one that a path belongs to.

use std::fmt::Display;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::{
    Plan,
    answer::Answer,
    anthropic::Anthropic,
    azure::{self, Azure},
    bedrock::Bedrock,
    deepgram::Deepgram,
    events::Events,
    failure::{self, Failure},
    gemini::{self, Gemini},
    openai::OpenAi,
    quotas::Standings,
};

/// One provider's way to speak.
pub(crate) trait Dialect: Sync {
    /// What a request asks for.
    ///
    /// # Errors
    /// Where it asks for nothing that there is.
    fn read(&self, call: &Call<'_>) -> Result<Asked, Failure>;

    /// The body of an error, and headers that this dialect alone has.
    fn error(&self, failure: &Failure, id: &str, headers: &mut HeaderMap) -> Bytes;

    /// The status of an error.
    fn status(&self, failure: &Failure) -> StatusCode {
        failure.status()
    }

    /// Headers of every answer: its id, and where the limits stand if there are any.
    fn announce(&self, id: &str, standings: Option<&Standings>, headers: &mut HeaderMap);
}

/// A request as a dialect reads it.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a Method,
    /// The path, without a dialect's name before it.
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
}

/// What a request asks for.
pub(crate) enum Asked {
    /// Tokens, which take time and count.
    Text(TextRequest),
    /// What is there at once.
    Ready {
        /// The model whose limits it counts against, if it does.
        model: Option<String>,
        /// The length of what is sent, in tokens.
        tokens: u32,
        /// Makes the answer, a JSON document.
        json: Box<dyn FnOnce(&Plan) -> String + Send>,
    },
}

/// A request for tokens.
pub(crate) struct TextRequest {
    pub(crate) model: String,
    /// Alternative answers asked for, at least 1.
    pub(crate) choices: u32,
    /// The most tokens of one choice.
    pub(crate) max_tokens: Option<u32>,
    pub(crate) stream: bool,
    /// The length of what is sent, in tokens.
    pub(crate) input_tokens: u32,
    /// How its answer looks.
    pub(crate) shape: Box<dyn Shape>,
}

/// How the answer to one request looks.
pub(crate) trait Shape: Send + Sync {
    /// The answer in one piece.
    fn plain(&self, answer: &Answer) -> Whole;

    /// The answer as a stream, and its type.
    fn stream(&self, answer: Answer) -> (&'static str, Box<dyn Events>);
}

/// An answer in one piece.
pub(crate) struct Whole {
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

pub(crate) const JSON: &str = "application/json";
pub(crate) const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";

/// Dialects by the names that may stand before a provider's own path.
const NAMED: [(&str, &dyn Dialect); 6] = [
    ("anthropic", &Anthropic),
    ("azure", &Azure),
    ("bedrock", &Bedrock),
    ("deepgram", &Deepgram),
    ("gemini", &Gemini),
    ("openai", &OpenAi),
];

/// The dialect of a path, and the path without its name.
pub(crate) fn of_path(path: &str) -> (&'static dyn Dialect, &str) {
    let named = |(name, dialect): &(&str, &'static dyn Dialect)| {
        let rest = path.strip_prefix('/')?.strip_prefix(name)?;
        rest.starts_with('/').then_some((*dialect, rest))
    };
    // Azure's own place begins with the name of another.
    if azure::deployment_and_path(path).is_some() {
        return (&Azure, path);
    }
    NAMED.iter().find_map(named).unwrap_or_else(|| (of_place(path), path))
}

/// The dialect whose own place this is.
fn of_place(path: &str) -> &'static dyn Dialect {
    if path.starts_with("/v1/messages") {
        &Anthropic
    } else if path.starts_with("/model/") {
        &Bedrock
    } else if path == "/v1/listen" || path == "/v2/listen" {
        &Deepgram
    } else if path.starts_with("/v1beta/") || gemini::model_and_method(path).is_some() {
        &Gemini
    } else {
        &OpenAi
    }
}

impl Asked {
    /// What is there at once and counts against no limit.
    pub(crate) fn free(json: impl FnOnce(&Plan) -> String + Send + 'static) -> Self {
        Self::Ready { model: None, tokens: 0, json: Box::new(json) }
    }
}

impl Whole {
    /// A JSON document.
    pub(crate) const fn json(body: String) -> Self {
        Self { content_type: JSON, headers: Vec::new(), body }
    }
}

/// Adds a header that is made of digits, letters and signs of ASCII.
pub(crate) fn set(headers: &mut HeaderMap, name: &'static str, value: &dyn Display) {
    if let Ok(value) = HeaderValue::try_from(value.to_string()) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// Tells when to come back, as most providers do.
pub(crate) fn retry_after(failure: &Failure, headers: &mut HeaderMap) {
    if let Some(wait) = failure.wait() {
        set(headers, "retry-after", &failure::seconds(wait));
        set(headers, "retry-after-ms", &failure::millis(wait));
    }
}
