//! What goes wrong that is no limit's refusal, in one sentence for the caller.

use std::{borrow::Cow, time::Duration};

use http::StatusCode;
use tollgate::StoreError;
use tollgate_meter::ScanError;

use crate::{identity::Unauthorized, net::UpstreamError};

/// Why a request is not answered as it was meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// What it is.
    pub(crate) what: What,
    /// One clear sentence for the caller: what was wrong, where, what to do.
    pub(crate) message: String,
    /// The member of the request at fault, if it is one.
    pub(crate) param: Option<Cow<'static, str>>,
    /// How long to wait before it is worth asking again, where that is known.
    pub(crate) wait: Option<Duration>,
    /// The instant of that, where it is promised.
    pub(crate) retry_at: Option<String>,
}

/// What a failure is; it decides the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// The request makes no sense.
    InvalidRequest,
    /// It cannot be said in the dialect of the model that would serve it.
    Untranslatable,
    /// Its body is longer than is read.
    TooLarge,
    /// Its body did not come in time.
    TooSlow,
    /// Nobody knows who asks.
    Unauthorized,
    /// It may not be asked.
    Forbidden,
    /// The model has no price, and money is counted.
    ModelUnpriced,
    /// There is no such thing.
    NotFound,
    /// This process does not keep what is asked about.
    NotKept,
    /// It does not fit what was done before.
    Conflict,
    /// Nobody can decide.
    StoreUnavailable,
    /// Too much of this process or of the provider is in use.
    Overloaded,
    /// The provider fails, and is left alone for now.
    CircuitOpen,
    /// The provider would refuse it for now.
    ProviderBusy,
    /// Only critical requests pass.
    Emergency,
    /// The provider gave no proper answer.
    BadGateway,
    /// The provider took too long.
    GatewayTimeout,
}

impl What {
    /// The status of its answer.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest | Self::Untranslatable => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::ModelUnpriced => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NotKept => StatusCode::NOT_IMPLEMENTED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::StoreUnavailable | Self::Overloaded | Self::CircuitOpen | Self::Emergency => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::ProviderBusy => StatusCode::TOO_MANY_REQUESTS,
            Self::BadGateway => StatusCode::BAD_GATEWAY,
            Self::GatewayTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The `error` of its answer.
    pub(crate) const fn error(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::TooLarge | Self::TooSlow | Self::Conflict => {
                "invalid_request"
            }
            Self::Untranslatable => "untranslatable",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::ModelUnpriced => "model_unpriced",
            Self::NotFound | Self::NotKept => "not_found",
            Self::StoreUnavailable => "store_unavailable",
            Self::Overloaded => "overloaded",
            Self::CircuitOpen => "circuit_open",
            Self::ProviderBusy => "too_many_requests",
            Self::Emergency => "emergency_mode",
            Self::BadGateway => "bad_gateway",
            Self::GatewayTimeout => "gateway_timeout",
        }
    }

    /// Type and code of its answer in OpenAI's words.
    pub(crate) const fn openai(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::InvalidRequest | Self::TooLarge | Self::TooSlow | Self::Conflict => {
                ("invalid_request_error", None)
            }
            Self::Unauthorized => ("invalid_request_error", Some("invalid_api_key")),
            Self::Untranslatable
            | Self::Forbidden
            | Self::ModelUnpriced
            | Self::NotFound
            | Self::NotKept => ("invalid_request_error", Some(self.error())),
            Self::StoreUnavailable | Self::Overloaded | Self::CircuitOpen | Self::Emergency => {
                ("service_unavailable_error", Some(self.error()))
            }
            Self::ProviderBusy => ("requests", Some("rate_limit_exceeded")),
            Self::BadGateway | Self::GatewayTimeout => ("server_error", Some(self.error())),
        }
    }
}

impl Failure {
    /// A failure with its sentence.
    pub(crate) fn new(what: What, message: impl Into<String>) -> Self {
        Self { what, message: message.into(), param: None, wait: None, retry_at: None }
    }

    /// Worth asking again after so long.
    #[must_use]
    pub(crate) fn after(self, wait: Option<Duration>) -> Self {
        Self { wait, ..self }
    }

    /// At this instant it passes, if nothing else is in the way.
    #[must_use]
    pub(crate) fn promised(self, retry_at: Option<String>) -> Self {
        Self { retry_at, ..self }
    }

    /// At a member of the request.
    #[must_use]
    pub(crate) fn at(self, param: impl Into<Cow<'static, str>>) -> Self {
        Self { param: Some(param.into()), ..self }
    }
}

impl From<ScanError> for Failure {
    fn from(error: ScanError) -> Self {
        Self {
            param: error.member().map(Cow::Borrowed),
            ..Self::new(What::InvalidRequest, error.to_string())
        }
    }
}

impl From<Unauthorized> for Failure {
    fn from(error: Unauthorized) -> Self {
        Self::new(What::Unauthorized, error.to_string())
    }
}

impl From<&UpstreamError> for Failure {
    fn from(error: &UpstreamError) -> Self {
        let what = match error {
            UpstreamError::Timeout(_) => What::GatewayTimeout,
            UpstreamError::Busy => What::Overloaded,
            UpstreamError::Request(_) => What::InvalidRequest,
            UpstreamError::Connect(_)
            | UpstreamError::Cut(_)
            | UpstreamError::Protocol(_)
            | UpstreamError::Blocked => What::BadGateway,
        };
        Self::new(what, sentence(&error.to_string()))
    }
}

impl From<&StoreError> for Failure {
    /// What the store said is for the log; which of its files is full is no caller's business.
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Unknown { .. } => Self::new(What::NotFound, sentence(&error.to_string())),
            StoreError::Ended { .. } => Self::new(What::Conflict, sentence(&error.to_string())),
            StoreError::Full { .. }
            | StoreError::Unavailable(_)
            | StoreError::Away(_)
            | StoreError::Undecided(_)
            | StoreError::Clock(_) => Self::new(
                What::StoreUnavailable,
                "Nothing can be admitted right now, since it could not be accounted for; try again later.",
            ),
        }
    }
}

/// A clause as a sentence.
pub(crate) fn sentence(clause: &str) -> String {
    let mut chars = clause.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).chain(['.']).collect()
}
