//! What lets a request in at the provider that it is turned to: the policy's key, one that the
//! caller has of its own, or what the caller showed. What a caller showed to one provider is
//! never seen by another.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use tollgate_core::{Attribute, policy::settings::Dialect};

use super::{
    aside::{LONG_BODY_BYTES, aside},
    exchange::Exchange,
    forward::Entry,
};
use crate::{
    credentials::Payload,
    guards::Account,
    identity,
    providers::Provider,
    refusal::{Failure, What},
};

impl Exchange {
    /// Turns to a provider, which may be another than the path's.
    ///
    /// # Errors
    /// When the caller may not use it, or nothing would let the request in.
    pub(super) fn turn_to(&mut self, provider: &Arc<Provider>) -> Result<(), Failure> {
        if !Arc::ptr_eq(&self.provider, provider) {
            let own = self.own(provider)?;
            self.entry = Entry { own, by_bearer: self.entry.by_bearer, ..Entry::default() };
            self.provider = Arc::clone(provider);
            self.who.set(Attribute::Provider, provider.name.clone());
        }
        Ok(())
    }

    /// Whether what the caller showed is for another provider than the one turned to, which
    /// must not see it.
    pub(super) fn is_abroad(&self) -> bool {
        self.provider.name != self.home.name
    }

    /// Whose quota a request counts in at a provider.
    pub(super) fn account(&self, provider: &Provider) -> Account {
        let own = self.key.as_ref().and_then(|key| key.own(&provider.name).ok().flatten());
        match own {
            Some(own) => self.app.accounts.of(own.as_bytes()),
            None if provider.name == self.home.name && provider.passes_callers(&self.entry) => {
                self.shown
            }
            None => Account::COMMON,
        }
    }

    /// What lets the request in at its provider.
    pub(super) fn entry(&self, headers: &HeaderMap) -> Result<Entry, Failure> {
        let mut entry =
            Entry { by_bearer: headers.contains_key(AUTHORIZATION), ..Entry::default() };
        let name = &self.provider.name;
        entry.own = self.own(&self.provider)?;
        let is_lost = self.dialect == Dialect::Bedrock && identity::is_signed(headers);
        if is_lost && !self.provider.is_sandbox() && self.provider.passes_callers(&entry) {
            let sentence = format!(
                "The policy has no credentials of AWS for `{name}`, and who signs for Tollgate has not signed for its provider: ask the operator, or send a key of Bedrock's own."
            );
            return Err(Failure::new(What::Forbidden, sentence));
        }
        Ok(entry)
    }

    /// The key that the caller has of its own for a provider.
    fn own(&self, provider: &Provider) -> Result<Option<HeaderValue>, Failure> {
        let Some(key) = &self.key else { return Ok(None) };
        let name = &provider.name;
        key.allow_provider(name).map_err(|why| Failure::new(What::Forbidden, why))?;
        key.own(name).map_err(|_| {
            let sentence = format!(
                "The key of `{name}` that is kept with the key `{}` can't be opened here: ask the operator.",
                key.id()
            );
            Failure::new(What::StoreUnavailable, sentence)
        })
    }

    /// The entry for this body, which some providers want signed.
    pub(super) async fn signed_entry(&self, body: &Bytes) -> Entry {
        let mut entry = self.entry.clone();
        if self.provider.signs(&entry) {
            let payload = if body.len() <= LONG_BODY_BYTES {
                Payload::of(body)
            } else {
                let long = body.clone();
                let made = aside(move || Payload::of(&long)).await;
                made.unwrap_or_else(|_| Payload::of(body))
            };
            entry.signed = Some((payload, self.app.gate.clock().now().wall));
        }
        entry
    }
}
