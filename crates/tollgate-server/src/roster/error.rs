//! Why the roster does not do as it is asked.

use std::path::Path;

/// Why the roster does not do as it is asked, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RosterError {
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// There is nothing of that name.
    #[error("{0}")]
    Missing(String),
    /// It does not fit what there is.
    #[error("{0}")]
    Conflict(String),
    /// The file cannot be used.
    #[error("{0}")]
    Unavailable(String),
}

impl RosterError {
    /// What a failed use of the file means.
    pub(super) fn of_file(path: &Path, error: &dyn std::error::Error) -> Self {
        Self::Unavailable(format!("the roster {} can't be used: {error}", path.display()))
    }
}

impl From<rusqlite::Error> for RosterError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(format!("the roster can't be read or written: {error}"))
    }
}
