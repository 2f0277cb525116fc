//! Every parcel that was ever reserved, and what became of it: nothing is added up before it
//! is asked for.

use std::collections::HashMap;

use tollgate::core::{
    Amounts, Charge, Group, Kind, LimitId, Now, Order, Policy, ReservationId, Retry, Time, Unit,
};

use super::books::Balance;

/// A limit, and whose account of it.
pub(crate) type Account = (LimitId, String);

/// A period of the calendar, by its start and end on the wall clock.
type Span = (u64, u64);

/// What was reserved of one account at once.
#[derive(Debug)]
struct Parcel {
    reservation: ReservationId,
    unit: Unit,
    span: Span,
    held: u64,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Held,
    Expired,
    Ended(u64),
}

/// What was granted under one id.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) id: ReservationId,
    pub(crate) demand: Amounts,
    pub(crate) keep: bool,
    pub(crate) expires: Time,
    pub(crate) has_expired: bool,
    accounts: Vec<(Account, Charge)>,
}

#[derive(Debug)]
pub(crate) struct Model {
    policy: Policy,
    parcels: HashMap<Account, Vec<Parcel>>,
    /// The latest period that each account has begun.
    begun: HashMap<Account, Span>,
    /// What was used beyond what a period that is over had reserved: spent in the next.
    carried: Vec<(Account, Span, u64)>,
}

/// What one account counts in one period.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counted {
    /// Settled, or expired and so counted as used.
    pub(crate) spent: u64,
    pub(crate) held: u64,
    /// What of the spent nobody had reserved.
    pub(crate) overrun: u64,
}

pub(crate) fn account(group: &Group, charge: &Charge) -> Account {
    (charge.limit, group.key.to_string())
}

const fn span_of(charge: &Charge) -> Span {
    match charge.rule.kind {
        Kind::Period { start, end } => (start, end),
        _ => panic!("budgets have periods"),
    }
}

impl Model {
    pub(crate) fn new(policy: Policy) -> Self {
        let (parcels, begun) = (HashMap::new(), HashMap::new());
        Self { policy, parcels, begun, carried: Vec::new() }
    }

    /// The period that a charge counts in: no earlier one than its account has begun.
    fn span(&self, account: &Account, charge: &Charge) -> Span {
        let own = span_of(charge);
        self.begun.get(account).map_or(own, |begun| own.max(*begun))
    }

    fn count(&self, account: &Account, span: Span) -> Counted {
        let mut counted = Counted::default();
        let parcels = self.parcels.get(account).into_iter().flatten();
        for parcel in parcels.filter(|parcel| parcel.span == span) {
            match parcel.fate {
                Fate::Held => counted.held += parcel.held,
                Fate::Expired => counted.spent += parcel.held,
                Fate::Ended(used) => {
                    counted.spent += used;
                    counted.overrun += used.saturating_sub(parcel.held);
                }
            }
        }
        let carried = self.carried.iter().filter(|(of, at, _)| of == account && *at == span);
        let carried: u64 = carried.map(|(_, _, amount)| amount).sum();
        counted.spent += carried;
        counted.overrun += carried;
        counted
    }

    /// What the account of a charge counts now.
    pub(crate) fn counted(&self, account: &Account, charge: &Charge) -> Counted {
        self.count(account, self.span(account, charge))
    }

