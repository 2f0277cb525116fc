//! The state machine.

use std::time::Duration;

use super::{
    Announced, Each, QuotaSettings, Reading, Refill, Sent, UNITS, each_of,
    growth::Growth,
    left::{Left, reset_of},
    opening::Opening,
    saved::{SavedQuota, Unsure},
    sent::Log,
};
use crate::{Demand, Time, Unit};

/// What one provider has left for its caller.
#[derive(Debug)]
pub struct Quota {
    settings: QuotaSettings,
    left: [Option<Left>; UNITS.len()],
    growth: [Growth; UNITS.len()],
    log: Log,
    opening: Opening,
    /// Whether what it knows is another process's.
    unsure: Option<Unsure>,
    next_id: u64,
    /// The latest present that it was told.
    now: Time,
}

impl Quota {
    /// Nothing is known yet, and nothing held back.
    pub fn new(settings: QuotaSettings) -> Self {
        Self {
            left: [None; UNITS.len()],
            growth: [Growth::default(); UNITS.len()],
            log: Log::new(settings.grace),
            opening: Opening::default(),
            unsure: None,
            next_id: 0,
            now: Time::ZERO,
            settings,
        }
    }

    /// As another process left it so long ago. What has passed meanwhile is not taken over.
    pub fn resume(settings: QuotaSettings, saved: &SavedQuota, away: Duration, now: Time) -> Self {
        let log = Log::resume(settings.grace, saved.unseen, away, now);
        let growth = saved.is_even.map(Growth::resume);
        let opening = Opening::resume(saved.opening, away, now);
        let mut quota = Self { log, growth, opening, next_id: 1, now, ..Self::new(settings) };
        for unit in 0..UNITS.len() {
            let left = |left| Left::resume(&left, quota.is_even(unit), away, now);
            quota.left[unit] = saved.left[unit].and_then(left);
        }
        let until = now.after(quota.log.grace());
        let is_known = quota.left.iter().any(Option::is_some);
        quota.unsure = is_known.then_some(Unsure { until, asked_at: None });
        quota
    }

    /// What another process may go on with, if there is anything.
    pub fn saved(&mut self, now: Time) -> Option<SavedQuota> {
        let now = self.advance(now);
        let left = |unit: usize| self.left[unit].map(|left| left.saved(self.is_even(unit), now));
        let unseen =
            |unit: usize| self.left[unit].map_or(0, |left| self.log.unseen(unit, left.basis));
        let saved = SavedQuota {
            left: std::array::from_fn(left),
            is_even: self.growth.map(|growth| growth.is_even()),
            unseen: std::array::from_fn(unseen),
            opening: self.opening.saved(self.settings.spread, now),
        };
        (!saved.lasts().is_zero()).then_some(saved)
    }

    /// Other settings. What is known stays.
    pub fn reconfigure(&mut self, settings: QuotaSettings) {
        self.log.set_grace(settings.grace);
        self.settings = settings;
    }

    /// Whether a request of so much may be sent now. Nothing is taken.
    ///
    /// # Errors
    /// The instant, after now, at which the provider is expected to have room. An answer that
    /// comes before may tell that it has room sooner, or later.
    pub fn check(&mut self, demand: &Demand, now: Time) -> Result<(), Time> {
        let now = self.advance(now);
        self.ask(&each_of(demand), now)
    }

