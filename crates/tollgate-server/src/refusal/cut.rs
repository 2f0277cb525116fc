//! What is said at the end of a stream that may not go on.

use tollgate::Refused;
use tollgate_core::Attributes;
use tollgate_meter::openai;

use super::{Verdict, render::openai_words};

/// Why a stream ends before its answer does.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CutShort {
    message: String,
    kind: &'static str,
    code: &'static str,
    /// The reason that is counted.
    pub(crate) reason: &'static str,
}

impl CutShort {
    /// What a stream is told that was refused more, so many output tokens having been made.
    pub(crate) fn new(refused: &Refused, who: &Attributes, made: u64) -> Self {
        let verdict = Verdict::new(refused, who);
        let (kind, code) = openai_words(refused, &verdict);
        let message = format!(
            "{}. The answer ends here, after about {made} output tokens, which are charged.",
            verdict.detail
        );
        Self { message, kind, code, reason: verdict.error }
    }

    /// In OpenAI's words.
    pub(crate) fn openai(&self) -> openai::Error<'_> {
        openai::Error {
            message: &self.message,
            kind: self.kind,
            param: None,
            code: Some(self.code),
        }
    }
}
