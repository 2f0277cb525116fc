//! Ending: settled, voided or expired, from any node, and each once.
//!
//! What is ended is reckoned from its record, which the script finds unchanged or answers with;
//! so a node that made a reservation ends it in one call, and others in two.

use redis::Value;
use tollgate_core::{Now, ReservationId, Time, Usage};

use super::{
    Shared, SharedError, TRIES,
    bytes::{Reader, Writer},
    damage::damaged,
    micros,
    parcels::{Parcel, given_back, in_cell, parcels, receipt_of},
    plan::{self, Ended},
    record::{self, Added, Known, PRINT, Record},
    reply::{Reply, unexpected},
    scripts,
};
use crate::{
    Receipt, StoreError,
    store::{
        memory::{End, LATE},
        redis::link::Arg,
    },
};

/// For how long it is remembered how an id ended that may be asked for again.
const RECEIPTS_MS: i64 = 3_600_000;

/// How a part ended.
pub(super) enum Ending {
    /// Now, by this call.
    Now {
        receipt: Receipt,
        /// Whether it is the first of its reservation's parts.
        is_first: bool,
    },
    /// Before.
    Before(Receipt),
    /// There is none, or it is not due.
    None,
}

impl Shared {
    pub(super) async fn try_end(
        &self,
        id: ReservationId,
        how: End,
        usage: &Usage,
        now: Now,
    ) -> Result<Receipt, SharedError> {
        let home = self.keys.home(id);
        let mut parts: Vec<(u8, Option<Record>)> = match self.live.find(id) {
            Some(made) => made.parts.into_iter().map(|(tag, r)| (tag, Some(r))).collect(),
            None => self.parts_elsewhere(id).await?,
        };
        // What is asked for again is found at home, which so comes last.
        parts.sort_by_key(|(tag, _)| *tag == home);
        let (mut ended, mut before) = (None, None);
        let (mut how, mut usage) = (how, *usage);
        for (tag, known) in parts {
            match self.end_part(tag, id, known, (how, &usage), now).await? {
                Ending::Now { receipt, .. } => ended = Some(receipt),
                // Whoever ended it before came no further: the rest ends as that did.
                Ending::Before(receipt) => {
                    usage = receipt.usage;
                    how = if usage == Usage::default() { End::Void } else { End::Settle };
                    before = Some(receipt);
                }
                Ending::None => {}
            }
        }
        self.live.remove(id);
        self.freed.tell(&self.link);
        before.or(ended).ok_or_else(|| StoreError::Unknown { id: id.0 }.into())
    }

    /// The tags that a reservation has parts in which this node did not make.
    async fn parts_elsewhere(
        &self,
        id: ReservationId,
    ) -> Result<Vec<(u8, Option<Record>)>, SharedError> {
        let home = self.keys.home(id);
        if self.keys.tags() == 1 {
            return Ok(vec![(home, None)]);
        }
        Ok(match self.fetch(home, id).await? {
            Some(Known::Held(record)) => record.tags.iter().map(|tag| (*tag, None)).collect(),
            Some(Known::Ended(_)) => vec![(home, None)],
            None => Vec::new(),
        })
    }

    /// Every part of what lives, as this node knows it or, `afresh`, as it is recorded.
    pub(super) async fn known_parts(
        &self,
        id: ReservationId,
        afresh: bool,
    ) -> Result<Vec<(u8, Record)>, SharedError> {
        let made = self.live.find(id);
        let tags = match made {
            Some(made) if !afresh => return Ok(made.parts),
            Some(made) => made.parts.iter().map(|(tag, _)| *tag).collect(),
            None => match self.fetch(self.keys.home(id), id).await? {
                Some(Known::Held(record)) => record.tags,
                Some(Known::Ended(_)) => return Err(StoreError::Ended { id: id.0 }.into()),
                None => return Err(StoreError::Unknown { id: id.0 }.into()),
            },
        };
        let mut parts = Vec::with_capacity(tags.len());
        for tag in tags {
            match self.fetch(tag, id).await? {
                Some(Known::Held(record)) => parts.push((tag, record)),
                Some(Known::Ended(_)) => return Err(StoreError::Ended { id: id.0 }.into()),
                None => return Err(StoreError::Unknown { id: id.0 }.into()),
            }
        }
        Ok(parts)
    }

    /// What there is under an id.
    pub(super) async fn fetch(
        &self,
        tag: u8,
        id: ReservationId,
    ) -> Result<Option<Known>, SharedError> {
        let mut command = redis::cmd("GET");
        command.arg(self.keys.record(tag, id));
        match self.link.command(&command).await? {
            Value::Nil => Ok(None),
            Value::BulkString(bytes) => Ok(Some(Known::read(&bytes).ok_or_else(unexpected)?)),
            _ => Err(unexpected()),
        }
    }

