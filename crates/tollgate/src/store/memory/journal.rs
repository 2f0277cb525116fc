//! What happens to reservations, told in the order in which it happened.

use tollgate_core::{
    Amounts, Attributes, Cell, Charge, Demand, LimitId, Now, ReservationId, ScopeId, Time, Usage,
};

use super::reservation::{Added, CellRef, Shares};
use crate::StoreError;

/// Hears of every change while the cells it concerns are locked, so that the order of
/// records is the order of changes. It must not block and must not lose a record.
pub trait Journal: Send + Sync {
    /// Whether a new reservation could be recorded, or need not be: `must` says whether
    /// something in it may not be forgotten.
    ///
    /// # Errors
    /// When it must be and could not; it is not admitted then.
    fn ready(&self, must: impl FnOnce() -> bool) -> Result<(), StoreError>;

    /// Takes a record and answers with its number in the order of all records.
    fn record(&self, record: Record<'_>) -> u64;
}

/// One change.
#[derive(Debug)]
pub enum Record<'a> {
    /// A cell was made; the number is its name in later records.
    Open {
        /// Unique in the ledger's life.
        cell: u32,
        /// Its scope.
        scope: ScopeId,
        /// Its values of the scope's attributes, joined.
        key: &'a str,
    },
    /// A reservation was made.
    Reserve {
        /// Its id.
        id: ReservationId,
        /// When.
        now: Now,
        /// When it expires unless it is renewed.
        expires: Time,
        /// Who asked.
        attributes: &'a Attributes,
        /// For what in all.
        demand: &'a Demand,
        /// Whether the id may be asked for again.
        keep: bool,
        /// What is held where.
        held: Holds<'a>,
    },
    /// A reservation got more.
    Extend {
        /// Its id.
        id: ReservationId,
        /// When.
        now: Now,
        /// How much more.
        more: &'a Amounts,
        /// What is held beside what was.
        held: Holds<'a>,
    },
    /// A reservation's end was moved.
    Renew {
        /// Its id.
        id: ReservationId,
        /// When it expires now.
        expires: Time,
    },
    /// A reservation ended.
    End {
        /// Its id.
        id: ReservationId,
        /// When.
        now: Now,
        /// How.
        how: End,
        /// What it is charged.
        usage: &'a Usage,
        /// What of that is more than was reserved.
        overrun: &'a Amounts,
        /// What had been held where, with what is charged now.
        held: Holds<'a>,
        /// The number of the record that made it, if that is all that was told of it and its id
        /// may not be asked for again; 0 otherwise.
        told_by: u64,
    },
    /// A session ended before its time.
    EndSession {
        /// The cell.
        cell: u32,
        /// The limit that counted it there.
        limit: LimitId,
        /// The session's id.
        session: &'a str,
        /// When.
        now: Now,
    },
    /// What a cell holds after the record before this one.
    Checkpoint {
        /// The cell.
        cell: u32,
        /// Its state.
        state: &'a Cell,
    },
    /// A cell was forgotten because nobody would miss it. Its number is never used again.
    Close {
        /// The cell.
        cell: u32,
    },
}

/// How a reservation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With what was really used.
    Settle,
    /// With what was probably used, since nobody told.
    Estimate,
    /// With nothing used.
    Void,
    /// By itself; what it held counts as used.
    Expire,
}

/// What a reservation holds, or what was added to it.
#[derive(Debug, Clone, Copy)]
pub struct Holds<'a> {
    pub(super) cells: &'a [CellRef],
    pub(super) charges: &'a [Charge],
    pub(super) added: &'a [Added],
    /// What each ends with; nothing while none has ended.
    pub(super) shares: Option<&'a Shares<'a>>,
}

impl<'a> Holds<'a> {
    /// The number of each cell, what is held there, and what that ends with: all of it,
    /// while it has not ended.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &'a Charge, u64)> + Clone + use<'a> {
        let Self { cells, charges, added, shares } = *self;
        let cell_of = cells
            .iter()
            .flat_map(|cell| std::iter::repeat_n(cell.number, usize::from(cell.charges)));
        let added =
            added.iter().map(|added| (cells[usize::from(added.cell)].number, &added.charge));
        cell_of.zip(charges).chain(added).enumerate().map(move |(nth, (cell, charge))| {
            (cell, charge, shares.map_or(charge.amount, |shares| shares.of(nth, charge)))
        })
    }
}

/// Forgets everything: a store whose accounts live as long as the process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Forget;

impl Journal for Forget {
    fn ready(&self, _: impl FnOnce() -> bool) -> Result<(), StoreError> {
        Ok(())
    }

    fn record(&self, _: Record<'_>) -> u64 {
        0
    }
}
