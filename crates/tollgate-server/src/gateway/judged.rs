//! What a provider's answer, or that there is none, means: for whoever watches over the
//! provider, and for whether the request is tried again.
//!
//! Tried again is only what made nothing: what was never sent, and what the provider itself
//! says that it did not do. Nobody knows what a provider did that was silent for too long.

use std::{borrow::Cow, time::Duration};

use http::StatusCode;
use tollgate_meter::signals::{Refused, Signals};

use crate::{
    guards::{End, Served},
    net::UpstreamError,
};

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judged {
    /// What it tells about the provider.
    pub(super) end: End,
    /// Whether it may be tried again.
    pub(super) again: Again,
    /// How long the provider asks to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// In a word, for headers and logs.
    pub(super) why: Cow<'static, str>,
}

/// Where a request may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// Nowhere: the answer is the caller's.
    Never,
    /// At another provider's or another model: here it would end alike.
    Elsewhere,
    /// Here too.
    Anywhere,
}

/// Nothing came in time.
pub(super) const SILENT: End = End::Failed { retry_after: None, overloaded: true };

/// What a failure means before there is an answer.
pub(super) fn of_error(error: &UpstreamError) -> Judged {
    let (overloaded, end_is_its) = match error {
        UpstreamError::Timeout(_) => (true, true),
        UpstreamError::Connect(_) | UpstreamError::Cut(_) | UpstreamError::Protocol(_) => {
            (false, true)
        }
        UpstreamError::Busy | UpstreamError::Blocked | UpstreamError::Request(_) => (false, false),
    };
    let failed = End::Failed { retry_after: None, overloaded };
    let (again, why) =
        if error.is_unsent() { (Again::Anywhere, "unreachable") } else { (Again::Never, "broken") };
    let end = if end_is_its { failed } else { End::Ignored };
    Judged { end, again, retry_after: None, why: why.into() }
}

/// Whether an answer of this status says in its body why it is none.
pub(super) fn is_refusal(status: StatusCode) -> bool {
    matches!(status.as_u16(), 402 | 408 | 429 | 529) || status.is_server_error()
}

/// Whether an answer of this status says that whoever shows this key is not served.
pub(super) fn is_barred(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403)
}

/// What the head of an answer tells that nobody reads on, to a request with the gateway's own
/// key or with another.
pub(super) fn of_head(status: StatusCode, is_keyed: bool) -> End {
    if status.is_success() {
        return End::Served(Served { tokens: 0, streamed: false });
    }
    if is_keyed && is_barred(status) {
        return End::Barred;
    }
    of_refusal(status, &Signals::default()).end
}

/// What an answer means that is none.
pub(super) fn of_refusal(status: StatusCode, signals: &Signals) -> Judged {
    let retry_after = signals.wait();
    let failed = |overloaded| End::Failed { retry_after, overloaded };
    let (end, again) = match (status.as_u16(), signals.refused) {
        (_, Some(Refused::Spent)) => (End::Barred, Again::Elsewhere),
        (_, Some(Refused::TooLarge)) => (End::Ignored, Again::Elsewhere),
        (429, _) => (End::Throttled { retry_after }, Again::Anywhere),
        (503 | 529, _) => (failed(true), Again::Anywhere),
        (500 | 502, _) => (failed(false), Again::Elsewhere),
        (408 | 504, _) => (failed(true), Again::Never),
        (500.., _) => (failed(false), Again::Never),
        _ => (End::Ignored, Again::Never),
    };
    let again = match again {
        Again::Anywhere if signals.should_retry == Some(false) => Again::Elsewhere,
        again => again,
    };
    Judged { end, again, retry_after, why: status.as_u16().to_string().into() }
}

#[cfg(test)]
mod tests {
    use tollgate_core::Time;

    use super::*;
    use crate::net::TooLong;

    fn of(status: u16, headers: &[(&str, &str)], body: &str) -> Judged {
        let told = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        let signals = Signals::read(status, told, body.as_bytes(), Time::ZERO);
        of_refusal(StatusCode::from_u16(status).expect("a status"), &signals)
    }

    #[test]
    fn what_made_nothing_is_tried_again() {
        let spent = r#"{"error":{"type":"insufficient_quota","message":"no"}}"#;
        let too_large = r#"{"error":{"type":"tokens","message":"Limit 30000, Requested 30601"}}"#;
        let no = [("x-should-retry", "false")];
        for (status, headers, body, again) in [
            (429, &[][..], "", Again::Anywhere),
            (429, &no[..], "", Again::Elsewhere),
            (429, &[], spent, Again::Elsewhere),
            (429, &[], too_large, Again::Elsewhere),
            (402, &[], "", Again::Elsewhere),
            (503, &[], "", Again::Anywhere),
            (529, &[], "", Again::Anywhere),
            (500, &[], "", Again::Elsewhere),
            (502, &[], "", Again::Elsewhere),
            (504, &[], "", Again::Never),
            (408, &[], "", Again::Never),
            (501, &[], "", Again::Never),
        ] {
            assert_eq!(of(status, headers, body).again, again, "{status} {headers:?} {body}");
        }
        let connect = UpstreamError::Timeout(TooLong::Connect);
        assert_eq!(of_error(&connect).again, Again::Anywhere);
        assert_eq!(of_error(&UpstreamError::Busy).again, Again::Anywhere);
        assert_eq!(of_error(&UpstreamError::Timeout(TooLong::Head)).again, Again::Never);
    }

    #[test]
    fn what_is_not_the_providers_fault_does_not_count_against_it() {
        assert_eq!(of_error(&UpstreamError::Busy).end, End::Ignored);
        assert_eq!(of(402, &[], "").end, End::Barred);
        for (status, is_keyed, end) in [
            (401, true, End::Barred),
            (403, true, End::Barred),
            (403, false, End::Ignored),
            (404, true, End::Ignored),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(of_head(status, is_keyed), end, "{status}");
        }
        let asked = Some(Duration::from_secs(9));
        let after = [("retry-after", "9")];
        assert_eq!(of(429, &after, "").end, End::Throttled { retry_after: asked });
        let failed = End::Failed { retry_after: asked, overloaded: true };
        assert_eq!(of(503, &after, "").end, failed);
    }
}