    /// Ends a part, whatever is known of it.
    pub(super) async fn end_part(
        &self,
        tag: u8,
        id: ReservationId,
        mut known: Option<Record>,
        (how, usage): (End, &Usage),
        now: Now,
    ) -> Result<Ending, SharedError> {
        for _ in 0..TRIES {
            let record = known.take();
            let parcels = record.as_ref().map_or_else(Vec::new, |r| parcels(r, how, usage));
            let ended = record.as_ref().map(|record| receipt_of(record, how, usage));
            let (becomes, kept) = match (&record, &ended, how) {
                (Some(_), _, End::Expire) => (vec![b'X'], LATE.as_millis() as i64),
                (Some(Record { keep: true, .. }), Some(ended), _) => {
                    (record::receipt(ended), RECEIPTS_MS)
                }
                _ => (Vec::new(), 0),
            };
            let only_due = how == End::Expire;
            let finish = Finish { tag, id, record: record.as_ref(), parcels: &parcels, only_due };
            match self.run_finish(&finish, &becomes, Some(kept), now).await? {
                Finished::Done(mut reply) => {
                    let (_, clock) = (reply.int()?, reply.int()?);
                    self.shown(tag, clock, now);
                    let crossed = reply.bytes()?;
                    let (Some(record), Some(receipt)) = (&record, ended) else {
                        return Ok(Ending::None);
                    };
                    self.note(record, &parcels, &crossed, now);
                    let is_first = record.tags.first() == Some(&tag);
                    return Ok(Ending::Now { receipt, is_first });
                }
                Finished::Nothing => return Ok(Ending::None),
                Finished::Other(bytes) => match Known::read(&bytes).ok_or_else(unexpected)? {
                    Known::Held(other) if how == End::Expire && other.expired => {
                        return Ok(Ending::None);
                    }
                    Known::Held(other) => known = Some(other),
                    Known::Ended(receipt) => return Ok(Ending::Before(receipt)),
                },
            }
        }
        let text = "a reservation was changed again and again while it was ended";
        Err(StoreError::Undecided(text.to_owned()).into())
    }

    /// Gives back what parts were extended by at last.
    pub(super) async fn take_back(
        &self,
        id: ReservationId,
        parts: &mut [(u8, Record)],
        now: Now,
    ) -> Result<(), SharedError> {
        for (tag, record) in parts {
            if let Some(last) = record.added.last().cloned() {
                self.take_back_one(*tag, id, record, &last, now).await?;
            }
        }
        Ok(())
    }

    async fn take_back_one(
        &self,
        tag: u8,
        id: ReservationId,
        record: &mut Record,
        last: &Added,
        now: Now,
    ) -> Result<(), SharedError> {
        let parcels: Vec<_> = given_back(last).collect();
        for _ in 0..TRIES {
            // Where it was ended meanwhile, all of it was.
            let Some(nth) = record.added.iter().rposition(|added| added == last) else { break };
            let mut before = record.clone();
            before.version = before.version.wrapping_add(1);
            before.added.remove(nth);
            before.demand = before.demand.beyond(&last.more);
            let known = Some(&*record);
            let finish = Finish { tag, id, record: known, parcels: &parcels, only_due: false };
            match self.run_finish(&finish, &before.bytes(), None, now).await? {
                Finished::Other(bytes) => match Known::read(&bytes).ok_or_else(unexpected)? {
                    Known::Held(other) if !other.expired => *record = other,
                    Known::Held(_) | Known::Ended(_) => break,
                },
                Finished::Done(_) | Finished::Nothing => break,
            }
        }
        Ok(())
    }

    /// Has the end of what lives in a part remembered, which nobody asked for when it was held.
    pub(super) async fn to_be_remembered(
        &self,
        tag: u8,
        id: ReservationId,
        record: &mut Record,
        now: Now,
    ) -> Result<Finished, SharedError> {
        let known = record.clone();
        (record.keep, record.version) = (true, record.version.wrapping_add(1));
        let finish = Finish { tag, id, record: Some(&known), parcels: &[], only_due: false };
        self.run_finish(&finish, &record.bytes(), None, now).await
    }

