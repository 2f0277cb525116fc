//! What was learned of providers' limits, as the next process finds it.

use std::{sync::Arc, time::Duration};

use tollgate_core::{Time, quota::SavedQuota};

use super::{Account, Guard};
use crate::providers::{Provider, Providers};

/// What is known of what one provider has left for one of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LearnedQuota {
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) account: Account,
    /// Where the provider is: elsewhere nothing is known of its limits.
    pub(crate) address: String,
    /// Nothing where nothing is known any more.
    pub(crate) saved: Option<SavedQuota>,
}

/// What was learned since the last time.
pub(crate) fn learned_quotas(providers: &Providers, now: Time) -> Vec<LearnedQuota> {
    let of = |provider: &Arc<Provider>| {
        let (name, address) = (provider.name.to_string(), provider.address());
        let changed = provider.guard.changed_quotas(now).into_iter();
        changed.map(move |(model, account, saved)| LearnedQuota {
            provider: name.clone(),
            model,
            account,
            address: address.clone(),
            saved,
        })
    };
    providers.all().flat_map(of).collect()
}

/// This was not kept after all, so it is told again.
pub(crate) fn quotas_not_kept(providers: &Providers, quotas: &[LearnedQuota]) {
    for quota in quotas {
        if let Some(provider) = providers.named(&quota.provider) {
            provider.guard.quota_not_kept(&quota.model, quota.account);
        }
    }
}

/// Goes on with what another process has learned so long ago.
pub(crate) fn resume_quotas(
    providers: &Providers,
    learned: Vec<(LearnedQuota, Duration)>,
    now: Time,
) {
    for (one, away) in learned {
        let provider = providers.named(&one.provider);
        let provider = provider.filter(|provider| provider.address() == one.address);
        if let (Some(provider), Some(saved)) = (provider, one.saved) {
            provider.guard.resume_quota(&one.model, (one.account, &saved), away, now);
        }
    }
}

impl Guard {
    fn changed_quotas(&self, now: Time) -> Vec<(String, Account, Option<SavedQuota>)> {
        let models = self.known.models.lock().named();
        let of = |model: &Arc<super::Model>| {
            let name = model.name().to_string();
            let changed = model.changed_quotas(now).into_iter();
            changed.map(move |(account, saved)| (name.clone(), account, saved))
        };
        models.iter().flat_map(of).collect()
    }

    fn quota_not_kept(&self, model: &str, account: Account) {
        let models = self.known.models.lock().named();
        if let Some(model) = models.iter().find(|known| known.name() == model) {
            model.quota_not_kept(account);
        }
    }

    fn resume_quota(&self, model: &str, quota: (Account, &SavedQuota), away: Duration, now: Time) {
        let model = self.known.models.lock().resumed(model, now);
        if let Some(model) = model {
            model.resume_quota(quota, away, now);
        }
    }
}
