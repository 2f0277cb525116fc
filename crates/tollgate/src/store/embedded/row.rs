//! What waits to be written: records of the journal, owned and small.

use std::ops::Range;

use compact_str::CompactString;
use tollgate_core::{Amounts, Cell, Charge, LimitId, Now, ReservationId, ScopeId, Time};

use crate::{Receipt, store::memory::End};

/// A group of rows. What they have lists of lies in one, so that a row needs no memory of its
/// own: another thread writes it, and less is to be carried there.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) rows: Vec<Row>,
    pub(super) charges: Vec<RowCharge>,
    /// Who made reservations, as `names` writes it.
    pub(super) names: Vec<u8>,
}

impl Batch {
    /// Adds the rows of another one, which is empty then.
    pub(super) fn append(&mut self, other: &mut Self) {
        let (rows, charges, names) = (self.rows.len(), self.charges.len(), self.names.len());
        let shift = |own: &mut Range<usize>, by: usize| *own = own.start + by..own.end + by;
        for row in &mut other.rows {
            match row {
                Row::Reserve(row) => {
                    shift(&mut row.charges, charges);
                    shift(&mut row.who, names);
                    row.end = row.end.map(|end| end + rows);
                }
                Row::Extend { charges: own, .. } => shift(own, charges),
                Row::End(row) => shift(&mut row.charges, charges),
                _ => {}
            }
        }
        self.rows.append(&mut other.rows);
        self.charges.append(&mut other.charges);
        self.names.append(&mut other.names);
    }

    /// The end that one row of the ledger tells with a reservation.
    pub(super) fn end_of(&self, reserve: &Reserve) -> Option<&EndRow> {
        match self.rows.get(reserve.end?)? {
            Row::End(end) => Some(end),
            _ => None,
        }
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.charges.clear();
        self.names.clear();
    }
}

/// One change, with its number among all entries where it is one.
#[derive(Debug)]
pub(super) enum Row {
    Open {
        cell: u32,
        scope: ScopeId,
        key: CompactString,
    },
    Reserve(Reserve),
    Extend {
        seq: u64,
        id: ReservationId,
        now: Now,
        more: Amounts,
        charges: Range<usize>,
    },
    Renew {
        seq: u64,
        id: ReservationId,
        now: Now,
        expires: Time,
    },
    End(EndRow),
    EndSession {
        seq: u64,
        cell: u32,
        limit: LimitId,
        session: CompactString,
        now: Now,
    },
    Checkpoint {
        cell: u32,
        seq: u64,
        state: Cell,
    },
    Close {
        cell: u32,
    },
    Limits(Vec<LimitRow>),
    /// A rule that no row before this one names.
    Rule {
        number: i64,
        charge: Box<Charge>,
    },
    /// What may be held of an account before the hold's own row is written.
    Grant {
        cell: u32,
        limit: LimitId,
        rule: i64,
        amount: u64,
    },
    /// A cell has no grants any more.
    Revoke {
        cell: u32,
    },
    /// Nothing has.
    RevokeAll,
}

#[derive(Debug)]
pub(super) struct Reserve {
    pub(super) seq: u64,
    pub(super) id: ReservationId,
    pub(super) now: Now,
    pub(super) expires: Time,
    pub(super) demand: Amounts,
    pub(super) keep: bool,
    /// Who made it: its own of the batch's names.
    pub(super) who: Range<usize>,
    /// Whether it stands for what a crash may have lost.
    pub(super) is_lost: bool,
    /// Its own of the batch's charges.
    pub(super) charges: Range<usize>,
    /// Which of the batch's rows is its end, where one row of the ledger tells both.
    pub(super) end: Option<usize>,
}

#[derive(Debug)]
pub(super) struct EndRow {
    pub(super) seq: u64,
    pub(super) id: ReservationId,
    pub(super) now: Now,
    pub(super) how: End,
    pub(super) receipt: Receipt,
    /// The same as were reserved, each with what was used.
    pub(super) charges: Range<usize>,
    /// Whether its reservation's row of the ledger tells it.
    pub(super) is_joined: bool,
}

/// What is held on one account; `used` once it has ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowCharge {
    pub(super) cell: u32,
    /// The number of its rule.
    pub(super) rule: i64,
    pub(super) held: u64,
    pub(super) used: u64,
}

/// A limit as people know it.
#[derive(Debug)]
pub(super) struct LimitRow {
    pub(super) id: LimitId,
    pub(super) name: CompactString,
    pub(super) per: String,
    pub(super) description: String,
}
