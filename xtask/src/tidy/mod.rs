//! `cargo xtask tidy`: the repository's rules as code.
//!
//! What a compiler or a linter checks is left to them. Here is the rest: sizes of files and
//! functions, no waiting in tests, no clock read outside the clock, no forgotten notes, and
//! the slope of the crates.

mod exceptions;
mod manifests;
mod rust;
mod text;
mod tokens;
mod tree;

#[cfg(test)]
mod tests;

use std::fmt;

use anyhow::{Result, bail};

use self::{exceptions::Exceptions, tree::File};
use crate::report;

/// A place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// Counted from one.
    line: usize,
    /// The rule's short name.
    rule: &'static str,
    /// What is wrong and what to do.
    advice: String,
}

/// Checks every file of the repository.
///
/// # Errors
/// When a rule is broken, or the repository cannot be read.
pub(crate) fn run() -> Result<()> {
    let files = tree::read()?;
    let findings = check(&files);
    for finding in &findings {
        report::line(finding);
    }
    if !findings.is_empty() {
        bail!("{} found by tidy", counted(findings.len(), "fault"));
    }
    report::line(format_args!("tidy: {} are in order", counted(files.len(), "file")));
    Ok(())
}

/// All that is wrong with these files, in order.
fn check(files: &[File]) -> Vec<Finding> {
    let (mut exceptions, mut findings) = Exceptions::read(files);
    for file in files {
        text::check(file, &mut findings);
        if file.has_extension("rs") {
            rust::check(file, &mut exceptions, &mut findings);
        }
    }
    manifests::check(files, &mut findings);
    exceptions.unused(&mut findings);
    findings.sort();
    findings
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

impl Finding {
    fn new(path: &str, line: usize, rule: &'static str, advice: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule, advice: advice.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.advice)
    }
}
