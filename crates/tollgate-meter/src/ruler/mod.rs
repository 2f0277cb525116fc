//! The size of what a request sends, in tokens.
//!
//! Without the model's vocabulary, a token stands for at least one byte of text, so the
//! number of bytes bounds the number of tokens: of strings as they are meant, of everything
//! else as it is written, since the provider renders it into no more. With the vocabulary,
//! texts are counted. Images have a fixed allowance. What a link or the id of a file refers
//! to cannot be known from the body.
//!
//! Which members hold text, images or files is for each dialect's [`Words`] to say.

mod file;

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::{Input, ScanError, Tokenizer};
use file::FileSeed;

/// What a chat adds to its messages: the start of the reply.
const CHAT: Input = Input::tokens(8);

/// What an object adds to its members: for a message, its role and the marks around it.
const OBJECT: Input = Input::tokens(8);

/// What a member adds to its name and value: the marks around them.
const MEMBER: Input = Input::tokens(2);

/// What a document, sound or film adds to its bytes: its pages as images, its marks.
const FILE: Input = Input { bound: 10_000, likely: 2_000, fixed: 10_000, is_open: false };

/// Bytes of encoded sound or film to a token, at the least.
const BYTES_PER_MEDIA_TOKEN: u64 = 16;

/// A number, at its longest.
const NUMBER: Input = Input { bound: 24, likely: 2, fixed: 0, is_open: false };

/// What the marks are that a provider puts around JSON that it renders.
const MARKS: Input = Input::tokens(16);

/// How texts are measured: counted by a vocabulary, or by their bytes.
#[derive(Clone, Copy)]
pub(crate) struct Ruler {
    tokenizer: Option<Tokenizer>,
    words: &'static Words,
}

/// What the members of a dialect's messages are.
#[derive(Debug)]
pub(crate) struct Words {
    /// An image.
    pub(crate) image: Input,
    /// What a member of that name is.
    pub(crate) role: fn(&str) -> Role,
}

/// What a member of a message or of a part of one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Says what the object is; counted with the object.
    Mark,
    /// Holds text that is read as it is.
    Text,
    /// Refers to an image or holds one.
    Image,
    /// Holds a file or refers to one, whose kind may stand beside it.
    File,
    /// Says that the provider reads more than the body holds.
    Reference,
    /// Holds JSON of the caller's own, whatever its members are called.
    Json,
    /// Anything else, rendered with its name.
    Other,
}

/// The size of a JSON value that the model reads.
struct Size {
    input: Input,
    /// Whether it is a number, which alone may be the id of a token.
    is_number: bool,
}

/// The size of an array's items, added up without keeping them.
#[derive(Default)]
struct Items {
    input: Input,
    items: u64,
    /// Items that are the ids of tokens.
    ids: u64,
}

impl Ruler {
    /// Of a dialect, by bytes.
    pub(crate) const fn of(words: &'static Words) -> Self {
        Self { tokenizer: None, words }
    }

    /// By a vocabulary.
    pub(crate) const fn with(self, tokenizer: Tokenizer) -> Self {
        Self { tokenizer: Some(tokenizer), ..self }
    }

    /// The size of the messages of a chat.
    pub(crate) fn messages(self, member: &'static str, raw: &RawValue) -> Result<Input, ScanError> {
        Ok(self.items(member, raw, "an array of objects")?.input.and(CHAT))
    }

    /// The size of contents, of which one alone needs no array.
    pub(crate) fn contents(self, member: &'static str, raw: &RawValue) -> Result<Input, ScanError> {
        if raw.get().starts_with('{') {
            return Ok(self.value(raw)?.and(CHAT));
        }
        self.messages(member, raw)
    }

    /// The size of a text or of what else the model reads in this place.
    pub(crate) fn value(self, raw: &RawValue) -> Result<Input, ScanError> {
        Ok(parse(SizeSeed(self), raw)?.input)
    }

