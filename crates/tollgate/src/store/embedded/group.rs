//! Writes the rows of one group inside its transaction.

use rusqlite::{CachedStatement, Connection, params};
use tollgate_core::{Amounts, Now, ReservationId, Time};

use super::{
    charges,
    mirror::{Ended, Mirror},
    names::Names,
    row::{EndRow, LimitRow, Reserve, Row, RowCharge},
    rows::{Charges, Full},
    rules::Rules,
    schema::{EntryKind, WHOLE, integer},
    spend::{Roll, Spent},
    tables::{Mark, unreadable},
};
use crate::store::memory::End;

/// One group in the making, inside a transaction that is open.
pub(super) struct Group<'a> {
    connection: &'a Connection,
    rules: &'a mut Rules,
    mirror: &'a mut Mirror,
    roll: &'a mut Roll,
    latest: &'a mut Time,
    reserve: CachedStatement<'a>,
    entry: CachedStatement<'a>,
    /// Charges as text, of one row after the other.
    text: String,
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
    provider, model, task, other, estimated, reserve_seq, end_seq, end_at, end_wall, \
    used_requests, used_input_tokens, used_output_tokens, used_nano_usd, used_millis) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, \
    ?, ?, ?, ?)";

const ENTRY: &str = "INSERT INTO entries (kind, seq, id, reserve_seq, at, wall, requests, \
    input_tokens, output_tokens, nano_usd, millis, expires, keep, charges, link, \
    estimated) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

type Known<'a> = (&'a mut Rules, &'a mut Mirror, &'a mut Roll, &'a mut Time);

