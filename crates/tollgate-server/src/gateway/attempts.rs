//! Where a request is tried next: at the first of its models that may be sent it now; where
//! none may, as soon as one has room, within the caller's patience; and again where it failed
//! and nothing was made, as far as the policy lets it.
//!
//! What fails is not waited for: where only broken circuits are in the way, the request is
//! refused at once and told when the next probe is due.

use std::{sync::Arc, time::Duration};

use compact_str::CompactString;
use http::HeaderMap;
use tokio::sync::Notify;
use tollgate::Patience;
use tollgate_core::{Demand, Time};

use super::{
    candidates::{self, Candidate},
    dialect::Request,
    exchange::{Exchange, Stop},
    found::Found,
    judged::{Again, Judged},
    prepared::{Asked, rough},
};
use crate::{
    emergency,
    guards::{Ask, Guard, NotNow, Pass, Turn, Waiting, tenant},
    headers,
    refusal::{Failure, What},
};

/// The tries of one request.
#[derive(Debug)]
pub(super) struct Attempts {
    pub(super) candidates: Vec<Candidate>,
    /// What the request is taken to use, as providers count it.
    demand: Demand,
    /// Where it stands among those that come and wait.
    turn: Turn,
    /// Whose share of that it takes.
    tenant: CompactString,
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
    /// The model that was asked for, where an emergency has a cheaper one in its place.
    downgraded_from: Option<CompactString>,
}

/// Where it is tried next.
#[derive(Debug)]
pub(super) struct Chosen {
    /// Its place among the candidates.
    pub(super) place: usize,
    pub(super) pass: Pass,
}

enum Choice {
    Go(Chosen),
    NotNow(Found),
}

/// Entries of what is told of tries.
const MAX_TOLD: usize = 32;

impl Attempts {
    /// The models that may serve it; and what was scanned, where that goes to its model as it is.
    pub(super) fn of(
        exchange: &Exchange,
        asked: &mut Asked,
        request: Request,
    ) -> Result<(Self, Option<Request>), Failure> {
        let demand = rough(request.scan());
        let name = CompactString::from(&request.scan().model);
        let policy = &exchange.live.settings.emergency;
        let cheaper = emergency::cheaper(&exchange.app, policy, &name);
        if let Some(candidates) = candidates::behind(exchange, asked, &name, cheaper)? {
            asked.name = Some(name.clone());
            let downgraded_from = cheaper.map(|_| name);
            let attempts = Self::new(exchange, candidates, demand);
            return Ok((Self { downgraded_from, ..attempts }, None));
        }
        let provider = &exchange.provider;
        let candidate = Candidate::new(Arc::clone(provider), name, exchange.account(provider));
        Ok((Self::new(exchange, vec![candidate], demand), Some(request)))
    }

    fn new(exchange: &Exchange, candidates: Vec<Candidate>, demand: Demand) -> Self {
        let retry = candidates.first().map(|first| first.provider.guard.settings().retry.attempts);
        Self {
            candidates,
            demand,
            turn: Turn::of(&exchange.who, exchange.arrived.time),
            tenant: tenant(&exchange.who).into(),
            tries: 0,
            most: retry.unwrap_or(1),
            patience: exchange.patience.most,
            arrived: exchange.arrived.time,
            waited: Duration::ZERO,
            told: Vec::new(),
            is_recalled: false,
            downgraded_from: None,
        }
    }

    /// Waits until it may be sent somewhere.
    ///
    /// # Errors
    /// When that takes longer than its caller waits.
    pub(super) async fn next(&mut self, exchange: &Exchange) -> Result<Chosen, Stop> {
        let chosen = self.wait(exchange).await;
        self.candidates.iter_mut().for_each(|candidate| candidate.waiting = None);
        chosen
    }

