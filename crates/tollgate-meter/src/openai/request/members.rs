//! The members of a body that decide what is charged, each taken once and exactly.
//!
//! A body that two parsers could read in two ways must not pass: the policy would judge
//! one model and the provider run another. So a member may not occur twice, nor in a
//! spelling that a parser which ignores case would take for it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Endpoint, MAX_CHOICES, MAX_OUTPUT_TOKENS, input::Ruler};
use crate::{Input, ScanError, scan::MAX_MODEL_BYTES};

/// What the members of a body say.
pub(super) struct Members<'a> {
    raw: Raw<'a, { NAMES.len() }>,
    pub(super) stream: bool,
    pub(super) stream_options: Option<&'a RawValue>,
    pub(super) input: Input,
    /// How many prompts a completion continues.
    prompts: u64,
}

/// What `stream_options` says about usage.
pub(super) enum Options<'a> {
    /// It is `null`.
    Null,
    /// The client asks for it.
    Asked,
    /// The client says, with this value, that it does not ask for it.
    NotAsked(&'a RawValue),
    /// Nothing.
    Silent {
        /// The object has no members at all.
        empty: bool,
    },
}

const NAMES: [&str; 14] = [
    "model",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "best_of",
    "messages",
    "prompt",
    "suffix",
    "input",
    "tools",
    "functions",
    "response_format",
];

/// The values of the members of these names, as they are written.
struct Raw<'a, const N: usize> {
    names: &'static [&'static str; N],
    values: [Option<&'a RawValue>; N],
    /// Whether the object has members at all.
    empty: bool,
    /// A member that occurs twice or in another spelling.
    ambiguous: Option<&'static str>,
}

impl<'a> Members<'a> {
    pub(super) fn parse(
        endpoint: Endpoint,
        body: &'a str,
        ruler: Ruler,
    ) -> Result<Self, ScanError> {
        let raw = Raw::parse(&NAMES, body)?;
        let mut prompts = 1;
        let mut input = Input::default();
        match endpoint {
            Endpoint::ChatCompletions => {
                let messages = raw.value("messages").ok_or(ScanError::Missing("messages"))?;
                input = input.and(ruler.messages(messages)?);
                for member in ["tools", "functions", "response_format"] {
                    input = input
                        .and(raw.value(member).map(|json| ruler.written(json)).unwrap_or_default());
                }
            }
            Endpoint::Completions => {
                if let Some(prompt) = raw.value("prompt") {
                    let (size, count) = ruler.texts("prompt", prompt)?;
                    (input, prompts) = (size, count.max(1));
                }
                input = input
                    .and(raw.value("suffix").map(|json| ruler.written(json)).unwrap_or_default());
            }
            Endpoint::Embeddings => {
                let texts = raw.value("input").ok_or(ScanError::Missing("input"))?;
                input = ruler.texts("input", texts)?.0;
            }
        }
        let stream = raw.flag("stream")?;
        let stream_options = raw.written("stream_options");
        Ok(Self { raw, stream, stream_options, input, prompts })
    }

    pub(super) fn model(&self) -> Result<String, ScanError> {
        let model = self.raw.value("model").ok_or(ScanError::NoModel)?;
        let wrong = ScanError::WrongType { member: "model", wanted: "a string" };
        if !model.get().starts_with('"') {
            return Err(wrong);
        }
        let model: String = serde_json::from_str(model.get()).map_err(|_| wrong)?;
        if model.is_empty() {
            return Err(ScanError::NoModel);
        }
        if model.len() > MAX_MODEL_BYTES || model.contains(char::is_control) {
            return Err(ScanError::BadModel);
        }
        Ok(model)
    }

    /// The members that bound the output, as they are written; `null` bounds nothing.
    pub(super) fn maxima(&self) -> impl Iterator<Item = &'a RawValue> {
        let names = ["max_tokens", "max_completion_tokens"];
        names.into_iter().filter_map(|name| self.raw.written(name))
    }

    /// The most tokens of one choice. Of two members the larger: either may be obeyed.
    pub(super) fn max_output_tokens(&self, endpoint: Endpoint) -> Result<Option<u64>, ScanError> {
        // Completions that only score their prompt ask for 0; elsewhere some providers take
        // 0 for "no bound".
        let least = u64::from(endpoint != Endpoint::Completions);
        let older = self.raw.count("max_tokens", least, MAX_OUTPUT_TOKENS)?;
        let newer = self.raw.count("max_completion_tokens", least, MAX_OUTPUT_TOKENS)?;
        Ok(older.max(newer))
    }

    pub(super) fn choices(&self, endpoint: Endpoint) -> Result<u64, ScanError> {
        if endpoint == Endpoint::Embeddings {
            return Ok(0);
        }
        let n = self.raw.count("n", 1, MAX_CHOICES)?;
        let best_of = self.raw.count("best_of", 1, MAX_CHOICES)?;
        Ok(n.max(best_of).unwrap_or(1).saturating_mul(self.prompts))
    }
}

impl<'a> Options<'a> {
    pub(super) fn parse(options: &'a str) -> Result<Self, ScanError> {
        if options == "null" {
            return Ok(Self::Null);
        }
        if !options.starts_with('{') {
            return Err(ScanError::WrongType { member: "stream_options", wanted: "an object" });
        }
        let raw = Raw::parse(&["include_usage"], options)?;
        Ok(match raw.written("include_usage") {
            None => Self::Silent { empty: raw.empty },
            Some(_) if raw.flag("include_usage")? => Self::Asked,
            Some(value) => Self::NotAsked(value),
        })
    }
}

impl<'a, const N: usize> Raw<'a, N> {
    fn parse(names: &'static [&'static str; N], object: &'a str) -> Result<Self, ScanError> {
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
    fn written(&self, name: &str) -> Option<&'a RawValue> {
        let place = self.names.iter().position(|known| *known == name)?;
        self.values[place]
    }

    /// The value as it is written, if the member is there and not `null`.
    fn value(&self, name: &str) -> Option<&'a RawValue> {
        self.written(name).filter(|value| value.get() != "null")
    }

    fn flag(&self, member: &'static str) -> Result<bool, ScanError> {
        match self.value(member).map(RawValue::get) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(ScanError::WrongType { member, wanted: "true or false" }),
        }
    }

    fn count(&self, member: &'static str, least: u64, most: u64) -> Result<Option<u64>, ScanError> {
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
        .eq(name.chars())
}
