//! How reservations end: in the shared store and in the books of the node that made them.

use std::time::Duration;

use futures_util::future::try_join_all;
use tollgate_core::{Now, ReservationId, Time, Usage};

use super::{
    Ended, Exact, Redis,
    asking::unknown_here,
    away::{Entry, Outbox},
    local::books,
    recovery::{BATCH, done},
};
use crate::{
    Receipt, StoreError,
    store::{embedded::Untold, memory::End},
};

/// How long the books wait for what the shared store says of a reservation that is due here, where
/// it is there and does not answer that.
const UNSURE: Duration = Duration::from_secs(10);

impl<X: Exact> Redis<X> {
    pub(super) async fn end(
        &self,
        id: ReservationId,
        (how, usage): (End, &Usage),
        now: Now,
    ) -> Result<Receipt, StoreError> {
        let _turn = self.underway.turn(id).await;
        // The first of two ends counts, also where the shared store has not heard of it yet.
        if let Some(receipt) = books!(self.local, books => books.receipt(id)) {
            return Ok(receipt);
        }
        let mut is_unknown = false;
        if self.switch.is_up() && !self.outbox.is_stranger(id) {
            let _ends = self.ends.read().await;
            // It may have been left while this waited.
            if self.switch.is_up() {
                match self.end_shared(id, (how, usage), now).await {
                    Ok(receipt) => {
                        self.switch.answered();
                        self.written.note(&receipt.overrun);
                        let (how, usage) = (ended_as(how, &receipt), receipt.usage);
                        self.lately.note((id, how, usage), now.time, self.is_whole());
                        let own = self.local.end(id, (how, &usage), now);
                        if let Err(StoreError::Unknown { .. }) = own {
                            self.shared.announce(Ended { id, how, usage }).await;
                        }
                        return Ok(receipt);
                    }
                    Err(error @ (StoreError::Away(_) | StoreError::Undecided(_))) => {
                        self.does_without(&error, now);
                    }
                    Err(StoreError::Unknown { .. }) => is_unknown = true,
                    Err(error) => return Err(error),
                }
            }
        }
        self.end_alone(id, (how, usage), now, is_unknown)
    }

    /// Ends it in the books; the shared store is told when that can be.
    fn end_alone(
        &self,
        id: ReservationId,
        (how, usage): (End, &Usage),
        now: Now,
        is_unknown: bool,
    ) -> Result<Receipt, StoreError> {
        let _both = self.both.read();
        let is_stranger = is_unknown || self.outbox.is_stranger(id);
        let held = if is_stranger { books!(self.local, books => books.holding(id)) } else { None };
        let receipt = match self.local.end(id, (how, usage), now) {
            Err(StoreError::Unknown { .. }) if !is_unknown => return Err(unknown_here()),
            ended => ended?,
        };
        self.outbox.forget(id);
        self.outages.end(id, (how, usage), now);
        let usage = *usage;
        self.outbox.push(match held {
            Some(held) => Entry::Made { held: Box::new(held), how, usage },
            None => Entry::End { id, how, usage },
        });
        Ok(receipt)
    }

    pub(super) async fn end_shared(
        &self,
        id: ReservationId,
        (how, usage): (End, &Usage),
        now: Now,
    ) -> Result<Receipt, StoreError> {
        match how {
            End::Void => self.shared.void(id, now).await,
            End::Estimate => self.shared.settle_estimated(id, usage, now).await,
            End::Settle | End::Expire => self.shared.settle(id, usage, now).await,
        }
    }

    pub(super) async fn live_on(
        &self,
        id: ReservationId,
        expires: Time,
        now: Now,
    ) -> Result<(), StoreError> {
        // The books first, so that nothing expires here while the shared store is slow.
        let own = books!(self.local, books => books.renew_now(id, expires));
        if self.outbox.is_stranger(id) {
            return own;
        }
        if self.switch.is_up() {
            let renewed = match self.shared.renew(id, expires, now).await {
                Err(unknown @ StoreError::Unknown { .. }) if self.is_held(id) => {
                    match self.introduce_living(id, now).await {
                        Ok(true) => self.shared.renew(id, expires, now).await,
                        Ok(false) => Err(unknown),
                        Err(error) => Err(error),
                    }
                }
                renewed => renewed,
            };
            match renewed {
                Ok(()) => {
                    self.switch.answered();
                    // Whether or not it is of these books.
                    return Ok(());
                }
                Err(error @ (StoreError::Away(_) | StoreError::Undecided(_))) => {
                    self.does_without(&error, now);
                }
                Err(error) => return Err(error),
            }
        }
        own.map_err(|error| match error {
            StoreError::Unknown { .. } => unknown_here(),
            other => other,
        })?;
        self.outbox.push(Entry::Renew { id, expires });
        Ok(())
    }

