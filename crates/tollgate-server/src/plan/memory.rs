//! Memory, and how many sessions fit into it.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// An amount of memory. A GB is 1024 MB, as hosting plans count; without a unit it is MB.
///
/// Serialised as a number of MB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Memory {
    bytes: u64,
}

/// Why a text is no amount of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadMemory {
    /// It does not look like one.
    #[error("write it like 512MB, 2GB or 1.5GB; a number alone is MB")]
    Unreadable,
    /// It is more than any machine has.
    #[error("it is more than {MAX_GB} GB, the most that is planned for")]
    TooLarge,
}

/// The part of the memory that sessions may take: the rest is the system's and the program's.
const SAFE_SHARE: (u128, u128) = (8, 10);

const KB: u64 = 1 << 10;
const MB: u64 = 1 << 20;
const GB: u64 = 1 << 30;
/// Units by their names, without case.
const UNITS: [(&str, u64); 10] = [
    ("", MB),
    ("kb", KB),
    ("k", KB),
    ("mb", MB),
    ("mib", MB),
    ("m", MB),
    ("gb", GB),
    ("gib", GB),
    ("g", GB),
    ("tb", GB << 10),
];
/// So that no sum of it can overflow.
const MAX_GB: u64 = 1 << 20;
/// More decimals than matter are refused rather than rounded.
const MAX_DECIMALS: usize = 6;

/// How many sessions of that size may be active at once: ⌊`ram` × 0.8 / `session`⌋.
///
/// A session of no size is counted as one byte.
pub(crate) fn safe_limit(ram: Memory, session: Memory) -> u64 {
    let (part, whole) = SAFE_SHARE;
    let fits = u128::from(ram.bytes) * part / (whole * u128::from(session.bytes.max(1)));
    u64::try_from(fits).unwrap_or(u64::MAX)
}

/// The least memory whose [`safe_limit`] is `sessions`; at most the most that can be told.
pub(crate) fn memory_for(sessions: u64, session: Memory) -> Memory {
    let (part, whole) = SAFE_SHARE;
    // Both factors are 64 bits wide, so only the tenfold can be too much.
    let taken = u128::from(sessions) * u128::from(session.bytes.max(1));
    let bytes = taken.saturating_mul(whole).div_ceil(part);
    Memory { bytes: u64::try_from(bytes).unwrap_or(u64::MAX) }
}

impl Memory {
    /// So many MB.
    pub(crate) const fn from_mb(mb: u32) -> Self {
        Self { bytes: mb as u64 * MB }
    }

    /// In MB, as a fraction where it is no whole number.
    pub(crate) fn as_mb(self) -> f64 {
        self.bytes as f64 / MB as f64
    }

    /// Whether it is none at all.
    pub(crate) const fn is_zero(self) -> bool {
        self.bytes == 0
    }

    #[cfg(test)]
    pub(super) const fn less_a_byte(self) -> Self {
        Self { bytes: self.bytes - 1 }
    }
}

impl FromStr for Memory {
    type Err = BadMemory;

    fn from_str(text: &str) -> Result<Self, BadMemory> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = (&text[..end], text[end..].trim().to_ascii_lowercase());
        let (_, unit) =
            UNITS.iter().find(|(name, _)| *name == unit).ok_or(BadMemory::Unreadable)?;
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        if whole.is_empty() || decimals.is_empty() || decimals.len() > MAX_DECIMALS {
            return Err(BadMemory::Unreadable);
        }
        let digits = |text: &str| {
            if !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(BadMemory::Unreadable);
            }
            // What is all digits and no number is too long.
            text.parse::<u64>().map_err(|_| BadMemory::TooLarge)
        };
        let (unit, scale) = (u128::from(*unit), 10_u128.pow(decimals.len() as u32));
        let bytes =
            u128::from(digits(whole)?) * unit + u128::from(digits(decimals)?) * unit / scale;
        match u64::try_from(bytes) {
            Ok(bytes) if bytes <= MAX_GB * GB => Ok(Self { bytes }),
            _ => Err(BadMemory::TooLarge),
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bytes >= GB && self.bytes.is_multiple_of(GB) {
            return write!(f, "{} GB", self.bytes / GB);
        }
        if self.bytes.is_multiple_of(MB) {
            return write!(f, "{} MB", self.bytes / MB);
        }
        write!(f, "{:.2} MB", self.as_mb())
    }
}

impl Serialize for Memory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.bytes.is_multiple_of(MB) {
            true => serializer.serialize_u64(self.bytes / MB),
            false => serializer.serialize_f64(self.as_mb()),
        }
    }
}
