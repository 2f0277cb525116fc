//! A provider that makes each token more slowly when it has more than so many requests at
//! once, and fails some at once: with adaptive concurrency and without.

use std::{path::Path, time::Duration};

use anyhow::Result;
use serde::Serialize;
use tokio::runtime::Runtime;
use tollgate::Clock;
use tollgate_core::Time;

use super::{
    Latency, Providers,
    load::{Got, Load},
    policy::{self, Upstream},
    witness::{Call, Witness},
};
use crate::{gateway::process::Process, table::progress};

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Bearing {
    /// How many the provider makes at once at its full pace.
    pub(super) bears: u32,
    pub(super) offered_per_second: f64,
    pub(super) capacity_per_second: f64,
    pub(super) adapting: Side,
    pub(super) not_adapting: Side,
}

/// How one gateway fared, in the second half of the load.
#[derive(Debug, Serialize)]
pub(super) struct Side {
    /// Requests at the provider at once: of half of its calls no more, and the most.
    pub(super) median_at_once: u32,
    pub(super) most_at_once: u32,
    pub(super) failed_by_provider: usize,
    pub(super) served: usize,
    pub(super) refused: usize,
    /// Of those that were served.
    pub(super) answered: Latency,
}

struct Pair {
    witness: Witness,
    gateway: Process,
    _provider: Process,
}

pub(super) const BEARS: u32 = 8;
const TOKENS: u32 = 32;
const TOKENS_PER_SECOND: u32 = 100;
/// One of so many fails at once.
const FAILS: u32 = 10;
/// What is offered for each that the provider can make at its full pace.
const OFFERED: f64 = 1.5;
const ADAPTING: &str =
    "[providers.first.learn.concurrency]\nsignal = \"per_token\"\ninitial = 4\nmax = 200\n";
/// The provider fails by chance, which is to be told to nobody's breaker.
const ANYHOW: &str =
    "[providers.first.breaker]\nmode = \"closed\"\n[providers.first.retry]\nattempts = 1\n";

/// Measures both sides at once.
///
/// # Errors
/// When a process does not start.
pub(super) fn measure(args: &Providers, folder: &Path, runtime: &Runtime) -> Result<Bearing> {
    let clock = Clock::system();
    let adapting = pair("adapting", folder, runtime, &clock, &format!("{ANYHOW}{ADAPTING}"))?;
    let not_adapting = pair("not-adapting", folder, runtime, &clock, ANYHOW)?;
    let capacity = f64::from(BEARS * TOKENS_PER_SECOND) / f64::from(TOKENS);
    let load = Load {
        per_second: capacity * OFFERED,
        lasts: Duration::from_secs(args.seconds.get().into()),
        patience: Duration::from_secs(args.patience.into()),
        model: "m",
        streams: Some(TOKENS),
        fails: Some(FAILS),
    };
    progress(format_args!(
        "concurrency: {:.0}/s offered where {capacity:.0}/s are borne",
        load.per_second
    ));
    let half = clock.now().wall.after(load.lasts / 2);
    let (got, got_not) = runtime.block_on(async {
        tokio::join!(
            load.run(adapting.gateway.address, &clock, 1),
            load.run(not_adapting.gateway.address, &clock, 1)
        )
    });
    Ok(Bearing {
        bears: BEARS,
        offered_per_second: load.per_second,
        capacity_per_second: capacity,
        adapting: Side::of(&adapting.witness.calls(), &got, half),
        not_adapting: Side::of(&not_adapting.witness.calls(), &got_not, half),
    })
}

fn pair(name: &str, folder: &Path, runtime: &Runtime, clock: &Clock, says: &str) -> Result<Pair> {
    let (bears, pace) = (BEARS.to_string(), TOKENS_PER_SECOND.to_string());
    let options = ["--bears", &bears, "--tokens-per-second", &pace];
    let provider = policy::sandbox(&format!("provider-{name}"), folder, &options)?;
    let witness = runtime.block_on(Witness::before(provider.address, clock.clone()))?;
    let first = Upstream { name: "first", address: witness.address, says };
    let gateway = policy::start(&format!("gateway-{name}"), folder, &[first], "")?;
    Ok(Pair { witness, gateway, _provider: provider })
}

impl Side {
    fn of(calls: &[Call], got: &[Got], from: Time) -> Self {
        let mut at_once: Vec<u32> =
            calls.iter().filter(|call| call.at >= from).map(|call| call.at_once).collect();
        at_once.sort_unstable();
        let got = || got.iter().filter(|got| got.at >= from);
        let failed = calls.iter().filter(|call| call.at >= from && call.status != 200);
        Self {
            median_at_once: at_once.get(at_once.len() / 2).copied().unwrap_or_default(),
            most_at_once: at_once.last().copied().unwrap_or_default(),
            failed_by_provider: failed.count(),
            served: got().filter(|got| got.is_served()).count(),
            refused: got().filter(|got| got.refused).count(),
            answered: Latency::of(got().filter(|got| got.is_served()).map(|got| got.took)),
        }
    }
}
