//! Where requests go.

use std::{collections::BTreeMap, fmt, num::NonZeroU32, str::FromStr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Learn, Routes};
use crate::{
    adaptive::RetrySettings,
    breaker::BreakerSettings,
    policy::{
        Settings,
        values::{BaseUrl, Secret, Size, Span, Word, excerpt, span, written_as_text},
    },
};

/// An upstream: an AI provider, or the operator's own application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// What it speaks.
    pub dialect: Dialect,
    /// Where it lives; a request's path after the provider's name is put behind it.
    pub base_url: BaseUrl,
    /// The key that is sent to it; without one the caller's own passes through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Secret>,
    /// The credentials by which requests to Bedrock are signed; without them, and without a
    /// key, callers must have a key of Bedrock's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<Aws>,
    /// The models of Azure's deployments, where they are not called the same.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub deployments: BTreeMap<String, String>,
    /// Where its paths begin.
    #[serde(default, skip_serializing_if = "Mount::is_at_name")]
    pub mount: Mount,
    /// How long it may be silent: before its head, and between two pieces of its body.
    #[serde(default = "read_timeout", with = "span")]
    #[schemars(with = "Span")]
    pub read_timeout: Duration,
    /// How long connecting may take, TLS included.
    #[serde(default = "connect_timeout", with = "span")]
    #[schemars(with = "Span")]
    pub connect_timeout: Duration,
    /// The bound of a request's body in bytes, where it is not the dialect's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body: Option<Size>,
    /// Connections to it at once.
    #[serde(default = "max_connections")]
    pub max_connections: NonZeroU32,
    /// What the paths of an application are; the first that fits a request counts.
    #[serde(default, skip_serializing_if = "Routes::are_none")]
    pub routes: Routes,
    /// The circuit breaker before each of its models: work that would fail is not sent. An
    /// application has one only where it is given here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerSettings>,
    /// Whether what failed is tried again, here or at another provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetrySettings>,
    /// What is learned of it, and how that is minded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learn: Option<Learn>,
}

/// What an upstream speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// OpenAI's, which many others speak too.
    Openai,
    /// OpenAI's as Azure has it: the model is a deployment, named in the path.
    Azure,
    /// Anthropic's.
    Anthropic,
    /// That of Google's Gemini.
    Gemini,
    /// That of Amazon Bedrock.
    Bedrock,
    /// Deepgram's.
    Deepgram,
    /// Plain HTTP of an application of the operator's.
    Http,
}

/// Credentials of AWS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Aws {
    /// Whose they are.
    pub access_key_id: Secret,
    /// The secret that signs.
    pub secret_access_key: Secret,
    /// What belongs to credentials that were lent for some time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<Secret>,
    /// The region, where the address does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Word>,
}

/// Where the paths of a provider begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mount {
    /// At `/NAME`.
    #[default]
    AtName,
    /// At `/`: everything that is not another provider's or reserved.
    AtRoot,
}

const fn read_timeout() -> Duration {
    Duration::from_secs(300)
}

const fn connect_timeout() -> Duration {
    Duration::from_secs(10)
}

const fn max_connections() -> NonZeroU32 {
    const { NonZeroU32::new(1_024).unwrap() }
}

impl Provider {
    /// The bound of a request's body in bytes, if it has one: an application's streams
    /// through without, unless the policy sets it.
    pub fn body_bound(&self, settings: &Settings) -> Option<u64> {
        match (self.max_body, self.dialect) {
            (Some(Size(bytes)), _) => Some(bytes),
            (None, Dialect::Http) => None,
            (None, _) => Some(settings.server.max_body),
        }
    }

    /// The region that requests are signed for: as it is set, or as an address of AWS's tells.
    pub fn aws_region(&self) -> Option<&str> {
        let set = self.aws.as_ref().and_then(|aws| aws.region.as_ref());
        set.map(Word::as_str).or_else(|| {
            let host = self.base_url.uri().host()?;
            let mut labels = host.strip_suffix(".amazonaws.com")?.split('.');
            labels.find(|label| label.starts_with("bedrock-runtime"))?;
            labels.next()
        })
    }

    /// The circuit breaker before each of its models, if it has any.
    pub fn breaker(&self) -> Option<BreakerSettings> {
        let usual = || (self.dialect != Dialect::Http).then(BreakerSettings::default);
        self.breaker.clone().or_else(usual)
    }
}

impl Dialect {
    /// The name as it is written in a policy.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Azure => "azure",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Bedrock => "bedrock",
            Self::Deepgram => "deepgram",
            Self::Http => "http",
        }
    }
}

impl Mount {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
    const fn is_at_name(&self) -> bool {
        matches!(self, Self::AtName)
    }
}

impl FromStr for Mount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "/" => Ok(Self::AtRoot),
            other => Err(format!(
                "a provider is mounted at its name, or at \"/\", not at `{}`",
                excerpt(other)
            )),
        }
    }
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtName => "",
            Self::AtRoot => "/",
        })
    }
}

written_as_text!(Mount, "the path \"/\"", "^/$");
