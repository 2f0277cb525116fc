//! What is wrong with a policy, for the people who wrote it.

use std::fmt;

use miette::{Diagnostic, LabeledSpan, Severity, SourceCode};
use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::source::Origin;

/// What is wrong with a policy, where, and what to do about it.
///
/// As a [`Diagnostic`] it has the text it stands in, for underlining it. Nothing that it
/// shows is a secret.
#[derive(Clone)]
pub struct PolicyError {
    message: String,
    help: Option<String>,
    origin: Option<Origin>,
    severity: Severity,
    /// Whether another layer could still give what is missing.
    incomplete: bool,
}

impl PolicyError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            origin: None,
            severity: Severity::Error,
            incomplete: false,
        }
    }

    pub(crate) fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::new(message) }
    }

    pub(crate) fn at(mut self, origin: &Origin) -> Self {
        self.origin = Some(origin.clone());
        self
    }

    /// Marks it as about something that another layer could still give.
    pub(crate) const fn incomplete(mut self) -> Self {
        self.incomplete = true;
        self
    }

    /// Whether it stands in a text, whatever other layers and the environment may give.
    pub(crate) const fn is_of_text(&self) -> bool {
        !self.incomplete && !matches!(self.origin, Some(Origin::Variable(_)))
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// An error about something outside of the texts, such as a file that cannot be read.
    pub fn outside(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(message).help(help)
    }

    /// What to do about it, where that is not plain.
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The name of the text it stands in.
    pub fn file(&self) -> Option<&str> {
        match &self.origin {
            Some(Origin::Text(source, _)) => Some(&source.name),
            Some(Origin::Variable(_)) | None => None,
        }
    }

    /// Line and column, counted from 1, the column in characters.
    pub fn line_and_column(&self) -> Option<(usize, usize)> {
        match &self.origin {
            Some(Origin::Text(source, span)) => Some(source.line_and_column(span.start)),
            Some(Origin::Variable(_)) | None => None,
        }
    }

    /// The environment variable it stands in.
    pub fn variable(&self) -> Option<&str> {
        match &self.origin {
            Some(Origin::Variable(name)) => Some(name),
            Some(Origin::Text(..)) | None => None,
        }
    }

    /// One line with all of it, for logs: `policy.toml:3:1: unknown key … (did you …)`.
    pub fn on_one_line(&self) -> String {
        let place = match (self.file(), self.line_and_column()) {
            (Some(file), Some((line, column))) => format!("{file}:{line}:{column}: "),
            _ => String::new(),
        };
        let help = self.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{place}{self}{help}")
    }

    /// Whether it says the same of the same place.
    pub(crate) fn repeats(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
            && self.file() == other.file()
            && self.line_and_column() == other.line_and_column()
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(variable) = self.variable() {
            write!(f, "environment variable {variable}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl fmt::Debug for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.on_one_line())
    }
}

impl std::error::Error for PolicyError {}

impl Diagnostic for PolicyError {
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.help.as_ref()?))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        match &self.origin {
            Some(Origin::Text(source, _)) => Some(&source.shown),
            Some(Origin::Variable(_)) | None => None,
        }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        match &self.origin {
            Some(Origin::Text(_, span)) => {
                let label = LabeledSpan::new_with_span(Some("here".to_owned()), span.clone());
                Some(Box::new(std::iter::once(label)))
            }
            Some(Origin::Variable(_)) | None => None,
        }
    }
}

/// As programs read it: `{"severity", "message", "help", "file", "line", "column", "variable"}`.
impl Serialize for PolicyError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut error = serializer.serialize_struct("PolicyError", 7)?;
        let warning = self.severity == Severity::Warning;
        error.serialize_field("severity", if warning { "warning" } else { "error" })?;
        error.serialize_field("message", &self.to_string())?;
        error.serialize_field("help", &self.help)?;
        error.serialize_field("file", &self.file())?;
        let place = self.line_and_column();
        error.serialize_field("line", &place.map(|(line, _)| line))?;
        error.serialize_field("column", &place.map(|(_, column)| column))?;
        error.serialize_field("variable", &self.variable())?;
        error.end()
    }
}
