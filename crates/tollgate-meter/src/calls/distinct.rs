//! Tells strings apart that were seen already, in bounded memory.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hasher as _},
};

/// Strings that were seen, each once. The empty one is none.
#[derive(Debug, Default)]
pub(crate) struct Distinct(BTreeSet<u64>);

/// More of them are not told apart any more, and do not count.
const MAX: usize = 1_000;

impl Distinct {
    pub(crate) fn insert(&mut self, text: &[u8]) {
        if !text.is_empty() && self.0.len() < MAX {
            let mut hasher = DefaultHasher::new();
            hasher.write(text);
            self.0.insert(hasher.finish());
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counts_once_and_the_empty_one_not_at_all() {
        let mut seen = Distinct::default();
        ["a", "", "b", "a", "b"].iter().for_each(|text| seen.insert(text.as_bytes()));
        assert_eq!(seen.count(), 2);
        (0..2 * MAX).for_each(|number| seen.insert(&number.to_le_bytes()));
        assert_eq!(seen.count(), MAX as u64, "memory is bounded");
    }
}
