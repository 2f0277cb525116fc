//! Which requests run and wait now, as it is told.

use compact_str::CompactString;
use serde::Serialize;
use tollgate::Counts;

/// How many requests of a user run and wait now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct UserCount {
    /// The user.
    pub(crate) user_id: String,
    /// Requests that run.
    pub(crate) concurrent: u64,
    /// Requests that wait.
    pub(crate) queued: u64,
}

impl From<(CompactString, Counts)> for UserCount {
    fn from((user, Counts { running, waiting }): (CompactString, Counts)) -> Self {
        Self { user_id: user.into(), concurrent: running, queued: waiting }
    }
}
