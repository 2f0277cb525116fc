//! Values of attributes that a policy gives.

use std::{fmt, str::FromStr};

use compact_str::CompactString;

use super::{excerpt, written_as_text};

/// The value of an attribute: 1 to 64 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word(CompactString);

const MAX_BYTES: usize = 64;

impl Word {
    /// The value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Word {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > MAX_BYTES || !visible {
            return Err(format!(
                "`{}` is no value: it has 1 to {MAX_BYTES} letters, digits and signs, without blanks",
                excerpt(text)
            ));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

written_as_text!(Word, "a value like \"upload\"", "^[!-~]{1,64}$");