    /// Expires what is due, here and there; what another node has ended ends as it told.
    pub(super) async fn pass_time(&self, now: Now) -> Result<usize, StoreError> {
        let is_up = self.switch.is_up();
        if is_up
            && let due = books!(self.local, books => books.due(now))
            && let Err(error) = self.learn_of(&due, now).await
        {
            self.failed(&error.to_string(), now);
            let waited = now.time.as_nanos().saturating_sub(UNSURE.as_nanos() as u64);
            let by = Now { time: Time::from_nanos(waited), ..now };
            return Ok(books!(self.local, books => books.expire_now(by)));
        }
        let own = books!(self.local, books => books.expire_now(now));
        if is_up {
            match self.shared.expire(now).await {
                Ok(all) => return Ok(all.max(own)),
                Err(StoreError::Away(why)) => self.failed(&why, now),
                Err(error) => return Err(error),
            }
        }
        Ok(own)
    }

    /// Ends reservations in the books as the shared store says that they have ended, if they
    /// have, up to the first that it does not answer of.
    pub(super) async fn learn_of(&self, ids: &[ReservationId], now: Now) -> Result<(), StoreError> {
        // Of others nobody remembers how they ended.
        let is_kept = |id: &&ReservationId| {
            books!(self.local, books => books.holding(**id)).is_some_and(|held| held.keep)
        };
        let kept: Vec<_> = ids.iter().filter(is_kept).collect();
        for some in kept.chunks(BATCH) {
            try_join_all(some.iter().map(async |id| done(self.learn(**id, now).await))).await?;
        }
        Ok(())
    }

    async fn learn(&self, id: ReservationId, now: Now) -> Result<(), StoreError> {
        if let Some(receipt) = self.shared.ending(id).await? {
            let (how, usage) = (ended_as(End::Settle, &receipt), receipt.usage);
            self.ended_elsewhere(&Ended { id, how, usage }, now);
        }
        Ok(())
    }

    /// Another node has ended a reservation: if it is of these books, it ends in them with the
    /// same. Whether it was.
    pub fn ended_elsewhere(&self, ended: &Ended, now: Now) -> bool {
        let Ended { id, how, usage } = ended;
        let is_own = books!(self.local, books => books.holding(*id)).is_some()
            && self.local.end(*id, (*how, usage), now).is_ok();
        if is_own {
            // After a loss it is told before what these books count it in.
            self.lately.note((*id, *how, *usage), now.time, self.is_whole());
        }
        is_own
    }

    /// Returns when what is held under an id survives a crash of this node: at once where the
    /// shared store holds it.
    pub(super) async fn is_safe(&self, id: ReservationId) -> Result<(), StoreError> {
        if self.outbox.is_stranger(id) { self.local.held(id).await } else { Ok(()) }
    }

    /// What ended in these books before this process is told again: the process before may have
    /// ended with it untold.
    pub(super) fn tell_again(&self, untold: Vec<Untold>) {
        for (id, how, usage) in untold {
            self.outbox.push(Entry::End { id, how, usage });
        }
    }

    /// Has the next process tell nothing again of what was told by now.
    pub(super) fn note_told(&self) {
        if let Some(ledger) = self.local.embedded() {
            let _both = self.both.write();
            if self.outbox.waiting().0 == 0 && self.is_whole() {
                ledger.note_told();
            }
        }
    }

    /// What the books had not ended when they were closed has expired in them; so it does in
    /// the shared store.
    pub(super) fn expire_orphans(&self) {
        for id in books!(self.local, books => books.expired()) {
            expire_in_shared(&self.outbox, id);
        }
    }
}

/// How a reservation really ended, which may have been before it was asked for: what was voided
/// has used nothing, not even a request.
fn ended_as(asked: End, receipt: &Receipt) -> End {
    match (asked, receipt.usage == Usage::default()) {
        (_, true) => End::Void,
        (End::Void, false) => End::Settle,
        (asked, false) => asked,
    }
}

fn expire_in_shared(outbox: &Outbox, id: ReservationId) {
    outbox.push(Entry::Renew { id, expires: Time::ZERO });
}
