//! Quantiles of a stream of numbers, in a few bytes and with a bounded error.

/// How numbers were distributed of late. Each number falls into a bucket a fifth wide, so a
/// quantile is at most a fifth above the truth; old numbers weigh less and less.
#[derive(Debug, Clone)]
pub(super) struct Sketch {
    buckets: [u16; BUCKETS],
    total: u16,
}

/// Buckets to each doubling.
const PER_DOUBLING: f64 = 4.0;

/// Numbers up to 2^24; what is larger counts as that.
const BUCKETS: usize = 24 * 4 + 1;

/// When there are so many, each weighs half as much.
const FULL: u16 = 512;

/// Fewer numbers tell nothing.
const FEWEST: u16 = 8;

impl Default for Sketch {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], total: 0 }
    }
}

impl Sketch {
    /// Takes note of a number.
    pub(super) fn note(&mut self, number: u64) {
        if self.total == FULL {
            self.buckets.iter_mut().for_each(|count| *count /= 2);
            self.total = self.buckets.iter().sum();
        }
        self.buckets[bucket(number)] += 1;
        self.total += 1;
    }

    /// Its buckets that are not empty, each with what it counts.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let counted = (0_u8..).zip(self.buckets).filter(|(_, count)| *count > 0);
        counted.flat_map(|(bucket, count)| [bucket, count as u8, (count >> 8) as u8]).collect()
    }

    /// What was [written](Self::to_bytes), unless it was something else.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (counted, rest) = bytes.as_chunks();
        let mut sketch = Self::default();
        for [bucket, low, high] in counted {
            let count = u16::from_le_bytes([*low, *high]);
            *sketch.buckets.get_mut(usize::from(*bucket))? = count;
        }
        let total: u64 = sketch.buckets.iter().map(|count| u64::from(*count)).sum();
        sketch.total = u16::try_from(total).ok().filter(|total| *total <= FULL)?;
        rest.is_empty().then_some(sketch)
    }

    /// A number that this share of all was not above, if enough is known.
    pub(super) fn at_most(&self, share: f64) -> Option<u64> {
        self.reached(share).map(highest)
    }

    /// A number that all but this share were not below, if enough is known.
    pub(super) fn at_least(&self, share: f64) -> Option<u64> {
        let reached = self.reached(share)?;
        Some(reached.checked_sub(1).map_or(0, |below| highest(below) + 1))
    }

    /// The bucket in which this share of all numbers is reached.
    fn reached(&self, share: f64) -> Option<usize> {
        if self.total < FEWEST {
            return None;
        }
        let mut left = ((f64::from(self.total) * share).ceil() as u32).max(1);
        self.buckets.iter().position(|count| {
            left = left.saturating_sub(u32::from(*count));
            left == 0
        })
    }
}

fn bucket(number: u64) -> usize {
    if number <= 1 {
        return 0;
    }
    ((PER_DOUBLING * (number as f64).log2()).ceil() as usize).min(BUCKETS - 1)
}

/// The highest number of a bucket.
fn highest(bucket: usize) -> u64 {
    (2_f64.powf(bucket as f64 / PER_DOUBLING)).floor() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_told_of_a_few() {
        let mut sketch = Sketch::default();
        (0..7).for_each(|_| sketch.note(100));
        assert_eq!(sketch.at_most(0.9), None);
        sketch.note(100);
        assert!(sketch.at_most(0.9).is_some_and(|most| (100..=119).contains(&most)));
    }

    #[test]
    fn what_was_is_forgotten() {
        let mut sketch = Sketch::default();
        (0..500).for_each(|_| sketch.note(10_000));
        (0..2_000).for_each(|_| sketch.note(10));
        assert!(sketch.at_most(0.95).is_some_and(|most| most < 20));
    }

    proptest! {
        #[test]
        fn a_quantile_is_never_below_the_truth_and_a_fifth_above_it_at_most(
            mut numbers in prop::collection::vec(0_u64..1 << 23, 8..400),
            share in 0.01_f64..1.0,
        ) {
            let mut sketch = Sketch::default();
            numbers.iter().for_each(|number| sketch.note(*number));
            numbers.sort_unstable();
            let rank = ((numbers.len() as f64 * share).ceil() as usize).max(1);
            let truth = numbers[rank - 1];
            let most = sketch.at_most(share).expect("enough");
            prop_assert!(most >= truth && most as f64 <= (truth.max(1) as f64 * 1.19) + 1.0);
            let least = sketch.at_least(share).expect("enough");
            prop_assert!(least <= truth && (least as f64) >= truth as f64 / 1.2 - 1.0);
        }
    }
}
