//! The command line's own output: answers to stdout, notes to stderr.
//!
//! A reader that has gone away (`| head`) is no error.

use std::{fmt::Display, io::Write as _};

/// Writes one line of the command's answer.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Writes one line beside the answer: progress, warnings, errors.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
