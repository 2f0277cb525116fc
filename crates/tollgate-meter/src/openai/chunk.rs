//! One chunk of a streamed completion, read for what is charged and for nothing else.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::Tokenizer;

/// What a chunk tells.
#[derive(Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(default, borrow)]
    choices: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) error: Option<&'a RawValue>,
}

/// The text in a JSON value that the model made, by the names of its members.
#[derive(Clone, Copy, Default)]
pub(super) struct Text {
    /// Bytes of text.
    pub(super) bytes: u64,
    /// Tokens that they are, where a vocabulary tells.
    pub(super) tokens: u64,
    /// Items, of an array.
    pub(super) items: u64,
}

impl<'a> Chunk<'a> {
    /// Reads the data of an event; nothing if it is no chunk.
    pub(super) fn read(data: &'a [u8]) -> Option<Self> {
        super::object(data)
    }

    /// The text that it brings, counted by a vocabulary if there is one.
    pub(super) fn text(&self, tokenizer: Option<Tokenizer>) -> Text {
        let Some(choices) = self.choices else { return Text::default() };
        let mut json = serde_json::Deserializer::from_str(choices.get());
        TextSeed(tokenizer).deserialize(&mut json).unwrap_or_default()
    }

    /// Whether it is the extra chunk that tells the usage and holds no choice.
    pub(super) fn is_usage_alone(&self) -> bool {
        self.usage.is_some()
            && self.choices.is_some_and(|choices| choices.get().starts_with('['))
            && self.text(None).items == 0
    }
}

impl Text {
    /// Both together; only an array tells how many items it has.
    const fn and(self, more: Self) -> Self {
        Self { bytes: self.bytes + more.bytes, tokens: self.tokens + more.tokens, items: 0 }
    }
}

struct TextSeed(Option<Tokenizer>);

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Text;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Text, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        let tokens = self.0.map_or(0, |tokenizer| tokenizer.count(text));
        Ok(Text { bytes: text.len() as u64, tokens, items: 0 })
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
        while let Some(text) = seq.next_element_seed(TextSeed(self.0))? {
            all = all.and(text);
            items += 1;
        }
        Ok(Text { items, ..all })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        let mut all = Text::default();
        while let Some(IsText(is_text)) = map.next_key()? {
            if is_text {
                all = all.and(map.next_value_seed(TextSeed(self.0))?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(all)
    }
}

/// Whether a member holds what the model made, or leads to it.
struct IsText(bool);

impl<'de> Deserialize<'de> for IsText {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_str(IsTextVisitor)
    }
}

struct IsTextVisitor;

impl Visitor<'_> for IsTextVisitor {
    type Value = IsText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<IsText, E> {
        Ok(IsText(matches!(
            name,
            "delta"
                | "message"
                | "content"
                | "text"
                | "refusal"
                | "reasoning"
                | "reasoning_content"
                | "tool_calls"
                | "function"
                | "function_call"
                | "name"
                | "arguments"
                | "audio"
                | "transcript"
                | "custom"
                | "input"
        )))
    }
}
