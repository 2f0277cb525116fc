//! The word beside an account's id, which says where its state is and how it is laid out.

use crate::{
    Kind, Now, Rule, Time,
    limit::{MAX_EXACT_CAP, Times, Window, bucket, period},
};

/// What the head word says of the state that follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) shape: Shape,
    /// Where the state begins and how many words it has.
    pub(super) place: u16,
    pub(super) len: u16,
    /// For exact windows: where the ring starts and how many times it holds. For periods:
    /// which thresholds were looked at, and how many of them are crossed.
    pub(super) start: u8,
    pub(super) count: u8,
}

/// How an account's state is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Bucket,
    /// The window's length, then a ring of times.
    Exact,
    /// A [`Window`] with counts so many bits wide.
    Window {
        bits: u8,
    },
    Period,
    /// How many slots are taken.
    Slots,
}

impl Head {
    /// The head of a new account under `rule`.
    pub(super) const fn of(rule: &Rule) -> Self {
        let (shape, len) = match rule.kind {
            Kind::Bucket { .. } => (Shape::Bucket, bucket::WORDS),
            Kind::Window { .. } if rule.cap <= MAX_EXACT_CAP => {
                (Shape::Exact, 1 + rule.cap as usize)
            }
            Kind::Window { .. } => {
                let bits = Window::bits_for(rule.cap);
                (Shape::Window { bits }, Window::words(bits))
            }
            Kind::Period { .. } => (Shape::Period, period::WORDS),
            Kind::Concurrency | Kind::Sessions { .. } => (Shape::Slots, 1),
        };
        Self { shape, place: 0, len: len as u16, start: 0, count: 0 }
    }

    #[inline]
    pub(super) const fn pack(self) -> u64 {
        let (tag, bits) = match self.shape {
            Shape::Bucket => (0, 0),
            Shape::Exact => (1, 0),
            Shape::Window { bits } => (2, bits),
            Shape::Period => (3, 0),
            Shape::Slots => (4, 0),
        };
        let [place_low, place_high] = self.place.to_le_bytes();
        let [len_low, len_high] = self.len.to_le_bytes();
        u64::from_le_bytes([
            tag, bits, place_low, place_high, len_low, len_high, self.start, self.count,
        ])
    }

    #[inline]
    pub(super) const fn unpack(word: u64) -> Self {
        let [tag, bits, place_low, place_high, len_low, len_high, start, count] =
            word.to_le_bytes();
        let shape = match tag {
            0 => Shape::Bucket,
            1 => Shape::Exact,
            2 => Shape::Window { bits },
            3 => Shape::Period,
            _ => Shape::Slots,
        };
        let place = u16::from_le_bytes([place_low, place_high]);
        Self { shape, place, len: u16::from_le_bytes([len_low, len_high]), start, count }
    }

    /// Whether it could have been made by [`pack`](Self::pack), for words from elsewhere.
    pub(super) const fn is_sound(self) -> bool {
        let len = self.len as usize;
        match self.shape {
            Shape::Bucket => len == bucket::WORDS,
            // The ring may be empty, for a limit of nothing.
            Shape::Exact => {
                let ring = len.saturating_sub(1);
                let starts = (self.start as usize) < ring || self.start == 0;
                len > 0 && ring <= MAX_EXACT_CAP as usize && self.count as usize <= ring && starts
            }
            Shape::Window { bits } => 0 < bits && bits <= 64 && len == Window::words(bits),
            Shape::Period => len == period::WORDS,
            Shape::Slots => len == 1,
        }
    }

    /// Where the state is.
    #[inline]
    pub(super) const fn range(self) -> std::ops::Range<usize> {
        let place = self.place as usize;
        place..place + self.len as usize
    }

    /// Whether an account in this state is as if it was never used.
    pub(super) fn is_idle(self, state: &[u64], now: Now) -> bool {
        match self.shape {
            Shape::Bucket => bucket::is_idle(state, now.time),
            Shape::Exact => {
                self.times(state).iter().all(|time| time + state[0] <= now.time.as_nanos())
            }
            Shape::Window { bits } => Window::stored(state, bits).is_idle(state, now.time),
            // What it has warned of in its period it must not warn of again.
            Shape::Period => {
                period::is_over(state, now) || self.count == 0 && period::is_unused(state, now)
            }
            Shape::Slots => state[0] == 0,
        }
    }

    /// What a window counts, each amount with the latest instant at which it can have
    /// happened. Other kinds have no history.
    pub(super) fn dated(self, state: &[u64]) -> Vec<(Time, u64)> {
        match self.shape {
            Shape::Exact => {
                self.times(state).iter().map(|time| (Time::from_nanos(time), 1)).collect()
            }
            Shape::Window { bits } => Window::stored(state, bits).dated(state).collect(),
            Shape::Bucket | Shape::Period | Shape::Slots => Vec::new(),
        }
    }

    /// The times of an exact window.
    pub(super) fn times(self, state: &[u64]) -> Times<'_> {
        Times { state: &state[1..], start: self.start, count: self.count }
    }
}
