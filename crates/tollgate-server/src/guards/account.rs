//! Whose quota at a provider a request counts in.

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::quality::RandomState;
use http::{HeaderMap, HeaderValue};
use tollgate_core::{
    Time,
    quota::{Quota, QuotaSettings},
};

use crate::identity::KEY_HEADERS;

/// A key of a provider's, whose limits are its own: a hash of it, which nothing tells.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account(u64);

/// Accounts whose quotas are known, of one model. Who was not seen for longest is forgotten
/// first, and begins anew with nothing known.
pub(super) const MAX_ACCOUNTS: usize = 64;

/// The quotas of one model, by account.
#[derive(Debug, Default)]
pub(super) struct Quotas(Vec<Known>);

#[derive(Debug)]
struct Known {
    account: Account,
    quota: Quota,
    used_at: Time,
}

impl Account {
    /// The policy's own key, or none at all.
    pub(crate) const COMMON: Self = Self(0);

    /// The account of what a caller shows, if it shows anything.
    pub(crate) fn shown(headers: &HeaderMap, in_query: Option<&str>) -> Self {
        let header = KEY_HEADERS.iter().find_map(|name| headers.get(name));
        let shown = header.map(HeaderValue::as_bytes).or(in_query.map(str::as_bytes));
        shown.map_or(Self::COMMON, Self::of)
    }

    /// The account of a caller's own key.
    pub(crate) fn of(key: &[u8]) -> Self {
        // The seed is this process's, so that nobody can make two keys that look alike.
        static SEED: std::sync::LazyLock<RandomState> =
            std::sync::LazyLock::new(RandomState::default);
        let mut hasher = SEED.build_hasher();
        hasher.write(key);
        Self(hasher.finish().max(1))
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Self::COMMON { "Account(common)" } else { "Account(own)" })
    }
}

impl Quotas {
    pub(super) fn of(
        &mut self,
        account: Account,
        settings: &QuotaSettings,
        now: Time,
    ) -> &mut Quota {
        let known = self.0.iter().position(|known| known.account == account);
        let place = known.unwrap_or_else(|| {
            if self.0.len() >= MAX_ACCOUNTS {
                let oldest = (0..self.0.len()).min_by_key(|place| self.0[*place].used_at);
                self.0.swap_remove(oldest.unwrap_or_default());
            }
            self.0.push(Known { account, quota: Quota::new(settings.clone()), used_at: now });
            self.0.len() - 1
        });
        let known = &mut self.0[place];
        known.used_at = now;
        &mut known.quota
    }

    /// Other settings. What is known stays.
    pub(super) fn reconfigure(&mut self, settings: &QuotaSettings) {
        for known in &mut self.0 {
            known.quota.reconfigure(settings.clone());
        }
    }

    /// The quota of an account that was not forgotten.
    pub(super) fn known(&mut self, account: Account) -> Option<&mut Quota> {
        self.0.iter_mut().find(|known| known.account == account).map(|known| &mut known.quota)
    }
}
