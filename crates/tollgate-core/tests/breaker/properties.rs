//! What holds in any story.

use std::time::Duration;

use proptest::{collection::vec, prelude::*, sample::Index};
use tollgate_core::{
    Time,
    breaker::{Admission, Breaker, BreakerSettings, MAX_TRANSITIONS, Mode, Outcome, State, Ticket},
};

use crate::{
    model::{Answer, Begun, Model},
    story::settings,
};

#[derive(Debug, Clone)]
enum Step {
    Call,
    End { which: Index, outcome: Outcome, took_ms: u64 },
    Renew { which: Index },
    Lose { which: Index },
    Wait { ms: u64 },
}

/// Shares are of powers of two, so that the model's division is exact.
fn policies() -> impl Strategy<Value = BreakerSettings> {
    let windows = prop_oneof!["[1-9] calls", "[1-9]0 calls", "[1-9]00ms", "[1-9]s"];
    let shares = || prop::sample::select(vec![0.0, 0.25, 0.5, 1.0]);
    let times = (0..2_000_u64, 1..2_000_u64, 0..3_000_u64);
    (0..6_u32, shares(), shares(), windows, 1..6_u32, times, 1..4_u32, 1..4_u32, any::<bool>())
        .prop_map(|(failures, failed, slow, window, min_calls, times, probes, successes, count)| {
            let (recovery, lease, more) = times;
            let min_calls = if window.ends_with("calls") { 1 } else { min_calls };
            let json = serde_json::json!({
                "failures": failures, "failure_rate": failed, "slow_rate": slow,
                "slow_after": "1s", "window": window, "min_calls": min_calls,
                "recovery": format!("{recovery}ms"), "max_recovery": format!("{}ms", recovery + more),
                "probes": probes, "probe_lease": format!("{lease}ms"), "successes": successes,
                "throttled": if count { "failure" } else { "ignored" },
            });
            settings(&json.to_string())
        })
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let retry = || prop::option::of((0..10_000_u64).prop_map(Duration::from_millis));
    prop_oneof![
        3 => Just(Outcome::Success),
        3 => retry().prop_map(|retry_after| Outcome::Failure { retry_after }),
        1 => retry().prop_map(|retry_after| Outcome::Throttled { retry_after }),
        1 => Just(Outcome::Ignored),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let end = (any::<Index>(), outcomes(), 0..2_000_u64)
        .prop_map(|(which, outcome, took_ms)| Step::End { which, outcome, took_ms });
    let step = prop_oneof![
        6 => Just(Step::Call),
        6 => end,
        1 => any::<Index>().prop_map(|which| Step::Renew { which }),
        1 => any::<Index>().prop_map(|which| Step::Lose { which }),
        4 => (0..1_500_u64).prop_map(|ms| Step::Wait { ms }),
    ];
    vec(step, 0..150)
}

struct Pair {
    breaker: Breaker,
    model: Model,
    running: Vec<(Ticket, Begun)>,
    now: Time,
}

impl Pair {
    fn new(settings: &BreakerSettings) -> Self {
        Self {
            breaker: Breaker::new(settings.clone(), Time::ZERO),
            model: Model::new(settings.clone()),
            running: vec![],
            now: Time::ZERO,
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let now = self.now;
        let place = |which: &Index, len: usize| (len > 0).then(|| which.index(len));
        match step {
            Step::Wait { ms } => self.now = now.after(Duration::from_millis(*ms)),
            Step::Call => self.call()?,
            Step::End { which, outcome, took_ms } => {
                if let Some(place) = place(which, self.running.len()) {
                    let (ticket, begun) = self.running.swap_remove(place);
                    let took = Duration::from_millis(*took_ms);
                    self.breaker.record(ticket, *outcome, took, now);
                    self.model.record(begun, *outcome, took, now);
                }
            }
            Step::Renew { which } => {
                if let Some(place) = place(which, self.running.len()) {
                    let (ticket, begun) = &self.running[place];
                    self.breaker.renew(ticket, now);
                    self.model.renew(*begun, now);
                }
            }
            Step::Lose { which } => {
                if let Some(place) = place(which, self.running.len()) {
                    drop(self.running.swap_remove(place));
                }
            }
        }
        let counts = self.breaker.counts(self.now);
        prop_assert_eq!(self.breaker.state(self.now), self.model.state(self.now));
        let counted = (counts.calls, counts.failures, counts.slow);
        prop_assert_eq!(counted, self.model.counts(self.now));
        Ok(())
    }

    fn call(&mut self) -> Result<(), TestCaseError> {
        match (self.breaker.admit(self.now), self.model.admit(self.now)) {
            (Admission::Pass(ticket), Answer::Pass(begun))
            | (Admission::Probe(ticket), Answer::Probe(begun)) => {
                self.running.push((ticket, begun));
            }
            (Admission::Refuse { until, .. }, Answer::Refuse(promised)) => {
                prop_assert_eq!(until, promised);
            }
            (saw, told) => prop_assert!(false, "{saw:?} where the model says {told:?}"),
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn it_does_what_the_model_does(settings in policies(), steps in steps()) {
        let mut pair = Pair::new(&settings);
        for step in &steps {
            pair.step(step)?;
        }
    }

    /// Nobody is refused while it is closed, and no more probes than allowed have a lease.
    #[test]
    fn it_never_refuses_closed_nor_probes_too_much(settings in policies(), steps in steps()) {
        let mut pair = Pair::new(&settings);
        for step in &steps {
            let before = pair.breaker.state(pair.now);
            if matches!((step, before), (Step::Call, State::Closed)) {
                prop_assert!(matches!(pair.breaker.admit(pair.now), Admission::Pass(_)));
            }
            pair.step(step)?;
            if let State::HalfOpen { probes, .. } = pair.breaker.state(pair.now) {
                prop_assert!(probes <= settings.probes);
            }
        }
    }

    /// Whom it refuses it admits at the instant it promised and not before, if nothing else
    /// happens: so it is half-open after its time, whatever happened, and never stuck there.
    #[test]
    fn it_keeps_its_promised_instant(settings in policies(), steps in steps()) {
        let mut pair = Pair::new(&settings);
        for step in &steps {
            pair.step(step)?;
        }
        if let Admission::Refuse { until, .. } = pair.breaker.admit(pair.now) {
            prop_assert!(until > pair.now);
            let before = until.before(Duration::from_nanos(1));
            let refused = matches!(pair.breaker.admit(before), Admission::Refuse { .. });
            prop_assert!(refused);
            prop_assert!(matches!(pair.breaker.admit(until), Admission::Probe(_)));
        }
    }

    /// An observer never refuses, and is in the state in which the real one would be.
    #[test]
    fn an_observer_differs_in_nothing_but_refusals(settings in policies(), steps in steps()) {
        let mut pair = Pair::new(&settings);
        let observing = BreakerSettings { mode: Mode::Observe, ..settings };
        let mut observer = Breaker::new(observing, Time::ZERO);
        let mut running = vec![];
        for step in &steps {
            let now = pair.now;
            match step {
                Step::Call => match observer.admit(now) {
                    Admission::Pass(ticket) | Admission::Probe(ticket) => running.push(ticket),
                    // Those go wrong, and it must not matter.
                    Admission::Observe { ticket, .. } => {
                        let outcome = Outcome::Failure { retry_after: None };
                        observer.record(ticket, outcome, Duration::ZERO, now);
                    }
                    Admission::Refuse { .. } => prop_assert!(false, "it refused"),
                },
                Step::End { which, outcome, took_ms } if !running.is_empty() => {
                    let ticket = running.swap_remove(which.index(running.len()));
                    observer.record(ticket, *outcome, Duration::from_millis(*took_ms), now);
                }
                Step::Renew { which } if !running.is_empty() => {
                    observer.renew(&running[which.index(running.len())], now);
                }
                Step::Lose { which } if !running.is_empty() => {
                    drop(running.swap_remove(which.index(running.len())));
                }
                _ => {}
            }
            pair.step(step)?;
            prop_assert_eq!(observer.state(pair.now), pair.breaker.state(pair.now));
        }
    }

    /// Its changes follow each other, the instants in order, and few are kept.
    #[test]
    fn it_tells_its_changes_in_order(settings in policies(), steps in steps()) {
        let mut pair = Pair::new(&settings);
        for step in &steps {
            pair.step(step)?;
        }
        let told: Vec<_> = pair.breaker.transitions().collect();
        prop_assert!(told.len() <= MAX_TRANSITIONS);
        for two in told.windows(2) {
            prop_assert_eq!(two[0].to, two[1].from);
            prop_assert_eq!(two[0].number + 1, two[1].number);
            prop_assert!(two[0].at <= two[1].at);
        }
        prop_assert_eq!(pair.breaker.transitions().count(), 0);
    }
}
