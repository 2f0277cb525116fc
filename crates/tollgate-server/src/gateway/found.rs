//! What is in a request's way at all of its models, and how long it is worth waiting for.

use std::time::Duration;

use smallvec::SmallVec;
use tollgate_core::Time;

use super::exchange::Stop;
use crate::{
    guards::{InTheWay, NotNow},
    headers,
    refusal::{Failure, What},
};

/// What is in the way everywhere.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Where others are in the way who may be waited for.
    lines: SmallVec<[(usize, NotNow); 2]>,
    /// Where it may begin soonest of all that may be waited for, and no earlier than when.
    soonest: Option<(usize, Option<Time>)>,
    /// When it asks again, if nobody tells it to.
    pub(super) timer: Option<Time>,
    /// When anything may be sent at all, as far as anybody knows.
    until: Option<Time>,
    /// The first that is in the way.
    first: Option<InTheWay>,
    backs_off: bool,
}

impl Found {
    /// A guard said no.
    pub(super) fn note(&mut self, place: usize, not_now: NotNow) {
        self.first = self.first.or(Some(not_now.why));
        self.until = sooner(self.until, not_now.until);
        if !not_now.why.passes_by() {
            return;
        }
        self.lines.push((place, not_now));
        self.may_wait(place, not_now.until);
        if !not_now.behind {
            self.timer = sooner(self.timer, not_now.until);
        }
    }

    /// It failed there, and is tried again then.
    pub(super) fn back_off(&mut self, place: usize, at: Time) {
        self.first = self.first.or(Some(InTheWay::Interval));
        self.backs_off = true;
        self.until = sooner(self.until, Some(at));
        self.timer = sooner(self.timer, Some(at));
        self.may_wait(place, Some(at));
    }

    fn may_wait(&mut self, place: usize, until: Option<Time>) {
        let is_sooner = match (self.soonest, until) {
            (None, _) | (Some((_, None)), Some(_)) => true,
            (Some((_, Some(known))), Some(until)) => until < known,
            (Some(_), None) => false,
        };
        if is_sooner {
            self.soonest = Some((place, until));
        }
    }

    /// What is to be waited for in line there.
    pub(super) fn at(&self, place: usize) -> Option<NotNow> {
        self.lines.iter().find(|line| line.0 == place).map(|line| line.1)
    }

    /// Where it may begin soonest, and no earlier than when, if that is worth waiting for.
    pub(super) const fn soonest(&self) -> Option<(usize, Option<Time>)> {
        self.soonest
    }

    /// Whether it waits before it is tried again somewhere.
    pub(super) const fn backs_off(&self) -> bool {
        self.backs_off
    }

    /// What is told where it is not waited for.
    pub(super) fn closed(&self, now: Time) -> Stop {
        closed(self.first.unwrap_or(InTheWay::Concurrency), self.until, now).into()
    }
}

fn sooner(one: Option<Time>, other: Option<Time>) -> Option<Time> {
    one.into_iter().chain(other).min()
}

/// What is told where nothing may be sent in time.
pub(super) fn closed(why: InTheWay, until: Option<Time>, now: Time) -> Failure {
    let wait = until.map(|until| until.since(now).max(Duration::from_millis(1)));
    let (what, sentence) = match why {
        InTheWay::Circuit => (What::CircuitOpen, "The provider is not able to answer right now"),
        InTheWay::Quota | InTheWay::Interval => {
            (What::ProviderBusy, "The provider has no room for this request right now")
        }
        InTheWay::Concurrency => {
            (What::Overloaded, "The provider has as many requests at once as it bears")
        }
    };
    let message = match wait {
        Some(wait) => {
            let seconds = headers::seconds_up(wait).max(1);
            format!("{sentence}: try again in {}.", headers::people(seconds))
        }
        None => format!("{sentence}: try again later."),
    };
    Failure::new(what, message).after(wait)
}
