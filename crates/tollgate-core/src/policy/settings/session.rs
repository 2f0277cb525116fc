//! Sessions of browsers: the cookie that tells them apart.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::values::Secret;

/// The cookie of a browser's session: signed, and out of the reach of scripts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Session {
    /// Whether browsers send it over TLS alone.
    pub secure: bool,
    /// What it is signed with. Without one, a key is made at the first start and kept beside
    /// the ledger; where there is no ledger, it is as old as the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
}
