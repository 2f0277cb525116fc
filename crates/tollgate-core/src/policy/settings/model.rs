//! Several models behind one name.

use std::{fmt, str::FromStr};

use compact_str::CompactString;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::policy::values::{excerpt, written_as_text};

/// Several models behind one name: when one throttles or fails, the next takes the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedModel {
    /// The models, each as `provider/model`, in the order in which they are tried. Where any has
    /// a weight, the first is drawn by weight.
    pub models: Vec<Candidate>,
    /// Whether a request may be translated for a model of another dialect: OpenAI's chat
    /// completions, which Azure speaks too, and Anthropic's messages, for each other. Models of
    /// other dialects than the caller's are passed over else.
    #[serde(default)]
    pub translate: bool,
    /// What is done when none of them can serve a request.
    #[serde(default)]
    pub fallback: Fallback,
}

/// One of the models behind a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub model: ModelPath,
    /// How often it is tried first, beside the others' weights; 0 for never. One without a
    /// weight has 1 where others have one.
    pub weight: Option<u32>,
}

/// A provider's name and what it calls a model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelPath {
    /// The provider, as the policy names it.
    pub provider: CompactString,
    /// The model, as the provider names it.
    pub model: CompactString,
}

/// What is done when no model behind a name can serve a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// It is refused.
    #[default]
    Refuse,
    /// It is answered from the cache where that has an answer, perhaps beyond its time, else
    /// refused.
    Cache,
}

/// The longest name of a model, in bytes.
pub(crate) const MAX_MODEL_BYTES: usize = 256;

/// `{ model = "openai/gpt-5", weight = 3 }`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Weighted {
    /// The model, as `provider/model`.
    model: ModelPath,
    /// How often it is tried first, beside the others' weights; 0 for never.
    weight: u32,
}

impl NamedModel {
    /// Whether the first to be tried is drawn by weight.
    pub fn is_weighted(&self) -> bool {
        self.models.iter().any(|candidate| candidate.weight.is_some())
    }
}

impl FromStr for ModelPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = text
            .split_once('/')
            .filter(|(provider, model)| !provider.is_empty() && is_model(model));
        let Some((provider, model)) = named else {
            return Err(format!(
                "`{}` is no model of a provider: write it like openai/gpt-5",
                excerpt(text)
            ));
        };
        Ok(Self { provider: provider.into(), model: model.into() })
    }
}

/// Whether a text can be the name of a model.
pub(crate) fn is_model(text: &str) -> bool {
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    !text.is_empty() && text.len() <= MAX_MODEL_BYTES && visible
}

impl fmt::Display for ModelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

written_as_text!(ModelPath, "a model like \"openai/gpt-5\"", "^[a-z0-9_-]+/[!-~]{1,256}$");

impl Serialize for Candidate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.weight {
            None => self.model.serialize(serializer),
            Some(weight) => Weighted { model: self.model.clone(), weight }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Candidate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CandidateVisitor)
    }
}

struct CandidateVisitor;

impl<'de> Visitor<'de> for CandidateVisitor {
    type Value = Candidate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"a model like "openai/gpt-5", or { model, weight }"#)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Candidate, E> {
        Ok(Candidate { model: text.parse().map_err(E::custom)?, weight: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Candidate, A::Error> {
        let Weighted { model, weight } = Weighted::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Candidate { model, weight: Some(weight) })
    }
}

impl JsonSchema for Candidate {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Candidate".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let short = generator.subschema_for::<ModelPath>();
        let full = generator.subschema_for::<Weighted>();
        json_schema!({ "anyOf": [short, full] })
    }
}
