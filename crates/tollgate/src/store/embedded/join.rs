//! One row for a reservation that begins and ends in one group, as most short requests do.
//!
//! It costs the writer half of two rows, and tells the same: both numbers, both instants, what
//! was reserved and what was used. Whoever reads rows meets it as the two that it stands for.

use hashbrown::HashMap;
use tollgate_core::ReservationId;

use super::row::{Batch, EndRow, Row};
use crate::store::memory::End;

/// Rows whose numbers begin with the same block may become one. So nothing that was before a
/// block ends in it, and whoever reads from the middle of a ledger need not go back further.
pub(super) const BLOCK: u64 = 4_096;

/// Joins what belongs together, group after group.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    /// Where in the group the reservations are that may be joined with their ends.
    begun: HashMap<ReservationId, usize, foldhash::fast::RandomState>,
}

impl Joiner {
    /// Moves ends to the reservations of the same group that they settle, if nothing happened
    /// to these between.
    pub(super) fn join(&mut self, batch: &mut Batch) {
        self.begun.clear();
        for nth in 0..batch.rows.len() {
            match &batch.rows[nth] {
                // One that is kept has its end in an index of its own; what stands for lost
                // holds is ended by people.
                Row::Reserve(reserve) if !reserve.keep && !reserve.is_lost => {
                    self.begun.insert(reserve.id, nth);
                }
                Row::Reserve(reserve) => drop(self.begun.remove(&reserve.id)),
                Row::Extend { id, .. } | Row::Renew { id, .. } => drop(self.begun.remove(id)),
                Row::End(end) => {
                    if let Some(begun) = self.begun.remove(&end.id) {
                        try_join(batch, begun, nth);
                    }
                }
                _ => {}
            }
        }
    }
}

fn try_join(batch: &mut Batch, begun: usize, ended: usize) {
    let (before, after) = batch.rows.split_at_mut(ended);
    let (Row::Reserve(reserve), Some(row)) = (&mut before[begun], after.first_mut()) else {
        return;
    };
    let Row::End(EndRow { seq, how, .. }) = row else { return };
    let is_settled = matches!(how, End::Settle | End::Estimate);
    if is_settled && reserve.seq / BLOCK == *seq / BLOCK {
        let Row::End(end) = std::mem::replace(row, Row::Joined) else { return };
        reserve.end = Some(Box::new(end));
    }
}

#[cfg(test)]
mod tests;
