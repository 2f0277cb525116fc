//! How guards are, for operators and for numbers.

use compact_str::CompactString;
use serde::Serialize;
use tollgate_core::{
    Now, Time,
    breaker::{Mode, State},
    dial::History,
};

use super::{Calls, Guard, line::MAX_WAITING, model::Standing};
use crate::{api::Instant, providers::Providers};

/// What stands before one model, as operators see it.
#[derive(Debug, Serialize)]
pub(crate) struct Circuit {
    /// As the policy names it.
    provider: String,
    /// As requests name it; nothing where it stands for all models that have none of their own.
    model: Option<String>,
    /// `closed`, `open`, `half-open`, `forced open` or `forced closed`.
    state: &'static str,
    /// When it is half-open, where it is open.
    until_at: Option<Instant>,
    /// What an operator has forced: `open`, `closed` or `observe`.
    forced: Option<&'static str>,
    /// Calls of its window that counted, and how many of them failed or were slow.
    calls: u64,
    failures: u64,
    slow: u64,
    /// Requests that are on their way.
    in_flight: u32,
    /// Requests that wait for their turn there.
    waiting: usize,
    /// How many may be at once, where that is learned.
    concurrency: Option<u32>,
    /// What the policy's own key has left, as far as the provider told.
    requests_left: Option<u64>,
    tokens_left: Option<u64>,
}

/// How a provider is at a glance.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Glance {
    /// The worst of its circuits; that of a provider nobody asked yet is closed.
    pub(crate) circuit: State,
    /// The model whose circuit that is, where there are others that are not as bad.
    pub(crate) model: Option<CompactString>,
    /// Requests that were admitted and go there.
    pub(crate) running: u64,
    /// Requests that wait for their turn there, and the most that may.
    pub(crate) waiting: (usize, usize),
    /// The share that the policy's own key has left of what the provider announced; of several
    /// models and units, the least.
    pub(crate) left: Option<f64>,
    /// How its calls ended since the start.
    pub(crate) calls: Calls,
}

/// What the states are called that let nothing through.
const OPEN_NOW: &str = "open";
const FORCED_OPEN: &str = "forced open";

/// How closed a circuit is, as the metrics say it.
const CLOSED: u64 = 0;
const HALF_OPEN: u64 = 1;
const OPEN: u64 = 2;

/// The worst circuit of each provider, in the order of their names.
pub(crate) fn circuit_states(providers: &Providers, now: Time) -> Vec<(String, u64)> {
    let named = providers.names().into_iter().filter_map(|name| providers.named(name));
    named.map(|provider| (provider.name.to_string(), provider.guard.worst(now))).collect()
}

impl Guard {
    /// How each of its models is.
    pub(crate) fn circuits(&self, now: Now) -> Vec<Circuit> {
        let (models, of_all) = {
            let models = self.known.models.lock();
            let forced = |name: &str| models.forced(name);
            let known = models.all();
            let known: Vec<_> =
                known.into_iter().map(|model| (forced(model.name()), model)).collect();
            (known, models.forced_of_all())
        };
        let provider = || self.provider.to_string();
        let shown = models.into_iter().map(|(forced, model)| {
            let standing = model.standing(now.time);
            self.tell(&model, &model.changes());
            let waiting = self.known.line.of(model.name());
            let name = Some(model.name().to_string());
            Circuit::new(provider(), name, forced, &standing, waiting, now)
        });
        let all = of_all.map(|mode| Circuit::of_all(provider(), mode));
        all.into_iter().chain(shown).collect()
    }

    /// What stands before one of its models, if that lets nothing through now.
    pub(crate) fn open_circuit(&self, model: Option<&str>, now: Now) -> Option<Circuit> {
        let mut circuits = self.circuits(now).into_iter();
        circuits.find(|circuit| {
            circuit.is_open() && (circuit.model.is_none() || circuit.model.as_deref() == model)
        })
    }

    /// How its models did, as far as their breakers remember.
    pub(crate) fn history(&self, now: Time) -> History {
        let models = self.known.models.lock().all();
        models.iter().map(|model| model.standing(now).counts).fold(
            History::default(),
            |sum, one| History {
                calls: sum.calls + one.calls,
                failures: sum.failures + one.failures,
            },
        )
    }

