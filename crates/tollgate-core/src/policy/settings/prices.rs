//! What models cost, where the operator says so.

use std::{collections::BTreeMap, fmt, num::NonZeroU64, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{
    NanoUsd, Unit,
    policy::values::{Decimal, from_text},
};

/// What models cost: the operator's prices stand before the built-in table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Prices {
    /// What happens to requests for a model that has no price.
    pub unpriced: Unpriced,
    /// Prices by the model's name, as requests name it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, ModelPrice>,
}

/// What happens to requests for a model that has no price.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Unpriced {
    /// They are refused.
    Deny,
    /// They cost nothing.
    Free,
    /// They are refused where a limit on money applies to them, else they cost nothing.
    #[default]
    DenyWhenBudgeted,
    /// They cost as much as this.
    Assume(Assumed),
}

/// The price of a model of which none is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assumed {
    /// USD per million input tokens.
    pub input: PricePerMillion,
    /// USD per million output tokens.
    pub output: PricePerMillion,
    /// USD for each request that is answered, beside what it uses; nothing if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<PricePerCall>,
    /// USD for each search of the web by a provider's own tool; nothing if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<PricePerCall>,
    /// USD for each search of files that the provider keeps; nothing if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_search: Option<PricePerCall>,
    /// USD for each container that the provider runs code in; nothing if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_interpreter: Option<PricePerCall>,
    /// USD for each use of maps by the provider's own tool; nothing if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maps: Option<PricePerCall>,
    /// USD for each request that uses a prompt or contents which the provider has kept, tools
    /// included, unless what the answer tells costs more. If not given, as many searches are
    /// reserved as a request makes at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_tools: Option<PricePerCall>,
    /// USD per minute of audio in a live session. Without it, live sessions that have no price
    /// are refused where a limit on money applies to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minute: Option<PricePerMinute>,
}

/// The price of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelPrice {
    /// USD per million input tokens.
    pub input: PricePerMillion,
    /// USD per million output tokens; 0 for models that make none.
    #[serde(default)]
    pub output: PricePerMillion,
    /// USD per million input tokens that the provider had cached; as `input` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<PricePerMillion>,
    /// The most tokens that it reads for one request; as in the built-in table if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_input_tokens: Option<NonZeroU64>,
    /// The most tokens that it makes for one answer, where the request names no maximum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<NonZeroU64>,
    /// USD for each search of the web by the provider's own tool. Without it, requests that
    /// enable the tool are treated as those for a model that has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<PricePerCall>,
    /// USD for each search of files that the provider keeps (`file_search`). Without it, as with
    /// `search`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_search: Option<PricePerCall>,
    /// USD for each container of the usual size that the provider runs code in
    /// (`code_interpreter`), however many calls share it. Without it, as with `search`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_interpreter: Option<PricePerCall>,
    /// USD for each use of Google's maps: each answer that has places among its sources, or each
    /// query from the third generation on. Without it, as with `search`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maps: Option<PricePerCall>,
    /// USD for each request that uses what the provider has kept with tools of its own (OpenAI's
    /// `prompt`, Gemini's `cachedContent`), unless what the answer tells costs more. Without it, as
    /// with `search`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_tools: Option<PricePerCall>,
    /// USD per minute of audio. A live session has its price under a name of its own,
    /// `streaming/` before its model's; without `minute` that is no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minute: Option<PricePerMinute>,
}

/// Nano-dollars per million tokens, written as dollars: `0.20`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PricePerMillion(pub NanoUsd);

/// What one call of a provider's own tool costs, written as dollars: `0.01`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PricePerCall(pub NanoUsd);

/// What a minute of audio costs, written as dollars: `0.0048`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PricePerMinute(pub NanoUsd);

/// An amount of money, written as dollars: `0.10`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dollars(pub NanoUsd);

/// Dollars as people write them.
macro_rules! dollars {
    ($name:ident, $like:literal) => {
        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Ok(Self(NanoUsd(text.parse::<Decimal>()?.count(Unit::Usd)?)))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                from_text(deserializer, $like)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                Decimal::json_schema(generator)
            }
        }
    };
}

dollars!(PricePerMillion, "dollars per million tokens, like \"0.20\"");
dollars!(PricePerCall, "dollars for each call, like \"0.01\"");
dollars!(Dollars, "dollars, like \"0.10\"");
dollars!(PricePerMinute, "dollars per minute of audio, like \"0.0048\"");

const UNPRICED: [&str; 4] = ["deny", "free", "deny_when_budgeted", "assume"];

/// `{ assume = { … } }`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Assume {
    /// The price that is assumed.
    assume: Assumed,
}

impl Serialize for Unpriced {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Deny => serializer.serialize_str("deny"),
            Self::Free => serializer.serialize_str("free"),
            Self::DenyWhenBudgeted => serializer.serialize_str("deny_when_budgeted"),
            Self::Assume(price) => Assume { assume: price.clone() }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Unpriced {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UnpricedVisitor)
    }
}

struct UnpricedVisitor;

impl<'de> Visitor<'de> for UnpricedVisitor {
    type Value = Unpriced;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#""deny", "free", "deny_when_budgeted" or { assume = { input, output } }"#)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Unpriced, E> {
        match text {
            "deny" => Ok(Unpriced::Deny),
            "free" => Ok(Unpriced::Free),
            "deny_when_budgeted" => Ok(Unpriced::DenyWhenBudgeted),
            "assume" => Err(E::custom(
                r#"write the price to assume: { assume = { input = "1", output = "4" } }"#,
            )),
            other => Err(E::unknown_variant(other, &UNPRICED)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Unpriced, A::Error> {
        let Assume { assume } = Assume::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Unpriced::Assume(assume))
    }
}

impl JsonSchema for Unpriced {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Unpriced".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let assume = generator.subschema_for::<Assume>();
        schemars::json_schema!({
            "anyOf": [{ "enum": ["deny", "free", "deny_when_budgeted"] }, assume],
        })
    }
}
