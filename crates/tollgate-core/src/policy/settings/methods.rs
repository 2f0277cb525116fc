//! Methods of requests: one, or a list of them.

use std::{borrow::Cow, fmt};

use http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

/// Methods of requests; none stands for any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Methods(Vec<Method>);

/// A method, as it is written.
struct Named(Method);

const NAMES: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

impl Methods {
    /// Whether a method is one of them.
    pub fn allow(&self, method: &Method) -> bool {
        self.are_any() || self.0.contains(method)
    }

    /// Whether every method is one of them.
    pub const fn are_any(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all of `others` are among them.
    pub(super) fn cover(&self, others: &Self) -> bool {
        self.are_any() || (!others.are_any() && others.0.iter().all(|other| self.allow(other)))
    }
}

fn named<E: de::Error>(text: &str) -> Result<Method, E> {
    let known = NAMES.iter().find(|name| **name == text);
    known.and_then(|name| name.parse().ok()).ok_or_else(|| E::unknown_variant(text, &NAMES))
}

impl Serialize for Methods {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.serialize_str(one.as_str()),
            several => serializer.collect_seq(several.iter().map(Method::as_str)),
        }
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        named(&String::deserialize(deserializer)?).map(Self)
    }
}

impl<'de> Deserialize<'de> for Methods {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MethodsVisitor)
    }
}

struct MethodsVisitor;

impl<'de> Visitor<'de> for MethodsVisitor {
    type Value = Methods;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a method like \"POST\", or a list of methods")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Methods, E> {
        named(text).map(|method| Methods(vec![method]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Methods, A::Error> {
        let mut methods = Vec::new();
        while let Some(Named(method)) = list.next_element()? {
            methods.push(method);
        }
        if methods.is_empty() {
            return Err(de::Error::custom("an empty list is for no request: leave it out for any"));
        }
        Ok(Methods(methods))
    }
}

impl JsonSchema for Methods {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Methods".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let method = json_schema!({ "enum": NAMES });
        json_schema!({ "anyOf": [method, { "type": "array", "minItems": 1, "items": method }] })
    }
}
