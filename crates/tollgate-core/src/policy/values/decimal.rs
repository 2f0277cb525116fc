//! Amounts as they are written: exact decimals, given a unit later.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{excerpt, from_text};
use crate::Unit;

/// A number that is not negative, exact to nine decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decimal {
    whole: u64,
    nanos: u32,
}

/// The most that any limit may allow, so that a ledger of signed integers holds it.
const MOST: u64 = i64::MAX as u64;

const DECIMALS: usize = 9;
const NANOS: u64 = 1_000_000_000;
const MILLIS: u64 = 1_000;

impl Decimal {
    /// The amount as it is counted: nano-dollars for money, milliseconds for seconds, else
    /// whole units.
    ///
    /// # Errors
    /// A sentence, when the unit cannot hold it.
    pub(crate) fn count(self, unit: Unit) -> Result<u64, String> {
        let (parts, smallest) = parts(unit);
        let size = NANOS / parts;
        let nanos = u64::from(self.nanos);
        if !nanos.is_multiple_of(size) {
            return Err(format!("{unit} are counted in whole {smallest}, and {self} is none"));
        }
        let count = self.whole.checked_mul(parts).and_then(|whole| whole.checked_add(nanos / size));
        count.filter(|count| *count <= MOST).ok_or_else(|| self.too_much(unit))
    }

    /// The same, where a part of a unit is a whole one in `times` as much: 0.25 are 1 in 4.
    ///
    /// # Errors
    /// A sentence, when it is too much.
    pub(crate) fn count_in_parts(self, unit: Unit) -> Result<(u64, u32), String> {
        let size = u32::try_from(NANOS / parts(unit).0).unwrap_or(1);
        let part = self.nanos % size;
        if part == 0 {
            return Ok((self.count(unit)?, 1));
        }
        let times = size / greatest_common_divisor(part, size);
        let nanos = u128::from(self.whole) * u128::from(NANOS) + u128::from(self.nanos);
        let count = u64::try_from(nanos * u128::from(times) / u128::from(size));
        let count = count.ok().filter(|count| *count <= MOST);
        count.map(|count| (count, times)).ok_or_else(|| self.too_much(unit))
    }

    fn too_much(self, unit: Unit) -> String {
        format!("{self} {unit} are more than can be counted")
    }
}

/// The parts in which a unit is counted, and what they are called.
const fn parts(unit: Unit) -> (u64, &'static str) {
    match unit {
        Unit::Usd => (NANOS, "nano-dollars"),
        Unit::Seconds => (MILLIS, "milliseconds"),
        Unit::Requests | Unit::Tokens | Unit::InputTokens | Unit::OutputTokens => (1, "units"),
    }
}

const fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn parse(text: &str) -> Option<Decimal> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > DECIMALS {
        return None;
    }
    let nanos = format!("{fraction:0<DECIMALS$}").parse().ok()?;
    Some(Decimal { whole: whole.parse().ok()?, nanos })
}

impl FromStr for Decimal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).ok_or_else(|| {
            format!(
                "`{}` is no amount: write a number like 5, 180000 or 0.25, at least 0 and with at most {DECIMALS} decimals",
                excerpt(text)
            )
        })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return write!(f, "{}", self.whole);
        }
        let fraction = format!("{:09}", self.nanos);
        write!(f, "{}.{}", self.whole, fraction.trim_end_matches('0'))
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "an amount like 5 or \"0.25\"")
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Decimal {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Decimal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An amount, exact to nine decimals",
            "anyOf": [
                { "type": "number", "minimum": 0 },
                { "type": "string", "pattern": r"^[0-9]+(\.[0-9]{1,9})?$" },
            ],
        })
    }
}
