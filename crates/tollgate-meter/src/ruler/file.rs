//! The size of a file that stands in a message, or of what refers to one.
//!
//! Its kind may be told before or after its bytes, so both are noted and judged at the end.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{BYTES_PER_MEDIA_TOKEN, FILE, Ruler, SizeSeed};
use crate::Input;

/// Reads the value of a member whose role is a file.
pub(super) struct FileSeed(pub(super) Ruler);

/// What kind of file it is, as far as is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Image,
    /// Sound or film.
    Media,
    Other,
}

/// Members that name a file which the provider has or fetches.
const REFERENCES: [&str; 9] = [
    "url",
    "file_id",
    "file_url",
    "fileUri",
    "file_uri",
    "uri",
    "s3Location",
    "gcsUri",
    "vector_store_id",
];

impl Kind {
    /// By a media type, or by the bare name of a format.
    fn of(format: &str) -> Self {
        match format.split('/').next() {
            Some("image" | "png" | "jpeg" | "gif" | "webp") => Self::Image,
            Some(
                "audio" | "video" | "aac" | "flac" | "m4a" | "mkv" | "mov" | "mp3" | "mp4" | "mpeg"
                | "mpga" | "ogg" | "opus" | "pcm16" | "wav" | "webm",
            ) => Self::Media,
            _ => Self::Other,
        }
    }
}

impl<'de> DeserializeSeed<'de> for FileSeed {
    type Value = Input;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Input, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FileSeed {
    type Value = Input;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a file")
    }

    fn visit_str<E: Error>(self, data: &str) -> Result<Input, E> {
        Ok(Input::text(data.len() as u64).and(FILE))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Input, E> {
        Ok(FILE)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Input, E> {
        Ok(FILE)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Input, E> {
        Ok(FILE)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Input, E> {
        Ok(FILE)
    }

    fn visit_unit<E: Error>(self) -> Result<Input, E> {
        Ok(Input::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Input, A::Error> {
        let mut all = FILE;
        while let Some(size) = seq.next_element_seed(SizeSeed(self.0))? {
            all = all.and(size.input);
        }
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Input, A::Error> {
        let mut kind = Kind::Other;
        let mut bytes = Input::default();
        let mut is_reference = false;
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            match &*name {
                "media_type" | "mimeType" | "mime_type" | "format" => {
                    let value: &RawValue = map.next_value()?;
                    kind = Kind::of(value.get().trim_matches('"'));
                    bytes = bytes.and(Input::text(value.get().len() as u64));
                }
                name if REFERENCES.contains(&name) => {
                    is_reference = true;
                    map.next_value::<IgnoredAny>()?;
                }
                _ => bytes = bytes.and(map.next_value_seed(SizeSeed(self.0))?.input),
            }
        }
        let media_tokens = bytes.bound.div_ceil(BYTES_PER_MEDIA_TOKEN);
        let size = match kind {
            Kind::Image => self.0.words.image,
            Kind::Media => Input::tokens(media_tokens).and(FILE),
            Kind::Other => bytes.and(FILE),
        };
        // An image has its allowance wherever it comes from.
        let is_open = kind != Kind::Image && (is_reference || bytes.is_open);
        Ok(Input { is_open, ..size })
    }
}
