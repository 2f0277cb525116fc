//! Limits that a provider enforces and announces, and callers who offer more than it takes:
//! with learning and without, at the same time.

use std::{path::Path, time::Duration};

use anyhow::Result;
use serde::Serialize;
use tokio::runtime::Runtime;
use tollgate::Clock;
use tollgate_core::Time;

use super::{
    Latency, Providers,
    load::{Got, Load, late_s},
    policy::{self, Upstream},
    witness::{Call, Witness},
};
use crate::{gateway::process::Process, table::progress};

/// What came of one provider's limits.
#[derive(Debug, Serialize)]
pub(super) struct Limits {
    /// How they come back: `evenly` or `at-reset`.
    pub(super) refill: &'static str,
    pub(super) capacity_per_second: f64,
    pub(super) offered_per_second: f64,
    /// How much later than they should the last callers came, in seconds.
    pub(super) late_s: f64,
    pub(super) learning: Side,
    pub(super) not_learning: Side,
}

/// What one gateway made of them.
#[derive(Debug, Serialize)]
pub(super) struct Side {
    /// Of what the provider could take once what it had at first was used up, in hundredths.
    pub(super) used_percent: f64,
    /// Calls to the provider, those that it refused, and their share in hundredths.
    pub(super) calls: usize,
    pub(super) throttled: usize,
    pub(super) throttled_percent: f64,
    pub(super) asked: usize,
    pub(super) served: usize,
    /// By the gateway, as a whole.
    pub(super) refused: usize,
    /// Of those that were served.
    pub(super) answered: Latency,
    /// The longest time without an answer for anybody, in seconds.
    pub(super) silent_s: f64,
    /// Of those that were refused: how long they waited in vain.
    pub(super) given_up: Latency,
}

/// A gateway with a provider of its own.
struct Pair {
    witness: Witness,
    gateway: Process,
    _provider: Process,
}

const REFILLS: [&str; 2] = ["evenly", "at-reset"];
/// What is offered for each that the provider takes.
const OFFERED: f64 = 1.5;
const LATENCY_MS: &str = "50";

/// Measures both kinds of limits on both sides, all at once.
///
/// # Errors
/// When a process does not start.
pub(super) fn measure(args: &Providers, folder: &Path, runtime: &Runtime) -> Result<Vec<Limits>> {
    let clock = Clock::system();
    let mut pairs = Vec::new();
    for refill in REFILLS {
        for announced in [true, false] {
            pairs.push(pair(args, folder, runtime, &clock, (refill, announced))?);
        }
    }
    let capacity = f64::from(args.per_minute.get()) / 60.0;
    let load = Load {
        per_second: capacity * OFFERED,
        lasts: Duration::from_secs(args.seconds.get().into()),
        patience: Duration::from_secs(args.patience.into()),
        model: "m",
        streams: None,
        fails: None,
    };
    progress(format_args!(
        "learned limits: {:.0}/s offered where {capacity:.0}/s are to be had, {} s",
        load.per_second, args.seconds
    ));
    let began = clock.now().wall;
    let got = runtime.block_on(async {
        let [a, b, c, d] = &pairs[..] else { unreachable!("two kinds on two sides") };
        tokio::join!(
            load.run(a.gateway.address, &clock, 1),
            load.run(b.gateway.address, &clock, 1),
            load.run(c.gateway.address, &clock, 1),
            load.run(d.gateway.address, &clock, 1),
        )
    });
    let window = Duration::from_secs(args.window.get().into());
    // What is full at first is used up by then.
    let first = (1.0 / (OFFERED - 1.0)).ceil() as u64;
    let whole = (load.lasts.as_secs() / window.as_secs()).saturating_sub(first).max(1);
    let from = began.after(window * u32::try_from(first)?);
    let until = from.after(window * u32::try_from(whole)?);
    let due = capacity * (whole * window.as_secs()) as f64;
    let side = |place: usize, got: &[Got]| {
        let pair: &Pair = &pairs[place];
        Side::of(&pair.witness.calls(), got, (from, until), due)
    };
    let limits = |nth: usize, learning: &[Got], not_learning: &[Got]| Limits {
        refill: REFILLS[nth],
        capacity_per_second: capacity,
        offered_per_second: load.per_second,
        late_s: late_s(learning, began, &load).max(late_s(not_learning, began, &load)),
        learning: side(2 * nth, learning),
        not_learning: side(2 * nth + 1, not_learning),
    };
    Ok(vec![limits(0, &got.0, &got.1), limits(1, &got.2, &got.3)])
}

fn pair(
    args: &Providers,
    folder: &Path,
    runtime: &Runtime,
    clock: &Clock,
    (refill, announced): (&str, bool),
) -> Result<Pair> {
    let name = format!("{refill}-{announced}");
    let (per_minute, window) = (args.per_minute.to_string(), format!("{}s", args.window));
    let options = [
        "--latency-ms",
        LATENCY_MS,
        "--requests-per-minute",
        &per_minute,
        "--limit-window",
        &window,
        "--limit-refill",
        refill,
    ];
    let provider = policy::sandbox(&format!("provider-{name}"), folder, &options)?;
    let witness = runtime.block_on(Witness::before(provider.address, clock.clone()))?;
    let says = format!("[providers.first.learn]\nannounced = {announced}\n");
    let first = Upstream { name: "first", address: witness.address, says: &says };
    let gateway = policy::start(&format!("gateway-{name}"), folder, &[first], "")?;
    Ok(Pair { witness, gateway, _provider: provider })
}

impl Side {
    fn of(calls: &[Call], got: &[Got], (from, until): (Time, Time), due: f64) -> Self {
        let throttled = calls.iter().filter(|call| call.status == 429).count();
        let is_measured = |call: &&Call| call.status == 200 && from <= call.at && call.at < until;
        let used = calls.iter().filter(is_measured).count();
        let served = || got.iter().filter(|got| got.is_served());
        let refused = || got.iter().filter(|got| got.refused);
        Self {
            used_percent: 100.0 * used as f64 / due,
            calls: calls.len(),
            throttled,
            throttled_percent: 100.0 * throttled as f64 / calls.len().max(1) as f64,
            asked: got.len(),
            served: served().count(),
            refused: refused().count(),
            answered: Latency::of(served().map(|got| got.took)),
            silent_s: silence(got),
            given_up: Latency::of(refused().map(|got| got.took)),
        }
    }
}

/// The longest time between two answers that served somebody.
fn silence(got: &[Got]) -> f64 {
    let mut answers: Vec<Time> =
        got.iter().filter(|got| got.is_served()).map(|got| got.at.after(got.took)).collect();
    answers.sort_unstable();
    let gaps = answers.windows(2).map(|pair| pair[1].since(pair[0]).as_secs_f64());
    gaps.fold(0.0, f64::max)
}
