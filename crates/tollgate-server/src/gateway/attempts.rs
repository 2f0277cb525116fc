//! Where a request is tried next: at the first of its models that may be sent it now; where
//! none may, as soon as one has room, within the caller's patience; and again where it failed
//! and nothing was made, as far as the policy lets it.
//!
//! What fails is not waited for: where only broken circuits are in the way, the request is
//! refused at once and told when the next probe is due.

use std::{sync::Arc, time::Duration};

use futures_util::future::select_all;
use http::HeaderMap;
use tokio::sync::{Notify, OwnedMutexGuard};
use tollgate::Patience;
use tollgate_core::{Demand, Time};

use super::{
    candidates::Candidate,
    exchange::{Exchange, Stop},
    judged::{Again, Judged},
};
use crate::{
    guards::{InTheWay, NotNow, Pass},
    headers,
    refusal::{Failure, What},
};

/// The tries of one request.
#[derive(Debug)]
pub(super) struct Attempts {
    pub(super) candidates: Vec<Candidate>,
    /// What the request is taken to use, as providers count it.
    demand: Demand,
    /// Tries in all, and the most of them.
    tries: u32,
    most: u32,
    /// How long it was ready to wait, and has waited.
    patience: Option<Duration>,
    arrived: Time,
    waited: Duration,
    /// What came of those that did not serve it.
    told: Vec<(String, String)>,
    /// Whether one that a limit refused was asked for once more.
    is_recalled: bool,
}

/// Where it is tried next.
#[derive(Debug)]
pub(super) struct Chosen {
    /// Its place among the candidates.
    pub(super) place: usize,
    pub(super) pass: Pass,
}

/// What is in the way everywhere.
#[derive(Debug, Default)]
struct Found {
    /// When the first of those is there that may be waited for, and where.
    soonest: Option<(usize, NotNow)>,
    /// When the request itself may be tried again, whoever else waits.
    own: Option<Time>,
    /// When anything may be sent at all, as far as anybody knows.
    until: Option<Time>,
    /// The first that is in the way.
    first: Option<InTheWay>,
    /// Whose requests must end.
    busy: Vec<usize>,
}

enum Choice {
    Go(Chosen),
    NotNow(Found),
}

/// Entries of what is told of tries.
const MAX_TOLD: usize = 32;

impl Attempts {
    pub(super) fn new(exchange: &Exchange, candidates: Vec<Candidate>, demand: Demand) -> Self {
        let retry = candidates.first().map(|first| first.provider.guard.settings().retry.attempts);
        Self {
            candidates,
            demand,
            tries: 0,
            most: retry.unwrap_or(1),
            patience: exchange.patience.most,
            arrived: exchange.arrived.time,
            waited: Duration::ZERO,
            told: Vec::new(),
            is_recalled: false,
        }
    }

    /// Waits until it may be sent somewhere.
    ///
    /// # Errors
    /// When that takes longer than its caller waits.
    pub(super) async fn next(&mut self, exchange: &Exchange) -> Result<Chosen, Stop> {
        // Until it goes: then it is the turn of whoever came after it.
        let mut first_in_line = None;
        loop {
            let now = exchange.app.gate.clock().now().time;
            let found = match self.choose(now) {
                Choice::Go(chosen) => return Ok(chosen),
                Choice::NotNow(found) => found,
            };
            let Some(most) = self.wait_of(&found, now) else { return Err(found.closed(now)) };
            let queued = found.soonest.and_then(|(place, _)| self.guard(place).wait());
            let Some(_queued) = queued else { return Err(found.closed(now)) };
            let _counted = exchange.waits();
            if found.is_own() {
                first_in_line = None;
            } else if first_in_line.is_none() {
                let alone;
                (first_in_line, alone) = self.stand_in_line(exchange, &found, now).await;
                if !alone {
                    continue;
                }
            }
            let rooms: Vec<Arc<Notify>> =
                found.busy.iter().map(|place| self.room(*place)).collect();
            // Who leaves from here on is heard of.
            let left: Vec<_> = rooms.iter().map(|room| Box::pin(room.notified())).collect();
            if !left.is_empty()
                && let Choice::Go(chosen) = self.choose(now)
            {
                return Ok(chosen);
            }
            let sleep = tokio::time::sleep(most);
            if left.is_empty() {
                sleep.await;
            } else {
                tokio::select! {
                    () = sleep => {}
                    _ = select_all(left) => {}
                }
            }
            self.slept(now, most);
            // By whatever clock more has passed; one that stands still keeps nobody here.
            let passed = exchange.app.gate.clock().now().time.since(now);
            self.waited += if found.busy.is_empty() { most.max(passed) } else { passed };
        }
    }

