//! Benchmarks, each with both sides in one run: `cargo xtask bench NAME`.
//!
//! They print what was measured beside what is wanted. Nothing passes or fails here: a
//! number depends on the machine, so none is a test.

mod budget;
mod decide;
mod gateway;
mod leases;
mod overload;
mod providers;
mod redis;
mod resident;
mod stopwatch;
mod table;
mod waiting;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The allocator of the `tollgate` binary, so that both are measured alike.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "cargo xtask bench", about = "Benchmarks, each with both sides in one run")]
struct Cli {
    #[command(subcommand)]
    bench: Bench,
    /// Print one JSON object instead of a table.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Bench {
    /// A budget under recorded traffic, against holding the worst case and charging after.
    Budget(budget::Budget),
    /// Decisions in memory, against the governor crate.
    Decide,
    /// The gateway, against a bare hyper proxy before the same sandbox.
    Gateway(gateway::Gateway),
    /// What the ledger costs, against the gateway that keeps accounts in memory.
    Ledger(gateway::beside::Beside),
    /// Leases of hot accounts among many nodes, simulated in virtual time.
    Leases(leases::Leases),
    /// Ten times as many requests as can be served, against a gateway without a limit.
    Overload(overload::Overload),
    /// Providers that enforce limits, fail or become slow, against a gateway that does nothing
    /// about it.
    Providers(providers::Providers),
    /// Decisions in Redis and by leases, against an empty script and a plain write.
    Redis(redis::Redis),
    /// What monitoring and alerts cost, against the gateway that nobody watches.
    Watched(gateway::beside::Beside),
    /// The waiting room, against tokio's semaphore and first come, first served.
    Waiting(waiting::Waiting),
    /// The bare proxy itself, which `gateway` starts.
    #[command(hide = true)]
    PassThrough(gateway::proxy::PassThrough),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            table::failure(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    match &cli.bench {
        Bench::Budget(args) => table::print(&budget::run(args)?, cli.json),
        Bench::Decide => table::print(&decide::run(), cli.json),
        Bench::Gateway(args) => table::print(&gateway::run(args)?, cli.json),
        Bench::Ledger(args) => table::print(&gateway::ledger::run(args)?, cli.json),
        Bench::Leases(args) => table::print(&leases::run(args)?, cli.json),
        Bench::Overload(args) => table::print(&overload::run(args)?, cli.json),
        Bench::Providers(args) => table::print(&providers::run(args)?, cli.json),
        Bench::Redis(args) => table::print(&redis::run(args)?, cli.json),
        Bench::Watched(args) => table::print(&gateway::watched::run(args)?, cli.json),
        Bench::Waiting(args) => table::print(&waiting::run(args)?, cli.json),
        Bench::PassThrough(args) => match gateway::proxy::run(args)? {},
    }
}
