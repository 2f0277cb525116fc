//! Whose quota at a provider a request counts in.

use std::{fmt, time::Duration};

use http::{HeaderMap, HeaderValue};
use tollgate_core::{
    Time,
    quota::{Quota, QuotaSettings, SavedQuota},
};

use crate::identity::KEY_HEADERS;

/// A key of a provider's, whose limits are its own: a keyed hash of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account(u64);

/// Tells keys apart, in this process and in the next one: hashes them under a secret.
#[derive(Clone)]
pub(crate) struct Accounts([u8; blake3::KEY_LEN]);

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
    /// Since it was last left to the next process.
    has_changed: bool,
}

impl Account {
    /// The policy's own key, or none at all.
    pub(crate) const COMMON: Self = Self(0);

    /// As a file has it.
    pub(crate) const fn of_number(number: i64) -> Self {
        Self(number.cast_unsigned())
    }

    pub(crate) const fn number(self) -> i64 {
        self.0.cast_signed()
    }
}

impl Accounts {
    /// Hashes under this secret.
    pub(crate) const fn under(secret: [u8; blake3::KEY_LEN]) -> Self {
        Self(secret)
    }

    /// The account of what a caller shows, if it shows anything.
    pub(crate) fn shown(&self, headers: &HeaderMap, in_query: Option<&str>) -> Account {
        let header = KEY_HEADERS.iter().find_map(|name| headers.get(name));
        let shown = header.map(HeaderValue::as_bytes).or(in_query.map(str::as_bytes));
        shown.map_or(Account::COMMON, |key| self.of(key))
    }

    /// The account of a caller's own key.
    pub(crate) fn of(&self, key: &[u8]) -> Account {
        let hash = blake3::keyed_hash(&self.0, key);
        let number = hash.as_bytes().first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
        Account(number.max(1))
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Accounts")
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
            let quota = Quota::new(settings.clone());
            self.0.push(Known { account, quota, used_at: now, has_changed: false });
            self.0.len() - 1
        });
        let known = &mut self.0[place];
        (known.used_at, known.has_changed) = (now, true);
        &mut known.quota
    }

    /// An account as another process left it so long ago, unless there are too many.
    pub(super) fn resume(
        &mut self,
        (account, saved): (Account, &SavedQuota),
        settings: &QuotaSettings,
        away: Duration,
        now: Time,
    ) {
        if self.0.len() < MAX_ACCOUNTS {
            let quota = Quota::resume(settings.clone(), saved, away, now);
            self.0.push(Known { account, quota, used_at: now, has_changed: false });
        }
    }

    /// What has become known since the last time, as the next process is to find it.
    pub(super) fn changed(&mut self, now: Time) -> Vec<(Account, Option<SavedQuota>)> {
        let changed = self.0.iter_mut().filter(|known| known.has_changed);
        let saved = changed.map(|known| {
            known.has_changed = false;
            (known.account, known.quota.saved(now))
        });
        saved.collect()
    }

    /// Other settings. What is known stays.
    pub(super) fn reconfigure(&mut self, settings: &QuotaSettings) {
        for known in &mut self.0 {
            known.quota.reconfigure(settings.clone());
        }
    }

    /// The quota of an account that was not forgotten, to tell it something.
    pub(super) fn told(&mut self, account: Account) -> Option<&mut Quota> {
        let known = self.0.iter_mut().find(|known| known.account == account)?;
        known.has_changed = true;
        Some(&mut known.quota)
    }

    /// The quota of an account that was not forgotten, to be shown.
    pub(super) fn known(&mut self, account: Account) -> Option<&mut Quota> {
        self.0.iter_mut().find(|known| known.account == account).map(|known| &mut known.quota)
    }
}
