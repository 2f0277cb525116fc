//! Refusals and failures in the words of each dialect, as the meter renders them.

use http::StatusCode;
use tollgate::Refused;
use tollgate_core::{Unit, policy::settings::Dialect};
use tollgate_meter::{
    anthropic, bedrock, deepgram, gemini,
    openai::{self, responses},
    refusal::{Native, Reason, Refusal},
};

use super::{Failure, Verdict, What, render};

/// In which form an error is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As OpenAI's clients read it, and Azure's.
    Openai,
    /// The same, but that a stream of responses has events of its own.
    Responses,
    /// As Anthropic's clients read it.
    Anthropic,
    /// As Google's clients read it.
    Gemini,
    /// As AWS's clients read it.
    Bedrock,
    /// As Deepgram's clients read it.
    Deepgram,
    /// As problem details.
    Problem,
}

impl Form {
    /// Whether it is told in OpenAI's words.
    pub(crate) const fn is_openai(self) -> bool {
        matches!(self, Self::Openai | Self::Responses)
    }

    /// A refusal in the dialect's words; applications have none, and are told it in OpenAI's.
    pub(super) fn native(self, refusal: &Refusal<'_>) -> Native {
        match self {
            Self::Openai | Self::Problem => openai::refusal(refusal),
            Self::Responses => responses::refusal(refusal),
            Self::Anthropic => anthropic::refusal(refusal),
            Self::Gemini => gemini::refusal(refusal),
            Self::Bedrock => bedrock::refusal(refusal),
            Self::Deepgram => deepgram::refusal(refusal),
        }
    }
}

impl From<Dialect> for Form {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Openai | Dialect::Azure => Self::Openai,
            Dialect::Anthropic => Self::Anthropic,
            Dialect::Gemini => Self::Gemini,
            Dialect::Bedrock => Self::Bedrock,
            Dialect::Deepgram => Self::Deepgram,
            Dialect::Http => Self::Problem,
        }
    }
}

impl Verdict {
    /// Why a limit refused, as dialects tell reasons apart.
    pub(super) fn reason(&self, refused: &Refused) -> Reason {
        match (self.status, refused.limit().map(|limit| limit.unit)) {
            _ if self.is_budget => Reason::Spent,
            (StatusCode::SERVICE_UNAVAILABLE, _) => Reason::Overloaded,
            (StatusCode::REQUEST_TIMEOUT, _) => Reason::TooSlow,
            (_, Some(Unit::Tokens | Unit::InputTokens | Unit::OutputTokens)) => Reason::Tokens,
            _ => Reason::Requests,
        }
    }
}

impl Failure {
    /// In the words of a dialect.
    pub(crate) fn native(&self, form: Form) -> Native {
        form.native(&self.told())
    }

    pub(super) fn told(&self) -> Refusal<'_> {
        let wait_ms = self.wait.map(render::millis_up);
        Refusal {
            param: self.param.as_deref(),
            wait_ms,
            ..Refusal::new(self.what.reason(), &self.message)
        }
    }
}

impl What {
    /// As dialects tell reasons apart.
    const fn reason(self) -> Reason {
        match self {
            Self::InvalidRequest | Self::Untranslatable | Self::Conflict => Reason::Invalid,
            Self::TooLarge => Reason::TooLarge,
            Self::TooSlow => Reason::TooSlow,
            Self::Unauthorized => Reason::Unauthorized,
            Self::Forbidden | Self::ModelUnpriced => Reason::Forbidden,
            Self::NotFound | Self::NotKept => Reason::NotFound,
            Self::StoreUnavailable | Self::Overloaded | Self::CircuitOpen | Self::Emergency => {
                Reason::Overloaded
            }
            Self::ProviderBusy => Reason::Requests,
            Self::BadGateway => Reason::BadGateway,
            Self::GatewayTimeout => Reason::GatewayTimeout,
        }
    }
}
