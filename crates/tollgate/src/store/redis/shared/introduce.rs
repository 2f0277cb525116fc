//! What the coordinator asks beside: taking in what a node granted by itself, and telling.

use redis::Value;
use smallvec::SmallVec;
use tollgate_core::{Group, NanoUsd, Now, Order, ReservationId, Usage};

use super::{
    Shared, SharedError, TRIES,
    bytes::{Reader, Writer},
    finish::Finished,
    hold::{Asking, Done, changes_too_often},
    live::Made,
    micros,
    part::{self, Part, is_session},
    record::{Known, Record},
    reply::unexpected,
    scripts,
};
use crate::{
    Receipt, StoreError,
    store::{
        memory::{End, LATE},
        redis::{Counter, Ended, Exact, Link, link::Arg},
    },
};

impl Exact for Shared {
    async fn introduce(&self, order: &Order<'_>, now: Now) -> Result<(), StoreError> {
        Ok(self.try_introduce(order, now).await?)
    }

    async fn unask(&self, id: ReservationId, now: Now) -> Result<(), StoreError> {
        Ok(self.try_unask(id, now).await?)
    }

    async fn ending(&self, id: ReservationId) -> Result<Option<Receipt>, StoreError> {
        match self.fetch(self.keys.home(id), id).await? {
            Some(Known::Ended(receipt)) => Ok(Some(receipt)),
            Some(Known::Held(_)) | None => Ok(None),
        }
    }

    async fn raise(&self, counters: &[Counter], now: Now) -> Result<(), StoreError> {
        Ok(self.republish(counters, now).await?)
    }

    async fn announce(&self, ended: Ended) {
        if self.link.publish(&self.ended_channel(), &told(&ended)).await.is_err() {
            tracing::debug!("other nodes were not told what ended here");
        }
    }

    fn line(&self) -> Option<&Link> {
        Some(&self.link)
    }

    async fn reach(&self) -> Result<(), StoreError> {
        let keys = [self.keys.expiries(0)];
        let args = [Arg::from("0"), Arg::Int(0)];
        let answer = self.link.run(&scripts::DUE, 0, &keys, &args).await;
        match answer.map_err(SharedError::from)? {
            Value::Array(_) => Ok(()),
            _ => Err(unexpected().into()),
        }
    }
}

impl Shared {
    /// The channel on which a node tells what it ended of another one's ([`ended_heard`]).
    pub fn ended_channel(&self) -> String {
        self.keys.ended()
    }

    /// What another process made under the id, or an earlier one, is not this one's to give back.
    async fn try_unask(&self, id: ReservationId, now: Now) -> Result<(), SharedError> {
        let parts = match self.known_parts(id, true).await {
            Err(SharedError::Store(StoreError::Unknown { .. } | StoreError::Ended { .. })) => {
                return Ok(());
            }
            parts => parts?,
        };
        if parts.iter().all(|(_, record)| record.owner == self.owner && !record.expired) {
            self.give_back(id, &parts, now).await?;
            self.live.remove(id);
            self.freed.tell(&self.link);
        }
        Ok(())
    }

    async fn try_introduce(&self, order: &Order<'_>, now: Now) -> Result<(), SharedError> {
        let order = without_sessions(order);
        let mut parts = Part::of(&order, &self.keys);
        let tags = Part::tags(&parts);
        let mut made = Vec::with_capacity(parts.len());
        for part in &mut parts {
            let record = part::held(&order, part, &tags, (self.owner, self.node));
            // Nothing of it is refused.
            for (_, charge) in part.cells.iter_mut().flat_map(|cell| &mut cell.charges) {
                (charge.shadow, charge.warn.soft) = (true, true);
            }
            made.extend(self.introduce_part(&order, part, record, now).await?);
        }
        let is_over = order.expires <= now.time;
        for (tag, record) in made.iter().filter(|_| is_over) {
            let (known, how) = (Some(record.clone()), (End::Expire, &Usage::default()));
            self.end_part(*tag, order.id, known, how, now).await?;
        }
        if !made.is_empty() && !is_over {
            made.sort_by_key(|(tag, _)| tags.iter().position(|other| other == tag));
            self.live.insert(order.id, Made { parts: made, until: order.expires.after(LATE) });
        }
        Ok(())
    }

