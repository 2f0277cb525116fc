//! The small languages of a policy: each value is parsed once, into a type that can hold
//! nothing else, and is shown as it would be written.

pub(crate) mod address;
mod decimal;
mod hook;
mod path;
mod prefix;
mod rate;
mod redis;
mod secret;
mod share;
pub(crate) mod size;
pub(crate) mod span;
mod url;
mod word;

pub(crate) use address::Address;
pub(crate) use decimal::Decimal;
pub use hook::HookUrl;
pub use path::{Path, PathPattern};
pub use prefix::RedisPrefix;
pub(crate) use rate::{Every, Rate};
pub use redis::RedisUrl;
pub(crate) use redis::TEXT_OR_SECRET;
pub use secret::{KeyHash, Secret};
pub(crate) use secret::{SECRET, SECRET_FORMAT};
pub use share::Share;
pub use size::Size;
pub(crate) use span::Span;
pub use url::BaseUrl;
pub use word::Word;

use std::{borrow::Cow, fmt, marker::PhantomData, str::FromStr};

use schemars::{Schema, json_schema};
use serde::{Deserializer, de};

/// Asks a policy's deserializer for the exact text of a scalar, so that a number such as
/// `0.1` is never a binary float on its way.
pub(crate) const TEXT: &str = "$tollgate::text";

/// Reads a value from its text.
pub(crate) fn from_text<'de, T, D>(deserializer: D, expected: &'static str) -> Result<T, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_newtype_struct(TEXT, TextVisitor { expected, made: PhantomData })
}

/// The schema of a value that is written as a text of that pattern.
pub(crate) fn text_schema(pattern: &str, description: &str) -> Schema {
    json_schema!({ "type": "string", "pattern": pattern, "description": description })
}

struct TextVisitor<T> {
    expected: &'static str,
    made: PhantomData<T>,
}

impl<'de, T: FromStr<Err: fmt::Display>> de::Visitor<'de> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<T, D::Error> {
        inner.deserialize_any(self)
    }
}

/// At most the first 60 characters of what somebody wrote, for telling it back.
pub(crate) fn excerpt(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// Reads, shows and describes a type by its text.
macro_rules! written_as_text {
    ($type:ty, $expected:literal, $pattern:literal) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                $crate::policy::values::from_text(d, $expected)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::policy::values::text_schema($pattern, $expected)
            }
        }
    };
}
pub(crate) use written_as_text;
