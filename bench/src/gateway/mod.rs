//! Requests per second, latency and memory of the gateway, against a bare hyper proxy.
//!
//! Both stand before the same sandbox, each a process of its own, and are measured by the
//! same load in alternating rounds; so is a gateway that keeps its accounts in memory alone,
//! which tells what the ledger costs, and one that keeps answers, which after its first rounds
//! answers nearly everything from memory. All share the machine's cores, the load included, so
//! requests per second are those of the whole chain; what counts is the ratio.

pub(crate) mod beside;
mod cached;
pub(crate) mod client;
pub(crate) mod ledger;
mod load;
mod policy;
pub(crate) mod process;
pub(crate) mod proxy;
mod streams;
mod table;
pub(crate) mod watched;

use std::{num::NonZeroU32, time::Duration};

use anyhow::{Result, ensure};
use clap::Args;
use hdrhistogram::Histogram;
use serde::Serialize;

use self::{cached::Cache, client::Target, load::Load, policy::Kept, process::Process};
use crate::{stopwatch::median, table::progress};

/// What to measure, for how long.
#[derive(Args)]
pub(crate) struct Gateway {
    /// Rounds of each side.
    #[arg(long, default_value = "5")]
    rounds: NonZeroU32,
    /// Seconds of one round.
    #[arg(long, default_value = "4")]
    seconds: NonZeroU32,
    /// Connections of the load.
    #[arg(long, default_value = "32")]
    connections: NonZeroU32,
    /// Streams held at once.
    #[arg(long, default_value = "1000")]
    streams: NonZeroU32,
}

/// All numbers of the benchmark.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    gateway: Side,
    /// The gateway without a ledger.
    forgetful: Side,
    /// The gateway that keeps answers.
    caching: Side,
    cache: Cache,
    proxy: Side,
    /// The median, over all rounds, of the gateway's requests per second by those without a
    /// ledger in the same round, so that what slows the machine down for a while slows both.
    beside_forgetful: f64,
    /// Requests per second offered at half load.
    half_load_per_second: f64,
    cores: usize,
}

/// What one side did.
#[derive(Debug, Serialize)]
pub(crate) struct Side {
    /// The median round's requests per second, as many as it could serve.
    saturated_per_second: f64,
    /// Microseconds of processor time that its process took for one request, saturated.
    cpu_us_per_request: f64,
    /// Latencies when saturated.
    saturated: Latency,
    /// Latencies at half of the gateway's saturation.
    half_load: Latency,
    /// Resident bytes that one held stream adds.
    bytes_per_stream: f64,
}

/// Microseconds from the first byte sent to the last received.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    p50_us: f64,
    p99_us: f64,
}

/// One side while it is being measured.
struct Measured {
    name: &'static str,
    process: Process,
    target: Target,
    rates: Vec<f64>,
    /// Of the saturated rounds.
    cpu_time: Duration,
    saturated: Histogram<u64>,
    half_load: Histogram<u64>,
    bytes_per_stream: f64,
}

/// Runs both sides.
///
/// # Errors
/// When a process does not start or answers with anything but success.
pub(crate) fn run(args: &Gateway) -> Result<Report> {
    let folder = process::fresh_folder("bench-gateway")?;
    let sandbox = Process::start("sandbox", &folder, |listen| {
        process::tollgate(["sandbox", "--listen", &listen.to_string()])
    })?;
    let gateway = policy::start(&folder, sandbox.address, Kept::InLedger)?;
    let forgetful = policy::start(&folder, sandbox.address, Kept::InMemory)?;
    let caching = policy::start(&folder, sandbox.address, Kept::WithAnswers)?;
    let proxy = Process::start("proxy", &folder, |listen| {
        let upstream = sandbox.address.to_string();
        process::this(["pass-through", "--listen", &listen.to_string(), "--upstream", &upstream])
    })?;
    let mut sides = [
        Measured::new("gateway", gateway, "/openai/v1"),
        Measured::new("gateway without a ledger", forgetful, "/openai/v1"),
        Measured::new("gateway with answers", caching, "/openai/v1"),
        Measured::new("proxy", proxy, "/v1"),
    ];
    for side in &mut sides {
        progress(format_args!("{}: {} streams at once", side.name, args.streams));
        side.bytes_per_stream = streams::bytes_per_stream(side, args.streams.get())?;
    }
    let round = Duration::from_secs(args.seconds.get().into());
    let load = Load { connections: args.connections.get(), round, per_second: None };
    for nth in 1..=args.rounds.get() {
        for side in &mut sides {
            let rate = side.round(&load, nth.into())?;
            progress(format_args!("round {nth}, {}: {rate:.0}/s", side.name));
        }
    }
    let half = sides[0].rate() / 2.0;
    let load = Load { per_second: Some(half), ..load };
    for nth in 1..=args.rounds.get() {
        for side in &mut sides {
            let served = load.run(&side.target, nth.into())?;
            progress(format_args!("half load {nth}, {}: {} requests", side.name, served.len()));
            side.half_load.add(&served)?;
        }
    }
    let cores = std::thread::available_parallelism()?.get();
    let [gateway, forgetful, caching, _] = &sides;
    let ratios = gateway.rates.iter().zip(&forgetful.rates).map(|(ours, theirs)| ours / theirs);
    let beside_forgetful = median(ratios.collect());
    let cache = Cache::of(&caching.target)?;
    let [gateway, forgetful, caching, proxy] = sides.map(Measured::side);
    let half_load_per_second = half;
    Ok(Report {
        gateway,
        forgetful,
        caching,
        cache,
        proxy,
        beside_forgetful,
        half_load_per_second,
        cores,
    })
}

impl Measured {
    fn new(name: &'static str, process: Process, path: &str) -> Self {
        let target = Target::new(process.address, path);
        let (saturated, half_load) = (load::histogram(), load::histogram());
        let (rates, cpu_time) = (Vec::new(), Duration::ZERO);
        Self { name, process, target, rates, cpu_time, saturated, half_load, bytes_per_stream: 0.0 }
    }

    /// One round of as much as it can serve; its requests per second.
    fn round(&mut self, load: &Load, nth: u64) -> Result<f64> {
        let before = self.process.cpu_time()?;
        let served = load.run(&self.target, nth)?;
        self.cpu_time += self.process.cpu_time()?.saturating_sub(before);
        let rate = served.len() as f64 / load.round.as_secs_f64();
        self.rates.push(rate);
        self.saturated.add(&served)?;
        Ok(rate)
    }

    fn cpu_us_per_request(&self) -> f64 {
        self.cpu_time.as_micros() as f64 / self.saturated.len() as f64
    }

    /// The median round's requests per second.
    fn rate(&self) -> f64 {
        median(self.rates.clone())
    }

    fn side(self) -> Side {
        Side {
            saturated_per_second: self.rate(),
            cpu_us_per_request: self.cpu_us_per_request(),
            saturated: Latency::of(&self.saturated),
            half_load: Latency::of(&self.half_load),
            bytes_per_stream: self.bytes_per_stream,
        }
    }
}

impl Latency {
    fn of(nanos: &Histogram<u64>) -> Self {
        let at = |quantile| nanos.value_at_quantile(quantile) as f64 / 1_000.0;
        Self { p50_us: at(0.5), p99_us: at(0.99) }
    }
}

/// Fails unless an answer is a success: numbers of refusals would be no numbers.
fn expect_success(status: u16, from: &Target) -> Result<()> {
    ensure!(status == 200, "{} answered {status} instead of 200", from.address);
    Ok(())
}
