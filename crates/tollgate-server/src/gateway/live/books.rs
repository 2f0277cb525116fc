//! What a live session has reserved and what it has used, told by both of its directions.

use std::time::Duration;

use parking_lot::Mutex;
use tollgate::Refused;
use tollgate_core::{Amounts, Attributes, Decision, NanoUsd, Refusal};
use tollgate_meter::{Ending, Price, deepgram::Live};

use super::{
    super::{
        metered::BROKEN,
        outcome::Outcome,
        room::cost,
        slices::{MAX_PAUSES, PAUSE, comes_back_soon},
        ticket::{Asking, Checking, Ticket},
    },
    Admitted,
    ending::Why,
    terms::{Changed, Terms},
};
use crate::{prices::Rate, refusal::CutShort};

/// The books of one session. Dropped, they are closed as they stand.
#[derive(Debug)]
pub(super) struct Books {
    rate: Rate,
    /// Nothing of a session that is settled from the beginning.
    terms: Option<Terms>,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    meter: Live,
    /// Nothing once it is settled: no audio passes any more.
    ticket: Option<Ticket>,
    /// Audio that is reserved, in milliseconds.
    reserved: u64,
}

/// What is asked for at once, in milliseconds: seldom enough, and not much is kept from others.
const SLICE_MILLIS: u64 = 30_000;

impl Books {
    pub(super) fn new(meter: Live, admitted: Admitted, terms: Terms) -> Self {
        let Admitted { ticket, plan, rate } = admitted;
        let kept = Kept { meter, ticket: Some(ticket), reserved: plan.millis };
        Self { rate, terms: Some(terms), kept: Mutex::new(kept) }
    }

    /// Those of a session that is settled.
    #[cfg(test)]
    pub(super) fn settled(meter: Live) -> Self {
        let kept = Kept { meter, ticket: None, reserved: 0 };
        Self { rate: Rate::Free, terms: None, kept: Mutex::new(kept) }
    }

