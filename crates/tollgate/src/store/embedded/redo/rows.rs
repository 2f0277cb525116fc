//! Rows as bytes: whole numbers of fixed length, the smallest byte first; text after its length.
//! What rarely comes is JSON.

use std::ops::Range;

use bytes::{Buf, BufMut, TryGetError};
use compact_str::CompactString;
use tollgate_core::{
    Amounts, Charge, LimitId, NanoUsd, Now, ReservationId, Rule, ScopeId, Time, Unit, Warn,
};

use super::super::row::{Batch, EndRow, LimitRow, Reserve, Row, RowCharge};
use crate::{Receipt, store::memory::End};

/// What a row begins with.
mod tag {
    pub(super) const OPEN: u8 = 1;
    pub(super) const RESERVE: u8 = 2;
    pub(super) const EXTEND: u8 = 3;
    pub(super) const RENEW: u8 = 4;
    pub(super) const END: u8 = 5;
    pub(super) const END_SESSION: u8 = 6;
    pub(super) const CLOSE: u8 = 7;
    pub(super) const LIMITS: u8 = 8;
    pub(super) const RULE: u8 = 9;
    pub(super) const GRANT: u8 = 10;
    pub(super) const REVOKE: u8 = 11;
    pub(super) const REVOKE_ALL: u8 = 12;
}

/// Adds the rows of a batch, after what they have lists of.
pub(super) fn write(bytes: &mut Vec<u8>, batch: &Batch) {
    bytes.put_u32_le(batch.charges.len() as u32);
    for charge in &batch.charges {
        bytes.put_u32_le(charge.cell);
        bytes.put_i64_le(charge.rule);
        bytes.put_u64_le(charge.held);
        bytes.put_u64_le(charge.used);
    }
    write_run(bytes, &batch.names);
    for row in &batch.rows {
        write_row(bytes, row);
    }
}

/// Reads all of them; nothing if anything is wrong.
pub(super) fn read(mut bytes: &[u8]) -> Option<Batch> {
    let mut batch = Batch::default();
    let bytes = &mut bytes;
    for _ in 0..bytes.try_get_u32_le().ok()? {
        batch.charges.push(read_charge(bytes).ok()?);
    }
    batch.names = read_run(bytes)?.to_vec();
    while !bytes.is_empty() {
        let row = read_row(bytes)?;
        let fits = |own: &Range<usize>, list: usize| own.start <= own.end && own.end <= list;
        let (charges, names) = (batch.charges.len(), batch.names.len());
        let is_right = match &row {
            Row::Reserve(row) => fits(&row.charges, charges) && fits(&row.who, names),
            Row::Extend { charges: own, .. } => fits(own, charges),
            Row::End(row) => fits(&row.charges, charges),
            _ => true,
        };
        batch.rows.push(is_right.then_some(row)?);
    }
    Some(batch)
}

