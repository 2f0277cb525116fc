//! `cargo xtask fuzz`: every fuzz target for a while. Not part of the CI: it never ends by
//! itself with an answer, it only finds or does not find.

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{report, run};

/// What to fuzz, for how long.
#[derive(Args)]
pub(crate) struct Fuzz {
    /// Seconds for each target.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Only this target.
    #[arg(long)]
    target: Option<String>,
}

/// Runs the targets one after another.
///
/// # Errors
/// When the nightly toolchain is missing, cargo-fuzz cannot be installed, or a target crashes.
pub(crate) fn run(args: &Fuzz) -> Result<()> {
    if !run::succeeds(&mut run::command("cargo", ["+nightly", "--version"])) {
        bail!("fuzzing needs the nightly toolchain: rustup toolchain install nightly");
    }
    if !run::succeeds(&mut run::command("cargo", ["fuzz", "--version"])) {
        report::step("installing cargo-fuzz");
        run::run(&mut run::cargo(["install", "cargo-fuzz", "--locked", "--quiet"]))?;
    }
    let all = targets()?;
    let chosen: Vec<&String> =
        all.iter().filter(|t| args.target.as_ref().is_none_or(|wanted| wanted == *t)).collect();
    if chosen.is_empty() {
        bail!("no such fuzz target; there are: {}", all.join(", "));
    }
    let time = format!("-max_total_time={}", args.seconds);
    for target in chosen {
        report::step(format_args!("fuzzing {target} for {} s", args.seconds));
        let fuzz = ["+nightly", "fuzz", "run", target, "--", &time, "-print_final_stats=1"];
        run::run(&mut run::command("cargo", fuzz))?;
    }
    Ok(())
}

/// The targets that `fuzz/Cargo.toml` names.
fn targets() -> Result<Vec<String>> {
    let path = run::root().join("fuzz/Cargo.toml");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let manifest: toml::Table =
        text.parse().with_context(|| format!("cannot parse {}", path.display()))?;
    let bins = manifest.get("bin").and_then(|bins| bins.as_array()).into_iter().flatten();
    Ok(bins.filter_map(|bin| Some(bin.get("name")?.as_str()?.to_owned())).collect())
}