    /// Takes in a part, or what it holds more than is known; nothing where it has ended.
    async fn introduce_part(
        &self,
        order: &Order<'_>,
        part: &Part<'_>,
        mut record: Record,
        now: Now,
    ) -> Result<Option<(u8, Record)>, SharedError> {
        let ttl = micros::ttl(order.expires, now.time);
        for _ in 0..TRIES {
            let chunk = record.chunk();
            let (print, report, in_time, session) = (None, false, false, "");
            let asking = Asking {
                id: order.id,
                part,
                chunk: &chunk,
                session,
                print,
                ttl,
                report,
                in_time,
                now,
            };
            match self.run_hold(&asking).await? {
                Done::Held { at, periods, clock, .. } => {
                    (record.at, record.expires) = (at as f64, (clock + ttl) as f64);
                    record.told(&periods).ok_or_else(unexpected)?;
                    return Ok(Some((part.tag, record)));
                }
                Done::NoRoom { .. } => return Err(unexpected()),
                Done::Unfit(seen) => self.lay_out(part, &seen, now).await?,
                Done::Other(bytes) => match Known::read(&bytes).ok_or_else(unexpected)? {
                    Known::Held(mut other) if !other.expired => {
                        if order.keep && !other.keep {
                            match self.to_be_remembered(part.tag, order.id, &mut other, now).await?
                            {
                                Finished::Done(_) => {}
                                Finished::Other(_) => continue,
                                Finished::Nothing => return Ok(None),
                            }
                        }
                        let more = order.demand.beyond(&other.demand);
                        if more == Usage::default() {
                            return Ok(Some((part.tag, other)));
                        }
                        let mut parts = [(part.tag, other)];
                        if self.add_unasked(order.id, &mut parts, &more, now).await? {
                            let [known] = parts;
                            return Ok(Some(known));
                        }
                    }
                    Known::Held(_) | Known::Ended(_) => return Ok(None),
                },
            }
        }
        Err(changes_too_often())
    }
}

/// What an order asks beside sessions, which live on by themselves.
fn without_sessions<'a>(order: &Order<'a>) -> Order<'a> {
    let (mut groups, mut charges) = (SmallVec::new(), SmallVec::new());
    for (group, own) in order.parts() {
        let before = charges.len();
        charges.extend(own.iter().filter(|charge| !is_session(charge)).copied());
        let count = u8::try_from(charges.len() - before).unwrap_or(u8::MAX);
        groups.push(Group { charges: count, ..group.clone() });
    }
    Order { groups, charges, report: false, ..order.clone() }
}

/// What a node tells of a reservation that it ended.
fn told(ended: &Ended) -> Vec<u8> {
    let Ended { id, how, usage } = ended;
    let mut out = Writer(id.0.to_be_bytes().to_vec());
    out.byte(match how {
        End::Settle => 0,
        End::Estimate => 1,
        End::Void => 2,
        End::Expire => 3,
    });
    let Usage { requests, input_tokens, output_tokens, cost, millis } = *usage;
    let all = [requests, input_tokens, output_tokens, cost.0, millis];
    all.into_iter().for_each(|amount| out.short(amount));
    out.0
}

/// What a node told on [`Shared::ended_channel`]; nothing if that is no such message.
pub fn ended_heard(message: &[u8]) -> Option<Ended> {
    let mut from = Reader(message);
    let id = ReservationId(u128::from_be_bytes(from.take(16)?.try_into().ok()?));
    let how = match from.byte()? {
        0 => End::Settle,
        1 => End::Estimate,
        2 => End::Void,
        3 => End::Expire,
        _ => return None,
    };
    let usage = Usage {
        requests: from.short()?,
        input_tokens: from.short()?,
        output_tokens: from.short()?,
        cost: NanoUsd(from.short()?),
        millis: from.short()?,
    };
    from.is_empty().then_some(Ended { id, how, usage })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_is_heard_as_it_was_told() {
        let usage = Usage { requests: 1, cost: NanoUsd(u64::MAX), ..Usage::default() };
        for how in [End::Settle, End::Estimate, End::Void, End::Expire] {
            let ended = Ended { id: ReservationId(u128::MAX - 5), how, usage };
            let message = told(&ended);
            assert_eq!(ended_heard(&message), Some(ended));
            assert_eq!(ended_heard(&message[1..]), None);
            assert_eq!(ended_heard(&[message, vec![0]].concat()), None);
        }
    }
}
