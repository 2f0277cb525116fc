//! A row as bytes: what it is, then what it tells. What rarely comes is JSON.

use bytes::{Buf, BufMut};
use tollgate_core::{
    Amounts, Attributes, Charge, LimitId, NanoUsd, Now, ReservationId, Rule, ScopeId, Time, Unit,
    Warn,
};

use super::{
    super::{
        names,
        row::{EndRow, LimitRow, Reserve, Row, RowCharge},
    },
    varint,
};
use crate::{Receipt, store::memory::End};

/// A row with what it holds of accounts and who made it.
#[derive(Debug, Clone)]
pub(in super::super) struct Full<'a> {
    pub(in super::super) row: Row<'a>,
    pub(in super::super) charges: Charges<'a>,
    /// As `names` writes it.
    pub(in super::super) who: &'a [u8],
    /// Where the row of its end is, where one row of the ledger tells both.
    pub(in super::super) end: Option<usize>,
}

/// Charges, read one after the other.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Charges<'a>(&'a [u8]);

/// What a row begins with.
mod tag {
    pub(super) const OPEN: u8 = 1;
    pub(super) const RESERVE: u8 = 2;
    pub(super) const EXTEND: u8 = 3;
    pub(super) const RENEW: u8 = 4;
    pub(super) const END: u8 = 5;
    pub(super) const END_SESSION: u8 = 6;
    pub(super) const CHECKPOINT: u8 = 7;
    pub(super) const CLOSE: u8 = 8;
    pub(super) const LIMITS: u8 = 9;
    pub(super) const RULE: u8 = 10;
    pub(super) const GRANT: u8 = 11;
    pub(super) const REVOKE: u8 = 12;
    pub(super) const REVOKE_ALL: u8 = 13;
}

/// The bit of an end's second byte that says that its reservation's row tells it.
const JOINED: u8 = 0x80;

/// The one that says that its charges are those of its reservation.
const SHORT: u8 = 0x40;

impl Iterator for Charges<'_> {
    type Item = RowCharge;

    fn next(&mut self) -> Option<RowCharge> {
        let mut number = || varint::take(&mut self.0);
        let (cell, rule) = (u32::try_from(number()?).ok()?, number()?.cast_signed());
        Some(RowCharge { cell, rule, held: number()?, used: number()? })
    }
}

impl Full<'_> {
    /// Whether all of its charges can be read.
    pub(super) fn is_whole(&self) -> bool {
        let mut charges = self.charges;
        charges.by_ref().for_each(drop);
        charges.0.is_empty()
    }
}

pub(super) fn write(
    bytes: &mut Vec<u8>,
    row: &Row<'_>,
    charges: &[RowCharge],
    who: Option<&Attributes>,
) {
    match row {
        Row::Reserve(row) => {
            bytes.put_u8(tag::RESERVE);
            write_reserve(bytes, row, charges, who);
        }
        Row::End(row) => {
            bytes.put_u8(tag::END);
            bytes.put_u8(row.how as u8 | if row.is_short { SHORT } else { 0 });
            write_whose(bytes, row.seq, row.id, row.now);
            write_amounts(bytes, &row.receipt.usage);
            write_amounts(bytes, &row.receipt.overrun);
            write_charges(bytes, charges);
        }
        Row::Extend { seq, id, now, more } => {
            bytes.put_u8(tag::EXTEND);
            write_whose(bytes, *seq, *id, *now);
            write_amounts(bytes, more);
            write_charges(bytes, charges);
        }
        Row::Renew { seq, id, now, expires } => {
            bytes.put_u8(tag::RENEW);
            write_whose(bytes, *seq, *id, *now);
            bytes.put_u64_le(expires.as_nanos());
        }
        other => write_rare(bytes, other),
    }
}

