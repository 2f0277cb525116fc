//! `cargo xtask test`: everything that can fail, in one command.

use anyhow::Result;
use clap::Args;

use crate::{python, report, run, system, valkey};

/// What to test.
#[derive(Args)]
pub(crate) struct Test {
    /// Try far more cases of every property, and of kills, losses of power, failing disks and damage.
    #[arg(long)]
    long: bool,
}

/// Cases of each property in a long run; a usual one tries proptest's 256.
const LONG_CASES: &str = "4096";

/// Installs what is missing, then runs the Rust tests, the schedules that shuttle tries, the
/// documentation's examples and the Python suites.
///
/// # Errors
/// At the first part that fails.
pub(crate) fn run(args: &Test) -> Result<()> {
    system::prepare()?;
    python::prepare()?;
    valkey::prepare()?;

    // The tests of the processes need the binary, so this builds it for the SDKs as well.
    report::step("Rust tests");
    let nextest = run::succeeds(&mut run::cargo(["nextest", "--version"]));
    let tests: &[&str] = if nextest {
        &["nextest", "run", "--workspace", "--locked", "--no-fail-fast"]
    } else {
        &["test", "--workspace", "--locked", "--lib", "--bins", "--tests", "--no-fail-fast"]
    };
    let mut tests = run::cargo(tests);
    if args.long {
        tests.env("PROPTEST_CASES", LONG_CASES).env("TOLLGATE_LONG", "1");
    }
    run::run(&mut tests)?;

    report::step("schedules of admission and wake-up");
    let schedules = ["--package", "tollgate", "--features", "shuttle", "--test", "schedules"];
    let build = ["test", "--locked", "--quiet"];
    run::run(&mut run::cargo(build.iter().chain(&schedules)))?;

    report::step("examples in the documentation");
    run::run(&mut run::cargo(["test", "--workspace", "--locked", "--doc", "--quiet"]))?;

    report::step("Python SDKs against a running tollgate");
    python::test_sdks()?;

    report::step("pages in a real browser");
    python::test_pages()
}
