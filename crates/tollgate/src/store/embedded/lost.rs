//! What a crash may have lost: holds that were granted and not written yet.
//!
//! Nobody knows which of them there were. So each grant that a crash has left counts as used,
//! whole: as a reservation without a name, marked as an estimate, that expires at once and
//! can be released when what was used is known.

use rusqlite::Connection;
use tollgate_core::{Amounts, Attributes, NanoUsd, Now, ReservationId, Unit};

use super::{
    entry::{self, wrong},
    mirror::Rows,
    queue::Queue,
    replay::{Open, Replay},
    row::{Reserve, Row, RowCharge},
};
use crate::{
    new_id,
    store::memory::{Parcel, RestoredReservation},
};

/// A row that is to be written first of all.
pub(super) struct Lost {
    id: ReservationId,
    now: Now,
    demand: Amounts,
    charge: RowCharge,
}

impl Replay {
    /// Holds every grant that is left, as if it had been reserved after all other rows.
    pub(super) fn lose_grants(
        &mut self,
        connection: &Connection,
        now: Now,
    ) -> rusqlite::Result<Vec<Lost>> {
        let mut lost = Vec::new();
        let mut statement = connection.prepare("SELECT cell, rule, amount FROM grants")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (cell, rule): (u32, i64) = (row.get(0)?, row.get(1)?);
            let amount = entry::unsigned(row, 2)?;
            let Some(mut charge) = self.rules.charge(rule) else {
                let what = format!("a grant names the rule {rule}, which there is none of");
                return Err(wrong(1, what));
            };
            charge.amount = amount;
            self.make_cell(connection, cell)?;
            if let Some(cell) = self.cell_behind(cell, u64::MAX) {
                cell.hold(0, &mut charge, "", now);
            }
            let id = new_id(now.wall);
            let demand = amounts(charge.unit, amount);
            let restored = RestoredReservation {
                id,
                expires: now.time,
                demand,
                keep: false,
                expired: false,
                accounts: 1,
                parcels: vec![Parcel { cell, charge, at: now }],
            };
            let rows = Rows::new();
            let open = Open { restored, rows, is_listed: false, expired_at: None };
            self.reservations.insert(id, open);
            let charge = RowCharge { cell, rule, held: amount, used: amount };
            lost.push(Lost { id, now, demand, charge });
        }
        Ok(lost)
    }
}

impl Lost {
    /// Puts all of them before every other row, in one group.
    pub(super) fn write_all(lost: Vec<Self>, queue: &Queue) {
        if lost.is_empty() {
            return;
        }
        tracing::warn!(
            grants = lost.len(),
            "a crash may have lost holds: what was granted for them counts as used"
        );
        queue.push(|pending| {
            for Self { id, now, demand, charge } in lost {
                let (seq, expires, keep) = (pending.number(), now.time, false);
                pending.latest = pending.latest.max(now.time);
                let row = Reserve { seq, id, now, expires, demand, keep, is_lost: true };
                pending.rows.add(&Row::Reserve(row), &[charge], Some(&Attributes::new()));
            }
            pending.add(&Row::RevokeAll);
        });
    }
}

/// So much of one unit.
const fn amounts(unit: Unit, amount: u64) -> Amounts {
    let nothing =
        Amounts { requests: 0, input_tokens: 0, output_tokens: 0, cost: NanoUsd(0), millis: 0 };
    match unit {
        Unit::Requests => Amounts { requests: amount, ..nothing },
        Unit::Tokens | Unit::InputTokens => Amounts { input_tokens: amount, ..nothing },
        Unit::OutputTokens => Amounts { output_tokens: amount, ..nothing },
        Unit::Usd => Amounts { cost: NanoUsd(amount), ..nothing },
        Unit::Seconds => Amounts { millis: amount, ..nothing },
    }
}
