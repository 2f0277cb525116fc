//! The state machine.

use std::time::Duration;

use super::{
    Admission, BreakerSettings, Counts, Mode, Outcome, Phase, Saved, State, Throttled, Ticket,
    Transition, Why,
    probes::Probes,
    state::Transitions,
    window::{Call, Recent},
};
use crate::Time;

/// The breaker before one provider's model.
#[derive(Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    inner: Inner,
    /// Of changes of state: a result counts in the generation alone in which its call began.
    generation: u64,
    /// The next probe's lease.
    next_probe: u64,
    /// Failures since the last success.
    row: u32,
    recent: Recent,
    transitions: Transitions,
    /// The latest present that it was told: it never goes back.
    now: Time,
}

#[derive(Debug)]
enum Inner {
    Closed,
    Open { until: Time },
    HalfOpen(Probes),
    ForcedOpen,
    ForcedClosed,
}

impl Breaker {
    /// A breaker that is closed, unless it is forced open.
    pub fn new(settings: BreakerSettings, now: Time) -> Self {
        Self {
            inner: Inner::of(settings.mode),
            generation: 0,
            next_probe: 0,
            row: 0,
            recent: Recent::new(settings.window),
            transitions: Transitions::default(),
            now,
            settings,
        }
    }

    /// A breaker as an earlier process left it: open until then, for as long as settings allow.
    pub fn resume(settings: BreakerSettings, saved: Saved, now: Time) -> Self {
        let mut breaker = Self::new(settings, now);
        if let (Inner::Closed, Some(until)) = (&breaker.inner, saved.open_until) {
            let until = until.min(now.after(breaker.settings.max_recovery));
            breaker.turn(Inner::Open { until }, Why::Resumed, now);
        }
        breaker
    }

    /// What a process keeps of it for the next one.
    pub fn saved(&mut self, now: Time) -> Saved {
        let now = self.advance(now);
        let open_until = match self.inner {
            Inner::Open { until } => Some(until),
            Inner::HalfOpen(_) => Some(now),
            Inner::Closed | Inner::ForcedOpen | Inner::ForcedClosed => None,
        };
        Saved { open_until }
    }

    /// Whether a call may be sent. What passes must be [recorded](Self::record).
    pub fn admit(&mut self, now: Time) -> Admission {
        let now = self.advance(now);
        match &mut self.inner {
            Inner::Closed | Inner::ForcedClosed => Admission::Pass(self.ticket(None)),
            Inner::ForcedOpen => Admission::Refuse { until: Time::MAX, probing: false },
            Inner::Open { until } => {
                let until = *until;
                self.refuse(until, false)
            }
            Inner::HalfOpen(probes) if probes.outstanding() < self.settings.probes => {
                let id = self.next_probe;
                self.next_probe += 1;
                probes.begin(id, self.settings.probe_lease, now);
                Admission::Probe(self.ticket(Some(id)))
            }
            // If no result comes, the first lease that ends opens it again.
            Inner::HalfOpen(probes) => {
                let until = probes.first_end().after(self.settings.recovery);
                self.refuse(until, true)
            }
        }
    }

    /// Takes a call's result: how it ended, and how long it took in all.
    #[allow(clippy::needless_pass_by_value, reason = "a ticket is given back once")]
    pub fn record(&mut self, ticket: Ticket, outcome: Outcome, took: Duration, now: Time) {
        let now = self.advance(now);
        if ticket.generation != self.generation {
            return;
        }
        let (failed, retry_after) = match (outcome, self.settings.throttled) {
            (Outcome::Success, _) => (Some(false), None),
            (Outcome::Failure { retry_after }, _)
            | (Outcome::Throttled { retry_after }, Throttled::Failure) => (Some(true), retry_after),
            (Outcome::Throttled { .. }, Throttled::Ignored) | (Outcome::Ignored, _) => (None, None),
        };
        if let Inner::HalfOpen(probes) = &mut self.inner
            && !ticket.probe.is_some_and(|id| probes.end(id))
        {
            return;
        }
        if let Some(failed) = failed {
            self.count(Call { failed, slow: took > self.settings.slow_after }, retry_after, now);
        }
    }

    /// A probe is still at work: its lease begins anew. Other calls have none.
    pub fn renew(&mut self, ticket: &Ticket, now: Time) {
        let now = self.advance(now);
        if let (Inner::HalfOpen(probes), Some(id)) = (&mut self.inner, ticket.probe) {
            probes.renew(id, self.settings.probe_lease, now);
        }
    }

    /// What it does now. One that only observes tells what it would do.
    pub fn state(&mut self, now: Time) -> State {
        self.advance(now);
        match &self.inner {
            Inner::Closed => State::Closed,
            Inner::Open { until } => State::Open { until: *until },
            Inner::HalfOpen(probes) => {
                State::HalfOpen { probes: probes.outstanding(), successes: probes.successes }
            }
            Inner::ForcedOpen => State::ForcedOpen,
            Inner::ForcedClosed => State::ForcedClosed,
        }
    }

