//! The journal of the embedded store: every record becomes a row that waits to be written.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{
    grants::Ask,
    join,
    queue::{Pending, Queue},
    row::{EndRow, Reserve, Row, RowCharge},
};
use crate::{
    Receipt, StoreError,
    store::memory::{End, Holds, Journal, Record},
};
use tollgate_core::{Amounts, Attributes, Charge, ReservationId, Time};

/// Hears what happens to reservations and writes it down, a moment later, in that order.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(super) queue: Arc<Queue>,
}

impl Journal for Ledger {
    fn ready(&self, must: impl FnOnce() -> bool) -> Result<(), StoreError> {
        self.queue.ready(must)
    }

    fn record(&self, record: Record<'_>) -> u64 {
        self.queue.push(|pending| pending.record(&record))
    }
}

impl Pending {
    fn record(&mut self, record: &Record<'_>) {
        match *record {
            Record::Open { cell, scope, key } => {
                self.add(&Row::Open { cell, scope, key });
            }
            Record::Reserve { id, now, expires, attributes, demand, keep, held } => {
                let (seq, charges, demand) = (self.number(), self.hold(held), *demand);
                let row = Reserve { seq, id, now, expires, demand, keep, is_lost: false };
                self.entry(&Row::Reserve(row), &charges, (Some(attributes), now.time));
                self.grant(id, held, now.time);
            }
            Record::Extend { id, now, more, held } => {
                let (seq, charges) = (self.number(), self.hold(held));
                let row = Row::Extend { seq, id, now, more: *more };
                self.entry(&row, &charges, (None, now.time));
                self.grant(id, held, now.time);
            }
            Record::Renew { id, expires } => {
                let (seq, now) = (self.number(), tollgate_core::Now::at(self.latest));
                self.add(&Row::Renew { seq, id, now, expires });
            }
            Record::End { id, now, how, usage, overrun, held, told_by } => {
                let seq = self.number();
                let is_short = self.may_be_short(told_by, how, seq);
                let charges = if is_short { SmallVec::new() } else { self.hold(held) };
                if *overrun != Amounts::default() {
                    // The row that tells the overrun.
                    self.number();
                }
                let receipt = Receipt { usage: *usage, overrun: *overrun };
                let row = EndRow { seq, id, now, how, receipt, is_short, is_joined: false };
                self.entry(&Row::End(row), &charges, (None, now.time));
            }
            Record::EndSession { cell, limit, session, now } => {
                let seq = self.number();
                self.add(&Row::EndSession { seq, cell, limit, session, now });
            }
            Record::Checkpoint { cell, state } => {
                let mut bytes = std::mem::take(&mut self.state);
                bytes.clear();
                state.write_to(&mut bytes);
                self.add(&Row::Checkpoint { cell, seq: self.seq, state: &bytes });
                self.state = bytes;
            }
            Record::Close { cell } => {
                self.add(&Row::Close { cell });
                if self.grants.forget(cell) {
                    self.add(&Row::Revoke { cell });
                }
            }
        }
    }

    /// Whether an end will be joined with the row of its reservation, which tells its charges.
    fn may_be_short(&self, told_by: u64, how: End, seq: u64) -> bool {
        told_by > self.taken && join::may_join((told_by, seq), how)
    }

    /// Asks for what must be granted beside a hold.
    fn grant(&mut self, id: ReservationId, held: Holds<'_>, now: Time) {
        let charges = held.iter().map(|(cell, charge, _)| (cell, charge));
        for Ask { cell, charge } in self.grants.hold(id, charges, now) {
            let rule = self.rule(&charge);
            self.add(&Row::Grant { cell, limit: charge.limit, rule, amount: charge.amount });
        }
    }

    fn hold(&mut self, held: Holds<'_>) -> SmallVec<[RowCharge; 8]> {
        let mut charges = SmallVec::new();
        held.iter().for_each(|(cell, charge, used)| {
            let rule = self.rule(charge);
            charges.push(RowCharge { cell, rule, held: charge.amount, used });
        });
        charges
    }

    /// The number of a charge's rule, which gets a row before the first that names it.
    pub(super) fn rule(&mut self, charge: &Charge) -> i64 {
        let (number, is_new) = self.rules.number(charge);
        if is_new {
            self.add(&Row::Rule { number, charge: Box::new(*charge) });
        }
        number
    }

    /// Adds a row of an entry that was made then, by somebody.
    fn entry(
        &mut self,
        row: &Row<'_>,
        charges: &[RowCharge],
        (who, at): (Option<&Attributes>, Time),
    ) {
        self.latest = self.latest.max(at);
        self.rows.add(row, charges, who);
    }
}