    /// Sees to it that a piece of audio is reserved before it passes. What others have reserved
    /// and may give back, and what a rate refills soon, is waited for.
    ///
    /// # Errors
    /// Why the session ends, where there is no more for it or it may have none.
    pub(super) async fn cover(&self, audio: &[u8]) -> Result<(), Why> {
        let (mut most, mut pauses) = (SLICE_MILLIS, 0);
        while let Some(more) = self.lacks(audio, most) {
            let refused = self.more(&more).await?;
            match refused {
                None => {}
                Some(_) if most > 0 => most = 0,
                Some(refused) if pauses < MAX_PAUSES && comes_back_soon(&refused) => {
                    pauses += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Some(refused) => return Err(self.spent(&refused)),
            }
        }
        Ok(())
    }

    /// Asks for more, by what holds now and by what held when it began; why there is not.
    async fn more(&self, more: &Amounts) -> Result<Option<Refused>, Why> {
        let is_critical = self.terms.as_ref().map_or(Ok(()), Terms::check_critical);
        is_critical.map_err(|why| Why::emergency(&why))?;
        let terms = self.terms.as_ref().map(Terms::changed);
        if let Some(changed) = terms.transpose().map_err(Why::unauthorized)?.flatten()
            && let Some(checking) = self.checking(changed, more)
        {
            let refused = checking.await.map_err(|error| Why::unknown(&error))?;
            if refused.is_some() {
                return Ok(refused);
            }
        }
        let Some(asking) = self.asking(more) else { return Ok(None) };
        match asking.await {
            Ok(Decision::Admit(_)) => {
                self.extend(more);
                Ok(None)
            }
            Ok(Decision::Refuse(refusal)) => Ok(self.refused(refusal)),
            // No store lets a slice wait.
            Ok(Decision::Wait(_)) => Ok(None),
            Err(error) => Err(Why::unknown(&error)),
        }
    }

    /// Why it ends where there is no room.
    fn spent(&self, refused: &Refused) -> Why {
        let kept = self.kept.lock();
        let used = Duration::from_millis(kept.meter.metered(Ending::Cut).counts.millis);
        let heard = format!("{} seconds of audio", used.as_secs_f64());
        let nobody = Attributes::new();
        let who = self.terms.as_ref().map_or(&nobody, Terms::who);
        let cut = CutShort::new(refused, who, &heard);
        kept.ticket.iter().for_each(|ticket| ticket.note_cut(&cut));
        Why::spent(&cut)
    }

    /// What this piece needs beside what is reserved, or this much if that is more; nothing
    /// where enough is reserved, or all is settled.
    fn lacks(&self, audio: &[u8], most: u64) -> Option<Amounts> {
        let mut kept = self.kept.lock();
        let lacks = kept.meter.needs(audio).saturating_sub(kept.reserved);
        if lacks == 0 || kept.ticket.is_none() {
            return None;
        }
        let millis = lacks.max(most);
        let cost = difference(self.rate.price(), kept.reserved, millis);
        Some(Amounts { millis, cost, ..Amounts::default() })
    }

    fn asking(&self, more: &Amounts) -> Option<Asking> {
        Some(self.kept.lock().ticket.as_ref()?.asking(*more))
    }

    fn checking(&self, Changed { policy, who }: Changed, more: &Amounts) -> Option<Checking> {
        Some(self.kept.lock().ticket.as_ref()?.checking(policy, who, *more))
    }

    fn refused(&self, refusal: Refusal) -> Option<Refused> {
        Some(self.kept.lock().ticket.as_ref()?.refused(refusal))
    }

    fn extend(&self, more: &Amounts) {
        let mut kept = self.kept.lock();
        kept.reserved = kept.reserved.saturating_add(more.millis);
        if let Some(ticket) = &mut kept.ticket {
            ticket.extended(more);
        }
    }

    /// Whether what its caller sends may pass.
    pub(super) fn is_open(&self) -> bool {
        let kept = self.kept.lock();
        kept.ticket.is_some() && !kept.meter.is_closing()
    }

    /// Whether a piece of audio passes: none does once all is settled.
    pub(super) fn send(&self, audio: &[u8]) -> bool {
        let mut kept = self.kept.lock();
        let passes = kept.ticket.is_some();
        if passes {
            kept.meter.send(audio);
        }
        passes
    }

    /// A message of the caller's passes.
    pub(super) fn say(&self, message: &str) {
        self.kept.lock().meter.say(message);
    }

    /// A message of the provider's comes. With the one that tells the whole, all is settled:
    /// whoever reads it may ask anew at once.
    pub(super) fn hear(&self, message: &str) {
        let is_whole = {
            let mut kept = self.kept.lock();
            kept.meter.hear(message);
            kept.meter.is_whole()
        };
        if is_whole {
            self.close(Ending::Complete);
        }
    }

    /// Whether all is settled.
    pub(super) fn is_closed(&self) -> bool {
        self.kept.lock().ticket.is_none()
    }

    /// Bytes of audio that have passed.
    pub(super) fn sent_bytes(&self) -> u64 {
        self.kept.lock().meter.sent_bytes()
    }

    /// Its provider has failed.
    pub(super) fn fail(&self) {
        if let Some(ticket) = &mut self.kept.lock().ticket {
            ticket.ends(BROKEN);
        }
    }

    /// Settles it, unless it is settled.
    pub(super) fn close(&self, ending: Ending) {
        let (ticket, metered) = {
            let mut kept = self.kept.lock();
            (kept.ticket.take(), kept.meter.metered(ending))
        };
        if let Some(ticket) = ticket {
            ticket.conclude(Outcome::Stream(metered));
        }
    }
}

impl Drop for Books {
    fn drop(&mut self) {
        self.close(Ending::Cut);
    }
}

/// What so much more audio costs beside what is reserved.
fn difference(price: Option<&Price>, reserved: u64, more: u64) -> NanoUsd {
    let of = |millis| cost(price, 0, 0, millis).0;
    NanoUsd(of(reserved.saturating_add(more)).saturating_sub(of(reserved)))
}