    /// The calls of its window, since it last changed its state.
    pub fn counts(&mut self, now: Time) -> Counts {
        let now = self.advance(now);
        self.recent.counts(now)
    }

    /// The changes of state since they were last taken, the latest
    /// [`MAX_TRANSITIONS`](super::MAX_TRANSITIONS), as far as it was told of time.
    pub fn transitions(&mut self) -> impl Iterator<Item = Transition> + '_ {
        self.transitions.take()
    }

    /// Other settings. Its state stays, unless the mode forces another; what was forced
    /// begins anew, closed, when it is let go. Another window begins empty, and no wait is
    /// longer than it may be from now on.
    pub fn reconfigure(&mut self, settings: BreakerSettings, now: Time) {
        let now = self.advance(now);
        let forced = |mode| matches!(mode, Mode::Open | Mode::Closed);
        let (old, new) = (self.settings.mode, settings.mode);
        if settings.window != self.settings.window {
            self.recent = Recent::new(settings.window);
        }
        self.settings = settings;
        if old != new && (forced(old) || forced(new)) {
            self.turn(Inner::of(new), Why::Set, now);
        } else if let Inner::Open { until } = &mut self.inner {
            *until = (*until).min(now.after(self.settings.max_recovery));
        }
    }

    /// Lets happen what time alone makes happen, each at its instant.
    fn advance(&mut self, now: Time) -> Time {
        self.now = self.now.max(now);
        loop {
            match &self.inner {
                Inner::Open { until } if *until <= self.now => {
                    let at = *until;
                    self.turn(Inner::HalfOpen(Probes::default()), Why::TimeIsUp, at);
                }
                Inner::HalfOpen(probes) if probes.first_end() <= self.now => {
                    let at = probes.first_end();
                    self.open(Why::LostProbe, None, at);
                }
                _ => return self.now,
            }
        }
    }

    /// A call of this generation that says something about the provider.
    fn count(&mut self, call: Call, retry_after: Option<Duration>, now: Time) {
        self.recent.add(call, now);
        self.row = if call.failed { self.row.saturating_add(1) } else { 0 };
        let slow_counts = self.settings.slow_rate.value() > 0.0;
        match &mut self.inner {
            Inner::HalfOpen(_) if call.failed => self.open(Why::FailedProbe, retry_after, now),
            Inner::HalfOpen(_) if call.slow && slow_counts => {
                self.open(Why::SlowProbe, None, now);
            }
            Inner::HalfOpen(probes) => {
                probes.successes += 1;
                if probes.successes >= self.settings.successes {
                    self.turn(Inner::Closed, Why::Recovered, now);
                }
            }
            Inner::Closed => {
                if let Some(why) = self.reason_to_open(now) {
                    self.open(why, retry_after, now);
                }
            }
            Inner::Open { .. } | Inner::ForcedOpen | Inner::ForcedClosed => {}
        }
    }

    fn reason_to_open(&mut self, now: Time) -> Option<Why> {
        let settings = &self.settings;
        if settings.failures > 0 && self.row >= settings.failures {
            return Some(Why::Failures);
        }
        let counts = self.recent.counts(now);
        if counts.calls < u64::from(settings.min_calls) {
            return None;
        }
        let reaches =
            |part: u64, share: f64| share > 0.0 && part as f64 >= share * counts.calls as f64;
        if reaches(counts.failures, settings.failure_rate.value()) {
            return Some(Why::FailureRate);
        }
        reaches(counts.slow, settings.slow_rate.value()).then_some(Why::SlowCalls)
    }

    fn open(&mut self, why: Why, retry_after: Option<Duration>, at: Time) {
        let asked = retry_after.unwrap_or_default().min(self.settings.max_recovery);
        let until = at.after(self.settings.recovery.max(asked));
        self.turn(Inner::Open { until }, why, at);
    }

    fn turn(&mut self, to: Inner, why: Why, at: Time) {
        let (from, to_phase) = (self.inner.phase(), to.phase());
        self.inner = to;
        self.generation += 1;
        self.row = 0;
        self.recent = Recent::new(self.settings.window);
        let number = self.generation;
        self.transitions.push(Transition { at, from, to: to_phase, why, number });
    }

    fn refuse(&self, until: Time, probing: bool) -> Admission {
        if self.settings.mode == Mode::Observe {
            return Admission::Observe { ticket: self.ticket(None), until };
        }
        Admission::Refuse { until, probing }
    }

    const fn ticket(&self, probe: Option<u64>) -> Ticket {
        Ticket { generation: self.generation, probe }
    }
}

impl Inner {
    const fn of(mode: Mode) -> Self {
        match mode {
            Mode::Auto | Mode::Observe => Self::Closed,
            Mode::Open => Self::ForcedOpen,
            Mode::Closed => Self::ForcedClosed,
        }
    }

    const fn phase(&self) -> Phase {
        match self {
            Self::Closed => Phase::Closed,
            Self::Open { .. } => Phase::Open,
            Self::HalfOpen(_) => Phase::HalfOpen,
            Self::ForcedOpen => Phase::ForcedOpen,
            Self::ForcedClosed => Phase::ForcedClosed,
        }
    }
}