    async fn run_finish(
        &self,
        finish: &Finish<'_>,
        becomes: &[u8],
        kept_ms: Option<i64>,
        now: Now,
    ) -> Result<Finished, SharedError> {
        let Finish { tag, id, record, parcels, only_due } = *finish;
        let cells = record.map_or(&[][..], |record| &record.cells);
        let node = record.map_or(self.node, |record| record.node);
        let mut plan = plan::ending(self.told(now), node, only_due, cells.len());
        for place in 0..cells.len() {
            self.put_endings(&mut plan, place, parcels, record.is_some_and(|r| r.expired));
        }
        let mut keys = vec![self.keys.record(tag, id), self.keys.expiries(tag)];
        keys.extend(cells.iter().map(|cell| self.keys.cell(tag, cell.scope, &cell.key)));
        let print = record.map_or([0; PRINT], Record::print);
        let (name, counters) = (id.0.to_be_bytes(), self.keys.counters(tag));
        let args = [
            Arg::Bytes(&plan.0),
            Arg::Bytes(&print),
            Arg::Bytes(becomes),
            kept_ms.map_or(Arg::Bytes(b""), Arg::Int),
            Arg::Bytes(&name),
            Arg::Bytes(&counters),
        ];
        let answer = self.run(&scripts::FINISH, tag, &keys, &args).await?;
        let mut reply = Reply::of(answer)?;
        Ok(match reply.int()? {
            0 => Finished::Nothing,
            1 => Finished::Done(reply),
            3 => {
                reply.int()?;
                Finished::Other(reply.bytes()?)
            }
            4 => return Err(damaged(&keys, reply.int()?)),
            _ => return Err(unexpected()),
        })
    }

    /// The endings of one cell, by ascending name; of one account those before come first.
    fn put_endings(&self, plan: &mut Writer, place: usize, parcels: &[Parcel], expired: bool) {
        let own = in_cell(parcels, place);
        plan.count(own.len());
        for (_, parcel) in own {
            let Parcel { charge, at, used, .. } = *parcel;
            let charge = &micros::charge(&charge);
            plan::put_ending(plan, &Ended { charge, used, at, expired });
        }
    }

    /// Notes what was crossed and what was given back.
    fn note(&self, record: &Record, parcels: &[Parcel], crossed: &[u8], now: Now) {
        let told: Vec<_> =
            (0..record.cells.len()).flat_map(|place| in_cell(parcels, place)).collect();
        let mut from = Reader(crossed);
        while let (Some(nth), Some(before), Some(to), Some(settled)) =
            (from.count(), from.byte(), from.byte(), from.double())
        {
            let Some((_, parcel)) = told.get(nth) else { continue };
            let crossed = tollgate_core::Crossed::new(before, to, micros::whole(settled));
            let key = &record.cells[parcel.cell].key;
            self.crossings.note(&parcel.charge, crossed, key, now);
        }
        for parcel in parcels {
            let gives_back =
                parcel.charge.rule.kind.is_slot() || parcel.used < parcel.charge.amount;
            if gives_back && !parcel.charge.shadow {
                self.freed.note(parcel.charge.limit);
            }
        }
    }

    pub(super) async fn try_renew(
        &self,
        id: ReservationId,
        expires: Time,
        now: Now,
    ) -> Result<(), SharedError> {
        let ttl = micros::ttl(expires, now.time);
        'tries: for nth in 0..TRIES {
            let parts = self.known_parts(id, nth > 0).await?;
            for (tag, record) in &parts {
                if record.expired {
                    return Err(StoreError::Ended { id: id.0 }.into());
                }
                let mut keys = vec![self.keys.record(*tag, id), self.keys.expiries(*tag)];
                let cells = record.cells.iter();
                keys.extend(cells.map(|cell| self.keys.cell(*tag, cell.scope, &cell.key)));
                let mut told = Writer::default();
                told.double(self.told(now));
                told.double(micros::double(ttl));
                let (print, name) = (record.print(), id.0.to_be_bytes());
                let args = [Arg::Bytes(&told.0), Arg::Bytes(&print), Arg::Bytes(&name)];
                let answer = self.run(&scripts::RENEW, *tag, &keys, &args).await?;
                match Reply::of(answer)?.int()? {
                    1 => {}
                    _ if nth == 0 => continue 'tries,
                    0 => return Err(StoreError::Unknown { id: id.0 }.into()),
                    _ => continue 'tries,
                }
            }
            self.live.change(id, |made| {
                (made.parts, made.until) = (parts, expires.after(LATE));
            });
            return Ok(());
        }
        let text = "a reservation was changed again and again while it was renewed";
        Err(StoreError::Undecided(text.to_owned()).into())
    }
}

/// What one call is to end.
struct Finish<'a> {
    tag: u8,
    id: ReservationId,
    record: Option<&'a Record>,
    parcels: &'a [Parcel],
    only_due: bool,
}

/// What the script has done.
pub(super) enum Finished {
    Nothing,
    Done(Reply),
    Other(Vec<u8>),
}
