//! Every use at the instant at which it happened, counted anew at every question.

use tollgate_core::{Kind, Rule, Time};

/// Something that was admitted, and what it counts for now.
#[derive(Debug, Clone, Copy)]
struct Use {
    at: Time,
    amount: u64,
}

/// All that any node has admitted.
#[derive(Debug)]
pub(crate) struct Model {
    rule: Rule,
    uses: Vec<Use>,
    passed: Option<String>,
    refused_in_vain: Option<String>,
}

impl Model {
    pub(crate) const fn new(rule: Rule) -> Self {
        Self { rule, uses: Vec::new(), passed: None, refused_in_vain: None }
    }

    /// Notes an admission, and whether it passed the limit. By what it is known from then on.
    pub(crate) fn admit(&mut self, amount: u64, at: Time) -> usize {
        self.uses.push(Use { at, amount });
        if self.passed.is_none() && !self.keeps(at) {
            self.passed = Some(format!("{amount} at {at:?} of {:?}: {:?}", self.rule, self.uses));
        }
        self.uses.len() - 1
    }

    pub(crate) fn end(&mut self, nth: usize, used: u64) {
        self.uses[nth].amount = used;
    }

    pub(crate) fn refuse(&mut self, amount: u64, now: Time) {
        let counted = self.counted(now);
        if counted.saturating_add(amount) <= self.rule.cap {
            self.refused_in_vain = Some(format!("{amount} at {now:?}: {counted} are counted"));
        }
    }

    /// The most that an account may count.
    pub(crate) fn counted(&self, now: Time) -> u64 {
        match self.rule.kind {
            // A large window frees a sixtieth late.
            Kind::Window { length_ns } => self.since(now, length_ns + length_ns.div_ceil(60)),
            // A bucket keeps what time had refilled before it was given back.
            _ => u64::MAX,
        }
    }

    pub(crate) fn passed(&self) -> Option<String> {
        self.passed.clone()
    }

    pub(crate) fn refused_in_vain(&self) -> Option<String> {
        self.refused_in_vain.clone()
    }

    /// What is used of it at `now`.
    fn sum(&self, now: Time) -> u64 {
        match self.rule.kind {
            Kind::Window { length_ns } => self.since(now, length_ns),
            _ => 0,
        }
    }

    fn since(&self, now: Time, length: u64) -> u64 {
        let counts = |one: &&Use| one.at.as_nanos() + length > now.as_nanos();
        self.uses.iter().filter(counts).map(|one| one.amount).sum()
    }

    /// Whether the limit is kept, over every interval that ends now.
    fn keeps(&self, now: Time) -> bool {
        let Kind::Bucket { rate, per_ns } = self.rule.kind else {
            return self.sum(now) <= self.rule.cap;
        };
        self.uses.iter().all(|from| {
            let used = self.uses.iter().filter(|one| one.at >= from.at).map(|one| one.amount);
            let elapsed = now.since(from.at).as_nanos();
            let allowed =
                u128::from(self.rule.cap) * u128::from(per_ns) + elapsed * u128::from(rate);
            u128::from(used.sum::<u64>()) * u128::from(per_ns) <= allowed
        })
    }
}
