//! A stream's slices: what it has reserved for its output, and the asking for more.
//!
//! A stream reads on only while what it has made, and what may come with the next piece, is
//! reserved. It asks in time, so that it seldom has to stop for the answer. What others have
//! reserved and may give back, and what a rate refills soon, is waited for, but not for long:
//! the provider makes on meanwhile.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Sleep;
use tollgate::{Cause, Refused, StoreError};
use tollgate_core::{Amounts, Attributes, Decision, NanoUsd};
use tollgate_meter::Price;

use super::{
    estimate::{How, MIN_SLICE, Plan},
    room::cost,
    ticket::{self, Ticket},
};
use crate::{prices::Rate, refusal::CutShort};

/// What a stream has reserved for its output.
pub(super) struct Slices {
    who: Attributes,
    rate: Rate,
    input: u64,
    reserved: u64,
    most: Option<u64>,
    /// What is asked for next.
    slice: u64,
    /// What may come with the next event before anybody can look at it.
    headroom: u64,
    /// What was made when it was last looked at.
    made: u64,
    asking: Option<Asking>,
    pause: Option<Pin<Box<Sleep>>>,
    /// How often it has waited since it was granted something.
    pauses: u32,
    /// It was told that there is nothing left: it asks once more when it has to.
    is_denied: bool,
}

/// What a stream has made, in tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made {
    pub(super) so_far: u64,
    /// With its largest event.
    pub(super) at_once: u64,
}

/// Whether a stream may go on.
#[derive(Debug)]
pub(super) enum Room {
    /// What comes next is reserved.
    Enough,
    /// There is nothing left for it.
    Spent(CutShort),
    /// Nobody can say.
    Unknown(StoreError),
}

struct Asking {
    more: Amounts,
    answer: ticket::Asking,
}

/// What may come with the next event in any case.
const LEAST_HEADROOM: u64 = 2;

/// No slice is larger, so that a long stream does not keep much from others.
const MAX_SLICE: u64 = 4_096;

/// A slice that is refused is asked for again by so much less.
const SMALLER: u64 = 4;

/// How long it waits for what others may give back before it asks again.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// How often it does, in a row: five seconds in all.
pub(super) const MAX_PAUSES: u32 = 100;

impl Slices {
    /// The slices of a stream; none if all that it may use is reserved.
    pub(super) fn new(plan: &Plan, rate: &Rate, who: &Attributes) -> Option<Self> {
        let How::Slices { .. } = plan.how else { return None };
        Some(Self {
            who: who.clone(),
            rate: rate.clone(),
            input: plan.read(),
            reserved: plan.output,
            most: plan.most,
            slice: plan.output.clamp(MIN_SLICE, MAX_SLICE),
            headroom: LEAST_HEADROOM,
            made: 0,
            asking: None,
            pause: None,
            pauses: 0,
            is_denied: false,
        })
    }

    /// Whether the stream may read on after what was made.
    pub(super) fn poll_room(
        &mut self,
        cx: &mut Context<'_>,
        made: Made,
        ticket: &mut Ticket,
    ) -> Poll<Room> {
        self.headroom = LEAST_HEADROOM.max(made.at_once);
        self.made = made.so_far;
        loop {
            if self.is_covered(self.headroom.max(self.slice / SMALLER)) {
                return Poll::Ready(Room::Enough);
            }
            let must = !self.is_covered(self.headroom);
            if self.is_denied && !must {
                return Poll::Ready(Room::Enough);
            }
            match self.poll_more(cx, ticket) {
                Poll::Pending if must => return Poll::Pending,
                Poll::Pending => return Poll::Ready(Room::Enough),
                Poll::Ready(None) => {}
                Poll::Ready(Some(_)) if !must => self.is_denied = true,
                Poll::Ready(Some(room)) => return Poll::Ready(room),
            }
        }
    }

    /// Whether whatever so many bytes bring is reserved: a token is at least a byte.
    pub(super) fn covers(&self, bytes: usize) -> bool {
        self.is_covered(bytes as u64)
    }

    /// Whether so much more is reserved than was made, or all that can be.
    fn is_covered(&self, beyond: u64) -> bool {
        self.most.is_some_and(|most| self.reserved >= most)
            || self.made.saturating_add(beyond) <= self.reserved
    }

    fn cut(&self, refused: &Refused) -> CutShort {
        CutShort::new(refused, &self.who, &format_args!("{} output tokens", self.made))
    }

    /// Asks for another slice; nothing is to be told while asking goes on.
    fn poll_more(&mut self, cx: &mut Context<'_>, ticket: &mut Ticket) -> Poll<Option<Room>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let asking = match &mut self.asking {
            Some(asking) => asking,
            none => {
                let left = self.most.map_or(u64::MAX, |most| most - self.reserved);
                let (so_far, slice) = ((self.input, self.reserved), self.slice.min(left));
                none.insert(Asking::begin(&self.rate, so_far, slice, ticket))
            }
        };
        let answer = ready!(asking.answer.as_mut().poll(cx));
        let more = asking.more;
        self.asking = None;
        Poll::Ready(match answer {
            Ok(Decision::Admit(_)) => {
                ticket.extended(&more);
                self.reserved = self.reserved.saturating_add(more.output_tokens);
                self.slice = self.slice.max(self.made / SMALLER).min(MAX_SLICE);
                (self.pauses, self.is_denied) = (0, false);
                None
            }
            Ok(_) if self.slice > 1 => {
                self.slice = (self.slice / SMALLER).max(1);
                None
            }
            Ok(Decision::Refuse(refusal)) => {
                let refused = ticket.refused(refusal);
                if self.pauses < MAX_PAUSES && comes_back_soon(&refused) {
                    self.pauses += 1;
                    self.pause = Some(Box::pin(tokio::time::sleep(PAUSE)));
                    None
                } else {
                    Some(Room::Spent(self.cut(&refused)))
                }
            }
            // No store lets a slice wait.
            Ok(Decision::Wait(_)) => None,
            Err(error) => Some(Room::Unknown(error)),
        })
    }
}

impl Asking {
    fn begin(rate: &Rate, (input, reserved): (u64, u64), slice: u64, ticket: &Ticket) -> Self {
        let price = rate.price();
        let more = Amounts {
            output_tokens: slice,
            cost: difference(price, input, reserved, slice),
            ..Amounts::default()
        };
        Self { more, answer: ticket.asking(more) }
    }
}

/// Whether there may be more before the stream would have waited for too long.
pub(super) fn comes_back_soon(refused: &Refused) -> bool {
    let promised = refused.refusal.retry.promised();
    refused.cause == Cause::Reserved
        || promised.is_some_and(|at| at.since(refused.now.time) <= PAUSE * MAX_PAUSES)
}

/// What another slice costs beside what is reserved.
fn difference(price: Option<&Price>, input: u64, reserved: u64, slice: u64) -> NanoUsd {
    let (NanoUsd(before), NanoUsd(after)) =
        (cost(price, input, reserved, 0), cost(price, input, reserved.saturating_add(slice), 0));
    NanoUsd(after.saturating_sub(before))
}

impl std::fmt::Debug for Slices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { reserved, most, slice, .. } = self;
        write!(f, "Slices({reserved} of {most:?}, next {slice})")
    }
}