    /// Takes a request's place where it may be sent now. It is sent at once, and its
    /// [answer](Self::answered) told.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn send(&mut self, demand: &Demand, now: Time) -> Result<Sent, Time> {
        let now = self.advance(now);
        let amounts = each_of(demand);
        self.ask(&amounts, now)?;
        let sent = Sent { id: self.next_id, at: now, amounts };
        self.next_id += 1;
        self.opening.sent(&amounts);
        self.log.add(&sent);
        if let Some(unsure) = &mut self.unsure {
            unsure.asked_at = Some(now);
        }
        Ok(sent)
    }

    /// A request is not sent after all: its place is free again.
    #[allow(clippy::needless_pass_by_value, reason = "a place is given back once")]
    pub fn unsent(&mut self, sent: Sent) {
        self.opening.unsent(sent.at, &sent.amounts);
        self.log.take_out(&sent);
        self.no_longer_asks();
    }

    /// The head of an answer came, or it is certain that none will: then nothing was announced.
    #[allow(clippy::needless_pass_by_value, reason = "a request is answered once")]
    pub fn answered(&mut self, sent: Sent, announced: &Announced, now: Time) {
        let now = self.advance(now);
        let readings = announced.readings();
        let told = readings.map(|reading| {
            let reading = reading?;
            reading.remaining.map(|remaining| (remaining, reset_of(reading, now)))
        });
        self.log.answer(sent.id, told, now);
        self.unsure.take_if(|unsure| sent.at >= unsure.until);
        self.no_longer_asks();
        for (unit, reading) in readings.into_iter().enumerate() {
            if let Some(reading) = reading {
                self.learn(unit, reading, now);
                let (log, is_even) = (&self.log, self.is_even(unit));
                self.left[unit] =
                    Left::heard(self.left[unit], reading, sent.at, (log, unit), (is_even, now));
            }
        }
        if announced.throttled {
            self.refute(&sent.amounts, &readings);
            let told = announced.retry_after.map(|wait| now.after(wait));
            let until = told.or_else(|| self.room_for(&sent.amounts, now));
            self.opening.refused(sent.at, until, now);
        } else {
            self.opening.accepted(sent.at);
        }
        self.forget(now);
    }

    /// What may be sent of a unit now, as far as it is known.
    pub fn room(&mut self, unit: Unit, now: Time) -> Option<u64> {
        let now = self.advance(now);
        let place = UNITS.iter().position(|known| *known == unit)?;
        self.left[place].map(|left| left.room(place, &self.log, self.is_even(place), now))
    }

    /// The share that is left of what was announced: of the unit that has the least, and nothing
    /// where no limit was told.
    pub fn share_left(&mut self, now: Time) -> Option<f64> {
        let now = self.advance(now);
        let share = |place: usize| {
            let left = self.left[place]?;
            let limit = left.limit().filter(|limit| *limit > 0)?;
            let room = left.room(place, &self.log, self.is_even(place), now);
            Some(room as f64 / limit as f64)
        };
        (0..UNITS.len()).filter_map(share).min_by(f64::total_cmp)
    }

    /// Requests that it remembers, [`MAX_SENT`](super::MAX_SENT) at most.
    pub fn remembered(&self) -> usize {
        self.log.len()
    }

    fn learn(&mut self, unit: usize, reading: Reading, now: Time) {
        if let Reading { limit: Some(limit), remaining: Some(remaining), reset_at: Some(reset) } =
            reading
        {
            self.growth[unit].note(limit.saturating_sub(remaining), reset.since(now), now);
        }
    }

    /// What a refused request lacked has not grown as it was taken to.
    fn refute(&mut self, amounts: &Each, readings: &[Option<Reading>; UNITS.len()]) {
        for (unit, reading) in readings.iter().enumerate() {
            let left = reading.and_then(|reading| reading.remaining);
            if left.is_some_and(|left| left < amounts[unit]) {
                self.growth[unit].refuted();
            }
        }
    }

    /// Whether what is left of a unit grows evenly, as far as that is known.
    fn is_even(&self, unit: usize) -> bool {
        match self.settings.refill {
            Refill::Learned => self.growth[unit].is_even(),
            Refill::AtReset => false,
            Refill::Evenly => true,
        }
    }

    fn advance(&mut self, now: Time) -> Time {
        self.now = self.now.max(now);
        self.unsure.take_if(|unsure| unsure.is_over(self.now));
        for unit in 0..UNITS.len() {
            let Some(left) = self.left[unit] else { continue };
            let (next, held) = left.advance(self.now);
            self.left[unit] = next;
            if let Some(reset) = held {
                self.opening.open_from(reset);
            }
        }
        self.now
    }

    fn ask(&mut self, want: &Each, now: Time) -> Result<(), Time> {
        let spread = self.settings.spread;
        let shares = self.left.map(|left| left.and_then(|left| left.share(spread)));
        let mut when = self.opening.when(want, shares, spread, now);
        for (unit, want) in want.iter().enumerate() {
            let is_even = self.is_even(unit);
            let Some(left) = &mut self.left[unit] else { continue };
            let room_at = left.when(*want, unit, &self.log, is_even, now);
            if room_at > now {
                left.hold();
            }
            when = when.max(room_at);
        }
        when = when.max(self.unsure.as_ref().map_or(now, Unsure::holds_until));
        if when <= now { Ok(()) } else { Err(when) }
    }

    fn no_longer_asks(&mut self) {
        if let Some(unsure) = &mut self.unsure {
            unsure.asked_at = None;
        }
    }

    /// When what a refused request lacked is there again, if the numbers tell what it was.
    fn room_for(&self, amounts: &Each, now: Time) -> Option<Time> {
        let when = |(unit, left): (usize, &Option<Left>)| {
            left.map(|left| left.when(amounts[unit], unit, &self.log, self.is_even(unit), now))
        };
        self.left.iter().enumerate().filter_map(when).max().filter(|when| *when > now)
    }

    /// Forgets what all numbers contain; where there are none, what the first ones will contain.
    fn forget(&mut self, now: Time) {
        let oldest = self.left.iter().flatten().map(|left| left.basis).min();
        let awaited = || self.log.oldest_unanswered(PATIENCE, now);
        self.log.forget(oldest.or_else(awaited).unwrap_or(now));
    }
}

/// How long those are waited for of which nothing is heard, while nothing is announced.
const PATIENCE: Duration = Duration::from_secs(60);