    /// How it is at a glance.
    pub(crate) fn glance(&self, now: Time) -> Glance {
        let (models, of_all) = {
            let models = self.known.models.lock();
            (models.all(), models.forced_of_all())
        };
        let standings: Vec<_> = models.iter().map(|model| model.standing(now)).collect();
        let forced = of_all.filter(|mode| *mode == Mode::Open).map(|_| State::ForcedOpen);
        let states = standings.iter().map(|standing| standing.state).chain(forced);
        let circuit = states.max_by_key(worse).unwrap_or(State::Closed);
        let is_worst = |standing: &Standing| worse(&standing.state) == worse(&circuit);
        let mut worst = models.iter().zip(&standings).filter(|(_, standing)| is_worst(standing));
        let only = worst.next().filter(|_| worst.next().is_none() && forced.is_none());
        Glance {
            circuit,
            model: only.map(|(model, _)| model.name().clone()),
            running: self.known.tally.running(),
            waiting: (self.known.line.length(), MAX_WAITING),
            left: standings.iter().filter_map(|standing| standing.left).min_by(f64::total_cmp),
            calls: self.known.tally.calls(),
        }
    }

    /// The worst of its circuits: 0 for closed, 1 for half-open, 2 for open.
    pub(crate) fn worst(&self, now: Time) -> u64 {
        let (models, of_all) = {
            let models = self.known.models.lock();
            (models.all(), models.forced_of_all())
        };
        let states = models.iter().map(|model| match model.standing(now).state {
            State::Closed | State::ForcedClosed => CLOSED,
            State::HalfOpen { .. } => HALF_OPEN,
            State::Open { .. } | State::ForcedOpen => OPEN,
        });
        let of_all = of_all.map(|mode| if mode == Mode::Open { OPEN } else { CLOSED });
        states.chain(of_all).max().unwrap_or(CLOSED)
    }
}

/// How bad a state is, among those of one provider.
const fn worse(state: &State) -> u8 {
    match state {
        State::Closed => 0,
        State::ForcedClosed => 1,
        State::HalfOpen { .. } => 2,
        State::Open { .. } => 3,
        State::ForcedOpen => 4,
    }
}

impl Circuit {
    fn new(
        provider: String,
        model: Option<String>,
        forced: Option<Mode>,
        standing: &Standing,
        waiting: usize,
        now: Now,
    ) -> Self {
        let (state, until_at) = match standing.state {
            State::Closed => ("closed", None),
            State::Open { until } => (OPEN_NOW, Some(Instant::new(until, now))),
            State::HalfOpen { .. } => ("half-open", None),
            State::ForcedOpen => (FORCED_OPEN, None),
            State::ForcedClosed => ("forced closed", None),
        };
        Self {
            provider,
            model,
            state,
            until_at,
            forced: forced.map(named),
            calls: standing.counts.calls,
            failures: standing.counts.failures,
            slow: standing.counts.slow,
            in_flight: standing.in_flight,
            waiting,
            concurrency: standing.concurrency,
            requests_left: standing.requests_left,
            tokens_left: standing.tokens_left,
        }
    }

    fn is_open(&self) -> bool {
        [OPEN_NOW, FORCED_OPEN].contains(&self.state)
    }

    /// When it is tried again, where that is known.
    pub(crate) const fn until(&self) -> Option<Instant> {
        self.until_at
    }

    fn of_all(provider: String, mode: Mode) -> Self {
        let state = match mode {
            Mode::Open => FORCED_OPEN,
            Mode::Closed => "forced closed",
            Mode::Auto | Mode::Observe => "closed",
        };
        Self {
            provider,
            model: None,
            state,
            until_at: None,
            forced: Some(named(mode)),
            calls: 0,
            failures: 0,
            slow: 0,
            in_flight: 0,
            waiting: 0,
            concurrency: None,
            requests_left: None,
            tokens_left: None,
        }
    }
}

const fn named(mode: Mode) -> &'static str {
    match mode {
        Mode::Auto => "auto",
        Mode::Observe => "observe",
        Mode::Open => "open",
        Mode::Closed => "closed",
    }
}