fn write_rare(bytes: &mut Vec<u8>, row: &Row<'_>) {
    match row {
        Row::Open { cell, scope, key } => {
            bytes.put_u8(tag::OPEN);
            bytes.put_u32_le(*cell);
            bytes.put_u64_le(scope.0);
            bytes.put_slice(key.as_bytes());
        }
        Row::EndSession { seq, cell, limit, session, now } => {
            bytes.put_u8(tag::END_SESSION);
            write_whose(bytes, *seq, ReservationId(0), *now);
            bytes.put_u32_le(*cell);
            bytes.put_u64_le(limit.0);
            bytes.put_slice(session.as_bytes());
        }
        Row::Checkpoint { cell, seq, state } => {
            bytes.put_u8(tag::CHECKPOINT);
            bytes.put_u32_le(*cell);
            bytes.put_u64_le(*seq);
            bytes.put_slice(state);
        }
        Row::Close { cell } => {
            bytes.put_u8(tag::CLOSE);
            bytes.put_u32_le(*cell);
        }
        Row::Limits(limits) => {
            bytes.put_u8(tag::LIMITS);
            write_json(bytes, limits);
        }
        Row::Rule { number, charge } => {
            bytes.put_u8(tag::RULE);
            bytes.put_i64_le(*number);
            write_json(bytes, &(charge.limit, charge.rule, charge.unit, charge.shadow));
        }
        Row::Grant { cell, limit, rule, amount } => {
            bytes.put_u8(tag::GRANT);
            bytes.put_u32_le(*cell);
            bytes.put_u64_le(limit.0);
            bytes.put_i64_le(*rule);
            bytes.put_u64_le(*amount);
        }
        Row::Revoke { cell } => {
            bytes.put_u8(tag::REVOKE);
            bytes.put_u32_le(*cell);
        }
        Row::RevokeAll => bytes.put_u8(tag::REVOKE_ALL),
        Row::Reserve(_) | Row::End(_) | Row::Extend { .. } | Row::Renew { .. } => {}
    }
}

pub(super) fn read(mut bytes: &[u8]) -> Option<Full<'_>> {
    let rest = &mut bytes;
    let (mut who, mut end) = (&[][..], None);
    let row = match rest.try_get_u8().ok()? {
        tag::RESERVE => {
            end = rest.try_get_u32_le().ok().map(|end| end as usize).filter(|end| *end > 0);
            let row = read_reserve(rest)?;
            let charges = rest.try_get_u32_le().ok()?;
            let (charges, names) = rest.split_at_checked(charges as usize)?;
            (*rest, who) = (charges, names);
            Row::Reserve(row)
        }
        tag::END => {
            let marks = rest.try_get_u8().ok()?;
            let mut all = [End::Settle, End::Estimate, End::Void, End::Expire].into_iter();
            let how = all.find(|known| *known as u8 == marks & !(JOINED | SHORT))?;
            let (seq, id, now) = read_whose(rest)?;
            let receipt = Receipt { usage: read_amounts(rest)?, overrun: read_amounts(rest)? };
            let (is_short, is_joined) = (marks & SHORT != 0, marks & JOINED != 0);
            Row::End(EndRow { seq, id, now, how, receipt, is_short, is_joined })
        }
        tag::EXTEND => {
            let (seq, id, now) = read_whose(rest)?;
            Row::Extend { seq, id, now, more: read_amounts(rest)? }
        }
        tag => {
            let row = read_rare(tag, rest)?;
            return Some(Full { row, charges: Charges::default(), who, end });
        }
    };
    Some(Full { row, charges: Charges(rest), who, end })
}

fn read_rare<'a>(tag: u8, rest: &mut &'a [u8]) -> Option<Row<'a>> {
    let row = match tag {
        tag::RENEW => {
            let (seq, id, now) = read_whose(rest)?;
            Row::Renew { seq, id, now, expires: Time::from_nanos(rest.try_get_u64_le().ok()?) }
        }
        tag::OPEN => Row::Open {
            cell: rest.try_get_u32_le().ok()?,
            scope: ScopeId(rest.try_get_u64_le().ok()?),
            key: read_text(rest)?,
        },
        tag::END_SESSION => {
            let (seq, _, now) = read_whose(rest)?;
            let (cell, limit) = (rest.try_get_u32_le().ok()?, rest.try_get_u64_le().ok()?);
            Row::EndSession { seq, cell, limit: LimitId(limit), session: read_text(rest)?, now }
        }
        tag::CHECKPOINT => Row::Checkpoint {
            cell: rest.try_get_u32_le().ok()?,
            seq: rest.try_get_u64_le().ok()?,
            state: std::mem::take(rest),
        },
        tag::CLOSE => Row::Close { cell: rest.try_get_u32_le().ok()? },
        tag::LIMITS => Row::Limits(read_json::<Vec<LimitRow>>(rest)?),
        tag::RULE => {
            let number = rest.try_get_i64_le().ok()?;
            let (limit, rule, unit, shadow): (LimitId, Rule, Unit, bool) = read_json(rest)?;
            let (amount, warn) = (0, Warn::NEVER);
            let charge = Box::new(Charge { limit, rule, unit, amount, shadow, warn });
            Row::Rule { number, charge }
        }
        tag::GRANT => Row::Grant {
            cell: rest.try_get_u32_le().ok()?,
            limit: LimitId(rest.try_get_u64_le().ok()?),
            rule: rest.try_get_i64_le().ok()?,
            amount: rest.try_get_u64_le().ok()?,
        },
        tag::REVOKE => Row::Revoke { cell: rest.try_get_u32_le().ok()? },
        tag::REVOKE_ALL => Row::RevokeAll,
        _ => return None,
    };
    rest.is_empty().then_some(row)
}

