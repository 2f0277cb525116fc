//! What a dial refuses: for a while, where the limit by itself would refuse it for good.

use crate::{Charge, Decision, Order, Refusal, Retry, Standing, Time};

/// Until when one limit is in the way of an order.
enum InTheWay {
    /// For good.
    Always,
    /// Until its dial is looked at, and what is spent begins anew: it may allow more then.
    Dialed(Time),
    /// Until then, or not at all.
    Until(Time),
}

impl Decision {
    /// As it is told to who asked: what is refused for a while is not refused for good.
    #[must_use]
    pub fn told(self, order: &Order<'_>) -> Self {
        match self {
            Self::Refuse(refusal) => {
                Self::Refuse(Refusal { retry: order.retry_of(&refusal), ..refusal })
            }
            decision => decision,
        }
    }
}

impl Order<'_> {
    /// When to ask again. What is more than a limit allows while it is dialed down, but not more
    /// than it allows else, is not refused for good.
    pub fn retry_of(&self, refusal: &Refusal) -> Retry {
        if let Retry::At(at) | Retry::NotBefore(at) = refusal.retry {
            // Of what is in force until then alone nothing later is told.
            let dialed = self.attributes.grants().dialed(refusal.limit);
            let ended = dialed.filter(|dialed| dialed.ends && dialed.until < at);
            return ended.map_or(refusal.retry, |dialed| Retry::NotBefore(dialed.until));
        }
        let (mut looked_at, mut later) = (None, Time::ZERO);
        for (nth, charge) in self.charges.iter().enumerate().filter(|(_, charge)| !charge.shadow) {
            let standing = refusal.standings.get(nth).filter(|it| it.limit == charge.limit);
            match self.in_the_way(charge, standing) {
                InTheWay::Always => return Retry::Never,
                InTheWay::Dialed(until) => looked_at = looked_at.max(Some(until)),
                InTheWay::Until(at) => later = later.max(at),
            }
        }
        looked_at.map_or(Retry::Never, |at| Retry::NotBefore(at.max(later)))
    }

    fn in_the_way(&self, charge: &Charge, standing: Option<&Standing>) -> InTheWay {
        let Charge { rule, amount, .. } = *charge;
        if amount == 0 {
            return InTheWay::Until(Time::ZERO);
        }
        if let Some(dialed) = self.attributes.grants().dialed(charge.limit) {
            if amount > dialed.cap {
                return InTheWay::Always;
            }
            if amount > rule.cap || rule.kind.is_endless() {
                let is_gone = |it: &&Standing| it.spent().saturating_add(amount) > dialed.cap;
                return match standing.filter(is_gone) {
                    None => InTheWay::Dialed(dialed.until),
                    // The dial forbids nothing that would be there else.
                    Some(_) if rule.kind.is_endless() => InTheWay::Always,
                    Some(_) if dialed.ends => InTheWay::Dialed(dialed.until),
                    Some(it) => InTheWay::Dialed(dialed.until.max(it.reset)),
                };
            }
        } else if amount > rule.cap {
            return InTheWay::Always;
        }
        match standing.filter(|it| it.remaining < amount) {
            None => InTheWay::Until(Time::ZERO),
            Some(it) if !rule.kind.is_endless() => InTheWay::Until(it.reset),
            // What is held may come back, what is spent stays spent.
            Some(it) if it.has_room_beside_holds(amount) => InTheWay::Until(Time::ZERO),
            Some(_) => InTheWay::Always,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::tz::TimeZone;
    use smallvec::SmallVec;

    use super::*;
    use crate::{
        Attributes, Calendar, Dialed, Grant, Grants, Now, PeriodUnit, Policy, ReservationId, Unit,
        Usage,
        policy::{Limit, Measure},
    };

    const NEXT: Time = Time::from_nanos(9);
    const RESET: Time = Time::from_nanos(20);

    fn limit(name: &str, measure: Measure) -> Limit {
        Limit::new(name, &[], Unit::Tokens, measure)
    }

    /// A limit of a hundred tokens that is dialed down to ten.
    fn dialed(measure: impl Fn(u64) -> Measure) -> (Limit, Grant) {
        let limit = limit("dialed", measure(100));
        let dialed = Some(Dialed { cap: 100, until: NEXT, ends: false });
        let grant = Grant { limit: limit.id, measure: measure(10), dialed };
        (limit, grant)
    }

    /// What is told of so many tokens that are refused for good, where this much is left and held
    /// of each limit.
    fn told(limits: Vec<Limit>, grant: &Grant, tokens: u64, left: &[(u64, u64)]) -> Retry {
        let left: Vec<_> = left.iter().map(|(left, held)| (*left, *held, 0)).collect();
        told_above(limits, grant, tokens, &left)
    }

    /// As [`told`], where this much is used above each limit beside.
    fn told_above(
        limits: Vec<Limit>,
        grant: &Grant,
        tokens: u64,
        left: &[(u64, u64, u64)],
    ) -> Retry {
        let policy = Policy::new(limits).expect("a policy");
        let mut who = Attributes::new();
        who.set_grants(Grants::new(vec![grant.clone()]));
        let demand = Usage { input_tokens: tokens, ..Usage::ONE_REQUEST };
        let now = Now::at(Time::from_nanos(5));
        let order = policy.order(ReservationId(1), &who, &demand, now, Time::MAX);
        let standings = order.charges.iter().zip(left).map(|(charge, (remaining, held, above))| {
            let (remaining, held, above) = (*remaining, *held, *above);
            Standing { remaining, held, above, reset: RESET, ..Standing::unused(charge, now.time) }
        });
        let refusal = Refusal {
            limit: grant.limit,
            retry: Retry::Never,
            standings: standings.collect(),
            shadowed: SmallVec::new(),
        };
        let decided = Decision::Refuse(refusal).told(&order);
        let Decision::Refuse(Refusal { retry, .. }) = decided else { panic!("it is refused") };
        retry
    }

    #[test]
    fn what_only_a_dial_forbids_is_refused_until_it_is_looked_at() {
        let length = Duration::from_secs(60);
        let window = |cap| Measure::Window { length, cap };
        let bucket = |cap| Measure::Bucket { rate: 1, per: length, burst: cap };
        for (limit, grant) in [dialed(window), dialed(bucket)] {
            let told = |tokens| told(vec![limit.clone()], &grant, tokens, &[(10, 0)]);
            assert_eq!(told(11), Retry::NotBefore(NEXT));
            assert_eq!(told(100), Retry::NotBefore(NEXT));
            assert_eq!(told(101), Retry::Never, "nor would the limit by itself");
            let open = Grant { dialed: None, ..grant.clone() };
            let least = super::tests::told(vec![limit.clone()], &open, 11, &[(10, 0)]);
            assert_eq!(least, Retry::Never, "it is granted no more");
        }
    }

    #[test]
    fn what_is_spent_is_not_told_as_lowered() {
        let told = |unit, tokens, left| {
            let calendar = || Calendar::new(unit, TimeZone::UTC).into();
            let (limit, grant) = dialed(|cap| Measure::Period { calendar: calendar(), cap });
            told_above(vec![limit], &grant, tokens, &[left])
        };
        let total = |tokens, left| told(PeriodUnit::Total, tokens, left);
        assert_eq!(total(5, (0, 0, 85)), Retry::NotBefore(NEXT), "95 are spent, and it asks for 5");
        assert_eq!(total(6, (0, 0, 85)), Retry::Never, "there are not as many");
        assert_eq!(total(6, (0, 1, 85)), Retry::NotBefore(NEXT), "but one may come back");
        assert_eq!(total(1, (0, 0, 90)), Retry::Never, "all is spent");
        assert_eq!(total(11, (10, 0, 0)), Retry::NotBefore(NEXT), "nothing is spent");
        let day = |tokens, left| told(PeriodUnit::Day, tokens, left);
        assert_eq!(day(11, (0, 0, 79)), Retry::NotBefore(NEXT));
        assert_eq!(day(11, (0, 0, 80)), Retry::NotBefore(RESET), "at its end it is there again");
    }

    #[test]
    fn what_another_limit_forbids_is_told() {
        let window = |cap| Measure::Window { length: Duration::from_secs(60), cap };
        let (limit, grant) = dialed(window);
        let with = |other: Limit, left| {
            let limits = vec![limit.clone(), other];
            told(limits, &grant, 50, &[(10, 0), left])
        };
        let other = |measure| self::limit("other", measure);
        assert_eq!(with(other(window(49)), (49, 0)), Retry::Never);
        let soft = Limit { shadow: true, ..other(window(49)) };
        assert_eq!(with(soft, (49, 0)), Retry::NotBefore(NEXT));
        assert_eq!(with(other(window(60)), (60, 0)), Retry::NotBefore(NEXT));
        let later = Retry::NotBefore(RESET);
        assert_eq!(with(other(window(60)), (49, 0)), later, "it has room later");
        let calendar = Calendar::new(PeriodUnit::Total, TimeZone::UTC).into();
        let total = other(Measure::Period { calendar, cap: 60 });
        assert_eq!(with(total.clone(), (49, 0)), Retry::Never, "it is spent");
        assert_eq!(with(total, (49, 1)), Retry::NotBefore(NEXT), "it may come back");
    }
}
