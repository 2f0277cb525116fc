//! What waits to be written: records of the journal, small.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use tollgate_core::{Amounts, Charge, LimitId, Now, ReservationId, ScopeId, Time};

use crate::{Receipt, store::memory::End};

/// One change, with its number among all entries where it is one.
#[derive(Debug, Clone)]
pub(super) enum Row<'a> {
    Open {
        cell: u32,
        scope: ScopeId,
        key: &'a str,
    },
    Reserve(Reserve),
    Extend {
        seq: u64,
        id: ReservationId,
        now: Now,
        more: Amounts,
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
        session: &'a str,
        now: Now,
    },
    Checkpoint {
        cell: u32,
        seq: u64,
        /// As the core writes it.
        state: &'a [u8],
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

#[derive(Debug, Clone)]
pub(super) struct Reserve {
    pub(super) seq: u64,
    pub(super) id: ReservationId,
    pub(super) now: Now,
    pub(super) expires: Time,
    pub(super) demand: Amounts,
    pub(super) keep: bool,
    /// Whether it stands for what a crash may have lost.
    pub(super) is_lost: bool,
}

/// An end; its charges are the same as were reserved, each with what was used, or none where
/// it is short.
#[derive(Debug, Clone)]
pub(super) struct EndRow {
    pub(super) seq: u64,
    pub(super) id: ReservationId,
    pub(super) now: Now,
    pub(super) how: End,
    pub(super) receipt: Receipt,
    /// Whether its reservation is in the same group, and how much was used of each charge
    /// follows from that and from the usage.
    pub(super) is_short: bool,
    /// Whether its reservation's row of the ledger tells it.
    pub(super) is_joined: bool,
}

/// What is held on one account; `used` once it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowCharge {
    pub(super) cell: u32,
    /// The number of its rule.
    pub(super) rule: i64,
    pub(super) held: u64,
    pub(super) used: u64,
}

/// A limit as people know it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LimitRow {
    pub(super) id: LimitId,
    pub(super) name: CompactString,
    pub(super) per: String,
    pub(super) description: String,
}
