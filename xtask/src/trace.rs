//! `cargo xtask trace`: plays a whole trace through a released gateway, with and without a
//! kill in the middle, and holds the ledger to its promises.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use crate::{report, run};

/// Which trace, and how.
#[derive(Args)]
pub(crate) struct Trace {
    /// Rows of `TIMESTAMP,ContextTokens,GeneratedTokens`; without it the Azure conversation
    /// trace where it is at hand, else one that is made from its statistics.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

/// Where the real trace is on machines that have it, seen from the workspace's root.
const AZURE: &str = "../shared/data/azure2023_conv.csv";

/// Runs both.
///
/// # Errors
/// When the gateway does not build or a promise is not kept.
pub(crate) fn run(args: &Trace) -> Result<()> {
    report::step("building for release");
    run::run(&mut run::cargo(["build", "--release", "--locked", "--package", "tollgate-server"]))?;
    let azure = run::root().join(AZURE);
    let trace = args.trace.clone().or_else(|| azure.exists().then_some(azure));
    for kill in [false, true] {
        report::step(if kill { "playing it, with a kill -9 in the middle" } else { "playing it" });
        play(trace.as_deref(), kill)?;
    }
    Ok(())
}

fn play(trace: Option<&Path>, kill: bool) -> Result<()> {
    let mut command = run::command("python3", ["tests/trace/run.py", "--tollgate"]);
    command.arg(run::target().join("release/tollgate"));
    if let Some(trace) = trace {
        command.arg("--trace").arg(trace);
    }
    if kill {
        command.arg("--kill");
    }
    run::run(&mut command)
}
