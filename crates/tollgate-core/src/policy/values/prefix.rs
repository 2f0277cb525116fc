//! What keys in Redis begin with.

use std::{fmt, str::FromStr};

use compact_str::CompactString;

use super::{excerpt, written_as_text};

/// What every key in Redis begins with: no braces, since these choose a cluster's slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisPrefix(CompactString);

const MAX_BYTES: usize = 32;

impl RedisPrefix {
    /// As it is written in a policy.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for RedisPrefix {
    fn default() -> Self {
        Self(CompactString::const_new("tg"))
    }
}

impl FromStr for RedisPrefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_good =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
        if text.is_empty() || text.len() > MAX_BYTES || !text.bytes().all(is_good) {
            return Err(format!(
                "`{}` cannot begin keys: write 1 to {MAX_BYTES} letters, digits and signs of `-_.:`",
                excerpt(text)
            ));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for RedisPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

written_as_text!(RedisPrefix, "a prefix like \"tg\"", "^[A-Za-z0-9._:-]{1,32}$");
