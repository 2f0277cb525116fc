//! What providers tell about their own limits: in headers of every answer, and in the bodies
//! of those that refuse.
//!
//! Names are each provider's own and nobody else's, or the IETF's and everybody's, so one reader
//! serves all dialects, Azure and compatible providers included. What cannot be read says nothing; nothing here fails.

mod body;
mod fields;
mod headers;
#[cfg(test)]
mod tests;
mod times;

use std::time::Duration;

use tollgate_core::Time;

/// The largest body that is read, in bytes: refusals are short.
pub const MAX_BODY_BYTES: usize = 64 << 10;

/// The longest wait that is believed.
pub const MAX_WAIT: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// What a provider tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signals {
    /// Requests.
    pub requests: Quota,
    /// Tokens of either side, together.
    pub tokens: Quota,
    /// Tokens sent to the model.
    pub input_tokens: Quota,
    /// Tokens made by the model.
    pub output_tokens: Quota,
    /// How long the provider asks everybody to wait.
    pub retry_after: Option<Duration>,
    /// Whether asking again may help, where the provider says so.
    pub should_retry: Option<bool>,
    /// Why it refused, if it did.
    pub refused: Option<Refused>,
}

/// What is told of one limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// How much there is in all.
    pub limit: Option<u64>,
    /// How much is left.
    pub remaining: Option<u64>,
    /// How long until there is all of it again.
    pub reset_after: Option<Duration>,
}

/// Why a provider refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Too many requests in too short a time.
    Requests,
    /// Too many tokens in too short a time.
    Tokens,
    /// Too many requests at once.
    Concurrency,
    /// Too much of something that it does not name.
    Rate,
    /// The request alone is more than the limit: waiting does not help.
    TooLarge,
    /// The account's money or quota is gone: waiting does not help.
    Spent,
    /// The provider itself has too much to do.
    Overloaded,
}

impl Signals {
    /// Reads an answer: its status, its headers by their names in lower case, as much of its
    /// body as came, and the wall clock's time, which instants are told by.
    ///
    /// The body is looked at only if the status says that it refuses.
    pub fn read<'a>(
        status: u16,
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        body: &[u8],
        wall: Time,
    ) -> Self {
        let mut signals = Self::default();
        let mut told = headers::Told::default();
        for (name, value) in headers {
            if let Ok(value) = std::str::from_utf8(value) {
                told.header(&mut signals, name, value.trim(), wall);
            }
        }
        told.finish(&mut signals);
        if status >= 400 {
            let body = if body.len() <= MAX_BODY_BYTES { body } else { &[] };
            body::read(&mut signals, status, told.error_type(), body);
        }
        signals
    }

    /// How long nobody should ask again: as long as the provider says, and until whatever is
    /// used up is there again. Nothing where nothing stands in the way or nobody knows.
    pub fn wait(&self) -> Option<Duration> {
        let quotas = [self.requests, self.tokens, self.input_tokens, self.output_tokens];
        let used_up = quotas.iter().filter(|quota| quota.remaining == Some(0));
        used_up.filter_map(|quota| quota.reset_after).chain(self.retry_after).max()
    }
}

impl Refused {
    /// Whether it clears by itself.
    pub const fn clears(self) -> bool {
        !matches!(self, Self::TooLarge | Self::Spent)
    }
}
