//! The operator's policy: read from files, checked, and compiled for quick decisions.

mod budgets;
mod check;
mod config;
mod environment;
mod error;
mod file;
mod kept;
mod layers;
mod limit;
mod limits;
mod load;
mod order;
mod presets;
mod queue;
mod render;
mod schema;
pub mod settings;
mod source;
mod suggest;
#[cfg(test)]
mod tests;
mod tighten;
mod tree;
pub(crate) mod values;
mod when;

use std::sync::Arc;

use compact_str::CompactString;

pub use budgets::{KEY_BUDGETS, KeyBudget};
pub use config::Config;
pub use environment::Environment;
pub use error::PolicyError;
pub use limit::{Limit, Measure};
pub use load::Sources;
pub use presets::{preset, preset_names};
pub use queue::Queue;
pub use schema::json_schema;
pub use settings::Settings;
pub use tighten::Tighten;
pub use values::{
    BaseUrl, HookUrl, KeyHash, Path, PathPattern, RedisPrefix, RedisUrl, Secret, Share, Size, Word,
};
pub use when::{Pattern, When};

use crate::{Attribute, Calendar, Charge, LimitId, ScopeId};

/// A compiled set of limits, ready to turn requests into orders.
#[derive(Debug, Default)]
pub struct Policy {
    /// The operator's own, and after them those that exist for whom they are granted.
    limits: Vec<Limit>,
    /// How many are the operator's own.
    own: usize,
    /// Limits by their `per`, from the narrowest scope to the global one.
    scopes: Vec<Scope>,
    /// Where each limit is, by its id.
    by_id: Vec<(LimitId, usize)>,
    has_queues: bool,
}

#[derive(Debug)]
struct Scope {
    id: ScopeId,
    per: Vec<Attribute>,
    /// What limits that apply to everybody charge, but for the amounts.
    charges: Vec<Charge>,
    /// Beside each of these, what cuts its periods, where it has any.
    calendars: Vec<Option<Arc<Calendar>>>,
    /// Places in `Policy::limits` of those that depend on who asks.
    dependent: Vec<usize>,
    /// Places of those that apply to whom they are granted alone.
    granted: Vec<usize>,
}

/// Why limits do not make a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two limits are both named `{0}` and kept per the same attributes: rename one of them")]
pub struct DuplicateLimit(pub CompactString);

impl Policy {
    /// Compiles limits into a policy.
    ///
    /// # Errors
    /// When two limits share their name and their `per`.
    pub fn new(mut limits: Vec<Limit>) -> Result<Self, DuplicateLimit> {
        let own = limits.len();
        let kept: Vec<Limit> = limits.iter().filter_map(Limit::kept).collect();
        limits.extend(KEY_BUDGETS.iter().map(KeyBudget::limit));
        limits.extend(kept);
        let mut by_id = Vec::with_capacity(limits.len());
        let mut scopes: Vec<Scope> = Vec::new();
        for (place, limit) in limits.iter().enumerate() {
            by_id.push((limit.id, place));
            let known = scopes.iter().position(|scope| scope.per == limit.per);
            let known = known.unwrap_or_else(|| {
                scopes.push(Scope::new(&limit.per));
                scopes.len() - 1
            });
            if place < own {
                scopes[known].add(place, limit);
            } else {
                scopes[known].granted.push(place);
            }
        }
        scopes.sort_by_key(|scope| std::cmp::Reverse(scope.per.len()));
        by_id.sort_unstable();
        if let Some(twice) = by_id.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(DuplicateLimit(limits[twice[1].1].name.clone()));
        }
        let has_queues = limits[..own].iter().any(|limit| limit.queue.is_some());
        Ok(Self { limits, own, scopes, by_id, has_queues })
    }

    /// The limits, in the order of the policy.
    pub fn limits(&self) -> &[Limit] {
        &self.limits[..self.own]
    }

    /// The limits of no policy's own: they apply to whom they are granted alone.
    pub fn granted_limits(&self) -> &[Limit] {
        &self.limits[self.own..]
    }

    /// Of these, the budgets that single keys may have.
    pub fn key_budgets(&self) -> &[Limit] {
        let granted = self.granted_limits();
        &granted[..granted.len().min(KEY_BUDGETS.len())]
    }

    /// Whether any limit of its own has a queue. Those that are granted have one.
    pub const fn has_queues(&self) -> bool {
        self.has_queues
    }

    /// The limit of that id.
    pub fn limit(&self, id: LimitId) -> Option<&Limit> {
        let found = self.by_id.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.limits.get(self.by_id[found].1)
    }
}

impl Scope {
    fn new(per: &[Attribute]) -> Self {
        let (id, per) = (ScopeId::new(per), per.to_vec());
        let (charges, calendars) = (Vec::new(), Vec::new());
        Self { id, per, charges, calendars, dependent: Vec::new(), granted: Vec::new() }
    }

    fn add(&mut self, place: usize, limit: &Limit) {
        let Some(charge) = limit.charge_of_all() else {
            self.dependent.push(place);
            return;
        };
        self.charges.push(charge);
        self.calendars.push(match &limit.measure {
            Measure::Period { calendar, .. } => Some(Arc::clone(calendar)),
            _ => None,
        });
    }
}
