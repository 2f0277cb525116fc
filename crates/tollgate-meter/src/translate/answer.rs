//! What a model answers, in no dialect: in one piece, or step by step.

use std::borrow::Cow;

use super::{conversation::Part, fault::Fault};
use crate::Counts;

/// An answer in one piece.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    /// The model that gave it, where it is named.
    pub(super) model: Option<Cow<'a, str>>,
    /// Texts and calls.
    pub(super) parts: Vec<Part<'a>>,
    pub(super) stop: Stop,
    /// What was used, where that was told and can be true.
    pub(super) usage: Option<Counts>,
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// It had no more to say, or came to a text at which it was to stop.
    Ended,
    /// It may make no more tokens.
    Length,
    /// It waits for what its calls come to.
    Calls,
    /// It, or who watches it, refused.
    Refused,
}

/// What an event of a stream brings.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// The answer begins.
    Start { model: Option<Cow<'a, str>> },
    /// More text.
    Text(Cow<'a, str>),
    /// A call of a tool begins. Its id is missing where a provider forgot it.
    Call { id: Option<Cow<'a, str>>, name: Cow<'a, str> },
    /// More of the input of the call that began last.
    Arguments(Cow<'a, str>),
    /// The answer is complete.
    End { stop: Stop, usage: Option<Counts> },
    /// The provider reports an error; nothing comes after it.
    Fail(Fault<'a>),
    /// The provider cannot be understood, for this reason; nothing comes after it.
    Lose(&'static str),
}
