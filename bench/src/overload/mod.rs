//! Ten times as many requests as can be served: a gateway that has a limit on how many at once,
//! and the same one without any.
//!
//! The capacity is the slots by what an answer takes of the sandbox, so that neither the load's nor
//! the gateway's cores are what gives way: the sandbox makes so many answers at once, and more share
//! their pace. Requests come at instants of their own, whether or not others were answered.

mod load;
mod policy;
mod table;

use std::{num::NonZeroU32, time::Duration};

use anyhow::{Result, ensure};
use clap::Args;
use serde::Serialize;

use self::load::{Answers, Load};
use crate::{
    gateway::{
        client::Target,
        process::{self, Process},
    },
    table::progress,
};

/// How much is asked of what.
#[derive(Args)]
pub(crate) struct Overload {
    /// Requests at once that the limit lets pass, and that the sandbox bears.
    #[arg(long, default_value = "16")]
    slots: NonZeroU32,
    /// Milliseconds that the sandbox takes for an answer.
    #[arg(long, default_value = "100")]
    answer_ms: NonZeroU32,
    /// How many times the capacity is asked for.
    #[arg(long, default_value = "10")]
    times: NonZeroU32,
    /// Seconds of each round.
    #[arg(long, default_value = "10")]
    seconds: NonZeroU32,
}

/// What was found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    slots: u32,
    /// Requests per second: slots by the time of an answer.
    capacity_per_second: f64,
    times: u32,
    limited: Side,
    unlimited: Side,
}

/// One side of the run.
#[derive(Debug, Serialize)]
struct Side {
    /// Microseconds of an answer where one request is under way.
    unloaded_p50_us: f64,
    unloaded_p99_us: f64,
    /// Answers per second where as many are under way as there are slots.
    peak_per_second: f64,
    offered_per_second: f64,
    /// Answers per second under overload that took no more than twice the unloaded p99.
    goodput_per_second: f64,
    /// Microseconds of those that were admitted under overload.
    admitted_p50_us: f64,
    admitted_p99_us: f64,
    refused_per_second: f64,
    /// Microseconds of those that were refused; nothing where none were.
    refused_p50_us: Option<f64>,
    refused_p99_us: Option<f64>,
    /// Resident bytes before, and the most under overload.
    resident_before: u64,
    resident_most: u64,
}

/// Tokens of an answer, as the requests ask for.
const TOKENS: u32 = 64;

/// Runs both sides.
///
/// # Errors
/// When a process does not start, or answers with neither success nor a refusal.
pub(crate) fn run(args: &Overload) -> Result<Report> {
    let folder = process::fresh_folder("bench-overload")?;
    let pace = u64::from(TOKENS) * 1_000 / u64::from(args.answer_ms.get());
    ensure!(pace > 0, "an answer of {TOKENS} tokens takes less than a minute: lower --answer-ms");
    let sandbox = Process::start("sandbox", &folder, |listen| {
        let (listen, pace, bears) = (listen.to_string(), pace.to_string(), args.slots.to_string());
        process::tollgate([
            "sandbox",
            "--listen",
            &listen,
            "--tokens-per-second",
            &pace,
            "--bears",
            &bears,
        ])
    })?;
    let limited = policy::start(&folder, sandbox.address, Some(args.slots.get()))?;
    let unlimited = policy::start(&folder, sandbox.address, None)?;
    Ok(Report {
        slots: args.slots.get(),
        capacity_per_second: args.capacity(),
        times: args.times.get(),
        limited: args.side("with the limit", &limited)?,
        unlimited: args.side("without", &unlimited)?,
    })
}

impl Overload {
    fn capacity(&self) -> f64 {
        f64::from(self.slots.get()) * 1_000.0 / f64::from(self.answer_ms.get())
    }

    fn side(&self, name: &str, process: &Process) -> Result<Side> {
        let target = Target::new(process.address, "/openai/v1");
        let lasts = Duration::from_secs(self.seconds.get().into());
        let slots = self.slots.get();
        // The first requests fill pools and caches.
        Load { connections: slots, lasts: lasts / 4, per_second: None }.run(&target, 0)?;
        let unloaded = Load { connections: 1, lasts, per_second: None }.run(&target, 1)?;
        let peak = Load { connections: slots, lasts, per_second: None }.run(&target, 2)?;
        progress(format_args!("{name}: {:.0}/s at its peak", peak.served_per_second(lasts)));
        let offered = self.capacity() * f64::from(self.times.get());
        // Enough that none waits for a connection where nobody is kept for long.
        let connections = slots * self.times.get() * 2;
        let load = Load { connections, lasts, per_second: Some(offered) };
        let resident_before = process.resident_bytes()?;
        let (overloaded, resident_most) = load.run_watched(&target, process)?;
        progress(format_args!(
            "{name}: {} answers, {} refusals",
            overloaded.served.len(),
            overloaded.refused.len()
        ));
        Ok(Side::new(
            &unloaded,
            &peak,
            &overloaded,
            (offered, lasts),
            (resident_before, resident_most),
        ))
    }
}

impl Side {
    fn new(
        unloaded: &Answers,
        peak: &Answers,
        overloaded: &Answers,
        (offered_per_second, lasts): (f64, Duration),
        (resident_before, resident_most): (u64, u64),
    ) -> Self {
        let at = |nanos: &hdrhistogram::Histogram<u64>, quantile| {
            nanos.value_at_quantile(quantile) as f64 / 1_000.0
        };
        let in_time = 2 * unloaded.served.value_at_quantile(0.99);
        let good = overloaded.served.count_between(0, in_time);
        let refused =
            |quantile| (!overloaded.refused.is_empty()).then(|| at(&overloaded.refused, quantile));
        Self {
            unloaded_p50_us: at(&unloaded.served, 0.5),
            unloaded_p99_us: at(&unloaded.served, 0.99),
            peak_per_second: peak.served_per_second(lasts),
            offered_per_second,
            goodput_per_second: good as f64 / lasts.as_secs_f64(),
            admitted_p50_us: at(&overloaded.served, 0.5),
            admitted_p99_us: at(&overloaded.served, 0.99),
            refused_per_second: overloaded.refused.len() as f64 / lasts.as_secs_f64(),
            refused_p50_us: refused(0.5),
            refused_p99_us: refused(0.99),
            resident_before,
            resident_most,
        }
    }
}
