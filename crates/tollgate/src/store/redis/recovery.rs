//! The shared store is back: it is told what was decided without it, and what it has lost.
//!
//! Everything is told by its id, so that it may be told again where an answer was lost. Money
//! is told by counters where the store has lost something: what this node had settled when its
//! books were counted, after all ends that the count contains, before all that it does not.

use std::collections::VecDeque;

use futures_util::future::try_join_all;
use tokio::sync::RwLockWriteGuard;
use tollgate_core::{Attributes, Now, ReservationId, Time, Usage};

use super::{Counter, Exact, Redis, away::Entry, local::books, money::Told};
use crate::{
    StoreError,
    store::memory::{End, Holding},
};

/// What is told or asked at once.
pub(super) const BATCH: usize = 64;

/// Counters that are told at once.
const COUNTERS: usize = 256;

/// Rounds of telling before it is looked again whether it is still there.
const ROUNDS: usize = 10_000;

/// Rounds after which little is left that nodes have not decided meanwhile: then they wait.
const FREE_ROUNDS: usize = 2;

impl<X: Exact> Redis<X> {
    /// One look at whether the shared store is there: it is told what it does not know, and
    /// then decides again. Whether it does.
    pub async fn recover(&self, now: Now) -> bool {
        let _telling = self.telling.lock().await;
        let is_up = self.switch.is_up();
        if is_up && self.outbox.waiting() == (0, 0) {
            self.note_told();
            return true;
        }
        let seen = self.damage.seen();
        // Let go when it is said who decides.
        let mut last = None;
        match self.tell(is_up, &mut last, now).await {
            // Whoever sees a loss here looks at the others first.
            Ok(true)
                if self.damage.seen() == seen
                    && self.damage.others_are_whole()
                    && self.switch.is_steady() =>
            {
                self.switch.come_back(now.time);
                self.note_told();
                true
            }
            Ok(_) => self.switch.is_up(),
            Err(error) => {
                self.outages.goes_on(now);
                self.failed(&error.to_string(), now);
                false
            }
        }
    }

    /// One look at whether the shared store has lost what it had acknowledged, and at what of it
    /// a replica has.
    pub async fn look_now(&self, now: Now) {
        if let Err(error) = self.look(now).await {
            self.failed(&error.to_string(), now);
        }
    }

    async fn look(&self, now: Now) -> Result<(), StoreError> {
        let Some(link) = self.shared.line() else { return Ok(()) };
        match self.witness.look(link, &self.written).await {
            Ok(true) => self.note_loss("Redis has lost what it had acknowledged", now),
            Ok(false) => {}
            Err(error) => return Err(StoreError::Away(error.to_string())),
        }
        Ok(())
    }