    /// The limit that stands in the way of these charges the longest, and until when.
    pub(crate) fn obstacle<'a>(
        &self,
        charges: impl Iterator<Item = (&'a Account, &'a Charge)>,
        now: Now,
    ) -> Option<(LimitId, Retry)> {
        let mut longest: Option<(LimitId, Retry)> = None;
        for (account, charge) in charges {
            let (cap, span) = (charge.rule.cap, self.span(account, charge));
            let Counted { spent, held, .. } = self.count(account, span);
            if charge.amount == 0 || spent + held + charge.amount <= cap {
                continue;
            }
            let retry = match span.1 {
                _ if charge.amount > cap => Retry::Never,
                u64::MAX if spent + charge.amount > cap => Retry::Never,
                u64::MAX => Retry::NotBefore(now.time),
                end => Retry::At(now.when_wall_shows(Time::from_nanos(end))),
            };
            let until = |retry| match retry {
                Retry::At(at) | Retry::NotBefore(at) => at,
                Retry::Never => Time::MAX,
            };
            longest = Some(match longest {
                None => (charge.limit, retry),
                Some((other, before)) if until(before) >= until(retry) => {
                    (other, before.and(retry))
                }
                Some((_, before)) => (charge.limit, before.and(retry)),
            });
        }
        longest
    }

    pub(crate) fn admit(&mut self, order: &Order<'_>) -> Granted {
        let mut accounts = Vec::new();
        for (group, charges) in order.parts() {
            for charge in charges {
                let account = account(group, charge);
                let span = self.take(order.id, &account, charge);
                accounts.push((account, in_span(charge, span)));
            }
        }
        Granted {
            id: order.id,
            demand: order.demand,
            keep: order.keep,
            expires: order.expires,
            has_expired: false,
            accounts,
        }
    }

    fn take(&mut self, id: ReservationId, account: &Account, charge: &Charge) -> Span {
        let span = self.span(account, charge);
        self.begun.insert(account.clone(), span);
        let parcel = Parcel {
            reservation: id,
            unit: charge.unit,
            span,
            held: charge.amount,
            fate: Fate::Held,
        };
        self.parcels.entry(account.clone()).or_default().push(parcel);
        span
    }

    /// What an addition would ask of each account: of those only that count it.
    pub(crate) fn addition(granted: &Granted, more: &Amounts) -> Vec<(Account, Charge)> {
        let added = granted.accounts.iter().map(|(account, charge)| {
            (account.clone(), Charge { amount: more.of(charge.unit), ..*charge })
        });
        added.filter(|(_, charge)| charge.amount > 0).collect()
    }

    pub(crate) fn extend(&mut self, granted: &mut Granted, more: &Amounts) {
        for (account, charge) in Self::addition(granted, more) {
            self.take(granted.id, &account, &charge);
        }
        granted.demand = granted.demand.plus(more);
    }

    pub(crate) fn expire(&mut self, granted: &mut Granted) {
        granted.has_expired = true;
        for (account, _) in &granted.accounts {
            for parcel in self.of(account, granted.id) {
                parcel.fate = Fate::Expired;
            }
        }
    }

    /// Ends what was granted with this usage, or with none at all. It is taken to have used
    /// what it reserved in the order in which it did, and the last of it the rest.
    pub(crate) fn end(&mut self, granted: &Granted, usage: Option<&Amounts>) {
        for (account, _) in &granted.accounts {
            let begun = self.begun.get(account).copied();
            let mut left = None;
            let mut carried = None;
            let parcels = self.of(account, granted.id).collect::<Vec<_>>();
            let last = parcels.len() - 1;
            for (nth, parcel) in parcels.into_iter().enumerate() {
                let rest = left.get_or_insert(usage.map_or(0, |usage| usage.of(parcel.unit)));
                let used = match (usage, parcel.unit) {
                    (None, _) => 0,
                    (_, Unit::Requests) => parcel.held,
                    _ if nth == last => *rest,
                    _ => parcel.held.min(*rest),
                };
                *rest = rest.saturating_sub(used);
                parcel.fate = Fate::Ended(used);
                if let Some(begun) = begun
                    && parcel.span != begun
                    && used > parcel.held
                {
                    carried = Some((account.clone(), begun, used - parcel.held));
                }
            }
            self.carried.extend(carried);
        }
    }

    fn of(&mut self, account: &Account, id: ReservationId) -> impl Iterator<Item = &mut Parcel> {
        let parcels = self.parcels.get_mut(account).into_iter().flatten();
        parcels.filter(move |parcel| parcel.reservation == id)
    }

    /// What became of all that an account has ever reserved.
    pub(crate) fn balance(&self, account: &Account) -> Balance {
        let mut balance = Balance::default();
        for parcel in self.parcels.get(account).into_iter().flatten() {
            parcel.add_to(&mut balance);
        }
        balance
    }

    /// The same for all accounts of a limit.
    pub(crate) fn balance_of_limit(&self, name: &str) -> Balance {
        let limit = self.policy.limits().iter().find(|limit| limit.name == name).expect(name);
        let mut balance = Balance::default();
        let its = self.parcels.iter().filter(|((of, _), _)| *of == limit.id);
        for parcel in its.flat_map(|(_, parcels)| parcels) {
            parcel.add_to(&mut balance);
        }
        balance
    }

    /// The end of some period that an account has begun and that ends at all.
    pub(crate) fn some_end(&self, which: usize) -> Option<u64> {
        let mut ends: Vec<_> = self.begun.values().map(|span| span.1).collect();
        ends.retain(|end| *end != u64::MAX);
        ends.sort_unstable();
        ends.dedup();
        (!ends.is_empty()).then(|| ends[which % ends.len()])
    }
}

impl Parcel {
    fn add_to(&self, balance: &mut Balance) {
        balance.reserved += self.held;
        match self.fate {
            Fate::Held => balance.held += self.held,
            Fate::Expired => balance.expired += self.held,
            Fate::Ended(used) => balance.end(self.held, used),
        }
    }
}

const fn in_span(charge: &Charge, (start, end): Span) -> Charge {
    let mut charge = *charge;
    charge.rule.kind = Kind::Period { start, end };
    charge
}
