//! A story is told in lines, each an instant and what happens then:
//!
//! ```text
//! 0s   fail x4             four calls begin and fail at once; so do `ok`, `slow`, `slow fail`,
//!                          `429` and `ignored`; `fail after 90s` tells a provider's retry time
//! 1s   a begins            passes, and its result comes later
//! 2s   a probes            passes as a probe
//! 3s   a would be refused until 31s     passes, since the breaker only observes
//! 4s   a ends ok           the result of that call
//! 5s   a is alive          its lease is renewed
//! 6s   refused until 31s   a call is refused, and that instant promised; `for good` is never
//! 7s   is open until 31s   `closed`, `half-open`, `forced open`, `forced closed`
//! 8s   counts 3 failed 2 slow 1
//! 9s   told: closed > open (failures), …  what changed since it was last told
//! 9s   set {"mode": "observe"}            other settings
//! 9s   restarts            as another process, with what this one kept
//! ```

use std::{collections::BTreeMap, time::Duration};

use tollgate_core::{
    Time,
    breaker::{Admission, Breaker, BreakerSettings, Outcome, State, Ticket},
};

/// Calls take this long unless they are slow.
pub(crate) const QUICK: Duration = Duration::from_millis(100);
const SLOW: Duration = Duration::from_secs(100);

pub(crate) struct Story {
    pub(crate) name: &'static str,
    pub(crate) settings: &'static str,
    pub(crate) lines: &'static str,
}

struct Teller {
    settings: BreakerSettings,
    breaker: Breaker,
    running: BTreeMap<String, Ticket>,
}

pub(crate) fn settings(json: &str) -> BreakerSettings {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

impl Story {
    /// Tells the story; the first line that is not true is the error.
    pub(crate) fn tell(&self) -> Result<(), String> {
        let settings = settings(self.settings);
        let breaker = Breaker::new(settings.clone(), Time::ZERO);
        let mut teller = Teller { settings, breaker, running: BTreeMap::new() };
        for line in self.lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (instant, what) = line.split_once(' ').expect("an instant and what happens");
            let said = teller.line(what.trim(), at(instant));
            said.map_err(|saw| format!("{}: `{line}`, but {saw}", self.name))?;
        }
        Ok(())
    }
}

impl Teller {
    fn line(&mut self, what: &str, now: Time) -> Result<(), String> {
        if let Some(rest) = what.strip_prefix("is ") {
            return same(rest, &shown(self.breaker.state(now)));
        }
        if let Some(rest) = what.strip_prefix("counts ") {
            let counts = self.breaker.counts(now);
            let saw = format!("{} failed {} slow {}", counts.calls, counts.failures, counts.slow);
            return same(rest, &saw);
        }
        if let Some(rest) = what.strip_prefix("told: ") {
            self.breaker.state(now);
            let told: Vec<_> = self.breaker.transitions().map(|t| t.to_string()).collect();
            return same(rest, &told.join(", "));
        }
        if let Some(rest) = what.strip_prefix("set ") {
            self.settings = settings(rest);
            self.breaker.reconfigure(self.settings.clone(), now);
            return Ok(());
        }
        if what == "restarts" {
            let kept = serde_json::to_string(&self.breaker.saved(now)).expect("it can be kept");
            let kept = serde_json::from_str(&kept).expect("it was kept");
            self.breaker = Breaker::resume(self.settings.clone(), kept, now);
            self.running.clear();
            return Ok(());
        }
        if what.starts_with("refused ") {
            let (saw, _) = self.admit(now);
            return same(what, &saw);
        }
        match what.split_once(' ') {
            Some((name, "is alive")) => {
                self.breaker.renew(&self.running[name], now);
                Ok(())
            }
            Some((name, rest)) if rest.starts_with("ends ") => {
                let ticket = self.running.remove(name).expect("it has begun");
                let (outcome, took) = outcome(&rest["ends ".len()..]);
                self.breaker.record(ticket, outcome, took, now);
                Ok(())
            }
            Some((name, rest)) if is_admission(rest) => {
                let (saw, ticket) = self.admit(now);
                self.running.extend(ticket.map(|ticket| (name.to_owned(), ticket)));
                same(rest, &saw)
            }
            _ => self.calls(what, now),
        }
    }

    fn calls(&mut self, what: &str, now: Time) -> Result<(), String> {
        let (what, times) = what.split_once(" x").unwrap_or((what, "1"));
        for _ in 0..times.parse().expect("how many") {
            let (saw, ticket) = self.admit(now);
            let (outcome, took) = outcome(what);
            let ticket = ticket.ok_or(saw)?;
            self.breaker.record(ticket, outcome, took, now);
        }
        Ok(())
    }

    fn admit(&mut self, now: Time) -> (String, Option<Ticket>) {
        match self.breaker.admit(now) {
            Admission::Pass(ticket) => ("begins".into(), Some(ticket)),
            Admission::Probe(ticket) => ("probes".into(), Some(ticket)),
            Admission::Observe { ticket, until } => {
                (format!("would be refused {}", instant(until)), Some(ticket))
            }
            Admission::Refuse { until, probing: false } => {
                (format!("refused {}", instant(until)), None)
            }
            Admission::Refuse { until, probing: true } => {
                (format!("refused {} or by a probe", instant(until)), None)
            }
        }
    }
}

fn is_admission(what: &str) -> bool {
    what == "begins" || what == "probes" || what.starts_with("would be refused")
}

fn outcome(what: &str) -> (Outcome, Duration) {
    let (what, retry_after) = match what.split_once(" after ") {
        Some((what, text)) => (what, Some(at(text).since(Time::ZERO))),
        None => (what, None),
    };
    match what {
        "ok" => (Outcome::Success, QUICK),
        "slow" => (Outcome::Success, SLOW),
        "fail" => (Outcome::Failure { retry_after }, QUICK),
        "slow fail" => (Outcome::Failure { retry_after }, SLOW),
        "429" => (Outcome::Throttled { retry_after }, QUICK),
        "ignored" => (Outcome::Ignored, QUICK),
        other => panic!("`{other}` is no outcome"),
    }
}

fn shown(state: State) -> String {
    match state {
        State::Closed => "closed".into(),
        State::Open { until } => format!("open {}", instant(until)),
        State::HalfOpen { probes, successes } => {
            format!("half-open with {probes} probes and {successes} successes")
        }
        State::ForcedOpen => "forced open".into(),
        State::ForcedClosed => "forced closed".into(),
    }
}

fn same(told: &str, saw: &str) -> Result<(), String> {
    if told == saw { Ok(()) } else { Err(format!("saw: {saw}")) }
}

fn instant(at: Time) -> String {
    if at == Time::MAX {
        return "for good".into();
    }
    format!("until {}s", at.since(Time::ZERO).as_secs_f64())
}

/// Seconds since the story's begin.
fn at(text: &str) -> Time {
    let seconds: f64 = text.strip_suffix('s').and_then(|text| text.parse().ok()).expect(text);
    Time::ZERO.after(Duration::from_secs_f64(seconds))
}
