//! Which requests a limit applies to.

use crate::{Attribute, Attributes};

/// Conditions on attributes, all of which must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct When {
    conditions: Vec<(Attribute, Vec<Pattern>)>,
}

/// A text to equal, in which `*` stands for any run of characters.
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
            who.value(attribute)
                .is_some_and(|value| patterns.iter().any(|pattern| pattern.matches(value)))
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

    /// As it is written in a policy.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches all of `value`. Takes time linear in their lengths' product at
    /// worst, with no recursion, so that a hostile value costs little.
    pub fn matches(&self, value: &str) -> bool {
        let (pattern, value) = (self.text.as_bytes(), value.as_bytes());
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
}

#[cfg(test)]
mod tests {
    use super::*;

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
