//! Adding to what lives: all that is asked of every part, or nothing.

use smallvec::SmallVec;
use tollgate_core::{Admission, Amounts, Charge, Decision, Now, Refusal, ReservationId, Standing};

use super::{
    Shared, SharedError, TRIES,
    hold::{Asking, Done, changes_too_often, limits_at},
    part::{Asked, Part},
    record::{Added, Known, Record},
    reply::unexpected,
};
use crate::{StoreError, store::obstacles::Obstacles};

impl Shared {
    /// Adds to what lives, tag by tag.
    pub(super) async fn try_extend(
        &self,
        id: ReservationId,
        more: &Amounts,
        now: Now,
    ) -> Result<Decision, SharedError> {
        for nth in 0..TRIES {
            let mut parts = match self.known_parts(id, nth > 0).await {
                Err(SharedError::Store(_)) => return Err(StoreError::Unknown { id: id.0 }.into()),
                known => known?,
            };
            let asked = (more, true, nth == 0);
            if let Some(decision) = self.extend_parts(id, &mut parts, asked, now).await? {
                return Ok(decision);
            }
        }
        Err(changes_too_often())
    }

    /// Adds to parts of what lives, whether or not there is room; whether they still were as told.
    pub(super) async fn add_unasked(
        &self,
        id: ReservationId,
        parts: &mut [(u8, Record)],
        more: &Amounts,
        now: Now,
    ) -> Result<bool, SharedError> {
        Ok(self.extend_parts(id, parts, (more, false, false), now).await?.is_some())
    }

    async fn extend_parts(
        &self,
        id: ReservationId,
        parts: &mut [(u8, Record)],
        (more, must_fit, is_first): (&Amounts, bool, bool),
        now: Now,
    ) -> Result<Option<Decision>, SharedError> {
        let mut shadowed = SmallVec::new();
        for nth in 0..parts.len() {
            let (tag, record) = &parts[nth];
            if record.expired {
                return Err(StoreError::Ended { id: id.0 }.into());
            }
            let mut added = addition(record, more);
            let part = extending(*tag, record, &added, must_fit);
            let chunk = added.chunk();
            let asking = Asking {
                id,
                part: &part,
                chunk: &chunk,
                session: "",
                print: Some(record.print()),
                ttl: 0,
                report: false,
                in_time: false,
                now,
            };
            match self.run_hold(&asking).await? {
                Done::Held { at, periods, shadowed: nths, .. } => {
                    shadowed.extend(limits_at(&part, &nths));
                    added.at = at as f64;
                    added.told(&periods).ok_or_else(unexpected)?;
                    let record = &mut parts[nth].1;
                    record.version = record.version.wrapping_add(1);
                    record.demand = record.demand.plus(more);
                    record.added.push(added);
                }
                Done::NoRoom { due, .. } => {
                    let tag = *tag;
                    self.take_back(id, &mut parts[..nth], now).await?;
                    if due && is_first && self.expire_in_passing(tag, now).await {
                        return Ok(None);
                    }
                    let refusal = self.refuse_extension(parts, more, now).await?;
                    return Ok(refusal.map(Decision::Refuse));
                }
                Done::Unfit(seen) => {
                    self.lay_out(&part, &seen, now).await?;
                    self.take_back(id, &mut parts[..nth], now).await?;
                    return Ok(None);
                }
                Done::Other(bytes) => {
                    self.take_back(id, &mut parts[..nth], now).await?;
                    return match Known::read(&bytes) {
                        Some(Known::Held(other)) if !other.expired => Ok(None),
                        Some(Known::Held(_)) => Err(StoreError::Ended { id: id.0 }.into()),
                        _ => Err(StoreError::Unknown { id: id.0 }.into()),
                    };
                }
            }
        }
        self.live.change(id, |made| made.parts = parts.to_vec());
        let standings = SmallVec::new();
        Ok(Some(Decision::Admit(Admission { standings, shadowed })))
    }

    /// Why an extension has no room, unless it has by now.
    async fn refuse_extension(
        &self,
        parts: &[(u8, Record)],
        more: &Amounts,
        now: Now,
    ) -> Result<Option<Refusal>, SharedError> {
        let mut obstacles = Obstacles::default();
        let mut standings = SmallVec::<[Standing; 8]>::new();
        for (tag, record) in parts {
            let added = addition(record, more);
            let part = extending(*tag, record, &added, true);
            if part.cells.is_empty() {
                continue;
            }
            let seen = self.look(&part, "", now).await?;
            let mut view = self.view(&part, seen, now);
            for (nth, (_, charge)) in added.charges.iter().enumerate() {
                if let Some(Err(retry)) = view.check(nth) {
                    obstacles.add(charge, retry);
                }
                standings.extend(view.standing(nth, charge.limit));
            }
        }
        let shadowed = obstacles.shadowed;
        let refused = |(limit, retry)| Refusal { limit, retry, standings, shadowed };
        Ok(obstacles.binding.map(refused))
    }
}

/// What an extension asks of a record's accounts.
fn addition(record: &Record, more: &Amounts) -> Added {
    let mut charges = Vec::new();
    for (place, held) in record.cells.iter().enumerate() {
        for charge in &held.charges {
            let amount = if charge.rule.kind.is_slot() { 0 } else { more.of(charge.unit) };
            if amount > 0 {
                charges.push((place, Charge { amount, ..*charge }));
            }
        }
    }
    Added { at: 0.0, more: *more, charges }
}

/// The part that an addition is asked of.
fn extending<'a>(tag: u8, record: &'a Record, added: &Added, must_fit: bool) -> Part<'a> {
    let mut cells = Vec::new();
    let mut first = 0;
    for (place, held) in record.cells.iter().enumerate() {
        let own = added.charges.iter().filter(|(at, _)| *at == place);
        let own: Vec<Charge> = own.map(|(_, charge)| *charge).collect();
        if !own.is_empty() {
            let mut asked = Asked::of(held.scope, &held.key, &own, first);
            first += own.len();
            for (_, charge) in asked.charges.iter_mut().filter(|_| !must_fit) {
                (charge.shadow, charge.warn.soft) = (true, true);
            }
            cells.push(asked);
        }
    }
    Part::under(tag, cells)
}
