//! `cargo xtask deny`: licences, banned crates and sources, by cargo-deny.

use anyhow::Result;

use crate::{report, run};

/// The version that `deny.toml` is written for.
const VERSION: &str = "0.20.2";

/// Checks the tree of dependencies, installing cargo-deny into the target folder first if it
/// is not there. The advisory database is left out; it must be fetched.
///
/// # Errors
/// When it cannot be installed or finds something.
pub(crate) fn run() -> Result<()> {
    let tools = run::target().join("tools");
    let deny = tools.join("bin/cargo-deny");
    let version = run::output(&mut run::command(&deny, ["--version"])).unwrap_or_default();
    if version.trim().rsplit(' ').next() != Some(VERSION) {
        report::step(format_args!("installing cargo-deny {VERSION} (a minute or two)"));
        // A debug build: it takes a quarter of the time to make and a second more to run.
        let install = ["install", "cargo-deny", "--version", VERSION, "--locked", "--debug"];
        let lean = ["--no-default-features", "--quiet", "--force", "--root"];
        run::run(
            run::cargo(install.iter().chain(&lean))
                .arg(&tools)
                .env("CARGO_PROFILE_DEV_DEBUG", "false"),
        )?;
    }
    let check = ["check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
    run::run(&mut run::command(&deny, check))
}
