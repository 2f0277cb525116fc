//! Refusals and failures in the words of each dialect, so that its official clients raise the
//! proper error of their own and retry exactly where that helps.
//!
//! Statuses and bodies only: when to come back is told by headers that are the same for all
//! (`Retry-After`, `retry-after-ms`, `x-should-retry`), but for what a dialect says in its
//! body or in a header of its own.

use bytes::Bytes;

use crate::StreamError;

/// Why a request is not answered as it was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Too many requests, or too many at once; it clears by itself.
    Requests,
    /// Too many tokens; it clears by itself.
    Tokens,
    /// A budget is spent; waiting is not what helps.
    Spent,
    /// Too much is in use, of the gateway or of the provider.
    Overloaded,
    /// The request makes no sense.
    Invalid,
    /// Its body is longer than is read.
    TooLarge,
    /// Its body did not come in time.
    TooSlow,
    /// Nobody knows who asks.
    Unauthorized,
    /// It may not be asked.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// The provider gave no proper answer.
    BadGateway,
    /// The provider took too long.
    GatewayTimeout,
}

/// What there is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// Why.
    pub reason: Reason,
    /// One clear sentence for people.
    pub message: &'a str,
    /// The member of the request at fault, if it is one.
    pub param: Option<&'a str>,
    /// The limit that refused, by its name.
    pub limit: Option<&'a str>,
    /// The model that was asked for.
    pub model: Option<&'a str>,
    /// Milliseconds until it would be admitted, where waiting helps.
    pub wait_ms: Option<u64>,
    /// The request's own name, for whoever asks about it later.
    pub request_id: Option<&'a str>,
}

/// A refusal as one dialect has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Native {
    /// The status of the answer.
    pub status: u16,
    /// Headers that this dialect alone has.
    pub headers: Vec<(&'static str, String)>,
    /// The body of the answer, `application/json`.
    pub body: Bytes,
    /// The same as the last event of a stream that has begun.
    pub event: NativeEvent,
}

/// An error as the last event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeEvent {
    /// Its name, where the dialect gives one.
    pub name: Option<&'static str>,
    /// What it says, in JSON.
    pub body: Bytes,
}

impl<'a> Refusal<'a> {
    /// A refusal with its sentence and nothing else.
    pub const fn new(reason: Reason, message: &'a str) -> Self {
        Self {
            reason,
            message,
            param: None,
            limit: None,
            model: None,
            wait_ms: None,
            request_id: None,
        }
    }
}

impl Native {
    /// One whose body is the same in a stream.
    pub(crate) fn of(status: u16, name: Option<&'static str>, body: Bytes) -> Self {
        let event = NativeEvent { name, body: body.clone() };
        Self { status, headers: Vec::new(), body, event }
    }
}

impl StreamError for NativeEvent {
    fn name(&self) -> Option<&str> {
        self.name
    }

    fn body(&self) -> Bytes {
        self.body.clone()
    }
}

impl StreamError for Native {
    fn name(&self) -> Option<&str> {
        self.event.name
    }

    fn body(&self) -> Bytes {
        self.event.body.clone()
    }
}
