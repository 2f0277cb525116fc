//! The arithmetic of one account, by its kind.

use super::{
    Ending,
    head::{Head, Shape},
};
use crate::{
    Charge, Crossed, Kind, Now, Retry, Rule, Time,
    limit::{Bucket, Exact, MAX_EXACT_CAP, Period, Ring, Window, period},
};

/// One account to look at.
#[derive(Clone, Copy)]
pub(super) struct Account<'a> {
    pub(super) head: Head,
    pub(super) state: &'a [u64],
}

/// What is left of an account.
pub(super) struct Left {
    pub(super) remaining: u64,
    /// What of the rest may come back.
    pub(super) held: u64,
    /// What is used above the cap.
    pub(super) above: u64,
    /// When more is left.
    pub(super) reset: Time,
}

/// One account to change.
pub(super) struct AccountMut<'a> {
    pub(super) head: &'a mut Head,
    pub(super) state: &'a mut [u64],
}

impl Account<'_> {
    /// Whether the state can be read by `rule` as it is. A ring may be longer than the cap,
    /// and a large window may serve a cap that was lowered below its size until few enough
    /// units are left for a ring.
    #[inline]
    pub(super) fn fits(self, rule: &Rule) -> bool {
        match (self.head.shape, rule.kind) {
            (Shape::Exact, Kind::Window { .. }) => rule.cap < self.state.len() as u64,
            (Shape::Window { .. }, Kind::Window { length_ns }) => {
                Window::length(self.state) == length_ns
                    && (rule.cap > MAX_EXACT_CAP || Window::counted(self.state) > MAX_EXACT_CAP)
            }
            _ => self.is_kind_of(rule),
        }
    }

    /// The rule nearest to this one by which the state can be read as it is.
    pub(super) fn as_laid_out(self, rule: &Rule) -> Rule {
        match (self.head.shape, rule.kind) {
            (Shape::Exact, Kind::Window { .. }) => {
                Rule { cap: rule.cap.min(self.state.len() as u64 - 1), ..*rule }
            }
            (Shape::Window { .. }, Kind::Window { .. }) => Rule {
                kind: Kind::Window { length_ns: Window::length(self.state) },
                cap: rule.cap.max(MAX_EXACT_CAP + 1),
            },
            _ => *rule,
        }
    }

    #[inline]
    pub(super) const fn is_kind_of(self, rule: &Rule) -> bool {
        matches!(
            (self.head.shape, rule.kind),
            (Shape::Bucket, Kind::Bucket { .. })
                | (Shape::Exact | Shape::Window { .. }, Kind::Window { .. })
                | (Shape::Period, Kind::Period { .. })
                | (Shape::Slots, Kind::Concurrency)
        )
    }

    #[inline]
    pub(super) fn check(self, rule: &Rule, amount: u64, now: Now) -> Result<(), Retry> {
        let Rule { kind, cap } = *rule;
        match kind {
            Kind::Bucket { .. } => bucket_of(rule).check(self.state, amount, now.time),
            Kind::Window { length_ns } => match window(self.head, rule) {
                Some(window) => window.check(self.state, amount, now.time),
                None => {
                    let times = self.head.times(self.state);
                    Exact { cap, length_ns }.check(&times, amount, now.time)
                }
            },
            Kind::Period { start, end } => {
                Period { cap, start, end }.check(self.state, amount, now)
            }
            Kind::Concurrency if amount > cap => Err(Retry::Never),
            Kind::Concurrency if self.state[0].saturating_add(amount) > cap => {
                Err(Retry::NotBefore(now.time))
            }
            Kind::Concurrency | Kind::Sessions { .. } => Ok(()),
        }
    }

    /// What is left, and when more is.
    pub(super) fn standing(self, rule: &Rule, now: Now) -> Left {
        let Rule { kind, cap } = *rule;
        let left = |remaining, reset| Left { remaining, held: 0, above: 0, reset };
        match kind {
            Kind::Bucket { .. } => {
                let bucket = bucket_of(rule);
                left(bucket.remaining(self.state, now.time), bucket.next_unit(self.state, now.time))
            }
            Kind::Window { length_ns } => match window(self.head, rule) {
                Some(window) => {
                    let remaining = window.remaining(self.state, now.time);
                    left(remaining, window.next_unit(self.state, now.time))
                }
                None => {
                    let (exact, times) = (Exact { cap, length_ns }, self.head.times(self.state));
                    left(exact.remaining(&times, now.time), exact.next_unit(&times, now.time))
                }
            },
            Kind::Period { start, end } => {
                let period = Period { cap, start, end };
                let (remaining, held) = (period.remaining(self.state), period.held(self.state));
                let (above, reset) = (period.above(self.state), period.ends(self.state, now));
                Left { remaining, held, above, reset }
            }
            Kind::Concurrency => {
                let held = self.state[0];
                Left { held, ..left(cap.saturating_sub(held), now.time) }
            }
            Kind::Sessions { .. } => left(cap, now.time),
        }
    }
}

