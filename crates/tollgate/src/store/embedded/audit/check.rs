//! One account as anybody would count it with pencil and paper.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tollgate_core::{Kind, Rule, Time};

/// What an account has seen, as far as its kind of limit asks.
#[derive(Debug)]
pub(super) enum Check {
    /// Every amount that was taken: a bucket is judged when all has been read, by what was
    /// really used.
    Bucket(Vec<Taken>),
    /// The amounts that are not older than the longest window so far.
    Window { taken: VecDeque<Taken>, sum: u64, longest_ns: u64 },
    /// What was used or held in each period, by its start.
    Period(BTreeMap<u64, u64>),
    /// Slots in use.
    Slots(u64),
    /// When each session ends.
    Sessions(HashMap<String, Time>),
}

/// An amount, when it was taken, and under which rule it was admitted; `None` for an
/// overrun, which nobody admitted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    seq: u64,
    at: Time,
    amount: u64,
    rule: Option<Rule>,
}

/// A hold: what a row took from an account.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold<'a> {
    pub(super) seq: u64,
    pub(super) at: Time,
    pub(super) amount: u64,
    pub(super) rule: Rule,
    pub(super) session: &'a str,
    pub(super) shadow: bool,
}

/// The end of what a row took.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    /// The row that took it, and the one that ends it.
    pub(super) hold_seq: u64,
    pub(super) seq: u64,
    pub(super) at: Time,
    pub(super) rule: Rule,
    pub(super) held: u64,
    pub(super) used: u64,
    /// Whether it had expired before.
    pub(super) expired: bool,
}

/// An account above its limit: what it came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Above {
    pub(super) seq: u64,
    pub(super) sum: u64,
    pub(super) cap: u64,
}

