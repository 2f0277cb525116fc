//! The project's own tooling, as `cargo xtask COMMAND`.
//!
//! Everything that a contributor or the CI runs is here, in code that is itself linted and
//! tested, so that a fresh machine needs a Rust toolchain and nothing else.

mod bench;
mod deny;
mod fuzz;
mod prices;
mod python;
mod report;
mod run;
mod system;
mod test;
mod tidy;
mod trace;
mod valkey;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own tooling", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what the tests need, then run every test: Rust, documentation, SDKs, pages.
    Test(test::Test),
    /// Check the repository's own rules.
    Tidy,
    /// Check licences, banned crates and sources of all dependencies.
    Deny,
    /// Run a benchmark, built for release.
    Bench(bench::Bench),
    /// Play recorded traffic through a gateway and check its ledger.
    Trace(trace::Trace),
    /// Run every fuzz target for a while, with the nightly toolchain.
    Fuzz(fuzz::Fuzz),
    /// Rebuild the price table from its source.
    Prices(prices::Prices),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Test(args) => test::run(&args),
        Command::Tidy => tidy::run(),
        Command::Deny => deny::run(),
        Command::Bench(args) => bench::run(&args),
        Command::Trace(args) => trace::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Prices(args) => prices::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::failure(&error);
            ExitCode::FAILURE
        }
    }
}
