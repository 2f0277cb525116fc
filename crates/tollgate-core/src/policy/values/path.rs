//! Paths of requests, as they are sent.

use std::{fmt, str::FromStr};

use super::{excerpt, written_as_text};
use crate::policy::Pattern;

/// A path to equal, in which `*` stands for any run of characters, `/` too.
///
/// It is compared with the path as it was sent, byte by byte and without its query: nothing
/// is decoded, no doubled or closing slash is taken away, and large letters differ from
/// small ones. `/a` is none of `/a/`, `//a`, `/A` and `/%61`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern(Pattern);

/// A path to equal, compared as a [`PathPattern`] is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(String);

/// Matching takes time by the length of the pattern.
const MAX_BYTES: usize = 256;

impl PathPattern {
    /// As it is written in a policy.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it matches a path.
    pub fn matches(&self, path: &str) -> bool {
        self.0.matches(path)
    }

    /// Whether it matches every path that `other` does. Each star of `other` must fall on a
    /// star of this one, as any other character would that this one does not have.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.matches(other.as_str())
    }
}

impl Path {
    /// As it is written in a policy.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(text: &str) -> Result<(), String> {
    let shown = excerpt(text);
    if !text.starts_with('/') {
        return Err(format!("`{shown}` is no path: a path begins with /"));
    }
    if text.contains(['?', '#']) {
        return Err(format!("`{shown}` is no path: leave out the query, it is not looked at"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "`{shown}` is no path: write other characters as they are sent, like %20"
        ));
    }
    if text.len() > MAX_BYTES {
        return Err(format!("`{shown}` is no path: it has more than {MAX_BYTES} characters"));
    }
    Ok(())
}

impl FromStr for PathPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        check(text).map(|()| Self(Pattern::new(text)))
    }
}

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        check(text)?;
        if text.contains('*') {
            let shown = excerpt(text);
            return Err(format!("`{shown}` has a star: write each path in full"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

written_as_text!(PathPattern, "a path like \"/api/*\"", "^/[!-\"$->@-~]{0,255}$");
written_as_text!(Path, "a path like \"/api/health\"", "^/[!-\"$-)+->@-~]{0,255}$");