impl Check {
    pub(super) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Bucket { .. } => Self::Bucket(Vec::new()),
            Kind::Window { .. } => Self::Window { taken: VecDeque::new(), sum: 0, longest_ns: 0 },
            Kind::Period { .. } => Self::Period(BTreeMap::new()),
            Kind::Concurrency => Self::Slots(0),
            Kind::Sessions { .. } => Self::Sessions(HashMap::new()),
        }
    }

    /// Begins with what rows that are gone took of a budget that never begins anew.
    pub(super) fn begin(&mut self, kind: Kind, ever: u64) {
        if let (Self::Period(used), Kind::Period { start, .. }) = (self, kind)
            && kind == Kind::TOTAL
        {
            *used.entry(start).or_default() += ever;
        }
    }

    /// Whether it counts as the kind does; a policy may have changed it.
    pub(super) const fn is_for(&self, kind: Kind) -> bool {
        matches!(
            (self, kind),
            (Self::Bucket(_), Kind::Bucket { .. })
                | (Self::Window { .. }, Kind::Window { .. })
                | (Self::Period(_), Kind::Period { .. })
                | (Self::Slots(_), Kind::Concurrency)
                | (Self::Sessions(_), Kind::Sessions { .. })
        )
    }

    /// Takes a hold; what it came to, if that is above the limit.
    pub(super) fn hold(&mut self, hold: Hold<'_>) -> Option<Above> {
        let Hold { seq, at, amount, rule, .. } = hold;
        let is_judged = !hold.shadow && amount > 0;
        let sum = match (self, rule.kind) {
            (Self::Bucket(taken), _) => {
                let rule = is_judged.then_some(rule);
                taken.push(Taken { seq, at, amount, rule });
                return None;
            }
            (Self::Window { taken, sum, longest_ns }, Kind::Window { length_ns }) => {
                *longest_ns = length_ns.max(*longest_ns);
                taken.push_back(Taken { seq, at, amount, rule: Some(rule) });
                *sum += amount;
                while let Some(first) = taken.front().filter(|t| t.is_old(at, *longest_ns)) {
                    *sum -= first.amount;
                    taken.pop_front();
                }
                if length_ns == *longest_ns {
                    *sum
                } else {
                    taken.iter().filter(|t| !t.is_old(at, length_ns)).map(|t| t.amount).sum()
                }
            }
            (Self::Period(used), Kind::Period { start, .. }) => {
                let used = used.entry(start).or_default();
                *used += amount;
                *used
            }
            (Self::Slots(used), _) => {
                *used += amount;
                *used
            }
            (Self::Sessions(sessions), Kind::Sessions { idle_ns }) => {
                sessions.retain(|_, ends| *ends > at);
                let ends = Time::from_nanos(at.as_nanos().saturating_add(idle_ns));
                if sessions.insert(hold.session.to_owned(), ends).is_some() {
                    return None;
                }
                sessions.len() as u64
            }
            _ => return None,
        };
        (is_judged && sum > rule.cap).then_some(Above { seq, sum, cap: rule.cap })
    }

    /// Ends a hold. Says nothing of slots when it had expired before.
    pub(super) fn end(&mut self, end: End) {
        let End { hold_seq, seq, at, rule, held, used, expired } = end;
        let (back, amount) = (held.saturating_sub(used), used.saturating_sub(held));
        let overrun = (amount > 0).then_some(Taken { seq, at, amount, rule: None });
        match (self, rule.kind) {
            (Self::Bucket(taken), Kind::Bucket { .. }) => {
                if let Ok(nth) = taken.binary_search_by_key(&hold_seq, |taken| taken.seq) {
                    taken[nth].amount = taken[nth].amount.saturating_sub(back);
                }
                taken.extend(overrun);
            }
            (Self::Window { taken, sum, .. }, Kind::Window { .. }) => {
                if let Ok(nth) = taken.binary_search_by_key(&hold_seq, |taken| taken.seq) {
                    *sum -= back.min(taken[nth].amount);
                    taken[nth].amount = taken[nth].amount.saturating_sub(back);
                }
                taken.extend(overrun);
                *sum += amount;
            }
            (Self::Period(all), Kind::Period { start, .. }) => {
                let period = all.entry(start).or_default();
                *period = period.saturating_sub(back);
                if let Some(mut last) = all.last_entry() {
                    *last.get_mut() += amount;
                }
            }
            (Self::Slots(live), Kind::Concurrency) if !expired => {
                *live = live.saturating_sub(held);
            }
            _ => {}
        }
    }

    pub(super) fn end_session(&mut self, session: &str) {
        if let Self::Sessions(sessions) = self {
            sessions.remove(session);
        }
    }

    /// Judges a bucket by what was really used: it is never emptier than its refill allows.
    pub(super) fn close(&mut self) -> Option<Above> {
        let Self::Bucket(taken) = self else { return None };
        taken.sort_by_key(|taken| taken.at);
        // What is missing from a full bucket, in nanoseconds of refilling times the rate.
        let (mut missing, mut rate_before, mut last) = (0_u128, 0_u64, Time::ZERO);
        for Taken { seq, at, amount, rule } in taken.iter() {
            let bucket = rule.or_else(|| taken.iter().find_map(|taken| taken.rule))?;
            let Kind::Bucket { rate, per_ns } = bucket.kind else { continue };
            if rate_before != rate && rate_before != 0 {
                missing = missing.div_ceil(u128::from(rate_before)) * u128::from(rate);
            }
            rate_before = rate;
            missing = missing.saturating_sub(at.since(last).as_nanos() * u128::from(rate));
            missing += u128::from(*amount) * u128::from(per_ns);
            last = *at;
            if rule.is_some() && missing > u128::from(bucket.cap) * u128::from(per_ns) {
                let sum = u64::try_from(missing.div_ceil(u128::from(per_ns))).unwrap_or(u64::MAX);
                return Some(Above { seq: *seq, sum, cap: bucket.cap });
            }
        }
        None
    }
}

impl Taken {
    const fn is_old(&self, now: Time, ns: u64) -> bool {
        now.as_nanos() >= self.at.as_nanos().saturating_add(ns)
    }
}
