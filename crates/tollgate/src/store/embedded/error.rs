//! Why a ledger can't be used, and what to do about it.

use std::path::{Path, PathBuf};

/// Why a ledger can't be opened or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Another process writes it.
    #[error(
        "the ledger {path} is in use by another process: stop that one, or choose another path"
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// There is no such file.
    #[error("there is no ledger at {path}: check the path")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{path} is no Tollgate ledger but some other file: choose another path")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer version of Tollgate made it.
    #[error(
        "the ledger {path} has format {found} and this version of Tollgate reads up to {known}: use a newer version, or choose another path"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that is known.
        known: i64,
    },
    /// An older version of Tollgate made it, and it was not opened for writing since.
    #[error(
        "the ledger {path} has format {found} and is read from format {known} on: start the server with it once, which brings it up to date"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The format that is read.
        known: i64,
    },
    /// What is in it can't be.
    #[error(
        "the ledger {path} is damaged: {what}; put a good copy in its place, or move it away to begin a new one"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The system refused.
    #[error("the ledger {path} can't be opened: {reason}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
}

impl LedgerError {
    /// The error that a failed query of an opened ledger means.
    pub(super) fn from_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        use rusqlite::ffi::ErrorCode;
        let path = path.to_path_buf();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::Foreign { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::Unknown) => {
                Self::Damaged { path, what: plain(&error.to_string()) }
            }
            Some(_) => Self::Unusable { path, reason: plain(&error.to_string()) },
            None => Self::Damaged { path, what: plain(&error.to_string()) },
        }
    }

    pub(super) fn unusable(path: &Path, reason: &impl ToString) -> Self {
        Self::Unusable { path: path.to_path_buf(), reason: plain(&reason.to_string()) }
    }

    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_path_buf(), what: plain(&what.into()) }
    }
}

/// Characters of what SQLite said that are told; it may quote all of a damaged schema.
const MOST_SAID: usize = 200;

/// What was said, as a part of a sentence: in one line, of printable characters, not too long.
fn plain(said: &str) -> String {
    let printable = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let words: Vec<&str> = said.split_whitespace().collect();
    words.join(" ").chars().take(MOST_SAID).map(printable).collect()
}
