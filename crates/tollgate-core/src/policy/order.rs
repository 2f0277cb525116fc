//! From a request to its charges: the pure step before the decision.

use std::borrow::Cow;

use compact_str::CompactString;
use smallvec::SmallVec;

use super::{Policy, Scope};
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
