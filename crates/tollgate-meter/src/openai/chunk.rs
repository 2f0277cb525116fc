//! One chunk of a streamed completion, read for what is charged and for nothing else.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// What a chunk tells.
#[derive(Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(default)]
    pub(super) choices: Option<Text>,
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
    /// Items, of an array.
    items: u64,
}

impl<'a> Chunk<'a> {
    /// Reads the data of an event; nothing if it is no chunk.
    pub(super) fn read(data: &'a [u8]) -> Option<Self> {
        super::object(data)
    }

    /// Whether it is the extra chunk that tells the usage and holds no choice.
    pub(super) fn is_usage_alone(&self) -> bool {
        self.usage.is_some() && self.choices.is_some_and(|choices| choices.items == 0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text { bytes: text.len() as u64, items: 0 })
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
        while let Some(Text { bytes, .. }) = seq.next_element()? {
            all = Text { bytes: all.bytes + bytes, items: all.items + 1 };
        }
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        let mut bytes = 0;
        while let Some(IsText(is_text)) = map.next_key()? {
            if is_text {
                bytes += map.next_value::<Text>()?.bytes;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Text { bytes, items: 0 })
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
