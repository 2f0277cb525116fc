//! What the tooling says: one line when a step begins, one when something failed.
//!
//! Lines go to standard error, so that the last line of standard output is the last line
//! of whatever was run.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the output module")]

use std::fmt::Display;

/// Says what begins.
pub(crate) fn step(what: impl Display) {
    eprintln!("==> {what}");
}

/// Says what went wrong, and what caused it.
pub(crate) fn failure(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

/// Prints a line of a result.
pub(crate) fn line(what: impl Display) {
    println!("{what}");
}
