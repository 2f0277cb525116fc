//! Which requests a limit applies to.

use crate::{Attribute, Attributes};

/// Conditions on attributes, all of which must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct When {
    conditions: Vec<(Attribute, Vec<Pattern>)>,
}

/// A text to equal, in which `*` stands for any run of characters; with `!` before it, one that
/// is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
}

impl When {
    /// Conditions that each attribute matches one of its patterns.
    pub const fn new(conditions: Vec<(Attribute, Vec<Pattern>)>) -> Self {
        Self { conditions }
    }

    /// Whether every condition holds. An attribute that is not known matches nothing.
    pub fn matches(&self, who: &Attributes) -> bool {
        self.conditions.iter().all(|(attribute, patterns)| {
            who.value(attribute).is_some_and(|value| Pattern::allow(patterns, value))
        })
    }

    /// The conditions, for showing them.
    pub fn conditions(&self) -> &[(Attribute, Vec<Pattern>)] {
        &self.conditions
    }
}

impl Pattern {
    /// The pattern written as `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// Whether one of these is for a value, where some are not all left out, and none leaves it
    /// out.
    pub fn allow(patterns: &[Self], value: &str) -> bool {
        let (mut is_listed, mut any_lists) = (false, false);
        for pattern in patterns {
            match pattern.text.strip_prefix('!') {
                Some(left_out) if fits(left_out, value) => return false,
                Some(_) => {}
                None => (is_listed, any_lists) = (is_listed || pattern.matches(value), true),
            }
        }
        is_listed || !any_lists
    }

    /// As it is written in a policy.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches all of `value`. Takes time linear in their lengths' product at
    /// worst, with no recursion, so that a hostile value costs little.
    pub fn matches(&self, value: &str) -> bool {
        fits(&self.text, value)
    }
}

fn fits(pattern: &str, value: &str) -> bool {
    let (pattern, value) = (pattern.as_bytes(), value.as_bytes());
    let (mut p, mut v) = (0, 0);
    // Where to resume when what follows the last star did not fit.
    let mut star: Option<(usize, usize)> = None;
    while v < value.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p + 1, v));
            p += 1;
        } else if pattern.get(p) == Some(&value[v]) {
            p += 1;
            v += 1;
        } else if let Some((after, from)) = star {
            star = Some((after, from + 1));
            (p, v) = (after, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_for_nobody_else() {
        let allow = |patterns: &[&str], value| {
            let patterns: Vec<_> = patterns.iter().map(|text| Pattern::new(*text)).collect();
            Pattern::allow(&patterns, value)
        };
        for (patterns, value, expected) in [
            (&["!a", "!b*"][..], "c", true),
            (&["!a", "!b*"], "a", false),
            (&["!a", "!b*"], "bc", false),
            (&["c*", "!cd"], "ce", true),
            (&["c*", "!cd"], "cd", false),
            (&["c*", "!cd"], "e", false),
            (&["!cd", "c*"], "cd", false),
        ] {
            assert_eq!(allow(patterns, value), expected, "{patterns:?} {value}");
        }
    }

    #[test]
    fn a_star_stands_for_any_run() {
        for (pattern, value, expected) in [
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o", "gpt-4", false),
            ("gpt-4", "gpt-4o", false),
            ("gpt-*", "gpt-", true),
            ("gpt-*", "gpt-4o-mini", true),
            ("*mini", "gpt-4o-mini", true),
            ("*mini", "mini-gpt", false),
            ("g*t*o", "gpt-4o-turbo", true),
            ("a*b*a", "aba", true),
            ("a*b*a", "aa", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("*a", "*a", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(value), expected, "{pattern} {value}");
        }
    }
}
