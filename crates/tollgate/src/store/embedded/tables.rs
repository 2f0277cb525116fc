//! Writes groups of rows, one transaction each.

use std::time::Duration;

use rusqlite::{CachedStatement, Connection, Transaction, params};
use tollgate_core::{Amounts, Attribute, Attributes, Now, ReservationId, Time};

use super::{
    charges::{self, Numbers},
    grants::Ask,
    mirror::{Changes, Ended, Mirror},
    retention::Retention,
    row::{Batch, LimitRow, Reserve, Row, RowCharge},
    rules::Rules,
    schema::{EntryKind, integer},
    spend::{Roll, Spent},
};
use crate::store::memory::End;

/// The ledger's file, open for writing, and what the writer must remember of it.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) connection: Connection,
    pub(super) rules: Rules,
    pub(super) mirror: Mirror,
    pub(super) roll: Roll,
    pub(super) retention: Retention,
    /// The latest instant of an entry.
    pub(super) latest: Time,
}

/// A finished checkpoint: every row before `from` is in the state of its cells.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) from: u64,
    pub(super) latest: Time,
    pub(super) changes: Changes,
}

/// What is to be done with a group.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// A checkpoint that is finished with it.
    pub(super) mark: Option<Mark>,
    /// How many rows to read again at most, to sum up spend.
    pub(super) roll: Option<u64>,
    /// Before which row to look for old ones, and at how many.
    pub(super) old: Option<(u64, u64)>,
}

/// One transaction in the making.
struct Group<'a> {
    transaction: &'a Transaction<'a>,
    rules: &'a mut Rules,
    mirror: &'a mut Mirror,
    roll: &'a mut Roll,
    latest: &'a mut Time,
    reserve: CachedStatement<'a>,
    entry: CachedStatement<'a>,
    /// Charges as text, of one row after the other.
    text: String,
    numbers: Vec<Numbers>,
    /// The state of a cell, of one after the other.
    bytes: Vec<u8>,
}

/// What a row tells beside what happened to whom.
#[derive(Debug, Clone, Copy, Default)]
struct Marks {
    expires: Option<Time>,
    keep: bool,
    /// Whether the reservation can have several such rows.
    link: bool,
    estimated: bool,
}

const RESERVE: &str = "INSERT INTO entries (kind, seq, id, at, wall, requests, input_tokens, \
    output_tokens, nano_usd, millis, expires, keep, charges, user, session, team, tier, key, \
    provider, model, task, other, estimated) \
    VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

const ENTRY: &str = "INSERT INTO entries (kind, seq, id, reserve_seq, at, wall, requests, \
    input_tokens, output_tokens, nano_usd, millis, expires, keep, charges, link, \
    estimated) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Attributes that have a column of their own.
pub(super) const ATTRIBUTES: [&str; 8] =
    ["user", "session", "team", "tier", "key", "provider", "model", "task"];

impl Tables {
    pub(super) fn new(
        connection: Connection,
        (rules, mirror): (Rules, Mirror),
        (last, latest): (u64, Time),
        keep: Option<Duration>,
    ) -> rusqlite::Result<Self> {
        let roll = Roll::read(&connection, last)?;
        let retention = Retention::read(&connection, keep)?;
        Ok(Self { connection, rules, mirror, roll, retention, latest })
    }

    /// Writes a group, whose last entry is this, and does beside it what is due, so that all of
    /// it survives a crash when this returns, or none.
    pub(super) fn write(
        &mut self,
        batch: &mut Batch,
        due: &Due,
        last: u64,
    ) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        let mut group = Group {
            transaction: &transaction,
            rules: &mut self.rules,
            mirror: &mut self.mirror,
            roll: &mut self.roll,
            latest: &mut self.latest,
            reserve: transaction.prepare_cached(RESERVE)?,
            entry: transaction.prepare_cached(ENTRY)?,
            text: String::new(),
            numbers: Vec::new(),
            bytes: Vec::new(),
        };
        let mut charges = batch.charges.as_slice();
        for row in batch.rows.drain(..) {
            let (own, others) = charges.split_at(row.charges());
            charges = others;
            group.write(row, own)?;
        }
        batch.charges.clear();
        if let Some(mark) = &due.mark {
            group.mark(mark)?;
        }
        drop(group);
        if let Some(most) = due.roll {
            self.roll.advance(&transaction, most, last)?;
        }
        if let Some(rows) = due.old {
            self.retention.advance(&transaction, &self.rules, rows, self.latest)?;
        }
        transaction.commit()
    }
}

