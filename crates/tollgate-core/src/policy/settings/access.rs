//! Who may ask: callers' names, keys and tokens.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::values::{KeyHash, Secret};

/// Whom the gateway takes callers to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    /// Whether `X-Tollgate-User` and its like are believed. Only for callers that the
    /// operator runs, since anybody can write a header.
    pub trust_headers: bool,
    /// Whether callers without key and name are let in; by default only where no limit is
    /// kept per user, session, team, customer or key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_anonymous: Option<bool>,
}

/// A key that callers may present, kept as its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StaticKey {
    /// Its public name: the attribute `key` of its requests.
    pub id: String,
    /// The BLAKE3 hash of the key's text, `tg_…` included.
    pub hash: KeyHash,
    /// The attribute `user` of its requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The attribute `team` of its requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The attribute `customer` of its requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The attribute `tag` of its requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The attribute `tier` of its requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Further attributes of its requests, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// Who may use an interface.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// The token that callers present; without one it is open on loopback only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
}
