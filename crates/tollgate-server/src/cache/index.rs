//! Questions by their meaning: which of those that were asked before is nearest, as the vectors
//! of an embedding model say.
//!
//! Only what is the same but for its wording is compared: a question stands in a frame, which is
//! all else of its request and whose it is. The nearest is found by looking at every vector of
//! the frame, which is exact; how many there are is bounded in bytes, the oldest go first.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::Key;

/// Questions that were asked.
#[derive(Debug, Default)]
pub(crate) struct Index(Mutex<Points>);

/// A direction: as long as one, whatever it was made of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Vector(Box<[f32]>);

#[derive(Debug, Default)]
struct Points {
    /// The oldest first.
    points: VecDeque<Point>,
    bytes: u64,
}

#[derive(Debug)]
struct Point {
    frame: Key,
    vector: Vector,
    /// Under what its answer is kept.
    answer: Key,
}

/// The most numbers that a vector may have.
const MAX_DIMENSIONS: usize = 8_192;

/// Bytes that a question takes beside its vector.
const POINT_BYTES: u64 = 96;

impl Vector {
    /// The direction of these numbers, if they have one.
    pub(crate) fn new(mut numbers: Vec<f32>) -> Option<Self> {
        let length = numbers.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        let is_one = (1..=MAX_DIMENSIONS).contains(&numbers.len());
        if !is_one || !length.is_finite() || length <= f64::from(f32::MIN_POSITIVE) {
            return None;
        }
        for number in &mut numbers {
            *number = (f64::from(*number) / length) as f32;
        }
        Some(Self(numbers.into_boxed_slice()))
    }

    /// The cosine of the angle between two; of different models, as if they had nothing in
    /// common.
    fn likeness(&self, other: &Self) -> f32 {
        if self.0.len() != other.0.len() {
            return -1.0;
        }
        self.0.iter().zip(&other.0).map(|(one, other)| one * other).sum()
    }
}

impl Index {
    /// Under what the answer to the nearest question is kept that is as near as this at least.
    /// Questions whose answers are not kept any more are forgotten.
    pub(crate) fn nearest(
        &self,
        frame: &Key,
        vector: &Vector,
        threshold: f64,
        is_kept: impl Fn(&Key) -> bool,
    ) -> Option<Key> {
        let mut inner = self.0.lock();
        loop {
            let places = inner.points.iter().enumerate();
            let near = places.filter(|(_, point)| point.frame == *frame);
            let near = near.map(|(place, point)| (place, vector.likeness(&point.vector)));
            let (place, likeness) = near.max_by(|(_, one), (_, other)| one.total_cmp(other))?;
            if f64::from(likeness) < threshold {
                return None;
            }
            let answer = inner.points[place].answer;
            if is_kept(&answer) {
                return Some(answer);
            }
            inner.forget(place);
        }
    }

    /// Takes note of a question that is asked now.
    pub(crate) fn note(&self, frame: Key, vector: Vector, answer: Key, max_bytes: u64) {
        let mut inner = self.0.lock();
        let same = inner.points.iter().position(|point| point.answer == answer);
        if let Some(place) = same {
            inner.forget(place);
        }
        let point = Point { frame, vector, answer };
        inner.bytes += point.bytes();
        inner.points.push_back(point);
        while inner.bytes > max_bytes {
            inner.forget(0);
        }
    }
}

impl Points {
    fn forget(&mut self, place: usize) {
        if let Some(point) = self.points.remove(place) {
            self.bytes -= point.bytes();
        }
    }
}

impl Point {
    fn bytes(&self) -> u64 {
        POINT_BYTES + (self.vector.0.len() * size_of::<f32>()) as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: u8) -> Key {
        Key([number; 32])
    }

    fn vector(numbers: &[f32]) -> Vector {
        Vector::new(numbers.to_vec()).expect("a direction")
    }

    const MAX: u64 = 1 << 20;

    #[test]
    fn the_nearest_of_its_frame_is_found_if_it_is_near_enough() {
        let index = Index::default();
        for (answer, numbers) in [(1, [1.0, 0.0]), (2, [3.0, 4.0]), (3, [0.0, 9.0])] {
            index.note(key(100), vector(&numbers), key(answer), MAX);
        }
        index.note(key(101), vector(&[0.9, 0.1]), key(4), MAX);
        let nearest = |numbers: &[f32], threshold| {
            index.nearest(&key(100), &vector(numbers), threshold, |_| true)
        };
        assert_eq!(nearest(&[2.0, 0.1], 0.9), Some(key(1)));
        assert_eq!(nearest(&[6.1, 8.0], 0.99), Some(key(2)));
        assert_eq!(nearest(&[0.0, 1.0], 1.0), Some(key(3)));
        assert_eq!(nearest(&[-1.0, 0.0], 0.5), None);
        assert_eq!(nearest(&[1.0, 1.0, 1.0], 0.0), None, "of another model");
        assert_eq!(index.nearest(&key(102), &vector(&[1.0, 0.0]), 0.0, |_| true), None);
    }

    #[test]
    fn a_question_without_its_answer_gives_place_to_the_next() {
        let index = Index::default();
        index.note(key(100), vector(&[1.0, 0.0]), key(1), MAX);
        index.note(key(100), vector(&[1.0, 0.1]), key(2), MAX);
        let ask = |kept| index.nearest(&key(100), &vector(&[1.0, 0.0]), 0.9, |it| *it == key(kept));
        assert_eq!(ask(2), Some(key(2)));
        assert_eq!(ask(1), None, "it was forgotten");
    }

    #[test]
    fn what_has_no_direction_is_none() {
        for numbers in [vec![], vec![0.0, 0.0], vec![f32::NAN], vec![f32::INFINITY, 1.0]] {
            assert_eq!(Vector::new(numbers), None);
        }
        assert_eq!(Vector::new(vec![1.0; MAX_DIMENSIONS + 1]), None);
    }

    proptest! {
        #[test]
        fn it_never_holds_more_than_it_may(
            sizes in prop::collection::vec((1_usize..40, 0_u8..9), 0..60),
            max in 0_u64..900,
        ) {
            let index = Index::default();
            for (size, answer) in sizes {
                index.note(key(100), vector(&vec![1.0; size]), key(answer), max);
                let inner = index.0.lock();
                let bytes: u64 = inner.points.iter().map(Point::bytes).sum();
                prop_assert!(bytes <= max && bytes == inner.bytes);
            }
        }
    }
}
