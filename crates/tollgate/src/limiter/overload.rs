//! Why there is no slot, in the words and statuses of an HTTP answer.

use std::time::Duration;

use serde::Serialize;
use tollgate_core::Retry;

use crate::{Cause, Refused, StoreError};

/// There is no slot. As JSON it is the body of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct Overload {
    /// 429 where the user has too much, 408 where its turn did not come, 503 where the whole
    /// system is full.
    pub status: u16,
    /// `too_many_requests`, `queue_timeout`, `wait_too_long`, `server_busy` or
    /// `store_unavailable`.
    pub error: &'static str,
    /// One sentence or two for people.
    pub message: String,
    /// Whole seconds, rounded up.
    pub retry_after: u64,
}

impl Overload {
    pub(super) fn new(refused: &Refused) -> Self {
        let limit = refused.limit();
        let is_own = limit.is_some_and(|limit| !limit.per.is_empty());
        let queue = if is_own { "User queue" } else { "Queue" };
        let reason = if is_own { "Too many concurrent requests." } else { "The server is busy." };
        let told = match refused.cause {
            Cause::Limit | Cause::Reserved => reason.to_owned(),
            Cause::QueueFull { size, .. } | Cause::Displaced { size } => {
                format!("{queue} full ({size}/{size}). {reason}")
            }
            Cause::TooLate { estimate } => {
                format!("It would wait for about {} s. {reason}", up(estimate))
            }
            Cause::TimedOut { waited } => {
                format!("Its turn did not come within {} s. {reason}", up(waited))
            }
        };
        let (status, error) = match refused.cause {
            Cause::TimedOut { .. } => (408, "queue_timeout"),
            _ if !is_own => (503, "server_busy"),
            Cause::TooLate { .. } => (429, "wait_too_long"),
            _ => (429, "too_many_requests"),
        };
        let usual = limit.map_or(Duration::from_secs(1), |limit| limit.retry_after);
        let wait = match refused.refusal.retry {
            Retry::At(at) => at.since(refused.now.time),
            Retry::NotBefore(_) | Retry::Never => usual,
        };
        Self { status, error, message: told, retry_after: up(wait).max(1) }
    }

    pub(super) fn failed(error: &StoreError) -> Self {
        let message = error.to_string();
        Self { status: 503, error: "store_unavailable", message, retry_after: 1 }
    }

    pub(super) fn stopped() -> Self {
        let message = "The service is stopping.".to_owned();
        Self { status: 503, error: "server_busy", message, retry_after: 1 }
    }
}

fn up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
