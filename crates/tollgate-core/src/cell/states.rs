//! Accounts as plain numbers, for stores that keep them elsewhere than in machine words.
//!
//! The arithmetic asks only that all instants and lengths are whole numbers of one unit, so
//! such a store may count in a coarser one than nanoseconds.

use super::{
    Cell,
    head::{Head, Shape},
    packed::Packed,
};
use crate::{
    Charge, LimitId, Now, Time,
    limit::{MAX_EXACT_CAP, Window},
};

/// What an account holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// A bucket.
    Bucket {
        /// When it is full again, times the rate.
        full_at: u128,
        /// The rate.
        rate: u64,
    },
    /// A small window.
    Exact {
        /// How many times it keeps at most.
        most: u64,
        /// When each unit was taken, the oldest first.
        times: Vec<u64>,
    },
    /// A large window.
    Window {
        /// Its length.
        length: u64,
        /// The number of its newest sub-bucket.
        newest: u64,
        /// What each sub-bucket counts that counts anything, by number, the oldest first.
        counts: Vec<(u64, u64)>,
    },
    /// A period.
    Period {
        /// Its first instant.
        start: u64,
        /// The first instant of the next one; 0 before it was used.
        end: u64,
        /// What is used.
        settled: u64,
        /// What is reserved.
        held: u64,
        /// Which thresholds were looked at, and how many of them are crossed.
        warned: (u8, u8),
    },
    /// Slots that are taken.
    Slots(u64),
}

impl Cell {
    /// A cell of these accounts, to which nothing later than `latest` was committed.
    pub fn of(latest: Time, states: impl IntoIterator<Item = (LimitId, State)>) -> Self {
        let mut packed = Packed::default();
        for (limit, state) in states {
            let (head, words) = state.laid_out();
            packed.append_state(limit, head, &words);
        }
        Self { latest, packed, sessions: None }
    }

    /// Its accounts but for the sessions, in the order in which they were made.
    pub fn states(&self) -> impl Iterator<Item = (LimitId, State)> {
        self.packed.iter().map(|(limit, head, state)| (limit, State::read(head, state)))
    }

    /// Lays the account of a charge out anew if its rule can't read it as it is; whether it had
    /// to be.
    pub fn fit(&mut self, charge: &Charge, now: Now) -> bool {
        self.packed.fit(charge, now)
    }
}

impl State {
    fn laid_out(&self) -> (Head, Vec<u64>) {
        let head = |shape, words: &[u64]| Head {
            shape,
            place: 0,
            len: words.len() as u16,
            start: 0,
            count: 0,
        };
        match self {
            Self::Bucket { full_at, rate } => {
                let words = vec![*full_at as u64, (full_at >> 64) as u64, *rate];
                (head(Shape::Bucket, &words), words)
            }
            Self::Exact { most, times } => {
                let most = (*most).min(MAX_EXACT_CAP) as usize;
                let newest = &times[times.len().saturating_sub(most)..];
                let mut words = vec![0; 1 + most];
                words[1..=newest.len()].copy_from_slice(newest);
                let head = head(Shape::Exact, &words);
                (Head { count: newest.len() as u8, ..head }, words)
            }
            Self::Window { length, newest, counts } => {
                let widest = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
                let bits = Window::bits_for(widest);
                let words = Window::of(*length, bits, *newest, counts);
                (head(Shape::Window { bits }, &words), words)
            }
            Self::Period { start, end, settled, held, warned } => {
                let words = vec![*start, *end, *settled, *held];
                let head = head(Shape::Period, &words);
                (Head { start: warned.0, count: warned.1, ..head }, words)
            }
            Self::Slots(taken) => (head(Shape::Slots, &[*taken]), vec![*taken]),
        }
    }

    fn read(head: Head, state: &[u64]) -> Self {
        match head.shape {
            Shape::Bucket => {
                let full_at = u128::from(state[1]) << 64 | u128::from(state[0]);
                Self::Bucket { full_at, rate: state[2] }
            }
            Shape::Exact => Self::Exact {
                most: state.len() as u64 - 1,
                times: head.times(state).iter().collect(),
            },
            Shape::Window { bits } => {
                let window = Window::stored(state, bits);
                let counts = window.counts(state).filter(|(_, count)| *count > 0).collect();
                Self::Window { length: Window::length(state), newest: window.newest(state), counts }
            }
            Shape::Period => Self::Period {
                start: state[0],
                end: state[1],
                settled: state[2],
                held: state[3],
                warned: (head.start, head.count),
            },
            Shape::Slots => Self::Slots(state[0]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_the_same_after_a_way_through_numbers() {
        let states = vec![
            (LimitId(1), State::Bucket { full_at: 3 << 70 | 5, rate: 7 }),
            (LimitId(2), State::Exact { most: 4, times: vec![5, 5, 9] }),
            (
                LimitId(3),
                State::Window {
                    length: 6_000,
                    newest: 77,
                    counts: vec![(17, 3), (76, 900), (77, 1)],
                },
            ),
            (LimitId(4), State::Period { start: 10, end: 20, settled: 5, held: 6, warned: (9, 1) }),
            (LimitId(5), State::Slots(3)),
        ];
        let cell = Cell::of(Time::from_nanos(99), states.clone());
        assert_eq!(cell.states().collect::<Vec<_>>(), states);
        assert_eq!(Cell::of(cell.latest(), cell.states()), cell);
    }
}
