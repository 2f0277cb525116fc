//! From a request to its charges: the pure step before the decision.

use std::borrow::Cow;

use compact_str::CompactString;
use smallvec::SmallVec;

use super::{Limit, Policy, Scope};
use crate::{Attributes, Charge, Demand, Group, Kind, Now, Order, ReservationId, Time};

/// Stands between the values of a key with several attributes.
const SEPARATOR: char = '\u{1f}';

impl Policy {
    /// What a request asks of its accounts under this policy.
    ///
    /// A limit kept per an attribute that the request does not bear is kept for all such
    /// requests together: nobody escapes a limit by hiding a name.
    pub fn order<'a>(
        &self,
        id: ReservationId,
        who: &'a Attributes,
        demand: &Demand,
        now: Now,
        expires: Time,
    ) -> Order<'a> {
        let mut groups = SmallVec::new();
        let mut charges: SmallVec<[Charge; 8]> = SmallVec::new();
        for scope in &self.scopes {
            let before = charges.len();
            // Most scopes' charges are the same for everybody, and copied in one go.
            charges.extend_from_slice(&scope.charges);
            for (charge, calendar) in charges[before..].iter_mut().zip(&scope.calendars) {
                if let Some(calendar) = calendar {
                    charge.rule.kind = calendar.period(now.wall);
                }
                charge.amount = charge.asked(demand);
            }
            for place in &scope.dependent {
                charges.extend(self.limits[*place].charge(who, demand, now.wall));
            }
            if !who.grants().is_empty() {
                self.grant(scope, who, demand, now, &mut charges, before);
            }
            if who.is_outside_sessions() {
                without_sessions(&mut charges, before);
            }
            if charges.len() > before {
                let charges = u8::try_from(charges.len() - before).unwrap_or(u8::MAX);
                groups.push(Group { scope: scope.id, key: scope.key(who), charges });
            }
        }
        Order {
            id,
            groups,
            charges,
            attributes: who,
            demand: *demand,
            expires,
            report: false,
            keep: false,
        }
    }
}

impl Policy {
    /// Puts what is granted in the place of what everybody has, in the charges from `from`
    /// on, and adds the limits of the scope that apply to whom they are granted alone.
    fn grant(
        &self,
        scope: &Scope,
        who: &Attributes,
        demand: &Demand,
        now: Now,
        charges: &mut SmallVec<[Charge; 8]>,
        from: usize,
    ) {
        for charge in &mut charges[from..] {
            if let Some(measure) = who.grants().of(charge.limit) {
                charge.rule = measure.rule(now.wall);
            }
        }
        for place in &scope.granted {
            let limit = &self.limits[*place];
            if who.grants().of(limit.id).is_some() {
                charges.extend(limit.charge(who, demand, now.wall));
            }
        }
    }
}

/// Takes out the charges on sessions from `from` on.
fn without_sessions(charges: &mut SmallVec<[Charge; 8]>, from: usize) {
    let mut kept = from;
    for nth in from..charges.len() {
        if !matches!(charges[nth].rule.kind, Kind::Sessions { .. }) {
            charges[kept] = charges[nth];
            kept += 1;
        }
    }
    charges.truncate(kept);
}

impl Limit {
    /// Whose an account is, as people say it: `customer acme, team red`; empty for the one
    /// account of a limit that is kept for all together.
    pub fn whose(&self, key: &str) -> String {
        let values = self.per.iter().zip(key.split(SEPARATOR));
        let named = values.map(|(attribute, value)| match (self.per.len(), value) {
            (_, "") => format!("no {}", attribute.name()),
            (1, value) => format!("{} {value}", attribute.name()),
            (_, value) => format!("{} {}", attribute.name(), unescaped(value)),
        });
        named.collect::<Vec<_>>().join(", ")
    }
}

impl Scope {
    fn key(&self, who: &Attributes) -> CompactString {
        match self.per.as_slice() {
            [] => CompactString::const_new(""),
            [one] => who.value(one).unwrap_or_default().into(),
            several => {
                let mut key = CompactString::default();
                for (place, attribute) in several.iter().enumerate() {
                    if place > 0 {
                        key.push(SEPARATOR);
                    }
                    key.push_str(&escaped(who.value(attribute).unwrap_or_default()));
                }
                key
            }
        }
    }
}

/// No two lists of values make the same key, whatever they hold.
fn escaped(value: &str) -> Cow<'_, str> {
    if value.contains([SEPARATOR, '\\']) {
        value.replace('\\', r"\\").replace(SEPARATOR, r"\s").into()
    } else {
        value.into()
    }
}

/// What [`escaped`] made of a value, as it was.
fn unescaped(value: &str) -> String {
    let (mut plain, mut rest) = (String::with_capacity(value.len()), value.chars());
    while let Some(next) = rest.next() {
        plain.push(match next {
            '\\' if rest.next() == Some('s') => SEPARATOR,
            other => other,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attribute, Unit, policy::Measure};

    #[test]
    fn accounts_are_told_by_their_values_whatever_they_hold() {
        let both = [Attribute::Customer, Attribute::Team];
        let measure = Measure::Concurrency { cap: 1 };
        let limit = Limit::new("both", &both, Unit::Requests, measure.clone());
        let policy = Policy::new(vec![limit.clone()]).expect("one limit");
        let key = |customer: &str, team: Option<&str>| {
            let mut who = Attributes::new().with(Attribute::Customer, customer);
            if let Some(team) = team {
                who.set(Attribute::Team, team);
            }
            let now = Now::at(Time::ZERO);
            let order = policy.order(ReservationId(0), &who, &Demand::ONE_REQUEST, now, Time::MAX);
            order.groups[0].key.clone()
        };
        let tricky = "a\\s\u{1f}b";
        for customer in ["acme", tricky] {
            assert_eq!(
                limit.whose(&key(customer, Some("red"))),
                format!("customer {customer}, team red")
            );
        }
        assert_eq!(limit.whose(&key("acme", None)), "customer acme, no team");
        let one = Limit::new("one", &both[..1], Unit::Requests, measure.clone());
        assert_eq!(one.whose("a\\s"), "customer a\\s");
        assert_eq!(Limit::new("all", &[], Unit::Requests, measure).whose(""), "");
    }
}
