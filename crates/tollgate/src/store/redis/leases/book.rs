//! The accounts that this node leases, behind one short lock.

use std::{collections::HashMap, hash::BuildHasher, sync::Arc};

use hashbrown::HashTable;
use smallvec::SmallVec;
use tollgate_core::{
    Charge, Group, Kind, LimitId, Order, Refusal, Retry, Standing, Time,
    lease::{Heat, HeatSettings, Taken, Terms},
    policy::settings::SyncMode,
};

use super::{
    LeaseAsk, Leased,
    account::{Account, Name},
};
use crate::store::obstacles::Obstacles;

/// Accounts leased at once at most; others are decided exactly.
const MAX_LEASED: usize = 4_096;

/// Looks after which an account that is idle is forgotten.
const IDLE_LOOKS: u32 = 40;

/// What an order takes of one account here.
#[derive(Debug, Clone)]
pub(super) struct Parcel {
    pub(super) name: Arc<Name>,
    hash: u64,
    pub(super) charge: Charge,
    taken: Taken,
    /// How often all was lost before it was taken.
    reign: u64,
    /// Which of the order's charges it is.
    pub(super) nth: usize,
}

pub(super) type Parcels = SmallVec<[Parcel; 4]>;

/// What leases had too little of.
#[derive(Default)]
struct Lacks {
    /// Whether they had too little of anything.
    is_short: bool,
    /// Whether the store has just said of any that there is no room.
    is_resting: bool,
    /// Whether it has, and it is not known how long that holds.
    is_unknown: bool,
    refused: Obstacles,
    /// Whether anything is not leased.
    has_rest: bool,
}

/// What an order finds here.
pub(super) enum Found {
    /// None of its accounts is leased.
    Nothing,
    /// These are taken, what is left of the order is decided exactly.
    Taken(Parcels),
    /// There is too little; worth asking again after this round.
    Short(u64),
    /// The store has just said that there is no room.
    Refused(Refusal),
    /// It has, and more is not known of it.
    Resting,
}

impl Lacks {
    fn note(&mut self, account: &mut Account, charge: &Charge, (now, waits): (Time, bool)) {
        self.is_short = true;
        if waits && account.holding.wait_for(charge.amount, now) {
            return;
        }
        self.is_resting = true;
        match account.refusal(charge, now) {
            Some(retry) => self.refused.add(charge, retry),
            None => self.is_unknown = true,
        }
    }

