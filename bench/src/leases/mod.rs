//! Many nodes before one store, in virtual time: what leases of hot accounts cost and spare.
//!
//! The nodes, their leases and the accounts are those of `tollgate_core::lease`; the network and
//! the users are simulated. Every decision asks three hot accounts that all nodes share, which are
//! leased, and the accounts of one user, which are decided in Redis.

mod accounts;
mod node;
mod page;
mod servers;
mod table;
mod world;

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use crate::table::progress;

/// What is simulated.
#[derive(Args, Clone, Debug, Serialize)]
pub(crate) struct Leases {
    /// Numbers of nodes.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 100, 1_000])]
    nodes: Vec<u32>,
    /// Users, who ask by Zipf's law.
    #[arg(long, default_value_t = 10_000_000)]
    users: u64,
    /// The exponent of that law.
    #[arg(long, default_value_t = 0.8)]
    zipf: f64,
    /// Decisions of one node in a second.
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// Seconds that count; three more go before, in which the tight limit fills up.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// What the tightest of the hot limits allows of what is asked for, in percent.
    #[arg(long, default_value_t = 70)]
    tight: u32,
    /// A call's way to Redis and back, in microseconds.
    #[arg(long, default_value_t = 500)]
    round_trip: u64,
    /// Script calls that one Redis answers in a second, as `bench redis` measures it.
    #[arg(long, default_value_t = 40_000)]
    redis_calls: u64,
    /// Where that number is from, for the report.
    #[arg(long, default_value = "an assumption: measure it by `cargo xtask bench redis`")]
    source: String,
    /// The seed of all chances.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Also write a page with plots.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// All that was simulated.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    settings: Leases,
    rows: Vec<Row>,
}

/// One number of nodes. Calls are those that reserve and settle, both.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Row {
    nodes: u32,
    decisions_per_second: f64,
    refused_percent: f64,
    /// The same if all was decided exactly and without delay.
    exactly_refused_percent: f64,
    /// What of it is refused beyond that.
    falsely_refused_percent: f64,
    /// Of the tightest limit: what nodes have leased and do not use, on average.
    unused_percent: f64,
    /// Admitted beyond what was truly left.
    admitted_beyond: u64,
    /// Of all decisions: had to wait for a call that leases more.
    waited_percent: f64,
    lease_calls_per_second: f64,
    lease_calls_per_decision: f64,
    /// Of all decisions: the user is so busy on one node that the own accounts are hot too.
    hot_user_percent: f64,
    /// Calls of Redis for one decision, by what the users' and the hot accounts are decided.
    calls_exact: f64,
    calls_exact_cluster: f64,
    calls_leased: f64,
    /// What the busiest server is asked, in parts of what one can answer.
    load_exact: f64,
    load_exact_cluster: f64,
    load_leased: f64,
    load_hot_only: f64,
    /// Servers that bear it with leases; where all is exact, no number of them may do.
    servers_exact: Option<u32>,
    servers_leased: Option<u32>,
}

/// Simulates every number of nodes.
///
/// # Errors
/// When the page can't be written.
pub(crate) fn run(settings: &Leases) -> Result<Report> {
    let mut rows = Vec::new();
    for nodes in &settings.nodes {
        progress(format_args!("{nodes} nodes"));
        let seen = world::World::play(settings, *nodes);
        rows.push(servers::row(settings, *nodes, &seen));
    }
    let report = Report { settings: settings.clone(), rows };
    if let Some(path) = &settings.html {
        let written = fs::write(path, page::page(&report));
        written.with_context(|| format!("can't write the page to {}", path.display()))?;
    }
    Ok(report)
}

impl Leases {
    const fn length(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}