    async fn wait(&mut self, exchange: &Exchange) -> Result<Chosen, Stop> {
        let bell = Arc::default();
        loop {
            let now = exchange.app.gate.clock().now().time;
            let found = match self.choose(now) {
                Choice::Go(chosen) => return Ok(chosen),
                Choice::NotNow(found) => found,
            };
            let Some(most) = self.wait_of(&found, now) else { return Err(found.closed(now)) };
            if self.queue(&found, &bell) {
                // Who leaves from here on is heard of, so it is asked once more.
                continue;
            }
            if !self.is_waiting() && !found.backs_off() {
                return Err(found.closed(now));
            }
            let _counted = exchange.waits();
            let (app, policy) = (&exchange.app, &exchange.live.settings.emergency);
            let is_time = tokio::select! {
                biased;
                () = tokio::time::sleep(most) => true,
                () = bell.notified() => false,
                stopped = emergency::stops(app, policy, &exchange.who) => return Err(stopped.into()),
            };
            if is_time {
                self.slept(now, most);
            }
            // By whatever clock more has passed; one that stands still keeps nobody here.
            let passed = exchange.app.gate.clock().now().time.since(now);
            self.waited += if is_time { most.max(passed) } else { passed };
        }
    }

    /// Stands in line wherever there is something to wait for, and nowhere else; whether it
    /// does so somewhere since now.
    fn queue(&mut self, found: &Found, bell: &Arc<Notify>) -> bool {
        let mut is_new = false;
        for place in 0..self.candidates.len() {
            let waiting = self.candidates[place].waiting.take();
            let Some(not_now) = found.at(place) else { continue };
            let joined = match waiting {
                Some(waiting) => {
                    waiting.found(not_now);
                    Some(waiting)
                }
                None => {
                    let joined = self.guard(place).wait(self.asked(place), not_now, bell);
                    is_new |= joined.is_some();
                    joined
                }
            };
            self.candidates[place].waiting = joined;
        }
        is_new
    }

    fn is_waiting(&self) -> bool {
        self.candidates.iter().any(|candidate| candidate.waiting.is_some())
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
        self.guard(place).admit(self.asked(place), now)
    }

    fn asked(&self, place: usize) -> Ask<'_> {
        let Candidate { model, account, waiting, .. } = &self.candidates[place];
        let turn = waiting.as_ref().map_or(self.turn, Waiting::turn);
        Ask { model, account: *account, tenant: &self.tenant, demand: &self.demand, turn }
    }

    /// Tells in an answer which model gave it and why others did not, where it is not the only
    /// one that could.
    pub(super) fn mark(&self, headers: &mut HeaderMap, place: usize, is_named: bool) {
        if is_named || !self.told.is_empty() {
            headers::set(headers, headers::SERVED_BY, Some(self.candidates[place].path()));
        }
        headers::set(headers, headers::ATTEMPTS, self.told());
        if let Some(from) = &self.downgraded_from {
            emergency::mark_downgraded(headers, from);
        }
    }

    /// Tells in an answer that the cache gave it, and why no model did.
    pub(super) fn mark_cache(&self, headers: &mut HeaderMap) {
        headers::set(headers, headers::SERVED_BY, Some("cache"));
        headers::set(headers, headers::ATTEMPTS, self.told());
    }

    /// Why those did not serve it that were asked, if any were.
    pub(super) fn told(&self) -> Option<String> {
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
        let (place, soonest) = found.soonest()?;
        let left = self.left(place, now);
        let least = soonest.map_or(Duration::ZERO, |until| until.since(now));
        let wait = found.timer.map_or(left, |at| at.since(now).min(left));
        (least <= left && !left.is_zero()).then_some(wait)
    }

    fn guard(&self, place: usize) -> &Arc<Guard> {
        &self.candidates[place].provider.guard
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
            match (candidate.tries, candidate.repeat_at) {
                _ if candidate.out => continue,
                (1.., None) => continue,
                (_, Some(at)) if at > now => {
                    found.back_off(place, at);
                    continue;
                }
                _ => {}
            }
            match self.ask(place, now) {
                Ok(pass) => return Choice::Go(Chosen { place, pass }),
                Err(not_now) => {
                    if self.candidates[place].tries == 0 {
                        self.note_once(place, not_now.why.name());
                    }
                    found.note(place, not_now);
                }
            }
        }
        Choice::NotNow(found)
    }

    /// The same again is told once: whoever waits asks many times.
    fn note_once(&mut self, place: usize, why: &str) {
        let path = self.candidates[place].path();
        if !self.told.iter().any(|told| (told.0.as_str(), told.1.as_str()) == (&path, why)) {
            self.note(place, why);
        }
    }
}