impl AccountMut<'_> {
    /// Takes `amount`, and says in which period, if it is one; a window whose counts are
    /// too narrow takes nothing and answers with the width it needs.
    #[inline]
    pub(super) fn hold(
        &mut self,
        rule: &Rule,
        amount: u64,
        now: Now,
    ) -> Result<Option<(u64, u64)>, u8> {
        let Rule { kind, cap } = *rule;
        match kind {
            Kind::Bucket { .. } => bucket_of(rule).take(self.state, amount, now.time),
            Kind::Window { length_ns } => match window(*self.head, rule) {
                Some(window) => window.take(self.state, amount, now.time)?,
                None => Exact { cap, length_ns }.take(&mut self.ring(length_ns), amount, now.time),
            },
            Kind::Period { start, end } => {
                let (before, _) = period::bounds(self.state);
                Period { cap, start, end }.hold(self.state, amount);
                let bounds = period::bounds(self.state);
                if bounds.0 != before {
                    (self.head.start, self.head.count) = (0, 0);
                }
                return Ok(Some(bounds));
            }
            Kind::Concurrency => self.state[0] = self.state[0].saturating_add(amount),
            Kind::Sessions { .. } => {}
        }
        Ok(None)
    }

    /// The same account, to look at.
    #[inline]
    pub(super) const fn as_ref(&self) -> Account<'_> {
        Account { head: *self.head, state: self.state }
    }

    /// Ends a hold; an overrun of a bucket or window is left to be taken at `now`. Which
    /// thresholds of a budget that crosses.
    #[inline]
    pub(super) fn settle(&mut self, charge: &Charge, ending: &Ending, now: Now) -> Option<Crossed> {
        let rule = &charge.rule;
        let Rule { kind, cap } = *rule;
        let Ending { held, used, at, expired } = *ending;
        let back = held.saturating_sub(used);
        match kind {
            Kind::Bucket { .. } => {
                bucket_of(rule).give_back(self.state, held, used.min(held), at.time, now.time);
            }
            Kind::Window { .. } if back == 0 => {}
            Kind::Window { length_ns } => match self.head.shape {
                // By its own length, which a reload may have changed since it was held.
                Shape::Window { bits } => {
                    let length_ns = Window::length(self.state);
                    Window { cap, length_ns, bits }.give_back(self.state, back, at.time);
                }
                _ => Exact { cap, length_ns }.give_back(&mut self.ring(length_ns), back, at.time),
            },
            Kind::Period { start, end } => {
                let period = Period { cap, start, end };
                let before = period::settled(self.state);
                if expired {
                    period.resettle(self.state, held, used);
                } else {
                    period.settle(self.state, held, used);
                }
                if !charge.warn.is_never() {
                    return self.crossed(charge, before);
                }
            }
            Kind::Concurrency if !expired => self.state[0] = self.state[0].saturating_sub(held),
            Kind::Concurrency | Kind::Sessions { .. } => {}
        }
        None
    }

    /// Which thresholds a budget has crossed since `before` was settled.
    fn crossed(&mut self, charge: &Charge, before: u64) -> Option<Crossed> {
        let Charge { warn, rule: Rule { cap, .. }, .. } = charge;
        let print = warn.print(*cap);
        if self.head.start != print {
            // What others had been crossed before is no news; where none were looked at, as
            // after a crash, it may be.
            let known = self.head.start != 0;
            let count = if known { warn.crossed_by(before, *cap) } else { 0 };
            (self.head.start, self.head.count) = (print, count);
        }
        let settled = period::settled(self.state);
        let (from, to) = (self.head.count, warn.crossed_by(settled, *cap));
        self.head.count = from.max(to);
        (to > from).then_some(Crossed { from, to, settled })
    }

    /// The ring of an exact window, which remembers the window's length of today.
    fn ring(&mut self, length_ns: u64) -> Ring<'_> {
        let (length, state) = self.state.split_at_mut(1);
        length[0] = length_ns;
        Ring { state, start: &mut self.head.start, count: &mut self.head.count }
    }
}

const fn bucket_of(rule: &Rule) -> Bucket {
    match rule.kind {
        Kind::Bucket { rate, per_ns } => Bucket { rate, per_ns, burst: rule.cap },
        _ => Bucket { rate: 1, per_ns: 1, burst: rule.cap },
    }
}

/// The large window that a head and a rule describe, if they do.
pub(super) const fn window(head: Head, rule: &Rule) -> Option<Window> {
    match (head.shape, rule.kind) {
        (Shape::Window { bits }, Kind::Window { length_ns }) => {
            Some(Window { cap: rule.cap, length_ns, bits })
        }
        _ => None,
    }
}
