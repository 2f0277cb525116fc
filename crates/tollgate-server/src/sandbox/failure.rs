//! What goes wrong before an answer, before a dialect words it.

use std::time::Duration;

use http::{Method, StatusCode};

use super::{
    plan::{BadHeader, Fault},
    quotas::{Exceeded, Unit},
};

/// Why a request has no answer, and a sentence about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) why: Why,
    pub(crate) message: String,
    /// The member of the body at fault, if it is one.
    pub(crate) param: Option<&'static str>,
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    /// It makes no sense.
    Invalid,
    /// There is no such place.
    NotFound,
    /// Its body is too long.
    TooLarge,
    /// The provider broke.
    Broken,
    /// The provider has too much to do.
    Overloaded,
    /// A limit of the provider's own.
    Limited(Exceeded),
}

const BROKEN: &str = "The server had an error while processing your request. Sorry about that!";
const OVERLOADED: &str = "The engine is currently overloaded, please try again later.";

/// The limit that a request met by chance exceeded, though nothing counts it.
const BY_CHANCE: Exceeded = Exceeded {
    unit: Unit::Requests,
    limit: 10_000,
    used: 10_000,
    asked: 1,
    wait: Some(Duration::from_secs(1)),
};

impl Failure {
    fn new(why: Why, message: impl Into<String>) -> Self {
        Self { why, message: message.into(), param: None }
    }

    /// That of a request that makes no sense.
    pub(crate) fn invalid(message: impl Into<String>, param: Option<&'static str>) -> Self {
        Self { param, ..Self::new(Why::Invalid, message) }
    }

    /// That of a fault that is an error; nothing for a fault of the body.
    pub(crate) fn of_fault(fault: Fault) -> Option<Self> {
        match fault {
            Fault::Error => Some(Self::broken()),
            Fault::Unavailable => Some(Self::new(Why::Overloaded, OVERLOADED)),
            Fault::RateLimit => Some(Self::limited("sandbox", BY_CHANCE)),
            Fault::Cut
            | Fault::End
            | Fault::Stall
            | Fault::Hang
            | Fault::Slow
            | Fault::StreamError => None,
        }
    }

    /// That of a provider that broke, also in the middle of a stream.
    pub(crate) fn broken() -> Self {
        Self::new(Why::Broken, BROKEN)
    }

    /// That of a limit, in OpenAI's words, which are the clearest.
    pub(crate) fn limited(model: &str, exceeded: Exceeded) -> Self {
        let Exceeded { unit, limit, used, asked, wait } = exceeded;
        let (what, short) = match unit {
            Unit::Tokens => ("tokens", "TPM"),
            _ => ("requests", "RPM"),
        };
        let message = match wait {
            Some(wait) => format!(
                "Rate limit reached for {model} on {what} per min ({short}): Limit {limit}, Used {used}, Requested {asked}. Please try again in {}.",
                go(wait)
            ),
            None => format!(
                "Request too large for {model} on {what} per min ({short}): Limit {limit}, Requested {asked}. The input or output tokens must be reduced in order to run successfully."
            ),
        };
        Self::new(Why::Limited(exceeded), message)
    }

    /// That of a path or a method that the provider does not have.
    pub(crate) fn unknown_url(method: &Method, path: &str) -> Self {
        let path: String = path.chars().take(200).collect();
        Self::new(Why::NotFound, format!("Unknown request URL: {method} {path}."))
    }

    /// That of a body that is too long.
    pub(crate) fn too_large(max_bytes: usize) -> Self {
        Self::new(Why::TooLarge, format!("Your request's body is longer than {max_bytes} bytes."))
    }

    /// That of a body that broke off on its way.
    pub(crate) fn unreadable() -> Self {
        Self::new(Why::Invalid, "Your request's body broke off.")
    }

    /// The status that most providers give it.
    pub(crate) const fn status(&self) -> StatusCode {
        match self.why {
            Why::Invalid => StatusCode::BAD_REQUEST,
            Why::NotFound => StatusCode::NOT_FOUND,
            Why::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Why::Broken => StatusCode::INTERNAL_SERVER_ERROR,
            Why::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Why::Limited(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// How long to wait before asking again, where a limit says so.
    pub(crate) const fn wait(&self) -> Option<Duration> {
        match self.why {
            Why::Limited(exceeded) => exceeded.wait,
            _ => None,
        }
    }
}

impl From<BadHeader> for Failure {
    fn from(bad: BadHeader) -> Self {
        Self::invalid(format!("{bad}."), None)
    }
}

/// A wait as Go writes it, in milliseconds or in seconds, rounded up.
pub(crate) fn go(wait: Duration) -> String {
    let millis = millis(wait);
    match millis {
        0..1000 => format!("{millis}ms"),
        _ if millis.is_multiple_of(1000) => format!("{}s", millis / 1000),
        _ => {
            format!("{}s", format!("{}.{:03}", millis / 1000, millis % 1000).trim_end_matches('0'))
        }
    }
}

/// A wait in milliseconds, rounded up.
pub(crate) fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// A wait in seconds, rounded up.
pub(crate) fn seconds(wait: Duration) -> u64 {
    millis(wait).div_ceil(1000)
}
