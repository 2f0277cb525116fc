//! One row for a reservation that begins and ends in one group, as most short requests do.
//!
//! It costs the writer half of two rows, and tells the same: both numbers, both instants, what
//! was reserved and what was used. Whoever reads rows meets it as the two that it stands for.

use hashbrown::HashMap;
use tollgate_core::ReservationId;

use super::{
    row::{Reserve, Row},
    rows::Rows,
};
use crate::store::memory::End;

/// Rows whose numbers begin with the same block may become one. So nothing that was before a
/// block ends in it, and whoever reads from the middle of a ledger need not go back further.
pub(super) const BLOCK: u64 = 4_096;

/// Whether the row of a reservation may tell such an end too, by the numbers of both.
pub(super) const fn may_join((begun, ended): (u64, u64), how: End) -> bool {
    matches!(how, End::Settle | End::Estimate) && begun / BLOCK == ended / BLOCK
}

/// Joins what belongs together, group after group.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    /// Where in the group the reservations are that may be joined with their ends, and their
    /// numbers.
    begun: HashMap<ReservationId, (usize, u64), foldhash::fast::RandomState>,
}

impl Joiner {
    /// Joins ends with the reservations of the same group that they settle, if nothing happened
    /// to these between. Nothing if a row can't be read.
    pub(super) fn join(&mut self, rows: &mut Rows) -> Option<()> {
        self.begun.clear();
        let mut at = rows.first();
        while let Some(next) = rows.next(at) {
            if let Some(begun) = self.add(&rows.row(at)?.row, at) {
                rows.join(begun, at);
            }
            at = next;
        }
        Some(())
    }

    /// Looks at one more row; where the reservation is that it is to be joined with.
    fn add(&mut self, row: &Row<'_>, at: usize) -> Option<usize> {
        match row {
            // One that is kept has its end in an index of its own; what stands for lost
            // holds is ended by people.
            Row::Reserve(Reserve { id, seq, keep: false, is_lost: false, .. }) => {
                self.begun.insert(*id, (at, *seq));
                None
            }
            Row::Reserve(Reserve { id, .. }) | Row::Extend { id, .. } | Row::Renew { id, .. } => {
                self.begun.remove(id);
                None
            }
            Row::End(end) => {
                let (begun, seq) = self.begun.remove(&end.id)?;
                may_join((seq, end.seq), end.how).then_some(begun)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
