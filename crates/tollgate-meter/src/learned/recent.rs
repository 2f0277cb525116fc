//! A map that forgets what was not asked for of late, so that it never outgrows its bound.

use std::{collections::HashMap, hash::Hash};

use foldhash::quality::RandomState;

/// Two generations: when the young one is full, the old one is forgotten. Whatever is used
/// becomes young again.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    young: HashMap<K, V, RandomState>,
    old: HashMap<K, V, RandomState>,
    half: usize,
}

impl<K: Hash + Eq, V> Recent<K, V> {
    /// Keeps at most so many.
    pub(super) fn new(most: usize) -> Self {
        Self { young: HashMap::default(), old: HashMap::default(), half: most.div_ceil(2) }
    }

    pub(super) fn find(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// The value of a key, young again or made anew.
    pub(super) fn entry(&mut self, key: K, fresh: impl FnOnce() -> V) -> &mut V {
        if !self.young.contains_key(&key) && self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        let before = self.old.remove(&key);
        self.young.entry(key).or_insert_with(|| before.unwrap_or_else(fresh))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_is_used_and_never_more_than_its_bound() {
        let mut recent = Recent::<u32, u32>::new(10);
        for key in 0..1_000 {
            *recent.entry(key, || 0) += 1;
            *recent.entry(u32::MAX, || 0) += 1;
            assert!(recent.len() <= 10);
        }
        assert_eq!(recent.find(&u32::MAX), Some(&1_000));
        assert_eq!(recent.find(&3), None);
    }
}
