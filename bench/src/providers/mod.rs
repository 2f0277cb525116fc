//! What the gateway makes of providers that enforce limits, fail, or become slow, on real
//! sockets: each beside a gateway that does nothing about it, at the same time and under the
//! same load.
//!
//! Providers are `tollgate sandbox`, each gateway a process of its own. What reaches a
//! provider is counted on the way to it ([`witness`]), what callers get is counted by them.

mod bearing;
mod circuit;
mod limits;
mod load;
mod outage;
mod policy;
mod table;
mod witness;

use std::{num::NonZeroU32, time::Duration};

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::Serialize;

use self::{bearing::Bearing, limits::Limits, load::Got, outage::Outage};
use crate::gateway::process;

/// What to measure, for how long.
#[derive(Args)]
pub(crate) struct Providers {
    /// Only this part.
    #[arg(long)]
    only: Option<Part>,
    /// Seconds of the load of the parts but the outage.
    #[arg(long, default_value = "40")]
    seconds: NonZeroU32,
    /// How many requests a minute the provider takes that enforces limits.
    #[arg(long, default_value = "6000")]
    per_minute: NonZeroU32,
    /// In how many seconds it counts them.
    #[arg(long, default_value = "5")]
    window: NonZeroU32,
    /// How many seconds the other one fails.
    #[arg(long, default_value = "20")]
    outage: NonZeroU32,
    /// How many seconds its circuit is open before it is probed.
    #[arg(long, default_value = "6")]
    recovery: NonZeroU32,
    /// How many seconds callers wait.
    #[arg(long, default_value = "5")]
    patience: u32,
}

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Limits that are enforced and announced.
    Limits,
    /// A provider that fails for a while.
    Outage,
    /// A provider that becomes slow when it has too many requests at once.
    Concurrency,
}

/// All numbers of the benchmark.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    limits: Vec<Limits>,
    outage: Option<Outage>,
    concurrency: Option<Bearing>,
}

/// How long answers took.
#[derive(Debug, Clone, Copy, Serialize)]
struct Latency {
    p50_ms: f64,
    p99_ms: f64,
}

/// Runs all parts, one after the other.
///
/// # Errors
/// When a process does not start.
pub(crate) fn run(args: &Providers) -> Result<Report> {
    let folder = process::fresh_folder("bench-providers")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let is_wanted = |part| args.only.is_none_or(|only| only == part);
    let limits = is_wanted(Part::Limits).then(|| limits::measure(args, &folder, &runtime));
    let outage = is_wanted(Part::Outage).then(|| outage::measure(args, &folder, &runtime));
    let concurrency =
        is_wanted(Part::Concurrency).then(|| bearing::measure(args, &folder, &runtime));
    Ok(Report {
        limits: limits.transpose()?.unwrap_or_default(),
        outage: outage.transpose()?,
        concurrency: concurrency.transpose()?,
    })
}

impl Latency {
    fn of(took: impl Iterator<Item = Duration>) -> Self {
        let mut millis: Vec<f64> = took.map(|took| took.as_secs_f64() * 1_000.0).collect();
        millis.sort_by(f64::total_cmp);
        let at = |hundredths: usize| {
            let place = (millis.len() * hundredths / 100).min(millis.len().saturating_sub(1));
            millis.get(place).copied().unwrap_or_default()
        };
        Self { p50_ms: at(50), p99_ms: at(99) }
    }
}

impl Got {
    /// What it got and why, as people read it.
    fn in_words(&self) -> String {
        let status = match (self.status, self.whole) {
            (0, _) => "no answer".to_owned(),
            (status, true) => status.to_string(),
            (status, false) => format!("{status}, cut"),
        };
        let by = match (&self.served_by, self.refused) {
            (Some(model), _) => format!(" from {model}"),
            (None, true) => " from the gateway".to_owned(),
            (None, false) => String::new(),
        };
        let why = self.attempts.as_ref().map(|why| format!(" since {why}")).unwrap_or_default();
        format!("{status}{by}{why}")
    }
}
