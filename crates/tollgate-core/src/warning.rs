//! At which parts of a budget somebody is to be told, and that one was reached.
//!
//! Warnings look at what is settled, not at what is held: an estimate is no spending. Of
//! one period each threshold is crossed once, also where a late settlement takes some of it
//! back; a changed cap or other thresholds are looked at anew from where the account stands.

/// The thresholds of a budget in percent of its cap, in ascending order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Warn {
    /// Zero is none.
    percents: [u8; MAX_THRESHOLDS],
    /// The budget is a soft one: it warns and never refuses.
    pub soft: bool,
}

/// Thresholds that a settlement has crossed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crossed {
    /// How many had been crossed before.
    pub(crate) from: u8,
    /// How many are crossed now.
    pub(crate) to: u8,
    /// What is settled in the account now.
    pub settled: u64,
}

/// The most thresholds that a budget has.
pub const MAX_THRESHOLDS: usize = 5;

impl Crossed {
    /// That `to` thresholds are crossed by `settled`, where `from` were before.
    pub const fn new(from: u8, to: u8, settled: u64) -> Self {
        Self { from, to, settled }
    }
}

impl Warn {
    /// No warnings.
    pub const NEVER: Self = Self { percents: [0; MAX_THRESHOLDS], soft: false };

    /// Warns at these percents, of which there are at most [`MAX_THRESHOLDS`].
    pub fn at(percents: impl IntoIterator<Item = u8>) -> Self {
        let mut sorted: Vec<u8> = percents.into_iter().filter(|percent| *percent > 0).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let mut warn = Self::NEVER;
        warn.percents.iter_mut().zip(sorted).for_each(|(place, percent)| *place = percent);
        warn
    }

    /// The same thresholds of a soft budget.
    #[must_use]
    pub const fn softly(self) -> Self {
        Self { soft: true, ..self }
    }

    /// The thresholds in percent.
    pub fn percents(&self) -> impl Iterator<Item = u8> + use<> {
        self.percents.into_iter().filter(|percent| *percent > 0)
    }

    /// The thresholds that were crossed, in percent.
    pub fn of(&self, crossed: Crossed) -> impl Iterator<Item = u8> + use<> {
        let count = usize::from(crossed.to.saturating_sub(crossed.from));
        self.percents().skip(usize::from(crossed.from)).take(count)
    }

    #[inline]
    pub(crate) const fn is_never(&self) -> bool {
        self.percents[0] == 0
    }

    /// How many thresholds of `cap` are crossed by `settled`.
    pub(crate) fn crossed_by(&self, settled: u64, cap: u64) -> u8 {
        let reached = |percent: &u8| {
            settled > 0 && u128::from(settled) * 100 >= u128::from(*percent) * u128::from(cap)
        };
        self.percents().take_while(reached).count() as u8
    }

    /// Tells these thresholds of this cap from others in a byte that is never 0.
    pub(crate) fn print(&self, cap: u64) -> u8 {
        const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
        let mixed = self.percents.iter().fold(cap, |mixed, percent| {
            (mixed ^ u64::from(*percent)).wrapping_mul(MIX).rotate_left(29)
        });
        (mixed.wrapping_mul(MIX) >> 56) as u8 | 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_in_order_and_bounded() {
        let warn = Warn::at([100, 80, 0, 80, 95, 1, 2, 3]);
        assert_eq!(warn.percents().collect::<Vec<_>>(), [1, 2, 3, 80, 95]);
        assert!(Warn::at([]).is_never() && Warn::at([]).softly().soft);
    }

    #[test]
    fn a_threshold_is_reached_by_the_unit_that_makes_it() {
        let warn = Warn::at([80, 100, 250]);
        for (settled, crossed) in [(0, 0), (799, 0), (800, 1), (999, 1), (1_000, 2), (2_500, 3)] {
            assert_eq!(warn.crossed_by(settled, 1_000), crossed, "{settled}");
        }
        assert_eq!(warn.crossed_by(u64::MAX, u64::MAX), 2, "without overflow");
        assert_eq!(warn.crossed_by(0, 0), 0, "nothing was spent");
    }
}
