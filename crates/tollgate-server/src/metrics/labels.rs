//! Numbers by label, read without a lock and bounded in number.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use compact_str::CompactString;

/// What counts under labels beyond the maximum.
pub(super) const OTHER: &str = "other";

/// A bounded map from label to numbers. Labels are few and stay, so each new one replaces
/// the map and every other look-up is a plain read.
#[derive(Debug)]
pub(super) struct Labels<V> {
    known: ArcSwap<HashMap<CompactString, Arc<V>>>,
    most: usize,
    other: Arc<V>,
}

impl<V: Default> Labels<V> {
    pub(super) fn at_most(most: usize) -> Self {
        Self { known: ArcSwap::default(), most, other: Arc::default() }
    }

    /// Hands the numbers of a label to `count`.
    pub(super) fn with(&self, label: &str, count: impl FnOnce(&V)) {
        if let Some(value) = self.known.load().get(label) {
            return count(value);
        }
        count(&self.insert(label));
    }

    /// Every label with its numbers, in the order of the labels; `other` where it counts.
    pub(super) fn all(&self) -> Vec<(CompactString, Arc<V>)> {
        let known = self.known.load();
        let mut all: Vec<_> =
            known.iter().map(|(label, value)| (label.clone(), Arc::clone(value))).collect();
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        if known.len() >= self.most && !known.contains_key(OTHER) {
            all.push((OTHER.into(), Arc::clone(&self.other)));
        }
        all
    }

    fn insert(&self, label: &str) -> Arc<V> {
        if label == OTHER {
            return self.insert_or_other(label, &self.other);
        }
        self.insert_or_other(label, &Arc::default())
    }

    fn insert_or_other(&self, label: &str, fresh: &Arc<V>) -> Arc<V> {
        self.known.rcu(|known| {
            if known.contains_key(label) || known.len() >= self.most {
                return Arc::clone(known);
            }
            let mut grown = HashMap::clone(known);
            grown.insert(label.into(), Arc::clone(fresh));
            Arc::new(grown)
        });
        // Whoever was first has decided which numbers the label has.
        let known = self.known.load();
        known.get(label).map_or_else(|| Arc::clone(&self.other), Arc::clone)
    }
}
