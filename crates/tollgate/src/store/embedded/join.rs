//! One row for a reservation that begins and ends in one group, as most short requests do.
//!
//! It costs the writer half of two rows, and tells the same: both numbers, both instants, what
//! was reserved and what was used. Whoever reads rows meets it as the two that it stands for.

use std::ops::Range;

use hashbrown::HashMap;
use tollgate_core::ReservationId;

use super::row::{Batch, Reserve, Row};
use crate::store::memory::End;

/// Rows whose numbers begin with the same block may become one. So nothing that was before a
/// block ends in it, and whoever reads from the middle of a ledger need not go back further.
pub(super) const BLOCK: u64 = 4_096;

/// Joins what belongs together, row after row.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    /// Where in the batch the reservations are that may be joined with their ends.
    begun: HashMap<ReservationId, usize, foldhash::fast::RandomState>,
}

impl Joiner {
    /// Joins all rows of a batch.
    pub(super) fn join(&mut self, batch: &mut Batch) {
        self.clear();
        for nth in 0..batch.rows.len() {
            self.add(batch, nth);
        }
    }

    /// Looks at one more row: an end is joined with the reservation of the same batch that it
    /// settles, if nothing happened to that between.
    pub(super) fn add(&mut self, batch: &mut Batch, nth: usize) {
        match &batch.rows[nth] {
            // One that is kept has its end in an index of its own; what stands for lost
            // holds is ended by people.
            Row::Reserve(Reserve { id, keep: false, is_lost: false, end: None, .. }) => {
                self.begun.insert(*id, nth);
            }
            Row::Reserve(Reserve { id, .. }) | Row::Extend { id, .. } | Row::Renew { id, .. } => {
                self.begun.remove(id);
            }
            Row::End(end) => {
                if let Some(begun) = self.begun.remove(&end.id) {
                    try_join(batch, begun, nth);
                }
            }
            _ => {}
        }
    }

    /// The charges of a reservation that may be joined with its end: that one has the same.
    pub(super) fn charges(&self, batch: &Batch, id: ReservationId) -> Option<Range<usize>> {
        match batch.rows.get(*self.begun.get(&id)?)? {
            Row::Reserve(reserve) => Some(reserve.charges.clone()),
            _ => None,
        }
    }

    /// Begins with another batch.
    pub(super) fn clear(&mut self) {
        self.begun.clear();
    }
}

fn try_join(batch: &mut Batch, begun: usize, ended: usize) {
    let (before, after) = batch.rows.split_at_mut(ended);
    let (Row::Reserve(reserve), Some(Row::End(end))) = (&mut before[begun], after.first_mut())
    else {
        return;
    };
    let is_settled = matches!(end.how, End::Settle | End::Estimate);
    if is_settled && reserve.seq / BLOCK == end.seq / BLOCK {
        reserve.end = Some(ended);
        end.is_joined = true;
    }
}

#[cfg(test)]
mod tests;
