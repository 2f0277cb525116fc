//! Holding: all charges of an order or an extension, or none.

use smallvec::SmallVec;
use tollgate_core::{
    Admission, Charge, Decision, LimitId, Now, Order, Refusal, ReservationId, Time, Usage,
};

use super::{
    Shared, SharedError, TRIES,
    bytes::Reader,
    damage::damaged,
    layout,
    live::Made,
    look::{Seen, View},
    micros,
    part::{self, Part},
    plan,
    record::{Known, PRINT, Record},
    reply::{Reply, unexpected},
    scripts,
};
use crate::{
    StoreError,
    store::{
        memory::{End, LATE},
        redis::link::Arg,
    },
};

/// What one call is to hold.
pub(super) struct Asking<'a> {
    pub(super) id: ReservationId,
    pub(super) part: &'a Part<'a>,
    pub(super) chunk: &'a [u8],
    pub(super) session: &'a str,
    /// What the record is that gets more; nothing for a new one.
    pub(super) print: Option<[u8; PRINT]>,
    pub(super) ttl: u64,
    pub(super) report: bool,
    /// Whether it is done only as long as somebody waits for the answer. What is in some node's
    /// books, or is more of what lives, finds the end of its id where it comes too late.
    pub(super) in_time: bool,
    pub(super) now: Now,
}

/// What a script has done.
pub(super) enum Done {
    Held {
        at: u64,
        periods: Vec<u8>,
        shadowed: Vec<u8>,
        seen: Option<Seen>,
        clock: u64,
    },
    NoRoom {
        due: bool,
        seen: Seen,
    },
    /// Some account is laid out for another rule.
    Unfit(Seen),
    /// The id has another record.
    Other(Vec<u8>),
}

/// Nothing is done, since nobody waits for it any more: so late is it by the server's clock.
struct TooLate(u64);

impl Shared {
    pub(super) async fn try_reserve(
        &self,
        order: &Order<'_>,
        now: Now,
    ) -> Result<Decision, SharedError> {
        if !self.live.has_room(order.id) {
            let most = self.max_reservations;
            return Err(StoreError::Full { what: "reservations", most }.into());
        }
        let parts = Part::of(order, &self.keys);
        // Of sessions under several tags all but the last would be touched by what is refused.
        if parts.iter().filter(|part| part.sessions().next().is_some()).count() > 1
            && let refused @ Decision::Refuse(_) = self.try_check(order, now).await?
        {
            return Ok(refused);
        }
        for nth in 0..TRIES {
            let mut made = Vec::with_capacity(parts.len());
            match self.reserve_parts(order, &parts, &mut made, nth == 0, now).await {
                Ok(Some(decision)) => return Ok(decision),
                Ok(None) => {}
                Err(error) => {
                    // What it may hold can be given back, by its id, wherever it lies.
                    self.live.add(order.id, Made { parts: made, until: until(order) });
                    return Err(error);
                }
            }
        }
        Err(changes_too_often())
    }

