//! What cannot be said in another dialect.

use std::fmt;

/// Names of members are told up to so many bytes.
const MAX_NAME_BYTES: usize = 64;

/// A body that cannot be translated without changing what it means, or that cannot be read.
///
/// It is told in one sentence that names the member at fault and nothing of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untranslatable {
    /// Where it is, such as `messages[2].content[0]`; empty for the body itself.
    member: String,
    problem: Problem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    Missing,
    /// It is something else than this.
    Wrong(&'static str),
    /// It is not known what it means.
    Unknown,
    /// It is known, and this stands in the way.
    NoEquivalent(&'static str),
}

/// What reading a part of a body comes to.
pub(super) type Read<T> = Result<T, Untranslatable>;

impl Untranslatable {
    /// The member at fault, if it is one, such as `messages[2].content[0]`.
    pub fn member(&self) -> Option<&str> {
        (!self.member.is_empty()).then_some(&self.member)
    }

    pub(super) fn missing(name: &str) -> Self {
        Self::here(Problem::Missing).within(name)
    }

    /// What is read here is not what it must be.
    pub(super) const fn wrong(wanted: &'static str) -> Self {
        Self::here(Problem::Wrong(wanted))
    }

    pub(super) fn unknown(name: &str) -> Self {
        Self::here(Problem::Unknown).within(name)
    }

    /// What is read here cannot be said in the other dialect, for this reason.
    pub(super) const fn because(reason: &'static str) -> Self {
        Self::here(Problem::NoEquivalent(reason))
    }

    const fn here(problem: Problem) -> Self {
        Self { member: String::new(), problem }
    }

    /// The same, seen from the object whose member of this name it is in.
    pub(super) fn within(mut self, name: &str) -> Self {
        let mut end = name.len().min(MAX_NAME_BYTES);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        let name = name[..end].replace(char::is_control, "?");
        let joint = if self.member.is_empty() || self.member.starts_with('[') { "" } else { "." };
        self.member = format!("{name}{joint}{}", self.member);
        self
    }

    /// The same, seen from the array whose item of this number it is in.
    pub(super) fn at(mut self, index: usize) -> Self {
        let joint = if self.member.is_empty() { "" } else { "." };
        self.member = format!("[{index}]{joint}{}", self.member);
        self
    }
}

impl fmt::Display for Untranslatable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.member() {
            Some(member) => format!("`{member}`"),
            None => "The body".to_owned(),
        };
        match self.problem {
            Problem::Missing => write!(f, "{name} is missing."),
            Problem::Wrong(wanted) => write!(f, "{name} must be {wanted}."),
            Problem::Unknown => write!(
                f,
                "{name} cannot be translated: nothing is known to mean the same in the other dialect."
            ),
            Problem::NoEquivalent(reason) => write!(f, "{name} cannot be translated: {reason}."),
        }
    }
}

impl std::error::Error for Untranslatable {}
