//! What a request asks for, as far as its body tells, whatever dialect it speaks.

use crate::PaidTools;

/// What a request body tells about its demand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The model it names, exactly as it will reach the provider.
    pub model: String,
    /// Whether it asks for a stream of events.
    pub stream: bool,
    /// How many tokens it sends.
    pub input: Input,
    /// The most tokens it lets the model make for each choice, if it says so.
    pub max_output_tokens: Option<u64>,
    /// How many answers the model makes, all of them charged; 0 where it makes no tokens.
    pub choices: u64,
    /// How much audio it sends, where audio is what is charged.
    pub audio: Option<Audio>,
    /// The member that asks for a tier of service which costs more than the model's price says.
    pub dearer: Option<&'static str>,
    /// Whether it asks the model to think, so that what is made need not be what is sent.
    pub thinks: bool,
    /// What it enables of the provider's own tools that is charged by the call.
    pub tools: PaidTools,
}

/// How much audio a request sends, before anyone has heard it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Audio {
    /// Milliseconds that are likely.
    pub likely_millis: u64,
    /// Milliseconds at most; unknown where the provider fetches it itself.
    pub bound_millis: Option<u64>,
}

/// How many tokens a request sends, before anyone has counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Input {
    /// No tokenizer counts more. A token is at least one byte of text, so every byte of
    /// text is taken for a token, with a fixed allowance for each message and each image.
    pub bound: u64,
    /// What is likely: three bytes of text to a token, or as many as were counted.
    pub likely: u64,
    /// Of the bound, what is no text: images, files.
    pub fixed: u64,
    /// Whether the provider reads more than the body holds: a file or a conversation that it
    /// has kept, what a link leads to, what a tool of its own finds. Then only the model's
    /// own maximum bounds the input.
    pub is_open: bool,
}

/// Why a request body was not understood. Each is one clear sentence for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// It is no JSON object.
    #[error("The request body is not a JSON object that can be read: {0}.")]
    Invalid(String),
    /// It is no form, `multipart/form-data`, that all readers take alike.
    #[error("The request body is not a form that can be read: {0}.")]
    NoForm(String),
    /// It is no text.
    #[error("The request body is not UTF-8 text (at byte {0}).")]
    NotText(usize),
    /// A member that decides what is charged occurs twice, or in two spellings.
    #[error(
        "The request body has the member `{0}` more than once or in another spelling; send it exactly once."
    )]
    Ambiguous(&'static str),
    /// No model is named.
    #[error("The request body names no model; set `model` to a non-empty string.")]
    NoModel,
    /// No model is named where the query names it.
    #[error("The query names no model; add `model=` and its name.")]
    NoModelInQuery,
    /// A parameter that decides what is charged occurs twice, or in two spellings.
    #[error("The query has `{0}` more than once or in another spelling; send it exactly once.")]
    AmbiguousQuery(&'static str),
    /// The name of the model cannot be one.
    #[error(
        "The name of the model is longer than {MAX_MODEL_BYTES} bytes or holds control characters."
    )]
    BadModel,
    /// A member that must be there is not.
    #[error("The request body lacks `{0}`.")]
    Missing(&'static str),
    /// A member asks for what the answer would not tell the use of.
    #[error("What `{0}` asks for cannot be metered; leave it out.")]
    Unmetered(&'static str),
    /// Nobody can tell from the body what the provider reads.
    #[error(
        "What this request has its provider read beyond its body (a kept conversation, a file, a link, a tool of the provider's own) cannot be bounded, and it is counted here: send what is to be read, or ask the operator."
    )]
    Open,
    /// A member asks for what costs more than the model's price says.
    #[error("What `{0}` asks for cannot be priced yet, and money is counted here; leave it out.")]
    Unpriced(&'static str),
    /// A member is of another type than it must be.
    #[error("`{member}` must be {wanted}.")]
    WrongType {
        /// The member's name.
        member: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// A member is outside of the range that makes sense.
    #[error("`{member}` must be between {least} and {most}.")]
    OutOfRange {
        /// The member's name.
        member: &'static str,
        /// The least that it may be.
        least: u64,
        /// The most that it may be.
        most: u64,
    },
}

/// The most tokens that a request may allow the model to make for one choice.
pub const MAX_OUTPUT_TOKENS: u64 = 1_000_000_000;

/// The longest name of a model, in bytes.
pub const MAX_MODEL_BYTES: usize = 256;

impl Scan {
    /// The most tokens that the model can make, all choices together, if it is known.
    pub fn output_bound(&self) -> Option<u64> {
        match self.choices {
            0 => Some(0),
            choices => Some(self.max_output_tokens?.saturating_mul(choices)),
        }
    }

    /// Whether nobody can tell from the body how much the provider reads or hears.
    pub fn is_open(&self) -> bool {
        self.input.is_open || self.audio.is_some_and(|audio| audio.bound_millis.is_none())
    }
}

impl ScanError {
    /// The member of the body that is at fault, if it is one.
    pub const fn member(&self) -> Option<&'static str> {
        match self {
            Self::Ambiguous(member)
            | Self::AmbiguousQuery(member)
            | Self::Missing(member)
            | Self::Unmetered(member)
            | Self::Unpriced(member)
            | Self::WrongType { member, .. }
            | Self::OutOfRange { member, .. } => Some(member),
            Self::NoModel | Self::NoModelInQuery | Self::BadModel => Some("model"),
            Self::Invalid(_) | Self::NoForm(_) | Self::NotText(_) | Self::Open => None,
        }
    }
}

impl Input {
    /// Bytes of one text to a likely token; English and code have about four.
    pub(crate) const BYTES_PER_TOKEN: u64 = 3;

    /// Text of so many bytes.
    pub(crate) const fn text(bytes: u64) -> Self {
        Self {
            bound: bytes,
            likely: bytes.div_ceil(Self::BYTES_PER_TOKEN),
            fixed: 0,
            is_open: false,
        }
    }

    /// Exactly so many tokens.
    pub(crate) const fn tokens(tokens: u64) -> Self {
        Self { bound: tokens, likely: tokens, fixed: 0, is_open: false }
    }

    /// Bytes of the bound that are text, with the allowances around it.
    pub const fn text_bytes(&self) -> u64 {
        self.bound.saturating_sub(self.fixed)
    }

    /// This as it was counted, but with no higher bound: a token is at least a byte, whatever
    /// the allowances for rendering say.
    #[must_use]
    pub(crate) fn within(self, bytes: Self) -> Self {
        Self { bound: self.bound.min(bytes.bound), ..self }
    }

    /// This, and open if it was or that is.
    #[must_use]
    pub(crate) const fn or_open(self, is_open: bool) -> Self {
        Self { is_open: self.is_open || is_open, ..self }
    }

    /// This and more.
    #[must_use]
    pub(crate) const fn and(self, more: Self) -> Self {
        Self {
            bound: self.bound.saturating_add(more.bound),
            likely: self.likely.saturating_add(more.likely),
            fixed: self.fixed.saturating_add(more.fixed),
            is_open: self.is_open || more.is_open,
        }
    }
}