    /// Waits until those are gone who came before, as long as its caller has patience and its
    /// own time has not come. Tells whether there were none.
    async fn stand_in_line(
        &mut self,
        exchange: &Exchange,
        found: &Found,
        now: Time,
    ) -> (Option<OwnedMutexGuard<()>>, bool) {
        let Some((place, _)) = found.soonest else { return (None, true) };
        let candidate = &self.candidates[place];
        let line = self.guard(place).line(&candidate.model, candidate.account);
        if let Ok(first) = Arc::clone(&line).try_lock_owned() {
            return (Some(first), true);
        }
        let left = self.left(place, now);
        let left = found.own.map_or(left, |at| at.since(now).min(left));
        let first = tokio::time::timeout(left, line.lock_owned()).await.ok();
        let passed = exchange.app.gate.clock().now().time.since(now);
        if first.is_none() {
            self.slept(now, left);
        }
        // By whatever clock more has passed.
        self.waited += if first.is_none() { left.max(passed) } else { passed };
        (first, false)
    }

    /// Whose time came meanwhile may be tried again, whatever the clock says by now.
    fn slept(&mut self, from: Time, length: Duration) {
        let until = from.after(length);
        for at in self.candidates.iter_mut().filter_map(|one| one.repeat_at.as_mut()) {
            if *at <= until {
                *at = from;
            }
        }
    }

    /// After a try that failed: whether there is another. It has its pass where it begins now.
    pub(super) fn again(
        &mut self,
        exchange: &Exchange,
        place: usize,
        judged: &Judged,
    ) -> Option<Option<Chosen>> {
        let now = exchange.app.gate.clock().now().time;
        self.note(place, &judged.why);
        if judged.again == Again::Never || self.tries >= self.most {
            return None;
        }
        let found = match self.choose(now) {
            Choice::Go(chosen) => return Some(Some(chosen)),
            Choice::NotNow(found) => found,
        };
        if judged.again == Again::Anywhere && self.repeat(exchange, place, judged, now) {
            return Some(None);
        }
        self.wait_of(&found, now).map(|_| None)
    }

    /// Whether it may be sent to the same once more, and when.
    fn repeat(&mut self, exchange: &Exchange, place: usize, judged: &Judged, now: Time) -> bool {
        let retries = self.candidates[place].tries.saturating_sub(1);
        let random = exchange.app.chance.draw();
        let wait = self.guard(place).backoff(retries, random, judged.retry_after);
        if wait > self.left(place, now) || !self.guard(place).may_retry(now) {
            return false;
        }
        self.candidates[place].repeat_at = Some(now.after(wait));
        true
    }

    /// It is sent there now.
    pub(super) fn begin(&mut self, place: usize, now: Time) {
        self.tries += 1;
        let candidate = &mut self.candidates[place];
        candidate.tries += 1;
        candidate.repeat_at = None;
        if candidate.tries == 1 {
            candidate.provider.guard.note_request(now);
        }
    }

    /// It cannot be served there at all; whether it may be elsewhere.
    pub(super) fn leave_out(&mut self, place: usize, why: &str) -> bool {
        self.candidates[place].out = true;
        self.note(place, why);
        self.candidates.iter().any(|candidate| !candidate.out && candidate.tries == 0)
    }

    /// A limit refused it there; whether it is asked for elsewhere, or once more there where
    /// its caller is ready to wait.
    pub(super) fn refused(&mut self, place: usize) -> bool {
        if self.candidates.len() == 1 || self.candidates[place].refused {
            self.note(place, "limit");
            return false;
        }
        self.candidates[place].refused = true;
        if !self.leave_out(place, "limit") {
            self.recall();
        }
        true
    }

    /// Where nothing else is left, has the first asked for once more that a limit refused;
    /// whether there is one.
    pub(super) fn recall(&mut self) -> bool {
        let refused = self.candidates.iter_mut().find(|one| one.refused && one.out);
        let Some(first) = refused.filter(|_| !self.is_recalled) else { return false };
        first.out = false;
        self.is_recalled = true;
        true
    }

    /// Leaves out those that the request would be translated for, since it cannot be.
    pub(super) fn leave_out_translated(&mut self) {
        for place in 0..self.candidates.len() {
            if self.is_for_translation(place) {
                self.leave_out(place, What::Untranslatable.error());
            }
        }
    }

    /// Whether any is left that the request would be translated for, and nobody has tried.
    pub(super) fn may_translate(&self) -> bool {
        (0..self.candidates.len()).any(|place| self.is_for_translation(place))
    }

    fn is_for_translation(&self, place: usize) -> bool {
        let candidate = &self.candidates[place];
        candidate.is_translated && !candidate.out && candidate.tries == 0
    }

