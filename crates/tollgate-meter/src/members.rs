//! The members of a body that decide what is charged, each taken once and exactly.
//!
//! A body that two parsers could read in two ways must not pass: the policy would judge
//! one model and the provider run another. So a member may not occur twice, nor in a
//! spelling that a parser which ignores case would take for it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::{ScanError, scan::MAX_MODEL_BYTES};

/// The values of the members of these names, as they are written.
pub(crate) struct Raw<'a, const N: usize> {
    names: &'static [&'static str; N],
    values: [Option<&'a RawValue>; N],
    /// Whether the object has members at all.
    pub(crate) empty: bool,
    /// A member that occurs twice or in another spelling.
    ambiguous: Option<&'static str>,
}

/// The text of a body.
pub(crate) fn text(body: &[u8]) -> Result<&str, ScanError> {
    std::str::from_utf8(body).map_err(|error| ScanError::NotText(error.valid_up_to()))
}

/// The name of a model, if it can be one.
pub(crate) fn checked_model(model: String) -> Result<String, ScanError> {
    if model.is_empty() {
        return Err(ScanError::NoModel);
    }
    if model.len() > MAX_MODEL_BYTES || model.contains(char::is_control) {
        return Err(ScanError::BadModel);
    }
    Ok(model)
}

impl<'a, const N: usize> Raw<'a, N> {
    pub(crate) fn parse(
        names: &'static [&'static str; N],
        object: &'a str,
    ) -> Result<Self, ScanError> {
        // Told here, since the parser's own error would repeat the caller's text.
        if !object.trim_ascii_start().starts_with('{') {
            return Err(ScanError::Invalid("it does not begin with `{`".to_owned()));
        }
        let mut json = serde_json::Deserializer::from_str(object);
        let raw = Seed { names }.deserialize(&mut json).and_then(|raw| json.end().map(|()| raw));
        let raw = raw.map_err(|error| ScanError::Invalid(error.to_string()))?;
        match raw.ambiguous {
            Some(name) => Err(ScanError::Ambiguous(name)),
            None => Ok(raw),
        }
    }

    /// The value as it is written, if the member is there.
    pub(crate) fn written(&self, name: &str) -> Option<&'a RawValue> {
        let place = self.names.iter().position(|known| *known == name)?;
        self.values[place]
    }

    /// The value as it is written, if the member is there and not `null`.
    pub(crate) fn value(&self, name: &str) -> Option<&'a RawValue> {
        self.written(name).filter(|value| value.get() != "null")
    }

    /// A member that is true or false; false where it is not there.
    pub(crate) fn flag(&self, member: &'static str) -> Result<bool, ScanError> {
        match self.value(member).map(RawValue::get) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(ScanError::WrongType { member, wanted: "true or false" }),
        }
    }

    /// The model that the member `model` names.
    pub(crate) fn model(&self) -> Result<String, ScanError> {
        let model = self.value("model").ok_or(ScanError::NoModel)?;
        let wrong = ScanError::WrongType { member: "model", wanted: "a string" };
        if !model.get().starts_with('"') {
            return Err(wrong);
        }
        let model: String = serde_json::from_str(model.get()).map_err(|_| wrong)?;
        checked_model(model)
    }

    /// A member that is a whole number.
    pub(crate) fn count(
        &self,
        member: &'static str,
        least: u64,
        most: u64,
    ) -> Result<Option<u64>, ScanError> {
        let Some(value) = self.value(member) else { return Ok(None) };
        let digits = value.get().strip_prefix('-').unwrap_or(value.get());
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ScanError::WrongType { member, wanted: "a whole number" });
        }
        match value.get().parse::<u64>() {
            Ok(count) if (least..=most).contains(&count) => Ok(Some(count)),
            _ => Err(ScanError::OutOfRange { member, least, most }),
        }
    }
}

struct Seed<const N: usize> {
    names: &'static [&'static str; N],
}

impl<'de, const N: usize> DeserializeSeed<'de> for Seed<N> {
    type Value = Raw<'de, N>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Seed<N> {
    type Value = Raw<'de, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut raw = Raw { names: self.names, values: [None; N], empty: true, ambiguous: None };
        while let Some(key) = map.next_key_seed(KeySeed(self.names))? {
            raw.empty = false;
            match key {
                Key::Own(place) if raw.values[place].is_none() => {
                    raw.values[place] = Some(map.next_value()?);
                    continue;
                }
                Key::Own(place) | Key::Lookalike(place) => raw.ambiguous = Some(self.names[place]),
                Key::Other => {}
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(raw)
    }
}

enum Key {
    Own(usize),
    Lookalike(usize),
    Other,
}

struct KeySeed(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Key, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
        if let Some(place) = self.0.iter().position(|name| *name == key) {
            return Ok(Key::Own(place));
        }
        let lookalike = self.0.iter().position(|name| folds_to(key, name));
        Ok(lookalike.map_or(Key::Other, Key::Lookalike))
    }
}

/// Whether a parser that ignores case, such as Go's, would take the key for the name.
fn folds_to(key: &str, name: &str) -> bool {
    key.chars()
        .map(|c| match c {
            'ſ' => 's',
            '\u{212a}' => 'k',
            other => other.to_ascii_lowercase(),
        })
        .eq(name.chars().map(|c| c.to_ascii_lowercase()))
}