fn write_row(bytes: &mut Vec<u8>, row: &Row) {
    match row {
        Row::Open { cell, scope, key } => {
            bytes.put_u8(tag::OPEN);
            bytes.put_u32_le(*cell);
            bytes.put_u64_le(scope.0);
            write_run(bytes, key.as_bytes());
        }
        Row::Reserve(row) => {
            bytes.put_u8(tag::RESERVE);
            write_reserve(bytes, row);
        }
        Row::Extend { seq, id, now, more, charges } => {
            bytes.put_u8(tag::EXTEND);
            write_whose(bytes, *seq, *id, *now);
            write_amounts(bytes, more);
            write_range(bytes, charges);
        }
        Row::Renew { seq, id, now, expires } => {
            bytes.put_u8(tag::RENEW);
            write_whose(bytes, *seq, *id, *now);
            bytes.put_u64_le(expires.as_nanos());
        }
        Row::End(row) => {
            bytes.put_u8(tag::END);
            write_end(bytes, row);
        }
        Row::EndSession { seq, cell, limit, session, now } => {
            bytes.put_u8(tag::END_SESSION);
            write_whose(bytes, *seq, ReservationId(0), *now);
            bytes.put_u32_le(*cell);
            bytes.put_u64_le(limit.0);
            write_run(bytes, session.as_bytes());
        }
        Row::Close { cell } => {
            bytes.put_u8(tag::CLOSE);
            bytes.put_u32_le(*cell);
        }
        Row::Limits(limits) => {
            bytes.put_u8(tag::LIMITS);
            let limits: Vec<_> = limits.iter().map(limit_as_json).collect();
            write_json(bytes, &limits);
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
        // It is worth something only with its mark, which is made by a transaction.
        Row::Checkpoint { .. } => {}
    }
}

fn read_row(bytes: &mut &[u8]) -> Option<Row> {
    let tag = bytes.try_get_u8().ok()?;
    Some(match tag {
        tag::OPEN => Row::Open {
            cell: bytes.try_get_u32_le().ok()?,
            scope: ScopeId(read_u64(bytes)?),
            key: read_text(bytes)?,
        },
        tag::RESERVE => Row::Reserve(read_reserve(bytes)?),
        tag::EXTEND => {
            let (seq, id, now) = read_whose(bytes)?;
            Row::Extend { seq, id, now, more: read_amounts(bytes)?, charges: read_range(bytes)? }
        }
        tag::RENEW => {
            let (seq, id, now) = read_whose(bytes)?;
            Row::Renew { seq, id, now, expires: read_time(bytes)? }
        }
        tag::END => Row::End(read_end(bytes)?),
        tag::END_SESSION => {
            let (seq, _, now) = read_whose(bytes)?;
            let (cell, limit) = (bytes.try_get_u32_le().ok()?, LimitId(read_u64(bytes)?));
            Row::EndSession { seq, cell, limit, session: read_text(bytes)?, now }
        }
        tag::CLOSE => Row::Close { cell: bytes.try_get_u32_le().ok()? },
        tag::LIMITS => {
            let limits: Vec<JsonLimit> = read_json(bytes)?;
            Row::Limits(limits.into_iter().map(limit_of_json).collect())
        }
        tag::RULE => {
            let number = bytes.try_get_i64_le().ok()?;
            let (limit, rule, unit, shadow): (LimitId, Rule, Unit, bool) = read_json(bytes)?;
            let (amount, warn) = (0, Warn::NEVER);
            let charge = Box::new(Charge { limit, rule, unit, amount, shadow, warn });
            Row::Rule { number, charge }
        }
        tag::GRANT => Row::Grant {
            cell: bytes.try_get_u32_le().ok()?,
            limit: LimitId(read_u64(bytes)?),
            rule: bytes.try_get_i64_le().ok()?,
            amount: read_u64(bytes)?,
        },
        tag::REVOKE => Row::Revoke { cell: bytes.try_get_u32_le().ok()? },
        tag::REVOKE_ALL => Row::RevokeAll,
        _ => return None,
    })
}

fn write_reserve(bytes: &mut Vec<u8>, row: &Reserve) {
    write_whose(bytes, row.seq, row.id, row.now);
    bytes.put_u64_le(row.expires.as_nanos());
    write_amounts(bytes, &row.demand);
    bytes.put_u8(u8::from(row.keep) | u8::from(row.is_lost) << 1);
    write_range(bytes, &row.who);
    write_range(bytes, &row.charges);
}

fn read_reserve(bytes: &mut &[u8]) -> Option<Reserve> {
    let (seq, id, now) = read_whose(bytes)?;
    let (expires, demand) = (read_time(bytes)?, read_amounts(bytes)?);
    let marks = bytes.try_get_u8().ok()?;
    let (keep, is_lost) = (marks & 1 != 0, marks & 2 != 0);
    let (who, charges) = (read_range(bytes)?, read_range(bytes)?);
    Some(Reserve { seq, id, now, expires, demand, keep, who, is_lost, charges, end: None })
}

fn write_end(bytes: &mut Vec<u8>, row: &EndRow) {
    write_whose(bytes, row.seq, row.id, row.now);
    bytes.put_u8(row.how as u8);
    write_amounts(bytes, &row.receipt.usage);
    write_amounts(bytes, &row.receipt.overrun);
    write_range(bytes, &row.charges);
}

fn read_end(bytes: &mut &[u8]) -> Option<EndRow> {
    let (seq, id, now) = read_whose(bytes)?;
    let how = bytes.try_get_u8().ok()?;
    let mut all = [End::Settle, End::Estimate, End::Void, End::Expire].into_iter();
    let how = all.find(|known| *known as u8 == how)?;
    let receipt = Receipt { usage: read_amounts(bytes)?, overrun: read_amounts(bytes)? };
    Some(EndRow { seq, id, now, how, receipt, charges: read_range(bytes)?, is_joined: false })
}

fn read_charge(bytes: &mut &[u8]) -> Result<RowCharge, TryGetError> {
    Ok(RowCharge {
        cell: bytes.try_get_u32_le()?,
        rule: bytes.try_get_i64_le()?,
        held: bytes.try_get_u64_le()?,
        used: bytes.try_get_u64_le()?,
    })
}

/// The number of an entry, the reservation that it is of, and when it was.
fn write_whose(bytes: &mut Vec<u8>, seq: u64, id: ReservationId, now: Now) {
    bytes.put_u64_le(seq);
    bytes.put_u128_le(id.0);
    bytes.put_u64_le(now.time.as_nanos());
    bytes.put_u64_le(now.wall.as_nanos());
}

fn read_whose(bytes: &mut &[u8]) -> Option<(u64, ReservationId, Now)> {
    let seq = read_u64(bytes)?;
    let id = ReservationId(bytes.try_get_u128_le().ok()?);
    Some((seq, id, Now { time: read_time(bytes)?, wall: read_time(bytes)? }))
}

fn write_amounts(bytes: &mut Vec<u8>, amounts: &Amounts) {
    let Amounts { requests, input_tokens, output_tokens, cost, millis } = *amounts;
    for amount in [requests, input_tokens, output_tokens, cost.0, millis] {
        bytes.put_u64_le(amount);
    }
}

fn read_amounts(bytes: &mut &[u8]) -> Option<Amounts> {
    Some(Amounts {
        requests: read_u64(bytes)?,
        input_tokens: read_u64(bytes)?,
        output_tokens: read_u64(bytes)?,
        cost: NanoUsd(read_u64(bytes)?),
        millis: read_u64(bytes)?,
    })
}

fn write_range(bytes: &mut Vec<u8>, range: &Range<usize>) {
    bytes.put_u32_le(range.start as u32);
    bytes.put_u32_le(range.end as u32);
}

fn read_range(bytes: &mut &[u8]) -> Option<Range<usize>> {
    let [start, end] = [bytes.try_get_u32_le().ok()?, bytes.try_get_u32_le().ok()?];
    Some(start as usize..end as usize)
}

fn write_run(bytes: &mut Vec<u8>, run: &[u8]) {
    bytes.put_u32_le(run.len() as u32);
    bytes.put_slice(run);
}

fn read_run<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = bytes.try_get_u32_le().ok()?;
    let (run, rest) = bytes.split_at_checked(length as usize)?;
    *bytes = rest;
    Some(run)
}

fn read_text(bytes: &mut &[u8]) -> Option<CompactString> {
    CompactString::from_utf8(read_run(bytes)?).ok()
}

fn read_u64(bytes: &mut &[u8]) -> Option<u64> {
    bytes.try_get_u64_le().ok()
}

fn read_time(bytes: &mut &[u8]) -> Option<Time> {
    read_u64(bytes).map(Time::from_nanos)
}

type JsonLimit = (LimitId, String, String, String);

fn limit_as_json(limit: &LimitRow) -> (LimitId, &str, &str, &str) {
    (limit.id, &limit.name, &limit.per, &limit.description)
}

fn limit_of_json((id, name, per, description): JsonLimit) -> LimitRow {
    LimitRow { id, name: name.into(), per, description }
}

fn write_json(bytes: &mut Vec<u8>, value: &impl serde::Serialize) {
    // Numbers, names and texts: nothing of it can't be JSON, and what is empty is not read.
    write_run(bytes, &serde_json::to_vec(value).unwrap_or_default());
}

fn read_json<T: serde::de::DeserializeOwned>(bytes: &mut &[u8]) -> Option<T> {
    serde_json::from_slice(read_run(bytes)?).ok()
}
