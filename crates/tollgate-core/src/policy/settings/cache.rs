//! Which answers are kept, for how long, and who may get them again.

use std::{borrow::Cow, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::policy::values::{Share, Size, Span, size, span};

/// Answers of providers that are kept and given again, and the entries of applications.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// Whether answers of providers are kept. Entries of applications always are.
    pub enabled: bool,
    /// Who gets an answer again.
    pub scope: CacheScope,
    /// The most bytes of memory that all answers take together; as many again are there for
    /// the entries of applications.
    #[serde(with = "size")]
    #[schemars(with = "Size")]
    pub max_bytes: u64,
    /// The most bytes of one answer or entry; longer ones are not kept.
    #[serde(with = "size")]
    #[schemars(with = "Size")]
    pub max_entry: u64,
    /// How long answers are kept that a model wrote.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub queries: Duration,
    /// How long embeddings are kept.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub embeddings: Duration,
    /// How long an application's entry is kept that does not say so itself.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub contexts: Duration,
    /// Answers to requests of a higher temperature are not kept, so that they stay different.
    /// A request that names none has 1, embeddings have 0.
    pub max_temperature: Temperature,
    /// How long a request waits for the answer to the same one that came before it; 0s for
    /// not at all.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub wait: Duration,
    /// How much longer than its time an answer stays, for names whose `fallback` is the cache:
    /// it is given where no model can give one. If there is no such name, none stays longer.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub stale: Duration,
    /// Whether answers outlive the process, in a file beside the ledger. As with the ledger, a
    /// process that runs goes on as it began.
    pub persist: bool,
    /// Who says what questions mean, so that one is answered that means the same as one
    /// before it; if not given, only the very same are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<Meaning>,
}

/// An embedding model that says what questions mean. Asking it is a request of the caller's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Meaning {
    /// The provider of it, which speaks OpenAI's dialect.
    pub provider: String,
    /// The model.
    pub model: String,
    /// How near two questions must be: the cosine of the angle between them.
    #[serde(default = "usual_threshold")]
    pub threshold: Share,
    /// The most bytes of memory that questions take.
    #[serde(default = "usual_bytes", with = "size")]
    #[schemars(with = "Size")]
    pub max_bytes: u64,
}

fn usual_threshold() -> Share {
    Share::of_hundred(95)
}

const fn usual_bytes() -> u64 {
    16 << 20
}

/// Who gets an answer again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheScope {
    /// Its tenant: the customer of the request that made it, else its team, its key, its user.
    #[default]
    Tenant,
    /// Only the user whose request made it.
    User,
    /// Everybody.
    Global,
}

/// How freely a model chooses its words.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Temperature(f64);

/// The highest that any provider takes.
const HOTTEST: f64 = 2.0;

impl CacheScope {
    /// The name as it is written in a policy.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::User => "user",
            Self::Global => "global",
        }
    }
}

impl Temperature {
    /// What models have of which nobody says otherwise.
    pub const USUAL: Self = Self(1.0);

    /// It as a number from 0 to 2.
    pub const fn value(self) -> f64 {
        self.0
    }
}

impl Default for Cache {
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(3_600);
        Self {
            enabled: false,
            scope: CacheScope::default(),
            max_bytes: 64 << 20,
            max_entry: 1 << 20,
            queries: 24 * HOUR,
            embeddings: 7 * 24 * HOUR,
            contexts: HOUR,
            max_temperature: Temperature::USUAL,
            wait: Duration::from_secs(30),
            stale: 24 * HOUR,
            persist: false,
            meaning: None,
        }
    }
}

impl<'de> Deserialize<'de> for Temperature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        if (0.0..=HOTTEST).contains(&value) {
            Ok(Self(value))
        } else {
            Err(D::Error::custom(format!("{value} is no temperature: write a number from 0 to 2")))
        }
    }
}

impl JsonSchema for Temperature {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Temperature".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": HOTTEST })
    }
}
