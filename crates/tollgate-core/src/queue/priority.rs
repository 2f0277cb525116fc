//! How urgent a request is.

use std::{fmt, str::FromStr};

/// How urgent a request is: 0 to 9, the smaller the more urgent.
///
/// The first four have names: `critical`, `high`, `normal` (the default) and `low`. It is
/// parsed from a name or a number, and shown by its name where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

/// Why a text is no priority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no priority: write critical, high, normal or low, or a number from 0 (most urgent) to 9"
)]
pub struct ParsePriorityError(String);

const NAMES: [&str; 4] = ["critical", "high", "normal", "low"];

impl Priority {
    /// Before all others.
    pub const CRITICAL: Self = Self(0);
    /// Before usual work.
    pub const HIGH: Self = Self(1);
    /// Usual work.
    pub const NORMAL: Self = Self(2);
    /// Work that can wait.
    pub const LOW: Self = Self(3);
    /// The least urgent there is.
    pub const LEAST: Self = Self(9);

    /// The priority of that number, if it is one.
    pub const fn new(level: u8) -> Option<Self> {
        if level <= Self::LEAST.0 { Some(Self(level)) } else { None }
    }

    /// Its number.
    pub const fn level(self) -> u8 {
        self.0
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self::NORMAL
    }
}

impl FromStr for Priority {
    type Err = ParsePriorityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = NAMES.iter().position(|name| name.eq_ignore_ascii_case(text));
        let level = match (named, text.as_bytes()) {
            (Some(place), _) => Some(place as u8),
            (None, [digit @ b'0'..=b'9']) => Some(digit - b'0'),
            _ => None,
        };
        level.and_then(Self::new).ok_or_else(|| ParsePriorityError(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(usize::from(self.0)) {
            Some(name) => f.pad(name),
            None => fmt::Display::fmt(&self.0, f),
        }
    }
}
