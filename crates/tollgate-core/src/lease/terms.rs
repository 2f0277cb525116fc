//! For how long units are leased, and of which limits.

use std::time::Duration;

use crate::{Kind, Rule, Time};

/// Limits of no more than this are decided exactly, as windows are that keep every time: where
/// each unit matters, none is kept in store.
pub const MAX_EXACT: u64 = 64;

/// The sub-buckets of a window.
const PARTS: u64 = 60;

/// Of how much of a bucket's burst its refill during a lease may be, as `1 / BURST_PART`.
const BURST_PART: u64 = 4;

/// What leases are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long one lasts at most.
    pub term: Duration,
    /// No limit is leased whose leases would all be shorter than this.
    pub least: Duration,
    /// How often a node looks whether it needs more or has too much.
    pub every: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            term: Duration::from_secs(1),
            least: Duration::from_millis(100),
            every: Duration::from_millis(50),
        }
    }
}

impl Terms {
    /// Whether units of a limit can be leased at all. Small limits stay exact: those of at most
    /// [`MAX_EXACT`] units, and windows whose sixtieth and buckets whose burst are so short that a
    /// lease would end as soon as it began. So does what is held until work ends: a lease would
    /// hold it from others, and who died with it would have to be known.
    pub fn allows(&self, rule: &Rule) -> bool {
        rule.cap > MAX_EXACT && self.longest(rule).is_some_and(|longest| longest >= self.least)
    }

    /// How long a lease lasts that the store grants at `now`, if it can be leased then:
    ///
    /// - **Window**: until its sub-bucket ends, by which units are counted. One that is used later
    ///   in it than it was granted counts in the same sub-bucket as if it had been granted then.
    /// - **Bucket**: so long that what is refilled meanwhile is a quarter of its burst at most,
    ///   since units count as if they were all used at the end: they are not refilled before.
    pub fn lasts(&self, rule: &Rule, now: Time) -> Option<Duration> {
        let longest = self.longest(rule)?;
        let Kind::Window { length_ns } = rule.kind else { return Some(longest) };
        let part = length_ns.div_ceil(PARTS).max(1);
        Some(longest.min(Duration::from_nanos(part - now.as_nanos() % part)))
    }

    /// When a node stops using what it asked for at `sent`, by its own clock. The store granted
    /// it no earlier than it was asked, so it cannot end before; a five-hundredth and a
    /// millisecond are left for clocks that run slow.
    pub fn fence(&self, sent: Time, lasts: Duration) -> Time {
        let margin = lasts / 500 + Duration::from_millis(1);
        sent.after(lasts.saturating_sub(margin))
    }

    fn longest(&self, rule: &Rule) -> Option<Duration> {
        let longest = match rule.kind {
            Kind::Window { length_ns } => Duration::from_nanos(length_ns.div_ceil(PARTS)),
            Kind::Bucket { rate, per_ns } => {
                let refill = u128::from(rule.cap / BURST_PART) * u128::from(per_ns);
                let nanos = refill / u128::from(rate.max(1));
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
            Kind::Period { .. } | Kind::Concurrency | Kind::Sessions { .. } => return None,
        };
        Some(longest.min(self.term))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    const fn rule(kind: Kind, cap: u64) -> Rule {
        Rule { kind, cap }
    }

    #[test]
    fn small_limits_stay_exact() {
        let terms = Terms::default();
        let window = |length_ns, cap| rule(Kind::Window { length_ns }, cap);
        let bucket = |rate, cap| rule(Kind::Bucket { rate, per_ns: SECOND }, cap);
        for (rule, want) in [
            (window(60 * SECOND, 64), false),
            (window(60 * SECOND, 65), true),
            (window(6 * SECOND, 1_000), true),
            (window(6 * SECOND - 60, 1_000), false),
            (bucket(1_000, 400), true),
            (bucket(1_000, 396), false),
            (bucket(1, 64), false),
            (rule(Kind::TOTAL, 1_000), false),
            (rule(Kind::Concurrency, 1_000), false),
            (rule(Kind::Sessions { idle_ns: 1 }, 1_000), false),
        ] {
            assert_eq!(terms.allows(&rule), want, "{rule:?}");
        }
    }

    #[test]
    fn a_lease_ends_with_what_its_units_are_counted_by() {
        let terms = Terms::default();
        let lasts = |kind, at| terms.lasts(&rule(kind, 1_000), Time::from_millis(at));
        let millis = |millis| Some(Duration::from_millis(millis));
        let minute = Kind::Window { length_ns: 60 * SECOND };
        assert_eq!(lasts(minute, 7_000), millis(1_000));
        assert_eq!(lasts(minute, 7_999), millis(1));
        assert_eq!(lasts(Kind::Bucket { rate: 1_000, per_ns: SECOND }, 5), millis(250));
    }

    #[test]
    fn a_fence_stands_before_the_end_and_never_before_the_beginning() {
        let terms = Terms::default();
        let sent = Time::from_millis(10_000);
        assert_eq!(terms.fence(sent, Duration::from_secs(1)), Time::from_millis(10_997));
        assert_eq!(terms.fence(sent, Duration::from_micros(900)), sent);
    }
}
