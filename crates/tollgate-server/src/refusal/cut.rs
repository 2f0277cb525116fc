//! What is said at the end of a stream that may not go on.

use std::fmt;

use tollgate::Refused;
use tollgate_core::Attributes;
use tollgate_meter::refusal::{NativeEvent, Reason, Refusal};

use super::{Form, Verdict};

/// Why a stream ends before its answer does.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CutShort {
    message: String,
    why: Reason,
    limit: Option<String>,
    /// The reason that is counted.
    pub(crate) reason: &'static str,
}

impl CutShort {
    /// What a stream is told that was refused more, so much having been made or heard.
    pub(crate) fn new(refused: &Refused, who: &Attributes, made: &dyn fmt::Display) -> Self {
        let verdict = Verdict::new(refused, who);
        let message = format!(
            "{}. The answer ends here, after about {made}, which are charged.",
            verdict.detail
        );
        let limit = refused.limit().map(|limit| limit.name.to_string());
        Self { message, why: verdict.reason(refused), limit, reason: verdict.error }
    }

    /// The event that ends a stream of a dialect.
    pub(crate) fn event(&self, form: Form) -> NativeEvent {
        let limit = self.limit.as_deref();
        form.native(&Refusal { limit, ..Refusal::new(self.why, &self.message) }).event
    }
}