    /// Tells all there is; whether that is all. What remains after some rounds is `last`.
    async fn tell<'a>(
        &'a self,
        is_up: bool,
        last: &mut Option<RwLockWriteGuard<'a, ()>>,
        now: Now,
    ) -> Result<bool, StoreError> {
        if !is_up {
            self.shared.reach().await?;
            self.look(now).await?;
        }
        if !self.damage.is_repaired() || self.outbox.has_forgotten() {
            self.repair(now).await?;
        }
        for round in 0..ROUNDS {
            self.tell_entries(now).await?;
            let strangers = self.outbox.strangers();
            for some in strangers.chunks(BATCH) {
                try_join_all(some.iter().map(|live| self.tell_live(*live, now))).await?;
            }
            let is_all = self.outbox.waiting() == (0, 0);
            if is_all && (is_up || last.is_some()) {
                return Ok(self.damage.is_repaired());
            }
            if !is_up && last.is_none() && (is_all || round >= FREE_ROUNDS) {
                *last = Some(self.returning.write().await);
            }
        }
        Ok(false)
    }

    /// Makes good what the shared store has lost.
    async fn repair(&self, now: Now) -> Result<(), StoreError> {
        let seen = self.damage.seen();
        self.learn_all(now).await?;
        // Who ends something in both sees that it is away, or has done so in both.
        self.leave("it has lost what it knew, and is told again", now);
        drop(self.ends.write().await);
        let (mut entries, counters) = {
            let _both = self.both.write();
            self.outbox.take_forgotten();
            // What lives now may be unknown there when it ends.
            (self.outbox.cut(books!(self.local, books => books.live())), self.counters())
        };
        // What it was told lately it may have lost, and hold what has ended.
        // What was undone and asked for again lives.
        let has_ended = |(id, ..): &Told| books!(self.local, books => books.holding(*id)).is_none();
        let lately = self.lately.take().into_iter().filter(has_ended);
        entries.extend(lately.map(|(id, how, usage)| Entry::End { id, how, usage }));
        let told = self.tell_all(&mut entries, now).await;
        self.outbox.put_back(entries);
        told?;
        // What has expired here is expired there, before it is counted.
        done(self.shared.expire(now).await.map(drop))?;
        for some in counters.chunks(COUNTERS) {
            done(self.shared.raise(some, now).await)?;
        }
        self.damage.repair(seen);
        Ok(())
    }

    /// Learns what other nodes have ended: the shared store counts it for this node, and what the
    /// books count must be no less, or it would hide as much of what was lost.
    async fn learn_all(&self, now: Now) -> Result<(), StoreError> {
        self.learn_of(&books!(self.local, books => books.live()), now).await
    }

    /// What this node has settled in each period that goes on.
    fn counters(&self) -> Vec<Counter> {
        let mut counters = Vec::new();
        books!(self.local, books => books.each_spent(|scope, key, spent| {
            if spent.settled > 0 {
                counters.push(Counter { scope, key: key.clone(), spent });
            }
        }));
        counters
    }

    async fn tell_entries(&self, now: Now) -> Result<(), StoreError> {
        while self.outbox.waiting().0 > 0 {
            let mut entries = self.outbox.cut(None);
            let told = self.tell_all(&mut entries, now).await;
            self.outbox.put_back(entries);
            told?;
        }
        Ok(())
    }

    /// Tells entries in their order, many at once where they are of different reservations;
    /// those that remain when it fails were not told, or may be told again.
    async fn tell_all(&self, entries: &mut VecDeque<Entry>, now: Now) -> Result<(), StoreError> {
        while !entries.is_empty() {
            let mut ids = hashbrown::HashSet::<ReservationId>::with_capacity(BATCH);
            let batch = entries.iter().take(BATCH).take_while(|entry| ids.insert(entry.id()));
            let batch: Vec<_> = batch.collect();
            let count = batch.len();
            try_join_all(batch.into_iter().map(|entry| self.tell_one(entry, now))).await?;
            entries.drain(..count);
        }
        Ok(())
    }

    async fn tell_one(&self, entry: &Entry, now: Now) -> Result<(), StoreError> {
        let told = match entry {
            Entry::End { id, how, usage } => self.tell_end(*id, (*how, usage), now).await,
            Entry::Made { held, how, usage } => match self.tell_held(held, now).await {
                Ok(()) => self.tell_end(held.id, (*how, usage), now).await,
                failed => failed,
            },
            Entry::Unasked { id } => {
                let told = self.shared.unask(*id, now).await;
                told.inspect(|()| {
                    self.outbox.trust(*id);
                    let told = (*id, End::Void, Usage::default());
                    self.lately.note(told, now.time, self.is_whole());
                })
            }
            Entry::Renew { id, expires } => self.shared.renew(*id, *expires, now).await,
        };
        done(told)
    }

    async fn tell_end(
        &self,
        id: ReservationId,
        (how, usage): (End, &Usage),
        now: Now,
    ) -> Result<(), StoreError> {
        self.end_shared(id, (how, usage), now).await?;
        self.lately.note((id, how, *usage), now.time, self.is_whole());
        Ok(())
    }

    async fn tell_live(&self, (id, met): (ReservationId, u64), now: Now) -> Result<(), StoreError> {
        let told = match books!(self.local, books => books.holding(id)) {
            Some(held) => self.tell_held(&held, now).await,
            // It has ended, and that is told by itself.
            None => Ok(()),
        };
        done(told)?;
        self.outbox.part_with(id, Some(met));
        Ok(())
    }

    async fn tell_held(&self, held: &Holding, now: Now) -> Result<(), StoreError> {
        let nobody = Attributes::new();
        let mut order = held.order(&nobody);
        // Told again after its end, it is known to have ended, and not held and settled anew.
        order.keep = true;
        if held.expired {
            // There it expires at once, and may still be settled late.
            order.expires = Time::ZERO;
        }
        self.shared.introduce(&order, now).await
    }
}

/// Whether something needs not be told again: also what is known there to have ended, or is
/// refused for good.
pub(super) fn done(told: Result<(), StoreError>) -> Result<(), StoreError> {
    match told {
        Err(StoreError::Away(why)) => Err(StoreError::Away(why)),
        Err(
            error @ (StoreError::Full { .. } | StoreError::Undecided(_) | StoreError::Clock(_)),
        ) => {
            tracing::error!(%error, "the shared store can't take in what was decided without it");
            Ok(())
        }
        _ => Ok(()),
    }
}