    /// How long it waits there for a limit: not at all while there may be others.
    pub(super) fn patience_at(&self, place: usize) -> Patience {
        if self.candidates.len() > 1 && !self.candidates[place].refused {
            return Patience::NONE;
        }
        Patience { most: self.patience }
    }

    /// Asks one of them anew.
    pub(super) fn ask(&self, place: usize, now: Time) -> Result<Pass, NotNow> {
        let candidate = &self.candidates[place];
        let guard = &candidate.provider.guard;
        guard.admit(&candidate.model, candidate.account, &self.demand, now)
    }

    /// Tells in an answer which model gave it and why others did not, where it is not the only
    /// one that could.
    pub(super) fn mark(&self, headers: &mut HeaderMap, place: usize, is_named: bool) {
        if is_named || !self.told.is_empty() {
            headers::set(headers, headers::SERVED_BY, Some(self.candidates[place].path()));
        }
        headers::set(headers, headers::ATTEMPTS, self.why());
    }

    /// Tells in an answer that the cache gave it, and why no model did.
    pub(super) fn mark_cache(&self, headers: &mut HeaderMap) {
        headers::set(headers, headers::SERVED_BY, Some("cache"));
        headers::set(headers, headers::ATTEMPTS, self.why());
    }

    /// Why those that were asked did not serve it.
    fn why(&self) -> Option<String> {
        let told: Vec<String> =
            self.told.iter().map(|(path, why)| format!("{path}={why}")).collect();
        (!told.is_empty()).then(|| told.join(", "))
    }

    /// How much of the caller's patience is left for a candidate.
    fn left(&self, place: usize, now: Time) -> Duration {
        let wait = self.guard(place).settings().learn.wait;
        let most = self.patience.map_or(wait, |patience| patience.min(wait));
        most.saturating_sub(now.since(self.arrived).max(self.waited))
    }

    /// How long to wait, if that may help.
    fn wait_of(&self, found: &Found, now: Time) -> Option<Duration> {
        let (place, soonest) = found.soonest?;
        let left = self.left(place, now);
        let wait = soonest.until.map_or(left, |until| until.since(now));
        (wait <= left && !left.is_zero()).then_some(wait)
    }

    fn guard(&self, place: usize) -> &Arc<crate::guards::Guard> {
        &self.candidates[place].provider.guard
    }

    fn room(&self, place: usize) -> Arc<Notify> {
        self.guard(place).room(&self.candidates[place].model)
    }

    fn note(&mut self, place: usize, why: &str) {
        let path = self.candidates[place].path();
        let is_new =
            self.told.last().is_none_or(|last| (last.0.as_str(), last.1.as_str()) != (&path, why));
        if is_new && self.told.len() < MAX_TOLD {
            self.told.push((path, why.to_owned()));
        }
    }

    /// The first that it may be sent to now, or what is in the way.
    fn choose(&mut self, now: Time) -> Choice {
        let mut found = Found::default();
        for place in 0..self.candidates.len() {
            let candidate = &self.candidates[place];
            let asked = match (candidate.tries, candidate.repeat_at) {
                _ if candidate.out => continue,
                (1.., None) => continue,
                (_, Some(at)) if at > now => {
                    Err(NotNow { until: Some(at), why: InTheWay::Interval })
                }
                _ => self.ask(place, now),
            };
            let is_new = candidate.tries == 0;
            let is_own = candidate.repeat_at.is_some_and(|at| at > now);
            match asked {
                Ok(pass) => return Choice::Go(Chosen { place, pass }),
                Err(not_now) => {
                    if is_new {
                        self.note(place, not_now.why.name());
                    }
                    found.note(place, not_now, is_own);
                }
            }
        }
        Choice::NotNow(found)
    }
}

impl Found {
    fn closed(&self, now: Time) -> Stop {
        closed(self.first.unwrap_or(InTheWay::Concurrency), self.until, now).into()
    }

    /// Whether what is waited for is the request's own time.
    fn is_own(&self) -> bool {
        self.own.is_some() && self.soonest.is_some_and(|(_, soonest)| soonest.until == self.own)
    }

    fn note(&mut self, place: usize, not_now: NotNow, is_own: bool) {
        self.first = self.first.or(Some(not_now.why));
        if let (true, Some(at)) = (is_own, not_now.until) {
            self.own = Some(self.own.map_or(at, |known| known.min(at)));
        }
        self.until = match (self.until, not_now.until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        if !not_now.why.passes_by() {
            return;
        }
        if not_now.why == InTheWay::Concurrency {
            self.busy.push(place);
        }
        let sooner = |known: NotNow| match (known.until, not_now.until) {
            (Some(known), Some(until)) => until < known,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if self.soonest.is_none_or(|(_, known)| sooner(known)) {
            self.soonest = Some((place, not_now));
        }
    }
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
