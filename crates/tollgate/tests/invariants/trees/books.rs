//! What became of what was reserved, added up from what the store tells its journal.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;
use tollgate::{
    StoreError,
    core::ReservationId,
    store::memory::{End, Journal, Record},
};

use super::model::Account;

/// What became of what one account had reserved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Balance {
    pub(crate) reserved: u64,
    /// Used, as far as it had been reserved.
    pub(crate) settled: u64,
    pub(crate) released: u64,
    pub(crate) expired: u64,
    pub(crate) held: u64,
    /// Used beyond what had been reserved.
    pub(crate) overrun: u64,
}

impl Balance {
    /// Whether nothing was lost and nothing was made up.
    pub(crate) const fn is_conserved(&self) -> bool {
        self.reserved == self.settled + self.released + self.expired + self.held
    }

    /// So much that was reserved ended with `used`.
    pub(crate) fn end(&mut self, reserved: u64, used: u64) {
        self.settled += used.min(reserved);
        self.released += reserved.saturating_sub(used);
        self.overrun += used.saturating_sub(reserved);
    }
}

/// A journal that adds up and forgets the rest.
#[derive(Debug, Default)]
pub(crate) struct Books(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    names: HashMap<u32, String>,
    balances: HashMap<Account, Balance>,
    expired: HashSet<ReservationId>,
}

impl Books {
    pub(crate) fn balance(&self, account: &Account) -> Balance {
        self.0.lock().balances.get(account).copied().unwrap_or_default()
    }
}

impl Inner {
    fn note(&mut self, record: &Record<'_>) {
        match record {
            Record::Open { cell, key, .. } => {
                self.names.insert(*cell, (*key).to_owned());
            }
            Record::Reserve { held, .. } | Record::Extend { held, .. } => {
                for (cell, charge, _) in held.iter() {
                    let balance = self.balance_mut(cell, charge.limit);
                    balance.reserved += charge.amount;
                    balance.held += charge.amount;
                }
            }
            Record::End { id, how, held, .. } => {
                let is_late = self.expired.remove(id);
                for (cell, charge, used) in held.iter() {
                    let balance = self.balance_mut(cell, charge.limit);
                    let from = if is_late { &mut balance.expired } else { &mut balance.held };
                    *from -= charge.amount;
                    if *how == End::Expire {
                        balance.expired += charge.amount;
                    } else {
                        balance.end(charge.amount, used);
                    }
                }
                if *how == End::Expire {
                    self.expired.insert(*id);
                }
            }
            _ => {}
        }
    }

    fn balance_mut(&mut self, cell: u32, limit: tollgate::core::LimitId) -> &mut Balance {
        let name = self.names.get(&cell).expect("a cell that was opened");
        self.balances.entry((limit, name.clone())).or_default()
    }
}

impl Journal for Books {
    fn ready(&self, _: impl FnOnce() -> bool) -> Result<(), StoreError> {
        Ok(())
    }

    fn record(&self, record: Record<'_>) -> u64 {
        self.0.lock().note(&record);
        0
    }
}
