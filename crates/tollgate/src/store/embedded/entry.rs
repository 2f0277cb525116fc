//! Rows of the ledger, read back.

use rusqlite::{Row, types::Type};
use tollgate_core::{Amounts, NanoUsd, Now, ReservationId, Time};

use super::{
    charges::{self, Numbers},
    schema::{EntryKind, WHOLE},
};

/// What a row of `entries` tells, or half of what a whole reservation's row does.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) seq: u64,
    pub(super) kind: EntryKind,
    pub(super) id: ReservationId,
    pub(super) now: Now,
    pub(super) amounts: Amounts,
    pub(super) expires: Time,
    pub(super) keep: bool,
    pub(super) charges: Vec<EntryCharge>,
    pub(super) session: String,
    /// Whether nobody told what was used, or what was lost.
    pub(super) estimated: bool,
}

/// What a row says of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntryCharge {
    pub(super) cell: u32,
    /// The number of a rule; of an ended session, the id of the limit.
    pub(super) rule: i64,
    pub(super) amount: u64,
    /// What was used of it; all, while it has not ended.
    pub(super) used: u64,
}

/// The columns that an [`Entry`] is read from.
pub(super) const COLUMNS: &str = "seq, kind, id, at, wall, requests, input_tokens, \
    output_tokens, nano_usd, millis, expires, keep, charges, session, estimated, \
    end_seq, end_at, end_wall, used_requests, used_input_tokens, used_output_tokens, \
    used_nano_usd, used_millis";

/// How many they are.
pub(super) const WIDTH: usize = 23;

impl Entry {
    /// Reads what a row tells; of a whole reservation's, how it began.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let number = row.get(1)?;
        let (kind, is_whole) = EntryKind::begun(number)
            .ok_or_else(|| wrong(1, format!("{number} is no kind of entry")))?;
        let session = row.get_ref(13)?.as_str_or_null()?;
        let mut charges = read_charges(kind, is_whole, row.get_ref(12)?.as_str()?)?;
        if is_whole {
            charges.iter_mut().for_each(|charge| charge.used = charge.amount);
        }
        Ok(Self {
            seq: unsigned(row, 0)?,
            kind,
            id: read_id(row, 2)?,
            now: Now { time: time(row, 3)?, wall: time(row, 4)? },
            amounts: read_amounts(row, 5)?,
            expires: Time::from_nanos(row.get::<_, Option<i64>>(10)?.unwrap_or(0).cast_unsigned()),
            keep: row.get(11)?,
            charges,
            session: session.unwrap_or_default().to_owned(),
            estimated: row.get::<_, bool>(14)? && !is_whole,
        })
    }

    /// Reads how a whole reservation ended; nothing where the row tells no such one.
    pub(super) fn read_end(row: &Row<'_>) -> rusqlite::Result<Option<Self>> {
        if row.get::<_, i64>(1)? != WHOLE {
            return Ok(None);
        }
        let kind = EntryKind::Settle;
        Ok(Some(Self {
            seq: unsigned(row, 15)?,
            kind,
            id: read_id(row, 2)?,
            now: Now { time: time(row, 16)?, wall: time(row, 17)? },
            amounts: read_amounts(row, 18)?,
            expires: Time::ZERO,
            keep: false,
            charges: read_charges(kind, true, row.get_ref(12)?.as_str()?)?,
            session: String::new(),
            estimated: row.get(14)?,
        }))
    }
}

/// The id in a column; an ended session has none.
pub(super) fn read_id(row: &Row<'_>, column: usize) -> rusqlite::Result<ReservationId> {
    let bytes = row.get_ref(column)?.as_blob()?;
    if bytes.is_empty() {
        return Ok(ReservationId(0));
    }
    let bytes = bytes.try_into().map_err(|_| wrong(column, "an id has 16 bytes".to_owned()))?;
    Ok(ReservationId(u128::from_be_bytes(bytes)))
}

/// The five amounts from a column on.
pub(super) fn read_amounts(row: &Row<'_>, from: usize) -> rusqlite::Result<Amounts> {
    Ok(Amounts {
        requests: unsigned(row, from)?,
        input_tokens: unsigned(row, from + 1)?,
        output_tokens: unsigned(row, from + 2)?,
        cost: NanoUsd(unsigned(row, from + 3)?),
        millis: unsigned(row, from + 4)?,
    })
}

fn read_charges(kind: EntryKind, is_whole: bool, text: &str) -> rusqlite::Result<Vec<EntryCharge>> {
    let count = match kind {
        _ if is_whole => 4,
        EntryKind::EndSession => 2,
        EntryKind::Reserve | EntryKind::Extend => 3,
        EntryKind::Settle | EntryKind::Void | EntryKind::Expire => 4,
        EntryKind::Renew | EntryKind::Overrun => return Ok(Vec::new()),
    };
    let damaged = || wrong(12, format!("these are no charges of {count} numbers: {text}"));
    let charges = charges::read(text, count).ok_or_else(damaged)?;
    let one = |[cell, rule, amount, used]: Numbers| {
        let cell = u32::try_from(cell).map_err(|_| damaged())?;
        let used = if count == 4 { used } else { amount };
        Ok(EntryCharge { cell, rule: rule.cast_signed(), amount, used })
    };
    charges.into_iter().map(one).collect()
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| wrong(column, format!("{value} is below 0")))
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Time> {
    unsigned(row, column).map(Time::from_nanos)
}

/// The error of a column whose value can't be.
pub(super) fn wrong(column: usize, what: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, what.into())
}