    /// The size of a text, of several texts, or of the token ids of one or of several; and
    /// how many texts they are.
    pub(crate) fn texts(
        self,
        member: &'static str,
        raw: &RawValue,
    ) -> Result<(Input, u64), ScanError> {
        if raw.get().starts_with('"') {
            let Size { input, .. } = parse(SizeSeed(self), raw)?;
            return Ok((input, 1));
        }
        let wanted = "a string, an array of strings, or an array of token ids";
        let Items { input, items, ids } = self.items(member, raw, wanted)?;
        // Bare ids are one text together.
        Ok((input, items - ids + u64::from(ids > 0)))
    }

    /// The size of what the provider renders from JSON.
    pub(crate) fn written(self, raw: &RawValue) -> Input {
        match self.tokenizer {
            Some(_) => self.text(raw.get()).and(MARKS),
            None => self.text(raw.get()),
        }
    }

    fn text(self, text: &str) -> Input {
        match self.tokenizer {
            Some(tokenizer) => Input::tokens(tokenizer.count(text)),
            None => Input::text(text.len() as u64),
        }
    }

    fn items(
        self,
        member: &'static str,
        raw: &RawValue,
        wanted: &'static str,
    ) -> Result<Items, ScanError> {
        if raw.get().starts_with('[') {
            parse(ItemsSeed(self), raw)
        } else {
            Err(ScanError::WrongType { member, wanted })
        }
    }
}

fn parse<'a, S: DeserializeSeed<'a>>(seed: S, raw: &'a RawValue) -> Result<S::Value, ScanError> {
    let mut json = serde_json::Deserializer::from_str(raw.get());
    seed.deserialize(&mut json).map_err(|error| ScanError::Invalid(error.to_string()))
}

struct ItemsSeed(Ruler);

impl<'de> DeserializeSeed<'de> for ItemsSeed {
    type Value = Items;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Items, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ItemsSeed {
    type Value = Items;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Items, A::Error> {
        let mut all = Items::default();
        while let Some(Size { input, is_number }) = seq.next_element_seed(SizeSeed(self.0))? {
            all.items += 1;
            all.ids += u64::from(is_number);
            all.input = all.input.and(if is_number { Input::tokens(1) } else { input });
        }
        Ok(all)
    }
}

struct SizeSeed(Ruler);

impl<'de> DeserializeSeed<'de> for SizeSeed {
    type Value = Size;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Size, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for SizeSeed {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
        Ok(self.0.text(text).into())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Size, E> {
        Ok(Size { input: NUMBER, is_number: true })
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Size, E> {
        Ok(NUMBER.into())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Size, E> {
        Ok(NUMBER.into())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Size, E> {
        Ok(MEMBER.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Size, E> {
        Ok(Input::default().into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Size, A::Error> {
        Ok(ItemsSeed(self.0).visit_seq(seq)?.input.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Size, A::Error> {
        let ruler = self.0;
        let mut input = OBJECT;
        while let Some(Name { role, size }) = map.next_key_seed(NameSeed(ruler.words))? {
            input = input.and(match role {
                Role::Mark => map.next_value::<IgnoredAny>().map(|_| Input::default())?,
                Role::Image => map.next_value::<IgnoredAny>().map(|_| ruler.words.image)?,
                Role::File => map.next_value_seed(FileSeed(ruler))?,
                Role::Reference => {
                    map.next_value::<IgnoredAny>()?;
                    size.and(Input { is_open: true, ..MEMBER })
                }
                Role::Json => {
                    let json: &RawValue = map.next_value()?;
                    size.and(MEMBER).and(ruler.written(json))
                }
                Role::Text => map.next_value_seed(SizeSeed(ruler))?.input,
                Role::Other => size.and(MEMBER).and(map.next_value_seed(SizeSeed(ruler))?.input),
            });
        }
        Ok(input.into())
    }
}

impl From<Input> for Size {
    fn from(input: Input) -> Self {
        Self { input, is_number: false }
    }
}

/// The name of a member of a message or of a part of one.
struct Name {
    role: Role,
    size: Input,
}

struct NameSeed(&'static Words);

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Name, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
        Ok(Name { role: (self.0.role)(name), size: Input::text(name.len() as u64) })
    }
}
