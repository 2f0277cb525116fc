//! When this node goes by itself, and when it comes back: neither for a moment's trouble, and not
//! to and fro.
//!
//! A machine that stands still for a moment answers nothing meanwhile, and all that was asked
//! fails at once; so what counts is how long it goes on. Decisions that fail until then are made by
//! the books one by one.

use std::time::Duration;

use tollgate_core::Time;

/// How long nothing is answered before it is an outage.
pub(in crate::store::redis) const ENOUGH: Duration = Duration::from_millis(200);

/// Looks at which anything was asked that count, and how many of them must be bad.
const LOOKS: u32 = 10;
const BAD: u32 = 5;

/// How long it must be well before this node comes back, and how long at most where it has left
/// again and again.
const WELL: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(3));

/// Whoever leaves again so soon was not well before.
const STEADY: Duration = Duration::from_secs(10);

/// Trouble, as it is seen at one look after the other.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// Since when probes fail.
    probes_fail: Option<Time>,
    /// At which of the last looks a good part of the calls had failed, the last one lowest.
    bad: u16,
}

impl Trouble {
    /// One look: whether the last probe failed, and how many calls were answered and failed since
    /// the look before. Why it is an outage, if it is one.
    pub(super) fn look(
        &mut self,
        probe_fails: bool,
        (answered, failed): (u32, u32),
        now: Time,
    ) -> Option<&'static str> {
        if answered + failed > 0 {
            let is_bad = u64::from(failed) * 4 >= u64::from(answered) + u64::from(failed);
            self.bad = (self.bad << 1 | u16::from(is_bad)) & ((1 << LOOKS) - 1);
        }
        if !probe_fails || (answered > 0 && failed == 0) {
            self.probes_fail = None;
        } else if now.since(*self.probes_fail.get_or_insert(now)) >= ENOUGH {
            return Some("it does not answer");
        }
        (self.bad.count_ones() >= BAD).then_some("it answers too late again and again")
    }
}

/// The way back, looked at while this node decides by itself.
#[derive(Debug)]
pub(in crate::store::redis) struct Return {
    well_since: Option<Time>,
    /// When it came back last, until it leaves.
    back: Option<Time>,
    wait: Duration,
}

impl Default for Return {
    fn default() -> Self {
        Self { well_since: None, back: None, wait: WELL.0 }
    }
}

impl Return {
    /// This node does not decide by itself.
    pub(in crate::store::redis) fn is_back(&mut self, now: Time) {
        self.well_since = None;
        self.back.get_or_insert(now);
    }

    /// It does, and the shared store is well or is not: whether it may come back.
    pub(in crate::store::redis) fn may_be(&mut self, is_well: bool, now: Time) -> bool {
        if let Some(back) = self.back.take() {
            let is_soon = now.since(back) < STEADY;
            self.wait = if is_soon { (self.wait * 2).min(WELL.1) } else { WELL.0 };
        }
        if !is_well {
            self.well_since = None;
            return false;
        }
        now.since(*self.well_since.get_or_insert(now)) >= self.wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a look is taken.
    const TICK: u64 = 50;

    /// The look at which it is an outage, of looks each of which sees the same.
    fn seen(probe_fails: bool, calls: impl Fn(u64) -> (u32, u32)) -> Option<u64> {
        let mut trouble = Trouble::default();
        let look = |nth| trouble.look(probe_fails, calls(nth), Time::from_millis(nth * TICK));
        (0..200).map(look).position(|why| why.is_some()).map(|nth| nth as u64)
    }

    #[test]
    fn an_outage_is_seen_within_a_second_with_or_without_calls() {
        assert_eq!(seen(true, |_| (0, 0)), Some(4));
        assert_eq!(seen(true, |_| (0, 9)), Some(4));
        assert_eq!(seen(false, |_| (0, 9)), Some(4), "probes may pass where scripts do not");
    }

    #[test]
    fn slow_is_away_and_a_call_that_fails_now_and_then_is_not() {
        assert_eq!(seen(false, |_| (3, 1)), Some(4));
        assert_eq!(seen(false, |nth| (1, u32::from(nth % 2 == 0))), Some(8));
        assert_eq!(seen(false, |_| (9, 1)), None);
        assert_eq!(seen(false, |nth| (u32::from(nth % 3 != 0), u32::from(nth % 3 == 0))), None);
    }

    #[test]
    fn a_moment_at_which_nothing_moves_is_no_outage() {
        let stalled = |nth| if nth % 4 == 0 { (0, 64) } else { (64, 0) };
        assert_eq!(seen(false, stalled), None);
        assert_eq!(seen(true, |nth| (8, u32::from(nth % 4 == 0))), None, "calls are answered");
    }

    #[test]
    fn it_comes_back_when_it_was_well_for_a_while_and_later_where_it_left_soon_again() {
        let (mut back, mut now) = (Return::default(), 0);
        let mut away_for = |back: &mut Return, up_for: u64| {
            back.is_back(Time::from_millis(now));
            now += up_for;
            let left = now;
            while !back.may_be(now >= left + 100, Time::from_millis(now)) {
                now += TICK;
            }
            now - left
        };
        assert_eq!(away_for(&mut back, 60_000), 300, "100 until it is well, and 200");
        assert_eq!(away_for(&mut back, 500), 500);
        assert_eq!(away_for(&mut back, 500), 900);
        for _ in 0..5 {
            away_for(&mut back, 500);
        }
        assert_eq!(away_for(&mut back, 500), 3_100, "within five seconds in any case");
        assert_eq!(away_for(&mut back, 60_000), 300);
    }
}
