//! What a counter grew by in the last while.
//!
//! It remembers what the counter was at [`STEPS`] instants of its span and no more, so what it
//! tells is of the whole span, at most a sixtieth short of it. A counter that fell began anew.

use std::{collections::VecDeque, time::Duration};

use crate::Time;

/// A counter, or several that are looked at together.
pub trait Grows: Copy + Default {
    /// What it grew by; nothing where it did not.
    #[must_use]
    fn since(&self, before: &Self) -> Self;

    /// Whether it is less than before, in anything: then it began anew.
    fn fell(&self, before: &Self) -> bool;
}

/// What a counter was in the last while.
#[derive(Debug, Clone)]
pub struct Recent<T> {
    span: Duration,
    /// The oldest first, apart by no less than a step.
    samples: VecDeque<(Time, T)>,
    latest: T,
}

/// Into how many steps a span is cut.
pub const STEPS: u32 = 60;

impl<T: Grows> Recent<T> {
    /// A counter that begins now, at nothing.
    pub fn new(span: Duration, now: Time) -> Self {
        Self::from(span, T::default(), now)
    }

    /// A counter that was this when it was looked at first.
    pub fn from(span: Duration, total: T, now: Time) -> Self {
        Self { span, samples: VecDeque::from([(now, total)]), latest: total }
    }

    /// The counter is this now.
    pub fn note(&mut self, total: T, now: Time) {
        if total.fell(&self.latest) {
            self.samples.clear();
            self.samples.push_back((now, T::default()));
        }
        self.latest = total;
        let step = self.span / STEPS;
        if self
            .samples
            .back()
            .is_none_or(|(at, _)| now >= at.after(step.max(Duration::from_nanos(1))))
        {
            self.samples.push_back((now, total));
        }
        let oldest = now.before(self.span);
        while self.samples.front().is_some_and(|(at, _)| *at < oldest) && self.samples.len() > 1 {
            self.samples.pop_front();
        }
    }

    /// What it grew by in the last while.
    pub fn grown(&self) -> T {
        self.samples.front().map_or(self.latest, |(_, first)| self.latest.since(first))
    }

    /// For how long it has been looked at, at most about its span.
    pub fn known(&self, now: Time) -> Duration {
        self.samples.front().map_or(Duration::ZERO, |(at, _)| now.since(*at))
    }

    /// How many instants it remembers.
    pub fn remembered(&self) -> usize {
        self.samples.len()
    }

    /// Over how long it looks.
    pub const fn span(&self) -> Duration {
        self.span
    }
}

impl Grows for u64 {
    fn since(&self, before: &Self) -> Self {
        self.saturating_sub(*before)
    }

    fn fell(&self, before: &Self) -> bool {
        self < before
    }
}

impl<const N: usize> Grows for [u64; N]
where
    Self: Default,
{
    fn since(&self, before: &Self) -> Self {
        std::array::from_fn(|nth| self[nth].saturating_sub(before[nth]))
    }

    fn fell(&self, before: &Self) -> bool {
        self.iter().zip(before).any(|(now, before)| now < before)
    }
}
