//! The journal of the embedded store: every record becomes a row that waits to be written.

use std::{ops::Range, sync::Arc};

use compact_str::CompactString;

use super::{
    grants::Ask,
    names,
    queue::{Pending, Queue},
    row::{EndRow, Reserve, Row, RowCharge},
};
use crate::{
    Receipt, StoreError,
    store::memory::{Holds, Journal, Record},
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
                self.add(Row::Open { cell, scope, key: key.into() });
            }
            Record::Reserve { id, now, expires, attributes, demand, keep, held } => {
                let (seq, charges) = (self.number(), self.hold(held));
                let (demand, who) = (*demand, self.name(attributes));
                self.latest = self.latest.max(now.time);
                self.add(Row::Reserve(Reserve {
                    seq,
                    id,
                    now,
                    expires,
                    demand,
                    keep,
                    who,
                    is_lost: false,
                    charges,
                    end: None,
                }));
                self.grant(id, held, now.time);
            }
            Record::Extend { id, now, more, held } => {
                let (seq, charges) = (self.number(), self.hold(held));
                self.latest = self.latest.max(now.time);
                self.add(Row::Extend { seq, id, now, more: *more, charges });
                self.grant(id, held, now.time);
            }
            Record::Renew { id, expires } => {
                let (seq, now) = (self.number(), tollgate_core::Now::at(self.latest));
                self.add(Row::Renew { seq, id, now, expires });
            }
            Record::End { id, now, how, usage, overrun, held } => {
                let (seq, charges) = (self.number(), self.end(id, held));
                if *overrun != Amounts::default() {
                    // The row that tells the overrun.
                    self.number();
                }
                self.latest = self.latest.max(now.time);
                let receipt = Receipt { usage: *usage, overrun: *overrun };
                let is_joined = false;
                self.add(Row::End(EndRow { seq, id, now, how, receipt, charges, is_joined }));
            }
            Record::EndSession { cell, limit, session, now } => {
                let (seq, session) = (self.number(), CompactString::from(session));
                self.add(Row::EndSession { seq, cell, limit, session, now });
            }
            Record::Checkpoint { cell, state } => {
                self.add(Row::Checkpoint { cell, seq: self.seq, state: state.clone() });
            }
            Record::Close { cell } => {
                self.add(Row::Close { cell });
                if self.grants.forget(cell) {
                    self.add(Row::Revoke { cell });
                }
            }
        }
    }

    /// Asks for what must be granted beside a hold.
    fn grant(&mut self, id: ReservationId, held: Holds<'_>, now: Time) {
        let charges = held.iter().map(|(cell, charge, _)| (cell, charge));
        for Ask { cell, charge } in self.grants.hold(id, charges, now) {
            let rule = self.rule(&charge);
            self.add(Row::Grant { cell, limit: charge.limit, rule, amount: charge.amount });
        }
    }

    fn hold(&mut self, held: Holds<'_>) -> Range<usize> {
        let before = self.batch.charges.len();
        held.iter().for_each(|(cell, charge, used)| {
            let rule = self.rule(charge);
            self.batch.charges.push(RowCharge { cell, rule, held: charge.amount, used });
        });
        before..self.batch.charges.len()
    }

    /// What ends: where it has begun in the same batch, the same charges with what was used.
    fn end(&mut self, id: ReservationId, held: Holds<'_>) -> Range<usize> {
        let Some(own) = self.joiner.charges(&self.batch, id) else { return self.hold(held) };
        let charges = self.batch.charges[own.clone()].iter_mut();
        held.iter().zip(charges).for_each(|((_, _, used), charge)| charge.used = used);
        own
    }

    /// The number of a charge's rule, which gets a row before the first that names it.
    pub(super) fn rule(&mut self, charge: &Charge) -> i64 {
        let (number, is_new) = self.rules.number(charge);
        if is_new {
            self.add(Row::Rule { number, charge: Box::new(*charge) });
        }
        number
    }

    pub(super) fn name(&mut self, who: &Attributes) -> Range<usize> {
        let before = self.batch.names.len();
        names::write(&mut self.batch.names, who);
        before..self.batch.names.len()
    }
}
