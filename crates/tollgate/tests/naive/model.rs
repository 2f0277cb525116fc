//! Every charge ever admitted, counted anew at every question.

use tollgate_core::{
    Charge, Group, Kind, LimitId, NanoUsd, Now, Order, ReservationId, ScopeId, Time, Unit,
};

/// An admitted charge and what has become of it.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) reservation: ReservationId,
    pub(crate) account: (ScopeId, String, LimitId),
    pub(crate) charge: Charge,
    pub(crate) at: Now,
    /// What it counts for: as much as was held, until it is settled.
    pub(crate) counts: u64,
    pub(crate) live: bool,
    /// The latest instant at which anything was done to it.
    pub(crate) touched: Time,
}

/// All charges of a history.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) taken: Vec<Taken>,
}

impl Model {
    pub(crate) fn admit(&mut self, order: &Order<'_>, now: Now) {
        for (group, charges) in order.parts() {
            let taken = charges.iter().map(|charge| Taken {
                reservation: order.id,
                account: account(group, charge),
                charge: self.in_its_period(group, charge),
                at: now,
                counts: charge.amount,
                live: true,
                touched: now.time,
            });
            let taken: Vec<_> = taken.collect();
            self.taken.extend(taken);
        }
    }

    /// Ends a reservation; `used` of each unit, requests as they were held.
    pub(crate) fn end(&mut self, id: ReservationId, now: Now, used: impl Fn(Unit, u64) -> u64) {
        for taken in self.taken.iter_mut().filter(|taken| taken.reservation == id) {
            taken.live = false;
            taken.touched = taken.touched.max(now.time);
            taken.counts = used(taken.charge.unit, taken.charge.amount);
        }
    }

    fn of<'a>(&'a self, group: &Group, charge: &Charge) -> impl Iterator<Item = &'a Taken> {
        let account = account(group, charge);
        self.taken.iter().filter(move |taken| taken.account == account)
    }

    /// What an account counts at `now`, for kinds that say it with a sum.
    pub(crate) fn sum(&self, group: &Group, charge: &Charge, now: Now) -> u64 {
        let charges = self.of(group, charge);
        match charge.rule.kind {
            Kind::Window { length_ns } => self.within(group, charge, now.time, length_ns),
            Kind::Period { .. } => {
                let period = self.in_its_period(group, charge).rule.kind;
                charges.filter(|taken| taken.charge.rule.kind == period).map(|t| t.counts).sum()
            }
            Kind::Concurrency => charges.filter(|t| t.live).map(|t| t.charge.amount).sum(),
            Kind::Bucket { .. } | Kind::Sessions { .. } => 0,
        }
    }

    /// A period charge in the latest period that its account has begun: a wall clock that
    /// was set back begins none anew.
    fn in_its_period(&self, group: &Group, charge: &Charge) -> Charge {
        let Kind::Period { start, .. } = charge.rule.kind else { return *charge };
        let begun = self.of(group, charge).map(|taken| taken.charge);
        let started = |charge: &Charge| match charge.rule.kind {
            Kind::Period { start, .. } => start,
            _ => 0,
        };
        begun
            .filter(|other| started(other) > start)
            .max_by_key(started)
            .map_or(*charge, |other| Charge { rule: other.rule, ..*charge })
    }

    /// What was taken in the half-open interval of `length` that ends at `now`.
    fn within(&self, group: &Group, charge: &Charge, now: Time, length: u64) -> u64 {
        let after = now.as_nanos().saturating_sub(length);
        self.of(group, charge)
            .filter(|taken| taken.at.time.as_nanos() > after || now.as_nanos() < length)
            .map(|taken| taken.counts)
            .sum()
    }

    /// Whether an account is within its limit, counted over every interval that ends now.
    pub(crate) fn keeps(&self, group: &Group, charge: &Charge, now: Now) -> bool {
        let Kind::Bucket { rate, per_ns } = charge.rule.kind else {
            return self.sum(group, charge, now) <= charge.rule.cap;
        };
        let charges: Vec<_> = self.of(group, charge).collect();
        charges.iter().all(|from| {
            let taken = charges.iter().filter(|t| t.at.time >= from.at.time).map(|t| t.counts);
            let elapsed = u128::from(now.time.since(from.at.time).as_nanos() as u64);
            let allowed =
                u128::from(charge.rule.cap) * u128::from(per_ns) + elapsed * u128::from(rate);
            u128::from(taken.sum::<u64>()) * u128::from(per_ns) <= allowed
        })
    }

    /// Whether a refusal by this charge was just: there was no room, a large window being
    /// allowed to free it a sixtieth late and a bucket to keep what time had refilled.
    pub(crate) fn has_no_room(&self, group: &Group, charge: &Charge, now: Now) -> bool {
        let cap = charge.rule.cap;
        let counted = match charge.rule.kind {
            Kind::Window { length_ns } if cap > 64 => {
                self.within(group, charge, now.time, length_ns + length_ns.div_ceil(60))
            }
            Kind::Bucket { .. } => return true,
            _ => self.sum(group, charge, now),
        };
        counted.saturating_add(charge.amount) > cap
    }
}

pub(crate) fn account(group: &Group, charge: &Charge) -> (ScopeId, String, LimitId) {
    (group.scope, group.key.to_string(), charge.limit)
}

/// A demand whose every unit is `amount`, one request.
pub(crate) const fn demand(amount: u64) -> tollgate_core::Demand {
    tollgate_core::Demand {
        requests: 1,
        input_tokens: amount,
        output_tokens: 0,
        cost: NanoUsd(amount),
        millis: amount,
    }
}
