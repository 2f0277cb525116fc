//! The forms in which an entry's values are written.

use std::{fmt, marker::PhantomData, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::entry::{Allowance, BucketForm, SessionsForm};
use crate::policy::values::{Decimal, Rate, excerpt, written_as_text};

/// A limit's name: small letters, digits, `-` and `_`, at most 64 of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LimitName(pub(crate) String);

/// An attribute's name, known or the operator's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AttributeName(pub(crate) String);

/// One text or several.
#[derive(Debug)]
pub(crate) struct Texts(pub(crate) Vec<String>);

/// The status of a refusal, from 400 to 599.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Status(pub(crate) u16);

/// A time zone of the bundled database.
#[derive(Debug, Clone)]
pub(crate) struct Zone(pub(crate) jiff::tz::TimeZone);

/// Read once it is known as what.
#[derive(Debug)]
pub(crate) struct LaterRead;

/// A value that is written as one text or number, or in full as a table.
#[derive(Debug)]
pub(crate) enum ShortOr<S, F> {
    Short(S),
    Full(F),
}

const NAME_LENGTH: usize = 64;

/// Whether a name has only small letters, digits, `-` and `_`, and not too many.
pub(crate) fn is_name(text: &str) -> bool {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    !text.is_empty() && text.len() <= NAME_LENGTH && text.bytes().all(allowed)
}

impl FromStr for LimitName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if is_name(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "`{}` is no name: a name has small letters, digits, `-` and `_`, at most {NAME_LENGTH}",
            excerpt(text)
        ))
    }
}

impl FromStr for AttributeName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        LimitName::from_str(text).map(|name| Self(name.0))
    }
}

impl fmt::Display for LimitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        jiff::tz::TimeZone::get(text).map(Self).map_err(|_| {
            format!("`{}` is no time zone: write one like UTC or Europe/Berlin", excerpt(text))
        })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

written_as_text!(LimitName, "a name", "^[a-z0-9_-]{1,64}$");
written_as_text!(AttributeName, "the name of an attribute", "^[a-z0-9_-]{1,64}$");
written_as_text!(Zone, "a time zone like \"Europe/Berlin\"", "^[A-Za-z0-9_+/-]+$");

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let status = u16::deserialize(deserializer)?;
        if (400..600).contains(&status) {
            return Ok(Self(status));
        }
        Err(de::Error::custom(format!(
            "{status} is no status of a refusal: write one from 400 to 599, such as 429 or 503"
        )))
    }
}

impl JsonSchema for Status {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Status".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 400, "maximum": 599 })
    }
}

impl<'de> Deserialize<'de> for LaterRead {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl JsonSchema for LaterRead {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tier".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let allowance = <ShortOr<Rate, Allowance>>::json_schema(generator);
        let sessions = <ShortOr<Decimal, SessionsForm>>::json_schema(generator);
        let bucket = generator.subschema_for::<BucketForm>();
        json_schema!({ "anyOf": [allowance, sessions, bucket] })
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Texts, E> {
        Ok(Texts(vec![text.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element::<String>()? {
            texts.push(text);
        }
        if texts.is_empty() {
            return Err(de::Error::custom("an empty list matches nothing: write what to match"));
        }
        Ok(Texts(texts))
    }
}

impl JsonSchema for Texts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Texts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = json_schema!({ "type": "string" });
        json_schema!({ "anyOf": [text, { "type": "array", "minItems": 1, "items": text }] })
    }
}

impl<'de, S, F> Deserialize<'de> for ShortOr<S, F>
where
    S: FromStr<Err: fmt::Display>,
    F: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShortOrVisitor(PhantomData))
    }
}

struct ShortOrVisitor<S, F>(PhantomData<(S, F)>);

impl<'de, S, F> Visitor<'de> for ShortOrVisitor<S, F>
where
    S: FromStr<Err: fmt::Display>,
    F: Deserialize<'de>,
{
    type Value = ShortOr<S, F>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount, short or as a table")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse().map(ShortOr::Short).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        F::deserialize(MapAccessDeserializer::new(map)).map(ShortOr::Full)
    }
}

impl<S: JsonSchema, F: JsonSchema> JsonSchema for ShortOr<S, F> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("{}Or{}", S::schema_name(), F::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let short = generator.subschema_for::<S>();
        let full = generator.subschema_for::<F>();
        json_schema!({ "anyOf": [short, full] })
    }
}