    const fn is_nothing(&self) -> bool {
        !self.is_short
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Book {
    accounts: HashTable<Account>,
    /// How often all of them were lost.
    pub(super) reign: u64,
    is_stopping: bool,
    heat: Heat,
    hasher: foldhash::quality::RandomState,
    modes: HashMap<LimitId, SyncMode>,
    terms: Terms,
    /// Rounds of calls that have begun.
    pub(super) rounds: u64,
}

impl Book {
    pub(super) fn new(terms: Terms) -> Self {
        Self {
            accounts: HashTable::new(),
            reign: 0,
            is_stopping: false,
            heat: Heat::new(HeatSettings::default()),
            hasher: foldhash::quality::RandomState::default(),
            modes: HashMap::new(),
            terms,
            rounds: 0,
        }
    }

    /// How limits are decided; those that are not named by how hot they are.
    pub(super) fn set_modes(&mut self, modes: HashMap<LimitId, SyncMode>) {
        self.modes = modes;
    }

    /// Takes what an order asks of accounts that are leased, all of it or nothing. With `waits`,
    /// what there is too little of is asked for.
    pub(super) fn take(
        &mut self,
        order: &Order<'_>,
        place: impl Fn(&str) -> u8,
        (now, waits): (Time, bool),
    ) -> Found {
        let mut parcels = Parcels::new();
        let mut lacks = Lacks::default();
        let mut nth = 0;
        for (group, charges) in order.parts() {
            for charge in charges {
                nth += 1;
                let Some(hash) = self.leases(group, charge, &place, now) else {
                    lacks.has_rest = true;
                    continue;
                };
                let Some(account) = self.find(hash, group, charge) else { continue };
                match account.holding.take(charge.amount, now) {
                    Some(taken) => {
                        let (name, charge) = (Arc::clone(&account.name), *charge);
                        let reign = self.reign;
                        parcels.push(Parcel { name, hash, charge, taken, reign, nth: nth - 1 });
                    }
                    None => lacks.note(account, charge, (now, waits)),
                }
            }
        }
        if lacks.is_nothing() {
            return if parcels.is_empty() { Found::Nothing } else { Found::Taken(parcels) };
        }
        self.give_back(&parcels, now);
        match lacks.refused.binding {
            _ if !lacks.is_resting => Found::Short(self.rounds + 1),
            Some(binding) if !lacks.is_unknown && !lacks.has_rest => {
                Found::Refused(self.refusal(order, binding, now))
            }
            _ => Found::Resting,
        }
    }

    /// The refusal of an order all of whose accounts are leased here.
    fn refusal(&mut self, order: &Order<'_>, binding: (LimitId, Retry), now: Time) -> Refusal {
        let ((limit, retry), every) = (binding, self.terms.every);
        let mut standings = SmallVec::new();
        for (group, charges) in order.parts().filter(|_| order.report) {
            for charge in charges {
                let hash = self.hash(group, charge);
                let account = self.find(hash, group, charge);
                standings.extend(account.map(|it| it.standing(charge, now.after(every), now)));
            }
        }
        Refusal { limit, retry, standings, shadowed: SmallVec::new() }
    }

    /// Takes more of an account that an order has taken of before.
    pub(super) fn take_more(&mut self, of: &Parcel, amount: u64, now: Time) -> Option<Parcel> {
        let account = self.accounts.find_mut(of.hash, |account| account.name == of.name)?;
        let Some(taken) = account.holding.take(amount, now) else {
            account.holding.wait_for(amount, now);
            return None;
        };
        Some(Parcel { taken, charge: Charge { amount, ..of.charge }, ..of.clone() })
    }

    /// Ends what was taken, none of which was used.
    pub(super) fn give_back(&mut self, parcels: &[Parcel], now: Time) {
        parcels.iter().for_each(|parcel| self.settle(parcel, 0, now));
    }

    pub(super) fn settle(&mut self, parcel: &Parcel, used: u64, now: Time) {
        let is_known = parcel.reign == self.reign;
        let found = self.accounts.find_mut(parcel.hash, |account| account.name == parcel.name);
        if let Some(account) = found.filter(|it| is_known && it.gave(&parcel.charge)) {
            account.holding.settle(parcel.taken, parcel.charge.amount, used, now);
        }
    }

    /// Notes how an order was refused after it waited here in vain.
    pub(super) fn refused(&mut self, order: &Order<'_>, refusal: &Refusal) {
        for (group, charges) in order.parts() {
            for charge in charges.iter().filter(|charge| charge.limit == refusal.limit) {
                let hash = self.hash(group, charge);
                if let Some(account) = self.find(hash, group, charge) {
                    account.refused = Some((*charge, refusal.retry));
                }
            }
        }
    }

    /// Where an account stands, about: what nobody has leased, and what this node has.
    pub(super) fn standing(&self, parcel: &Parcel, now: Time) -> Option<Standing> {
        let account = self.accounts.find(parcel.hash, |account| account.name == parcel.name)?;
        Some(account.standing(&parcel.charge, now.after(self.terms.every), now))
    }

    /// From now on everything is given back, and nothing leased.
    pub(super) const fn stop(&mut self) {
        self.is_stopping = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// All that was leased is lost: nothing may be taken of it, or given back.
    pub(super) fn lose_all(&mut self) {
        self.reign += 1;
        self.accounts.clear();
    }

    /// All that is to be asked and told in a round, by place.
    pub(super) fn plan(&mut self, now: Time) -> Vec<(u8, Vec<(LeaseAsk, u64)>)> {
        let all = self.is_stopping;
        let mut plans: Vec<(u8, Vec<(LeaseAsk, u64)>)> = Vec::new();
        let (heat, modes, terms) = (&self.heat, &self.modes, &self.terms);
        self.accounts.retain(|account| {
            let mode = modes.get(&account.name.limit).copied().unwrap_or_default();
            let is_cool = mode == SyncMode::Auto && !heat.is_hot(account.hash);
            let plan = if all || account.is_exact || is_cool || mode == SyncMode::Exact {
                account.is_exact = true;
                account.holding.let_go(now)
            } else {
                account.holding.plan(terms, now)
            };
            let Some(ask) = plan else {
                let is_idle = account.holding.is_idle();
                account.idle_looks = if is_idle { account.idle_looks + 1 } else { 0 };
                return !is_idle || !account.is_exact && account.idle_looks < IDLE_LOOKS;
            };
            let asked = (account.ask(ask), account.hash);
            match plans.iter_mut().find(|(place, _)| *place == account.place) {
                Some((_, asks)) => asks.push(asked),
                None => plans.push((account.place, vec![asked])),
            }
            true
        });
        plans
    }

    /// Takes in an answer to what was asked at `sent`, or that there is none.
    pub(super) fn answered(
        &mut self,
        (ask, hash): &(LeaseAsk, u64),
        answer: Option<Option<Leased>>,
        (sent, now): (Time, Time),
    ) {
        let name = |account: &Account| account.is(ask.scope, &ask.key, ask.charge.limit);
        let Some(account) = self.accounts.find_mut(*hash, name) else { return };
        match answer {
            Some(Some(leased)) => {
                account.left = leased.left;
                account.holding.granted(&ask.ask, &leased.grant, &self.terms, (sent, now));
            }
            Some(None) => {
                account.is_exact = true;
                account.holding.lost(&ask.ask);
            }
            None => account.holding.lost(&ask.ask),
        }
    }

    /// Something was given back elsewhere.
    pub(super) fn freed(&mut self, limits: &[LimitId]) {
        for account in self.accounts.iter_mut() {
            if limits.contains(&account.name.limit) {
                account.holding.freed();
                account.refused = None;
            }
        }
    }

    /// The hash of an account, if it is to be leased; it is here then.
    fn leases(
        &mut self,
        group: &Group,
        charge: &Charge,
        place: impl Fn(&str) -> u8,
        now: Time,
    ) -> Option<u64> {
        let is_counted = matches!(charge.rule.kind, Kind::Window { .. } | Kind::Bucket { .. });
        if !is_counted
            || self.is_stopping
            || charge.shadow
            || charge.amount == 0
            || !self.terms.allows(&charge.rule)
        {
            return None;
        }
        let hash = self.hash(group, charge);
        let is_hot = match self.modes.get(&charge.limit).copied().unwrap_or_default() {
            SyncMode::Exact => return None,
            SyncMode::Leased => true,
            SyncMode::Auto => self.heat.asked(hash, now),
        };
        if let Some(account) = self.find(hash, group, charge) {
            // What is being given back is not asked for again before it is.
            return account.serves(&charge.rule).then_some(hash);
        }
        if !is_hot || self.accounts.len() >= MAX_LEASED {
            return None;
        }
        let name = Name { scope: group.scope, key: group.key.clone(), limit: charge.limit };
        let account = Account::new((name, hash), place(&group.key), charge, now);
        self.accounts.insert_unique(hash, account, |account| account.hash);
        Some(hash)
    }

    fn hash(&self, group: &Group, charge: &Charge) -> u64 {
        self.hasher.hash_one((group.scope.0, group.key.as_str(), charge.limit.0))
    }

    fn find(&mut self, hash: u64, group: &Group, charge: &Charge) -> Option<&mut Account> {
        let name = |account: &Account| account.is(group.scope, &group.key, charge.limit);
        self.accounts.find_mut(hash, name)
    }
}
