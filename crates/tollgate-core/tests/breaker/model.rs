//! A breaker as a diary: everything that was ever counted is kept, and every question is
//! answered by reading all of it.

use std::time::Duration;

use tollgate_core::{
    Time,
    breaker::{BUCKETS, BreakerSettings, Outcome, State, Throttled, Window},
};

pub(crate) struct Model {
    pub(crate) settings: BreakerSettings,
    /// When each state began, the present one last.
    eras: Vec<Era>,
}

struct Era {
    state: Kind,
    calls: Vec<(Time, bool, bool)>,
    /// Every probe, and when its lease ends; `None` once it has ended.
    probes: Vec<Option<Time>>,
    successes: u32,
}

#[derive(Clone, Copy)]
enum Kind {
    Closed,
    Open(Time),
    HalfOpen,
}

/// The era in which a call began, and which probe it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    era: usize,
    probe: Option<usize>,
}

#[derive(Debug)]
pub(crate) enum Answer {
    Pass(Begun),
    Probe(Begun),
    Refuse(Time),
}

impl Model {
    pub(crate) fn new(settings: BreakerSettings) -> Self {
        let mut model = Self { settings, eras: vec![] };
        model.turn(Kind::Closed);
        model
    }

    pub(crate) fn admit(&mut self, now: Time) -> Answer {
        self.pass(now);
        let (lease, most) = (self.settings.probe_lease, self.settings.probes as usize);
        let era = self.eras.len() - 1;
        let present = &mut self.eras[era];
        match present.state {
            Kind::Closed => Answer::Pass(Begun { era, probe: None }),
            Kind::Open(until) => Answer::Refuse(until),
            Kind::HalfOpen if present.probes.iter().flatten().count() < most => {
                present.probes.push(Some(now.after(lease)));
                Answer::Probe(Begun { era, probe: Some(present.probes.len() - 1) })
            }
            Kind::HalfOpen => {
                let first = present.probes.iter().flatten().min().expect("all are on their way");
                Answer::Refuse(first.after(self.settings.recovery))
            }
        }
    }

    pub(crate) fn record(&mut self, begun: Begun, outcome: Outcome, took: Duration, now: Time) {
        self.pass(now);
        if begun.era + 1 != self.eras.len() {
            return;
        }
        let present = &mut self.eras[begun.era];
        if let Some(probe) = begun.probe {
            present.probes[probe] = None;
        }
        let (failed, retry) = match outcome {
            Outcome::Success => (false, None),
            Outcome::Failure { retry_after } => (true, retry_after),
            Outcome::Throttled { retry_after } if self.settings.throttled == Throttled::Failure => {
                (true, retry_after)
            }
            Outcome::Throttled { .. } | Outcome::Ignored => return,
        };
        let slow = took > self.settings.slow_after;
        present.calls.push((now, failed, slow));
        let slow_counts = self.settings.slow_rate.value() > 0.0;
        let opens = match present.state {
            Kind::HalfOpen => failed || (slow && slow_counts),
            _ => self.should_open(now),
        };
        let present = &mut self.eras[begun.era];
        if opens {
            let asked = retry.unwrap_or_default().min(self.settings.max_recovery);
            self.turn(Kind::Open(now.after(asked.max(self.settings.recovery))));
        } else if matches!(present.state, Kind::HalfOpen) {
            present.successes += 1;
            if present.successes == self.settings.successes {
                self.turn(Kind::Closed);
            }
        }
    }

    pub(crate) fn renew(&mut self, begun: Begun, now: Time) {
        self.pass(now);
        if begun.era + 1 == self.eras.len()
            && let Some(probe) = begun.probe
            && self.eras[begun.era].probes[probe].is_some()
        {
            self.eras[begun.era].probes[probe] = Some(now.after(self.settings.probe_lease));
        }
    }

    pub(crate) fn state(&mut self, now: Time) -> State {
        self.pass(now);
        let present = self.eras.last().expect("there is one");
        match present.state {
            Kind::Closed => State::Closed,
            Kind::Open(until) => State::Open { until },
            Kind::HalfOpen => State::HalfOpen {
                probes: present.probes.iter().flatten().count() as u32,
                successes: present.successes,
            },
        }
    }

    /// Calls, failures and slow calls in the window.
    pub(crate) fn counts(&self, now: Time) -> (u64, u64, u64) {
        let calls = &self.eras.last().expect("there is one").calls;
        let recent: Vec<_> = match self.settings.window {
            Window::Calls(most) => calls.iter().rev().take(most as usize).collect(),
            Window::Time(length) => {
                let tenth = (length.as_nanos() as u64 / BUCKETS).max(1);
                let of = |at: Time| at.as_nanos() / tenth;
                calls.iter().filter(|call| of(call.0) + BUCKETS > of(now)).collect()
            }
        };
        let count = |what: &dyn Fn(&(Time, bool, bool)) -> bool| {
            recent.iter().filter(|call| what(call)).count() as u64
        };
        (count(&|_| true), count(&|call| call.1), count(&|call| call.2))
    }

    fn should_open(&self, now: Time) -> bool {
        let settings = &self.settings;
        let calls = &self.eras.last().expect("there is one").calls;
        let row = calls.iter().rev().take_while(|call| call.1).count();
        let (all, failed, slow) = self.counts(now);
        let enough = all >= u64::from(settings.min_calls);
        let above = |part: u64, share: f64| share > 0.0 && part as f64 / all as f64 >= share;
        (settings.failures > 0 && row >= settings.failures as usize)
            || (enough && above(failed, settings.failure_rate.value()))
            || (enough && above(slow, settings.slow_rate.value()))
    }

    fn pass(&mut self, now: Time) {
        loop {
            let present = self.eras.last().expect("there is one");
            let first = present.probes.iter().flatten().min().copied();
            match (present.state, first) {
                (Kind::Open(until), _) if until <= now => self.turn(Kind::HalfOpen),
                (Kind::HalfOpen, Some(end)) if end <= now => {
                    self.turn(Kind::Open(end.after(self.settings.recovery)));
                }
                _ => return,
            }
        }
    }

    fn turn(&mut self, state: Kind) {
        self.eras.push(Era { state, calls: vec![], probes: vec![], successes: 0 });
    }
}