impl<'a> Group<'a> {
    pub(super) fn begin(
        connection: &'a Connection,
        (rules, mirror, roll, latest): Known<'a>,
    ) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            rules,
            mirror,
            roll,
            latest,
            reserve: connection.prepare_cached(RESERVE)?,
            entry: connection.prepare_cached(ENTRY)?,
            text: String::new(),
        })
    }

    /// Writes a row, with that of its end where one row of the ledger tells both.
    pub(super) fn write(&mut self, row: Full<'_>, end: Option<&Full<'_>>) -> rusqlite::Result<()> {
        let Full { row, charges, who, .. } = row;
        match row {
            Row::Open { cell, scope, key } => self
                .other("INSERT INTO cells VALUES (?, ?, ?)")?
                .execute(params![cell, scope.0.cast_signed(), key])
                .map(drop),
            Row::Reserve(reserve) => self.reserve(&reserve, (charges, who), end),
            Row::Extend { seq, id, now, more } => {
                self.charges(charges, false);
                let first = self.mirror.change(id, seq);
                self.entry(EntryKind::Extend, seq, (id, first), now, &more, None)
            }
            Row::Renew { seq, id, now, expires } => {
                self.text.clear();
                let first = self.mirror.change(id, seq);
                let nothing = &Amounts::default();
                self.entry(EntryKind::Renew, seq, (id, first), now, nothing, Some(expires))
            }
            Row::End(end) if end.is_joined => Ok(()),
            Row::End(end) if end.is_short => Err(unreadable()),
            Row::End(end) => self.end(&end, charges),
            Row::EndSession { seq, cell, limit, session, now } => {
                let charges = format!("[[{cell},{}]]", limit.0.cast_signed());
                let (at, wall) = (integer(now.time.as_nanos()), integer(now.wall.as_nanos()));
                self.other(
                    "INSERT INTO entries (kind, seq, id, at, wall, charges, session) \
                        VALUES (8, ?, x'', ?, ?, ?, ?)",
                )?
                .execute(params![integer(seq), at, wall, charges, session])
                .map(drop)
            }
            Row::Checkpoint { cell, seq, state } => self
                .other("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)")?
                .execute(params![cell, integer(seq), state])
                .map(drop),
            Row::Close { cell } => {
                self.other("DELETE FROM checkpoints WHERE cell = ?")?.execute([cell]).map(drop)
            }
            Row::Limits(limits) => limits.iter().try_for_each(|limit| self.limit(limit)),
            Row::Rule { number, charge } => self.rules.add(self.connection, (number, *charge)),
            Row::Grant { cell, limit, rule, amount } => self
                .other("INSERT OR REPLACE INTO grants VALUES (?, ?, ?, ?)")?
                .execute(params![cell, limit.0.cast_signed(), rule, integer(amount)])
                .map(drop),
            Row::Revoke { cell } => {
                self.other("DELETE FROM grants WHERE cell = ?")?.execute([cell]).map(drop)
            }
            Row::RevokeAll => self.other("DELETE FROM grants")?.execute([]).map(drop),
        }
    }

    fn reserve(
        &mut self,
        row: &Reserve,
        (charges, who): (Charges<'_>, &[u8]),
        end: Option<&Full<'_>>,
    ) -> rusqlite::Result<()> {
        let end = end.and_then(|full| match &full.row {
            Row::End(end) => Some((end, full.charges)),
            _ => None,
        });
        match end {
            None => self.charges(charges, false),
            Some((end, _)) if end.is_short => self.used(charges, end)?,
            Some((_, charges)) => self.charges(charges, true),
        }
        let end = end.map(|(end, _)| end);
        *self.latest = (*self.latest).max(end.map_or(row.now.time, |end| end.now.time));
        let kind = if end.is_none() { EntryKind::Reserve as i64 } else { WHOLE };
        let who = Names::read(who);
        let usage = end.map(|end| &end.receipt.usage);
        self.reserve.execute(params![
            kind,
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
            who.user,
            who.session,
            who.team,
            who.tier,
            who.key,
            who.provider,
            who.model,
            who.task,
            who.other,
            end.map_or(row.is_lost, |end| end.how == End::Estimate),
            end.map(|_| integer(row.seq)),
            end.map(|end| integer(end.seq)),
            end.map(|end| integer(end.now.time.as_nanos())),
            end.map(|end| integer(end.now.wall.as_nanos())),
            usage.map(|usage| integer(usage.requests)),
            usage.map(|usage| integer(usage.input_tokens)),
            usage.map(|usage| integer(usage.output_tokens)),
            usage.map(|usage| integer(usage.cost.0)),
            usage.map(|usage| integer(usage.millis)),
        ])?;
        match end {
            None => {
                // What stands for lost holds is spent by nobody, which is for the view to say.
                let who = (!row.is_lost).then(|| who.dimensions.into());
                self.mirror.reserve(row.id, row.seq, row.keep, who);
                Ok(())
            }
            Some(end) => {
                self.mirror.replace(row.id);
                self.spent(row.seq, end, Some(who.dimensions));
                self.overrun(end, Some(row.seq))
            }
        }
    }

    fn end(&mut self, row: &EndRow, charges: Charges<'_>) -> rusqlite::Result<()> {
        let EndRow { seq, id, now, how, receipt, .. } = row;
        self.charges(charges, true);
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
            self.spent(*seq, row, who.as_deref());
        }
        self.overrun(row, first)
    }

    /// Sums up what ended, under the row that tells it.
    fn spent(&mut self, seq: u64, end: &EndRow, who: Option<&[u8]>) {
        let estimated = matches!(end.how, End::Estimate | End::Expire);
        let (wall, receipt) = (end.now.wall, &end.receipt);
        self.roll.note(Spent { seq, wall, who, receipt, estimated });
    }

    /// Tells in a row after the end what was used beyond what was reserved.
    fn overrun(&mut self, end: &EndRow, first: Option<u64>) -> rusqlite::Result<()> {
        let overrun = &end.receipt.overrun;
        if *overrun == Amounts::default() {
            return Ok(());
        }
        self.text.clear();
        self.entry(EntryKind::Overrun, end.seq + 1, (end.id, first), end.now, overrun, None)
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

    /// Writes down a finished checkpoint.
    pub(super) fn mark(&mut self, mark: &Mark) -> rusqlite::Result<()> {
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
    fn charges(&mut self, charges: Charges<'_>, ended: bool) {
        self.text.clear();
        let numbers = charges.map(|RowCharge { cell, rule, held, used }| {
            [u64::from(cell), rule.cast_unsigned(), held, used]
        });
        charges::write(&mut self.text, numbers, if ended { 4 } else { 3 });
    }

    /// The same for charges as they were reserved, with what an end used of each.
    fn used(&mut self, charges: Charges<'_>, end: &EndRow) -> rusqlite::Result<()> {
        self.text.clear();
        let mut is_known = true;
        let numbers = charges.map(|RowCharge { cell, rule, held, .. }| {
            let unit = self.rules.charge(rule).map(|charge| charge.unit);
            is_known &= unit.is_some();
            let used = unit.map_or(0, |unit| end.how.used((unit, held), &end.receipt.usage));
            [u64::from(cell), rule.cast_unsigned(), held, used]
        });
        charges::write(&mut self.text, numbers, 4);
        if is_known { Ok(()) } else { Err(unreadable()) }
    }

    fn other(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.connection.prepare_cached(sql)
    }
}