    /// Holds part by part. What may be held by then is in `made`, whatever becomes of the rest.
    async fn reserve_parts(
        &self,
        order: &Order<'_>,
        parts: &[Part<'_>],
        made: &mut Vec<(u8, Record)>,
        is_first: bool,
        now: Now,
    ) -> Result<Option<Decision>, SharedError> {
        let tags = Part::tags(parts);
        let (mut views, mut shadowed) = (Vec::new(), SmallVec::new());
        let ttl = micros::ttl(order.expires, now.time);
        for part in parts {
            let mut record = part::held(order, part, &tags, (self.owner, self.node));
            let chunk = record.chunk();
            let asking = Asking {
                id: order.id,
                part,
                chunk: &chunk,
                session: order.session(),
                print: None,
                ttl,
                report: order.report,
                in_time: true,
                now,
            };
            let done = self.run_hold(&asking).await;
            if done.is_err() {
                made.push((part.tag, record));
                return done.map(|_| None);
            }
            match done? {
                Done::Held { at, periods, shadowed: nths, seen, clock } => {
                    record.at = at as f64;
                    record.expires = (clock + ttl) as f64;
                    record.told(&periods).ok_or_else(unexpected)?;
                    shadowed.extend(limits_at(part, &nths));
                    views.extend(seen.map(|seen| self.view(part, seen, now)));
                    made.push((part.tag, record));
                }
                Done::NoRoom { due, seen } => {
                    self.give_back(order.id, made, now).await?;
                    if due && is_first && self.expire_in_passing(part.tag, now).await {
                        return Ok(None);
                    }
                    return self.refuse(order, parts, (part, seen), now).await;
                }
                Done::Unfit(seen) => {
                    self.give_back(order.id, made, now).await?;
                    self.lay_out(part, &seen, now).await?;
                    return Ok(None);
                }
                Done::Other(bytes) => match Known::read(&bytes).ok_or_else(unexpected)? {
                    Known::Held(other) if other.expired => {
                        // Its slots are free by now, so it can't run on what it was granted.
                        return Err(StoreError::Ended { id: order.id.0 }.into());
                    }
                    Known::Held(other) => made.push((part.tag, other)),
                    Known::Ended(_) => return self.granted_before(order, now).await,
                },
            }
        }
        made.sort_by_key(|(tag, _)| tags.iter().position(|other| other == tag));
        self.live.insert(order.id, Made { parts: std::mem::take(made), until: until(order) });
        let standings = match order.report {
            true if views.len() == parts.len() => View::standings(&mut views, order),
            true => self.try_standings(order, now).await?,
            false => SmallVec::new(),
        };
        Ok(Some(Decision::Admit(Admission { standings, shadowed })))
    }

    /// The answer was lost on its way: what was granted is granted, not granted again.
    async fn granted_before(
        &self,
        order: &Order<'_>,
        now: Now,
    ) -> Result<Option<Decision>, SharedError> {
        let standings =
            if order.report { self.try_standings(order, now).await? } else { SmallVec::new() };
        let admission = Admission { standings, ..Admission::default() };
        Ok(Some(Decision::Admit(admission)))
    }

    /// Says why there is no room, unless that is over by now.
    async fn refuse(
        &self,
        order: &Order<'_>,
        parts: &[Part<'_>],
        (part, seen): (&Part<'_>, Seen),
        now: Now,
    ) -> Result<Option<Decision>, SharedError> {
        let mut views = Vec::with_capacity(parts.len());
        let mut seen = Some(seen);
        for other in parts {
            let seen = match seen.take_if(|_| other.tag == part.tag) {
                Some(seen) => seen,
                None => self.look(other, order.session(), now).await?,
            };
            views.push(self.view(other, seen, now));
        }
        let obstacles = View::ask(&mut views, order);
        let Some((limit, retry)) = obstacles.binding else { return Ok(None) };
        let standings =
            if order.report { View::standings(&mut views, order) } else { SmallVec::new() };
        let shadowed = obstacles.shadowed;
        Ok(Some(Decision::Refuse(Refusal { limit, retry, standings, shadowed })))
    }

    /// Gives back what was held for an order that is not admitted.
    pub(super) async fn give_back(
        &self,
        id: ReservationId,
        made: &[(u8, Record)],
        now: Now,
    ) -> Result<(), SharedError> {
        for (tag, record) in made {
            let known = Some(Record { keep: false, ..record.clone() });
            self.end_part(*tag, id, known, (End::Void, &Usage::default()), now).await?;
        }
        Ok(())
    }

    pub(super) async fn run_hold(&self, asking: &Asking<'_>) -> Result<Done, SharedError> {
        let Asking { part, now, .. } = asking;
        let mut deadline =
            if asking.in_time { self.deadline(part.tag, *now) } else { micros::NEVER };
        // It is asked later than `now`, perhaps by much, or the server's clock was set.
        for _ in 0..2 {
            match self.run_hold_until(asking, deadline).await? {
                Err(TooLate(clock)) => deadline = self.deadline_after(clock),
                Ok(done) => return Ok(done),
            }
        }
        let text = "what it is asked reaches it only when nobody waits for the answer any more";
        Err(StoreError::Away(text.to_owned()).into())
    }

    async fn run_hold_until(
        &self,
        asking: &Asking<'_>,
        deadline: u64,
    ) -> Result<Result<Done, TooLate>, SharedError> {
        let Asking { id, part, chunk, session, print, ttl, report, now, .. } = asking;
        let times = (*ttl, deadline);
        let mut plan = plan::holding(self.told(*now), times, *report, part.cells.len());
        for cell in &part.cells {
            plan.count(cell.charges.len());
            cell.charges.iter().for_each(|(_, charge)| plan::put_charge(&mut plan, charge));
        }
        let keys = part.keys(&self.keys, *id);
        let (name, counters) = (id.0.to_be_bytes(), self.keys.counters(part.tag));
        let print = print.as_ref().map_or(&[][..], |print| &print[..]);
        let args = [
            Arg::Bytes(&plan.0),
            Arg::Bytes(chunk),
            Arg::Bytes(&name),
            Arg::from(*session),
            Arg::Bytes(print),
            Arg::Bytes(&counters),
        ];
        let mut reply = Reply::of(self.run(&scripts::HOLD, part.tag, &keys, &args).await?)?;
        let what = reply.int()?;
        let at = reply.int()?;
        Ok(match what {
            3 => Ok(Done::Other(reply.bytes()?)),
            4 => return Err(damaged(&keys, at)),
            5 => return Err(clock_ahead(*now, at)),
            6 => Err(TooLate(at)),
            0..=2 => Ok(read(asking, (what, at), &mut reply)?),
            _ => return Err(unexpected()),
        })
    }

    /// Lays out anew what the part's charges can't read as it is.
    pub(super) async fn lay_out(
        &self,
        part: &Part<'_>,
        seen: &Seen,
        now: Now,
    ) -> Result<(), SharedError> {
        let present = micros::present(seen.at, seen.clock, now);
        for (cell, bytes) in part.cells.iter().zip(&seen.cells) {
            let charges: Vec<Charge> = cell.charges.iter().map(|(_, charge)| *charge).collect();
            let Some(anew) = layout::fitted(bytes, &charges, present) else { continue };
            let keys = [self.keys.cell(part.tag, cell.scope, cell.key)];
            let args = [Arg::Bytes(bytes), Arg::Bytes(&anew)];
            // Where it was changed meanwhile, the next try sees it as it is then.
            self.run(&scripts::REPLACE, part.tag, &keys, &args).await?;
        }
        Ok(())
    }
}

/// When what an order held may be forgotten here.
fn until(order: &Order<'_>) -> Time {
    order.expires.after(LATE)
}

/// The limits of charges that the script told by their places.
pub(super) fn limits_at<'a>(
    part: &'a Part<'_>,
    nths: &'a [u8],
) -> impl Iterator<Item = LimitId> + 'a {
    let limits: Vec<LimitId> = part.cells.iter().flat_map(|cell| cell.limits.clone()).collect();
    let mut nths = Reader(nths);
    let nths = std::iter::from_fn(move || nths.count());
    nths.filter_map(move |nth| limits.get(nth).copied())
}

/// What the script tells with the cells.
fn read(
    asking: &Asking<'_>,
    (what, at): (u64, u64),
    reply: &mut Reply,
) -> Result<Done, SharedError> {
    let (part, clock) = (asking.part, reply.int()?);
    Ok(match what {
        0 => {
            let due = reply.int()? > 0;
            Done::NoRoom { due, seen: Seen::read(part, at, clock, reply)? }
        }
        1 => {
            let (periods, shadowed) = (reply.bytes()?, reply.bytes()?);
            let seen = (!reply.is_empty() || asking.report)
                .then(|| Seen::read(part, at, clock, reply))
                .transpose()?;
            Done::Held { at, periods, shadowed, seen, clock }
        }
        _ => Done::Unfit(Seen::cells(part, at, clock, reply)?),
    })
}

/// A period was to begin that has not begun yet by the server's clock.
fn clock_ahead(now: Now, clock: u64) -> SharedError {
    let ahead = micros::floor(now.wall).saturating_sub(clock) / 1_000_000;
    let text = format!(
        "it is {ahead} s ahead of Redis' and would begin a budget's next period for all nodes; \
         set the clocks of both by the same time server"
    );
    StoreError::Clock(text).into()
}

pub(super) fn changes_too_often() -> SharedError {
    let text = "accounts were laid out anew again and again while it was asked";
    StoreError::Undecided(text.to_owned()).into()
}
