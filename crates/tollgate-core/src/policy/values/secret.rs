//! What must never be shown: values of the environment, and hashes of keys.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};

use super::written_as_text;

/// Asks a policy's deserializer for the name and the value of an environment variable.
pub(crate) const SECRET: &str = "$tollgate::secret";

/// The schema's mark on values that only the environment may give.
pub(crate) const SECRET_FORMAT: &str = "secret";

/// A secret that a policy names as `env:NAME`, with its value from the environment.
///
/// It is shown by its name only, wherever it is shown.
#[derive(Clone)]
pub struct Secret {
    name: String,
    value: SecretString,
}

/// The BLAKE3 hash of a key, written `blake3:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyHash([u8; 32]);

const HASH_PREFIX: &str = "blake3:";

impl Secret {
    /// The environment variable that holds it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The secret itself: for sending or comparing it, never for showing it.
    pub fn expose(&self) -> &str {
        self.value.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "env:{}", self.name)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.expose() == other.expose()
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("env:{}", self.name))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(SECRET, SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an environment variable, like \"env:OPENAI_API_KEY\"")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Secret, A::Error> {
        let mut part = || {
            parts
                .next_element::<String>()?
                .ok_or_else(|| A::Error::custom("a secret has two parts"))
        };
        Ok(Secret { name: part()?, value: part()?.into() })
    }
}

impl JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The environment variable that holds the secret, like env:OPENAI_API_KEY",
            "type": "string",
            "format": SECRET_FORMAT,
            "pattern": "^env:[A-Za-z_][A-Za-z0-9_]*$",
        })
    }
}

impl KeyHash {
    /// The 32 bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

fn parse_hash(text: &str) -> Option<KeyHash> {
    let digits = text.strip_prefix(HASH_PREFIX)?.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(KeyHash(hash))
}

impl FromStr for KeyHash {
    type Err = String;

    /// What was written is told back only where it cannot be the key itself.
    fn from_str(text: &str) -> Result<Self, String> {
        parse_hash(text).ok_or_else(|| match text.strip_prefix(HASH_PREFIX) {
            Some(rest) => format!("a hash has 64 hexadecimal digits after `blake3:`, this one has {} characters", rest.len()),
            None => "a key is kept as its hash: write `blake3:` and the 64 hexadecimal digits of the key's BLAKE3 hash, never the key itself".to_owned(),
        })
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HASH_PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({})", &self.to_string()[..HASH_PREFIX.len() + 8])
    }
}

written_as_text!(KeyHash, "a hash like \"blake3:…\"", "^blake3:[0-9A-Fa-f]{64}$");
