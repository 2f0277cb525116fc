//! What of a reservation ends with how much.

use tollgate_core::{Charge, Kind, Unit, Usage};

use super::{
    micros, plan,
    record::{Added, Record},
};
use crate::{Receipt, store::memory::End};

/// One parcel that ends.
pub(super) struct Parcel {
    pub(super) cell: usize,
    pub(super) charge: Charge,
    pub(super) at: f64,
    pub(super) used: u64,
}

pub(super) fn receipt_of(record: &Record, how: End, usage: &Usage) -> Receipt {
    let mut usage = if how == End::Expire { record.demand } else { *usage };
    if how != End::Void {
        usage.requests = record.demand.requests;
    }
    Receipt { usage, overrun: usage.beyond(&record.demand) }
}

/// Every parcel of a record that something is left to do for. What was taken of one account in
/// several parcels is used up in their order, and the last one bears an overrun.
pub(super) fn parcels(record: &Record, how: End, usage: &Usage) -> Vec<Parcel> {
    let whole = |charge: &Charge| how.used((charge.unit, charge.amount), usage);
    let held = record.cells.iter().enumerate();
    let held = held
        .flat_map(|(cell, held)| held.charges.iter().map(move |charge| (cell, charge, record.at)));
    let added = record
        .added
        .iter()
        .flat_map(|added| added.charges.iter().map(|(cell, charge)| (*cell, charge, added.at)));
    let all = held.chain(added);
    let all =
        all.map(|(cell, charge, at)| Parcel { cell, charge: *charge, at, used: whole(charge) });
    let mut parcels: Vec<Parcel> = all.collect();
    if !record.added.is_empty() && matches!(how, End::Settle | End::Estimate) {
        let made_with: usize = record.cells.iter().map(|held| held.charges.len()).sum();
        share_out(&mut parcels, made_with);
    }
    let mut parcels = merged(parcels);
    parcels.retain(|parcel| plan::matters(&parcel.charge, parcel.used));
    parcels
}

/// Makes one of what an account holds of one period in several parcels. What is given back of
/// other accounts depends on each parcel's amount, also where all are of one instant.
fn merged(parcels: Vec<Parcel>) -> Vec<Parcel> {
    let mut merged: Vec<Parcel> = Vec::with_capacity(parcels.len().min(32));
    for parcel in parcels {
        let last = merged
            .iter_mut()
            .rfind(|other| other.cell == parcel.cell && other.charge.limit == parcel.charge.limit);
        match last {
            Some(last) if last.ends_with(&parcel) => {
                last.charge.amount = last.charge.amount.saturating_add(parcel.charge.amount);
                last.used = last.used.saturating_add(parcel.used);
            }
            _ => merged.push(parcel),
        }
    }
    merged
}

impl Parcel {
    /// Whether it is all the same if another one of its account ends with it.
    fn ends_with(&self, other: &Self) -> bool {
        let (rule, others) = (self.charge.rule, other.charge.rule);
        matches!(rule.kind, Kind::Period { .. }) && rule == others
    }
}

/// Shares what was used of an account, which each of its parcels says now, among them.
fn share_out(parcels: &mut [Parcel], made_with: usize) {
    for place in 0..made_with {
        let Parcel { cell, charge, used, .. } = parcels[place];
        if charge.unit == Unit::Requests {
            continue;
        }
        let (mut left, mut last) = (used, place);
        parcels[place].used = left.min(charge.amount);
        left -= parcels[place].used;
        for (nth, added) in parcels.iter_mut().enumerate().skip(made_with) {
            if added.cell == cell && added.charge.limit == charge.limit {
                last = nth;
                added.used = left.min(added.charge.amount);
                left -= added.used;
            }
        }
        parcels[last].used += left;
    }
}

/// The parcels of an addition of which nothing was used.
pub(super) fn given_back(added: &Added) -> impl Iterator<Item = Parcel> {
    added.charges.iter().map(|(cell, charge)| Parcel {
        cell: *cell,
        charge: *charge,
        at: added.at,
        used: 0,
    })
}

/// The parcels of one cell, by ascending name.
pub(super) fn in_cell(parcels: &[Parcel], place: usize) -> Vec<(usize, &Parcel)> {
    let own = parcels.iter().enumerate().filter(|(_, parcel)| parcel.cell == place);
    let mut own: Vec<_> = own.collect();
    own.sort_by_key(|(_, parcel)| micros::name(parcel.charge.limit).0);
    own
}