/// Writes into a reservation's row where that of its end is.
pub(super) fn mark_begun(row: &mut [u8], end: u32) {
    row[1..5].copy_from_slice(&end.to_le_bytes());
}

/// Writes into an end's row that its reservation's row tells it.
pub(super) const fn mark_ended(row: &mut [u8]) {
    row[1] |= JOINED;
}

fn write_reserve(
    bytes: &mut Vec<u8>,
    row: &Reserve,
    charges: &[RowCharge],
    who: Option<&Attributes>,
) {
    bytes.put_u32_le(0);
    bytes.put_u8(u8::from(row.keep) | u8::from(row.is_lost) << 1);
    write_whose(bytes, row.seq, row.id, row.now);
    varint::put_way(bytes, row.now.time.as_nanos(), row.expires.as_nanos());
    write_amounts(bytes, &row.demand);
    let start = bytes.len();
    bytes.put_u32_le(0);
    write_charges(bytes, charges);
    let length = (bytes.len() - start - 4) as u32;
    bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
    if let Some(who) = who {
        names::write(bytes, who);
    }
}

fn read_reserve(rest: &mut &[u8]) -> Option<Reserve> {
    let marks = rest.try_get_u8().ok()?;
    let (keep, is_lost) = (marks & 1 != 0, marks & 2 != 0);
    let (seq, id, now) = read_whose(rest)?;
    let expires = Time::from_nanos(varint::take_way(rest, now.time.as_nanos())?);
    Some(Reserve { seq, id, now, expires, demand: read_amounts(rest)?, keep, is_lost })
}

/// The number of an entry, the reservation that it is of, and when it was.
fn write_whose(bytes: &mut Vec<u8>, seq: u64, id: ReservationId, now: Now) {
    varint::put(bytes, seq);
    bytes.put_u128_le(id.0);
    bytes.put_u64_le(now.time.as_nanos());
    varint::put_way(bytes, now.time.as_nanos(), now.wall.as_nanos());
}

fn read_whose(rest: &mut &[u8]) -> Option<(u64, ReservationId, Now)> {
    let seq = varint::take(rest)?;
    let id = ReservationId(rest.try_get_u128_le().ok()?);
    let time = rest.try_get_u64_le().ok()?;
    let wall = varint::take_way(rest, time)?;
    Some((seq, id, Now { time: Time::from_nanos(time), wall: Time::from_nanos(wall) }))
}

fn write_amounts(bytes: &mut Vec<u8>, amounts: &Amounts) {
    let Amounts { requests, input_tokens, output_tokens, cost, millis } = *amounts;
    for amount in [requests, input_tokens, output_tokens, cost.0, millis] {
        varint::put(bytes, amount);
    }
}

fn read_amounts(rest: &mut &[u8]) -> Option<Amounts> {
    Some(Amounts {
        requests: varint::take(rest)?,
        input_tokens: varint::take(rest)?,
        output_tokens: varint::take(rest)?,
        cost: NanoUsd(varint::take(rest)?),
        millis: varint::take(rest)?,
    })
}

fn write_charges(bytes: &mut Vec<u8>, charges: &[RowCharge]) {
    for RowCharge { cell, rule, held, used } in charges {
        for number in [u64::from(*cell), rule.cast_unsigned(), *held, *used] {
            varint::put(bytes, number);
        }
    }
}

fn read_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    std::str::from_utf8(std::mem::take(rest)).ok()
}

fn write_json(bytes: &mut Vec<u8>, value: &impl serde::Serialize) {
    // Numbers, names and texts: nothing of it can't be JSON, and what is empty is not read.
    bytes.put_slice(&serde_json::to_vec(value).unwrap_or_default());
}

fn read_json<T: serde::de::DeserializeOwned>(rest: &mut &[u8]) -> Option<T> {
    serde_json::from_slice(std::mem::take(rest)).ok()
}
