//! The models of one provider, by name, in bounded number.

use std::{collections::HashMap, sync::Arc};

use compact_str::CompactString;
use foldhash::fast::RandomState;
use tollgate_core::{Time, breaker::Saved};

use super::{Forced, GuardSettings, model::Model};

/// The models of one provider.
#[derive(Debug)]
pub(super) struct Models {
    settings: GuardSettings,
    known: HashMap<CompactString, Arc<Model>, RandomState>,
    forced: Forced,
    /// What stands before all that are too many.
    others: Option<Arc<Model>>,
}

/// Models of one provider that are told apart. Names come from callers: where there are more,
/// one that is idle and well is forgotten for each new one, and where all are busy or ill, the
/// new ones share what stands before them.
pub(super) const MAX_MODELS: usize = 256;

/// The longest name that is told apart, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// What the others are called together.
const OTHERS: &str = "other";

impl Models {
    /// None is known yet.
    pub(super) fn new(settings: GuardSettings) -> Self {
        Self { settings, known: HashMap::default(), forced: Forced::default(), others: None }
    }

    /// The model of that name.
    pub(super) fn of(&mut self, name: &str, now: Time) -> Arc<Model> {
        if let Some(known) = self.known.get(name) {
            return Arc::clone(known);
        }
        let is_full = self.known.len() >= MAX_MODELS && !self.forget(now);
        if is_full || name.len() > MAX_NAME_BYTES {
            let others = self.others.get_or_insert_with(|| {
                Arc::new(Model::new(OTHERS, &self.settings, &self.forced, now))
            });
            return Arc::clone(others);
        }
        let model = Arc::new(Model::new(name, &self.settings, &self.forced, now));
        self.known.insert(name.into(), Arc::clone(&model));
        model
    }

    /// A model that another process knew, unless there are too many.
    pub(super) fn resumed(&mut self, name: &str, now: Time) -> Option<Arc<Model>> {
        let is_known = self.known.contains_key(name);
        let has_room = self.known.len() < MAX_MODELS && name.len() <= MAX_NAME_BYTES;
        (is_known || has_room).then(|| self.of(name, now))
    }

    /// A model whose breaker another process left like this, unless there are too many.
    pub(super) fn resume(&mut self, name: &str, saved: Saved, now: Time) -> Option<Arc<Model>> {
        let model = self.resumed(name, now)?;
        model.resume(self.forced.settings(name, &self.settings.breaker), saved, now);
        Some(model)
    }

    /// Puts in force what the policy says; all models, for what they have to tell.
    pub(super) fn enforce(&mut self, settings: &GuardSettings, now: Time) -> Vec<Arc<Model>> {
        if *settings == self.settings {
            return Vec::new();
        }
        self.settings = settings.clone();
        self.reconfigure(now)
    }

    /// Puts in force what operators have forced; all models, for what they have to tell.
    pub(super) fn force(&mut self, forced: Forced, now: Time) -> Vec<Arc<Model>> {
        if forced == self.forced {
            return Vec::new();
        }
        self.forced = forced;
        for name in self.forced.models.keys().cloned().collect::<Vec<_>>() {
            self.of(&name, now);
        }
        self.reconfigure(now)
    }

    fn reconfigure(&self, now: Time) -> Vec<Arc<Model>> {
        for model in self.known.values().chain(&self.others) {
            model.reconfigure(&self.settings, &self.forced, now);
        }
        self.all()
    }

    /// What is forced of a model.
    pub(super) fn forced(&self, model: &str) -> Option<tollgate_core::breaker::Mode> {
        self.forced.of(model)
    }

    /// What is forced of all that have nothing of their own.
    pub(super) const fn forced_of_all(&self) -> Option<tollgate_core::breaker::Mode> {
        self.forced.all
    }

    /// Those that are told apart, in no order.
    pub(super) fn named(&self) -> Vec<Arc<Model>> {
        self.known.values().cloned().collect()
    }

    /// All of them, in the order of their names.
    pub(super) fn all(&self) -> Vec<Arc<Model>> {
        let mut all: Vec<_> = self.known.values().chain(&self.others).cloned().collect();
        all.sort_unstable_by(|a, b| a.name().cmp(b.name()));
        all
    }

    /// Forgets the one that was used longest ago of those that nobody misses, whether on its way
    /// there or waiting for it; whether there was one.
    fn forget(&mut self, now: Time) -> bool {
        let unused = |model: &&Arc<Model>| Arc::strong_count(model) == 1;
        let missed_least = self
            .known
            .values()
            .filter(unused)
            .filter_map(|model| Some((model.idle_since(now)?, model.name().clone())))
            .filter(|(_, name)| !self.forced.models.contains_key(name))
            .min();
        missed_least.is_some_and(|(_, name)| self.known.remove(&name).is_some())
    }
}
