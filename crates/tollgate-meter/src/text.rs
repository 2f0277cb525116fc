//! The text in a piece of an answer, which is what a model is paid for.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::Tokenizer;

/// The text in a JSON value that the model made, by the names of its members.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Text {
    /// Bytes of text.
    pub(crate) bytes: u64,
    /// Tokens that they are, where a vocabulary tells.
    pub(crate) tokens: u64,
    /// Items, of an array.
    pub(crate) items: u64,
}

/// What the members of a dialect's answers hold.
pub(crate) type Words = fn(&str) -> Holds;

/// What a member of an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Text that the model made, or what leads to it.
    Text,
    /// What the model made in JSON, counted as it is written; an empty object is none.
    Json,
    /// Nothing that was made.
    Nothing,
}

impl Text {
    /// The text in a JSON value, counted by a vocabulary if there is one; none in what is no
    /// JSON.
    pub(crate) fn read(json: &str, words: Words, tokenizer: Option<Tokenizer>) -> Self {
        let mut json = serde_json::Deserializer::from_str(json);
        Seed { words, tokenizer }.deserialize(&mut json).unwrap_or_default()
    }

    /// A text as it is.
    pub(crate) fn of(text: &str, tokenizer: Option<Tokenizer>) -> Self {
        let tokens = tokenizer.map_or(0, |tokenizer| tokenizer.count(text));
        Self { bytes: text.len() as u64, tokens, items: 0 }
    }

    /// Both together; only an array tells how many items it has.
    const fn and(self, more: Self) -> Self {
        Self { bytes: self.bytes + more.bytes, tokens: self.tokens + more.tokens, items: 0 }
    }
}

#[derive(Clone, Copy)]
struct Seed {
    words: Words,
    tokenizer: Option<Tokenizer>,
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Text;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Text, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text::of(text, self.tokenizer))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Text, E> {
        Ok(Text::default())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Text, E> {
        Ok(Text::default())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Text, E> {
        Ok(Text::default())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Text, E> {
        Ok(Text::default())
    }

    fn visit_unit<E: Error>(self) -> Result<Text, E> {
        Ok(Text::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text, A::Error> {
        let mut all = Text::default();
        let mut items = 0;
        while let Some(text) = seq.next_element_seed(self)? {
            all = all.and(text);
            items += 1;
        }
        Ok(Text { items, ..all })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        let mut all = Text::default();
        while let Some(holds) = map.next_key_seed(NameSeed(self.words))? {
            match holds {
                Holds::Text => all = all.and(map.next_value_seed(self)?),
                Holds::Json => {
                    let json: &RawValue = map.next_value()?;
                    if json.get() != "{}" {
                        all = all.and(Text::of(json.get(), self.tokenizer));
                    }
                }
                Holds::Nothing => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(all)
    }
}

struct NameSeed(Words);

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Holds;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Holds, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed {
    type Value = Holds;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Holds, E> {
        Ok((self.0)(name))
    }
}
