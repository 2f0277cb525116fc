//! Translates between OpenAI's chat completions and Anthropic's messages: requests, answers in
//! one piece, streams and errors, in both directions. Bytes in, bytes out.
//!
//! What one dialect says and the other cannot say is an error in one sentence that names the
//! member ([`Untranslatable`]): nothing that changes the meaning of a request is dropped, and a
//! member that is not known may change it. Neither is a stream ended that its provider did not
//! end. Names and times come in ([`Stamp`]).
//!
//! ```
//! use tollgate_meter::translate::{self, Dialect, Stamp, Target};
//!
//! let body = br#"{"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}]}"#;
//! let target = Target { model: "claude-sonnet-4-5", max_tokens: 4096 };
//! let request = translate::request(Dialect::ChatCompletions, body, &target)?;
//! assert!(request.body.starts_with(br#"{"model":"claude-sonnet-4-5","max_tokens":4096,"#));
//!
//! let told = br#"{"model":"claude-sonnet-4-5","content":[{"type":"text","text":"Hello."}],
//!     "stop_reason":"end_turn","usage":{"input_tokens":8,"output_tokens":3}}"#;
//! let stamp = Stamp { id: "7".into(), created: 1_700_000_000 };
//! let answer = request.answers.whole(told, &stamp)?;
//! let answer: serde_json::Value = serde_json::from_slice(&answer)?;
//! assert_eq!(answer["choices"][0]["message"]["content"], "Hello.");
//! assert_eq!(answer["usage"]["total_tokens"], 11);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What is asked of the provider and what it used is known by the meters of its own dialect: scan
//! the translated body, and meter what comes back before it is translated. Streams go through
//! [`Answers::stream`], errors through [`Answers::error`].
//!
//! # What is dropped
//! What merely hints: how fast, how dear, how long-winded and with how much thought an answer is
//! made, what is cached, and what is kept or told beside it.
//! - Of completions: `metadata`, `prediction`, `prompt_cache_*`, `reasoning_effort`, `seed`,
//!   `service_tier`, `store`, `verbosity`, `include_obfuscation`; an image's `detail`, a tool
//!   message's `name`, what a model thought (`reasoning_content`), a schema's `name`,
//!   `description` and `strict` (every schema is kept to), `parallel_tool_calls: true`.
//! - Of messages: `cache_control`, `diagnostics`, `service_tier`, `speed`, `effort`; a tool's
//!   `defer_loading`, `eager_input_streaming` and `input_examples`; `thinking` that is `disabled`
//!   or `adaptive`, where the model thinks as it likes; a call's `caller`.
//! - Of answers: thoughts, which completions do not show; citations; for how long input was
//!   cached; at which of its `stop_sequences` a model stopped.
//!
//! # What is adapted
//! - A `temperature` above 1 becomes 1 for Anthropic. The default of 1 is not sent, nor is a
//!   `top_p` of 1: some models refuse even that. Others need [`ANTHROPIC_VERSION`].
//! - System messages within the conversation follow what the user says beside them.
//! - A tool's failure is told to OpenAI by `Error: ` before what the tool answered.
//! - A model's refusal is text, with the stop reason that says so.
//! - Texts of blanks alone are left out for Anthropic, names of calls that it refuses are given
//!   others, and a user's name that is too long for OpenAI is not told.

mod answer;
mod anthropic;
mod conversation;
mod error;
mod fault;
mod object;
mod openai;
mod stream;
#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use error::Untranslatable;
pub use stream::StreamTranslator;

use crate::{MAX_MODEL_BYTES, refusal::Native};
use fault::Fault;

/// The version of Anthropic's API that translated requests are written for, as the header
/// `anthropic-version` has it.
pub const ANTHROPIC_VERSION: &str = "2023-06-01";

/// A dialect that can be translated into the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's chat completions.
    ChatCompletions,
    /// Anthropic's messages.
    Messages,
}

/// Whom a translated request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// The model, as its provider knows it.
    pub model: &'a str,
    /// The most tokens that it may make where the caller does not say: Anthropic must be told.
    pub max_tokens: u64,
}

/// A request that was translated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translated {
    /// The body for the provider.
    pub body: Bytes,
    /// How what comes back is translated.
    pub answers: Answers,
}

/// How the answers to a request are translated back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    caller: Dialect,
    /// The model that was asked, where the answer does not name it.
    model: String,
    include_usage: bool,
}

/// What an answer is given in place of the provider's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// A name that no other answer has, of letters, digits, `-` and `_`.
    pub id: String,
    /// When it was made, in seconds since 1970.
    pub created: u64,
}

/// Translates a caller's request, in this dialect, for a model that speaks the other one.
///
/// # Errors
/// Where it cannot be read, or asks for what the other dialect cannot ask for.
pub fn request(
    caller: Dialect,
    body: &[u8],
    target: &Target<'_>,
) -> Result<Translated, Untranslatable> {
    let (conversation, write): (_, fn(&_, &_) -> _) = match caller {
        Dialect::ChatCompletions => (openai::read_request(body)?, anthropic::write_request),
        Dialect::Messages => (anthropic::read_request(body)?, openai::write_request),
    };
    conversation.check()?;
    let answers = Answers {
        caller,
        model: target.model.to_owned(),
        include_usage: conversation.include_usage,
    };
    Ok(Translated { body: write(&conversation, target)?, answers })
}

impl Answers {
    /// Translates an answer in one piece.
    ///
    /// # Errors
    /// Where it cannot be read, or says what the caller's dialect cannot say.
    pub fn whole(&self, body: &[u8], stamp: &Stamp) -> Result<Bytes, Untranslatable> {
        let answer = match self.caller {
            Dialect::ChatCompletions => anthropic::read_answer(body)?,
            Dialect::Messages => openai::read_answer(body)?,
        };
        let named = answer.model.as_deref().filter(|model| is_name(model));
        let model = named.unwrap_or(&self.model);
        Ok(match self.caller {
            Dialect::ChatCompletions => openai::write_answer(&answer, model, stamp),
            Dialect::Messages => anthropic::write_answer(&answer, model, stamp),
        })
    }

    /// Translates the answer of a provider that refused or failed, whatever it is.
    pub fn error(&self, status: u16, body: &[u8]) -> Native {
        let refusal = match self.caller {
            Dialect::ChatCompletions => crate::openai::refusal,
            Dialect::Messages => crate::anthropic::refusal,
        };
        Fault::read(Some(status), body).told(Some(status), refusal)
    }

    /// Translates a stream.
    pub fn stream(&self, stamp: Stamp) -> StreamTranslator {
        let model = self.model.clone();
        match self.caller {
            Dialect::ChatCompletions => StreamTranslator::new(
                Box::new(anthropic::Reader::default()),
                Box::new(openai::Writer::new(stamp.clone(), self.include_usage)),
                crate::openai::refusal,
                stamp,
                model,
            ),
            Dialect::Messages => StreamTranslator::new(
                Box::new(openai::Reader::default()),
                Box::new(anthropic::Writer::new(stamp.clone())),
                crate::anthropic::refusal,
                stamp,
                model,
            ),
        }
    }
}

/// Whether an answer names its model so that every chunk can repeat it.
fn is_name(model: &str) -> bool {
    (1..=MAX_MODEL_BYTES).contains(&model.len())
}