impl Group<'_> {
    fn write(&mut self, row: Row, charges: &[RowCharge]) -> rusqlite::Result<()> {
        match row {
            Row::Open { cell, scope, key } => self
                .other("INSERT INTO cells VALUES (?, ?, ?)")?
                .execute(params![cell, scope.0.cast_signed(), key.as_str()])
                .map(drop),
            Row::Reserve(reserve) => self.reserve(reserve, charges),
            Row::Extend { seq, id, now, more, .. } => {
                self.charges(charges, false)?;
                let first = self.mirror.change(id, seq);
                self.entry(EntryKind::Extend, seq, (id, first), now, &more, None)
            }
            Row::Renew { seq, id, now, expires } => {
                self.text.clear();
                let first = self.mirror.change(id, seq);
                let nothing = &Amounts::default();
                self.entry(EntryKind::Renew, seq, (id, first), now, nothing, Some(expires))
            }
            Row::End { .. } => self.end(&row, charges),
            Row::EndSession { seq, cell, limit, session, now } => {
                let charges = format!("[[{cell},{}]]", limit.0.cast_signed());
                let (at, wall) = (integer(now.time.as_nanos()), integer(now.wall.as_nanos()));
                self.other(
                    "INSERT INTO entries (kind, seq, id, at, wall, charges, session) \
                        VALUES (8, ?, x'', ?, ?, ?, ?)",
                )?
                .execute(params![integer(seq), at, wall, charges, session.as_str()])
                .map(drop)
            }
            Row::Checkpoint { cell, seq, state } => {
                self.bytes.clear();
                state.write_to(&mut self.bytes);
                self.other("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)")?
                    .execute(params![cell, integer(seq), self.bytes])
                    .map(drop)
            }
            Row::Close { cell } => {
                self.other("DELETE FROM checkpoints WHERE cell = ?")?.execute([cell]).map(drop)
            }
            Row::Limits(limits) => limits.iter().try_for_each(|limit| self.limit(limit)),
            Row::Grant(Ask { cell, charge }) => {
                let rule = self.rules.number(self.transaction, &charge)?;
                let limit = charge.limit.0.cast_signed();
                self.other("INSERT OR REPLACE INTO grants VALUES (?, ?, ?, ?)")?
                    .execute(params![cell, limit, rule, integer(charge.amount)])
                    .map(drop)
            }
            Row::Revoke { cell } => {
                self.other("DELETE FROM grants WHERE cell = ?")?.execute([cell]).map(drop)
            }
            Row::RevokeAll => self.other("DELETE FROM grants")?.execute([]).map(drop),
        }
    }

    fn reserve(&mut self, row: Reserve, charges: &[RowCharge]) -> rusqlite::Result<()> {
        self.charges(charges, false)?;
        *self.latest = (*self.latest).max(row.now.time);
        let who = &row.attributes;
        self.reserve.execute(params![
            integer(row.seq),
            row.id.0.to_be_bytes(),
            integer(row.now.time.as_nanos()),
            integer(row.now.wall.as_nanos()),
            integer(row.demand.requests),
            integer(row.demand.input_tokens),
            integer(row.demand.output_tokens),
            integer(row.demand.cost.0),
            integer(row.demand.millis),
            integer(row.expires.as_nanos()),
            row.keep,
            self.text,
            who.value(&Attribute::User),
            who.value(&Attribute::Session),
            who.value(&Attribute::Team),
            who.value(&Attribute::Tier),
            who.value(&Attribute::Key),
            who.value(&Attribute::Provider),
            who.value(&Attribute::Model),
            who.value(&Attribute::Task),
            others(who),
            row.is_lost,
        ])?;
        // What stands for lost holds is spent by nobody, which is for the view to say.
        let who = (!row.is_lost).then_some(row.attributes);
        self.mirror.reserve(row.id, row.seq, row.keep, who);
        Ok(())
    }

    fn end(&mut self, row: &Row, charges: &[RowCharge]) -> rusqlite::Result<()> {
        let Row::End { seq, id, now, how, receipt, .. } = row else { return Ok(()) };
        self.charges(charges, true)?;
        *self.latest = (*self.latest).max(now.time);
        let (kind, ended) = match how {
            End::Expire => (EntryKind::Expire, self.mirror.expire(*id, *seq, now.time)),
            End::Settle | End::Estimate => (EntryKind::Settle, self.mirror.end(*id)),
            End::Void => (EntryKind::Void, self.mirror.end(*id)),
        };
        let Ended { first, keep, who, expired } = ended.unwrap_or_default();
        let marks = Marks {
            expires: None,
            keep: keep && *how != End::Expire,
            link: expired || *how == End::Expire,
            estimated: *how == End::Estimate,
        };
        let first = (first != 0).then_some(first);
        self.insert(kind, *seq, (*id, first), *now, &receipt.usage, marks)?;
        // What is given back unused is spent by nobody, unless its expiry had counted it.
        if first.is_some() && (*how != End::Void || expired) {
            let estimated = matches!(how, End::Estimate | End::Expire);
            let who = who.as_deref();
            self.roll.note(Spent { seq: *seq, wall: now.wall, who, receipt, estimated });
        }
        if receipt.overrun != Amounts::default() {
            self.text.clear();
            let overrun = &receipt.overrun;
            self.entry(EntryKind::Overrun, seq + 1, (*id, first), *now, overrun, None)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        kind: EntryKind,
        seq: u64,
        id: (ReservationId, Option<u64>),
        now: Now,
        amounts: &Amounts,
        expires: Option<Time>,
    ) -> rusqlite::Result<()> {
        let link = kind != EntryKind::Overrun;
        let marks = Marks { expires, link, ..Marks::default() };
        self.insert(kind, seq, id, now, amounts, marks)
    }

    fn insert(
        &mut self,
        kind: EntryKind,
        seq: u64,
        (id, first): (ReservationId, Option<u64>),
        now: Now,
        amounts: &Amounts,
        marks: Marks,
    ) -> rusqlite::Result<()> {
        let charges = if self.text.is_empty() { "[]" } else { &self.text };
        self.entry.execute(params![
            kind as i64,
            integer(seq),
            id.0.to_be_bytes(),
            first.map(integer),
            integer(now.time.as_nanos()),
            integer(now.wall.as_nanos()),
            integer(amounts.requests),
            integer(amounts.input_tokens),
            integer(amounts.output_tokens),
            integer(amounts.cost.0),
            integer(amounts.millis),
            marks.expires.map(|at| integer(at.as_nanos())),
            marks.keep,
            charges,
            first.filter(|_| marks.link).map(integer),
            marks.estimated,
        ])?;
        Ok(())
    }

    fn limit(&mut self, limit: &LimitRow) -> rusqlite::Result<()> {
        self.other("INSERT OR REPLACE INTO limits VALUES (?, ?, ?, ?)")?
            .execute(params![
                limit.id.0.cast_signed(),
                limit.name.as_str(),
                limit.per,
                limit.description
            ])
            .map(drop)
    }

    fn mark(&mut self, mark: &Mark) -> rusqlite::Result<()> {
        let mut set = self.other("UPDATE meta SET value = ? WHERE name = ?")?;
        set.execute(params![integer(mark.from), "replay_from"])?;
        set.execute(params![integer(mark.latest.as_nanos()), "latest"])?;
        let mut gone = self.other("DELETE FROM outstanding WHERE id = ?")?;
        for id in &mark.changes.gone {
            gone.execute([id.0.to_be_bytes()])?;
        }
        let mut listed = self.other("INSERT OR REPLACE INTO outstanding VALUES (?, ?)")?;
        for (id, rows) in &mark.changes.listed {
            let rows = format!("{:?}", rows.as_slice());
            listed.execute(params![id.0.to_be_bytes(), rows])?;
        }
        Ok(())
    }

    /// Writes charges as text: with what was used, if they have ended.
    fn charges(&mut self, own: &[RowCharge], ended: bool) -> rusqlite::Result<()> {
        self.text.clear();
        self.numbers.clear();
        for RowCharge { cell, charge, used } in own {
            let rule = self.rules.number(self.transaction, charge)?;
            self.numbers.push([u64::from(*cell), rule.cast_unsigned(), charge.amount, *used]);
        }
        let count = if ended { 4 } else { 3 };
        charges::write(&mut self.text, self.numbers.drain(..), count);
        Ok(())
    }

    fn other(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.transaction.prepare_cached(sql)
    }
}

impl Row {
    /// How many of the batch's charges are its own.
    const fn charges(&self) -> usize {
        match self {
            Self::Reserve(Reserve { charges, .. })
            | Self::Extend { charges, .. }
            | Self::End { charges, .. } => *charges,
            _ => 0,
        }
    }
}

/// The attributes that have no column, as JSON, if there are any.
fn others(who: &Attributes) -> Option<String> {
    let mut others = serde_json::Map::new();
    for (name, value) in who.iter().filter(|(name, _)| !ATTRIBUTES.contains(name)) {
        others.insert(name.to_owned(), value.into());
    }
    (!others.is_empty()).then(|| serde_json::Value::Object(others).to_string())
}
