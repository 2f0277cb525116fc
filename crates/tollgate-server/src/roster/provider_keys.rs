//! A provider's key of a caller's own, attached to its Tollgate key: it is sent to the
//! provider instead of the policy's.

use rusqlite::params;
use serde_json::json;

use super::{Book, By, Key, ProviderKey, RosterError, audit::Change, keys::of_id, terms::excerpt};

/// Providers that one key has keys for.
const MAX_PROVIDERS: usize = 32;

/// For whom something is sealed: nobody else's row opens.
pub(super) fn whose(id: &str, provider: &str) -> String {
    format!("{id} {provider}")
}

impl Book {
    /// Attaches a provider's key, in the place of one that was there.
    ///
    /// # Errors
    /// When there is no such key or it was revoked, or there is no secret to seal it under.
    pub(crate) fn attach(
        &mut self,
        id: &str,
        provider: &str,
        own: &ProviderKey,
        by: &By,
    ) -> Result<Key, RosterError> {
        self.change(by, |tx, vault| {
            let key = of_id(tx, vault, id, by.at)?;
            if key.revoked_at.is_some() {
                let why = format!("the key `{id}` was revoked, so nothing is attached to it");
                return Err(RosterError::Conflict(why));
            }
            if key.provider_keys.len() >= MAX_PROVIDERS {
                let why = format!("the key `{id}` has {MAX_PROVIDERS} providers' keys: detach one");
                return Err(RosterError::Conflict(why));
            }
            let seal = vault.seal()?;
            let sealed = seal.close(&whose(id, provider), own)?;
            tx.execute(
                "REPLACE INTO provider_keys VALUES (?, ?, ?, ?, ?)",
                params![id, provider, sealed, seal.name, by.at],
            )?;
            let before = json!({ "provider_keys": key.provider_keys });
            let key = of_id(tx, vault, id, by.at)?;
            let after = json!({ "provider_keys": key.provider_keys, "attached": provider });
            let change = Change { what: "key.attach", subject: id.to_owned(), before, after };
            Ok((key, Some(change)))
        })
    }

    /// Forgets a provider's key.
    ///
    /// # Errors
    /// When none is attached.
    pub(crate) fn detach(&mut self, id: &str, provider: &str, by: &By) -> Result<Key, RosterError> {
        self.change(by, |tx, vault| {
            let mut key = of_id(tx, vault, id, by.at)?;
            let sql = "DELETE FROM provider_keys WHERE key = ? AND provider = ?";
            if tx.execute(sql, params![id, provider])? == 0 {
                return Err(RosterError::Missing(format!(
                    "the key `{id}` has no key of the provider `{}`",
                    excerpt(provider)
                )));
            }
            let before = json!({ "provider_keys": key.provider_keys });
            key.provider_keys.retain(|name| name != provider);
            let after = json!({ "provider_keys": key.provider_keys, "detached": provider });
            let change = Change { what: "key.detach", subject: id.to_owned(), before, after };
            Ok((key, Some(change)))
        })
    }
}
