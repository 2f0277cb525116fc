//! What a live session has reserved and what it has used, told by both of its directions.

use std::time::Duration;

use parking_lot::Mutex;
use tollgate_core::{Amounts, Attributes, Decision, NanoUsd, Refusal};
use tollgate_meter::{Ending, Price, deepgram::Live};

use super::{
    super::{
        metered::BROKEN,
        outcome::Outcome,
        room::cost,
        slices::{MAX_PAUSES, PAUSE, Room, comes_back_soon},
        ticket::{Asking, Ticket},
    },
    Admitted,
};
use crate::{prices::Rate, refusal::CutShort};

/// The books of one session. Dropped, they are closed as they stand.
#[derive(Debug)]
pub(super) struct Books {
    who: Attributes,
    rate: Rate,
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
    pub(super) fn new(meter: Live, admitted: Admitted, who: &Attributes) -> Self {
        let Admitted { ticket, plan, rate } = admitted;
        let kept = Kept { meter, ticket: Some(ticket), reserved: plan.millis };
        Self { who: who.clone(), rate, kept: Mutex::new(kept) }
    }

    /// Those of a session that is settled.
    #[cfg(test)]
    pub(super) fn settled(meter: Live) -> Self {
        let kept = Kept { meter, ticket: None, reserved: 0 };
        Self { who: Attributes::new(), rate: Rate::Free, kept: Mutex::new(kept) }
    }

    /// Sees to it that a piece of audio is reserved before it passes. What others have reserved
    /// and may give back, and what a rate refills soon, is waited for.
    pub(super) async fn cover(&self, audio: &[u8]) -> Room {
        let (mut most, mut pauses) = (SLICE_MILLIS, 0);
        loop {
            let Some((more, asking)) = self.asking(audio, most) else { return Room::Enough };
            match asking.await {
                Ok(Decision::Admit(_)) => self.extend(&more),
                Ok(Decision::Refuse(_)) if most > 0 => most = 0,
                Ok(Decision::Refuse(refusal)) => {
                    if let Some(cut) = self.refused(refusal, pauses) {
                        return Room::Spent(cut);
                    }
                    pauses += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                // No store lets a slice wait.
                Ok(Decision::Wait(_)) => {}
                Err(error) => return Room::Unknown(error),
            }
        }
    }

    /// What is said where there is no room; nothing where that may change soon.
    fn refused(&self, refusal: Refusal, pauses: u32) -> Option<CutShort> {
        let kept = self.kept.lock();
        let ticket = kept.ticket.as_ref()?;
        let refused = ticket.refused(refusal);
        if pauses < MAX_PAUSES && comes_back_soon(&refused) {
            return None;
        }
        let used = Duration::from_millis(kept.meter.metered(Ending::Cut).counts.millis);
        let heard = format!("{} seconds of audio", used.as_secs_f64());
        let cut = CutShort::new(&refused, &self.who, &heard);
        ticket.note_cut(&cut);
        Some(cut)
    }

    /// Asks for what this piece needs beside what is reserved, or for this much if that is
    /// more; nothing where enough is reserved.
    fn asking(&self, audio: &[u8], most: u64) -> Option<(Amounts, Asking)> {
        let mut kept = self.kept.lock();
        let lacks = kept.meter.needs(audio).saturating_sub(kept.reserved);
        let ticket = kept.ticket.as_ref().filter(|_| lacks > 0)?;
        let millis = lacks.max(most);
        let cost = difference(self.rate.price(), kept.reserved, millis);
        let more = Amounts { millis, cost, ..Amounts::default() };
        Some((more, ticket.asking(more)))
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
