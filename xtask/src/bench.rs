//! `cargo xtask bench NAME`: builds the benchmarks for release and runs one.

use anyhow::Result;
use clap::Args;

use crate::{report, run};

/// Which benchmark, with what arguments.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Bench {
    /// The benchmark's name and its own arguments; `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// Runs it. The gateway's benchmark measures the released binary, so that is built too.
///
/// # Errors
/// When it does not build or fails.
pub(crate) fn run(args: &Bench) -> Result<()> {
    report::step("building for release");
    let build = ["build", "--release", "--locked", "--quiet"];
    let packages = ["--package", "tollgate-bench", "--package", "tollgate-server"];
    run::run(&mut run::cargo(build.iter().chain(&packages)))?;
    run::run(&mut run::command(run::target().join("release/tollgate-bench"), &args.args))
}
