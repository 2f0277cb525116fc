//! The waiting room: what it costs who does not wait, what each costs who does, whether
//! anybody is lost, and what fairness does for those who ask for little.
//!
//! The other side is tokio's semaphore, which keeps slots and an order and nothing else; and
//! for fairness, first come, first served.

mod cancelled;
mod crowd;
mod drain;
mod fairness;
mod http;
mod sides;
mod table;
mod uncontended;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::table::progress;

/// How many wait, and what traffic is played.
#[derive(Args)]
pub(crate) struct Waiting {
    /// Requests that wait in the gateway at once, each on a connection of its own.
    #[arg(long, default_value = "4000", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    waiters: u32,
    /// The folder of recorded traffic.
    #[arg(long, default_value = "../shared/data")]
    data: PathBuf,
}

/// All numbers of the benchmark.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    uncontended: uncontended::Uncontended,
    crowd: crowd::Crowd,
    cancelled: cancelled::Cancelled,
    fairness: fairness::Fairness,
    http: http::Http,
}

/// Runs every part.
///
/// # Errors
/// When somebody who must wait does not, or a process of the benchmark does not run.
pub(crate) fn run(args: &Waiting) -> Result<Report> {
    // Memory first: later parts would find what earlier ones left.
    progress(format_args!("{} wait for one permit", crowd::WAITERS));
    let crowd = crowd::measure()?;
    progress("half of them go away");
    let cancelled = cancelled::measure()?;
    progress("nobody waits");
    let uncontended = uncontended::measure()?;
    progress("an hour of recorded clients");
    let fairness = fairness::measure(&args.data)?;
    progress(format_args!("{} wait in the gateway", args.waiters));
    let http = http::measure(args.waiters)?;
    Ok(Report { uncontended, crowd, cancelled, fairness, http })
}
