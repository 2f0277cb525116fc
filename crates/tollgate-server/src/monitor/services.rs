//! One service: what it did in the last minutes, and how it is.

use std::time::Duration;

use compact_str::CompactString;
use tollgate_core::{
    Time,
    alert::{self, Path, Recent, Status},
    breaker::State,
};

use super::LATELY;
use crate::{
    guards::{Calls, Glance},
    metrics::Used,
};

/// What is remembered of a service.
#[derive(Debug)]
pub(super) struct Watched {
    calls: Recent<Calls>,
    used: Recent<Used>,
    minute: Recent<u64>,
    hour: Recent<u64>,
}

/// How a service does.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// What its health is judged by: its calls of the last minutes, and its circuits.
    pub(crate) sign: alert::Service,
    /// The worst of its circuits; none of what no policy names.
    pub(crate) circuit: Option<State>,
    /// The model whose circuit that is, where it is that of one alone.
    pub(crate) model: Option<CompactString>,
    /// Requests that are on their way there.
    pub(crate) concurrent: u64,
    /// Requests that wait for it, or before a limit that is about it.
    pub(crate) queue: u64,
    /// How full the line before it is, from 0 to 1.
    pub(crate) line: f64,
    /// The share that is left of what it announces to have, where that is known.
    pub(crate) left: Option<f64>,
    /// How its calls ended since the start.
    pub(crate) calls: Calls,
    /// What it cost in the last minute, in nano-dollars.
    pub(crate) nanos_per_minute: u64,
    /// What a minute of the hour before that cost, and how much of that hour is known.
    pub(crate) usual: (u64, Duration),
    /// How long requests took in the last minutes, in milliseconds: half of them, and 95 %.
    pub(crate) latency_ms: Option<(f64, f64)>,
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

impl Watched {
    /// One that did nothing before.
    pub(super) fn new(now: Time) -> Self {
        Self {
            calls: Recent::new(LATELY, now),
            used: Recent::new(LATELY, now),
            minute: Recent::new(MINUTE, now),
            hour: Recent::new(HOUR + MINUTE, now),
        }
    }

    /// What its counters are now.
    pub(super) fn note(&mut self, used: Used, glance: Option<&Glance>, now: Time) -> Service {
        let calls = glance.map(|glance| glance.calls).unwrap_or_default();
        self.calls.note(calls, now);
        self.used.note(used, now);
        self.minute.note(used.nanos, now);
        self.hour.note(used.nanos, now);
        let (grown, lasted) = (self.calls.grown(), self.used.grown());
        let waiting = glance.map_or((0, 1), |glance| glance.waiting);
        let circuit = glance.map(|glance| glance.circuit);
        let path = circuit.map_or(Path::Clear, path);
        Service {
            sign: alert::Service { served: grown.served, failed: grown.failed, path },
            circuit,
            model: glance.and_then(|glance| glance.model.clone()),
            concurrent: glance.map_or(0, |glance| glance.running),
            queue: waiting.0 as u64,
            line: waiting.0 as f64 / waiting.1 as f64,
            left: glance.and_then(|glance| glance.left),
            calls,
            nanos_per_minute: self.minute.grown(),
            usual: self.usual(now),
            latency_ms: lasted.quantile_ms(0.5).zip(lasted.quantile_ms(0.95)),
        }
    }

    /// What a minute usually costs, but for the last one, and for how long that is known.
    fn usual(&self, now: Time) -> (u64, Duration) {
        let known = self.hour.known(now).saturating_sub(self.minute.known(now));
        let cost = self.hour.grown().saturating_sub(self.minute.grown());
        let seconds = u128::from(known.as_secs().max(1));
        let minute = u128::from(cost) * 60 / seconds;
        (u64::try_from(minute).unwrap_or(u64::MAX), known)
    }
}

impl Service {
    /// How it is, in a word.
    pub(crate) fn status(&self) -> Status {
        self.sign.status()
    }
}

const fn path(circuit: State) -> Path {
    match circuit {
        State::Closed | State::ForcedClosed => Path::Clear,
        State::HalfOpen { .. } => Path::Probed,
        State::Open { .. } | State::ForcedOpen => Path::Blocked,
    }
}
