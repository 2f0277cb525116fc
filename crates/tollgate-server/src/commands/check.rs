//! `tollgate check`: is this policy good, and what does it come to?

use std::{
    io::{IsTerminal as _, stderr},
    process::ExitCode,
};

use anyhow::Context as _;
use serde_json::json;
use tollgate_core::{
    Attributes,
    policy::{Config, PolicyError, json_schema},
};

use crate::{
    config::{self, Locations, PolicyArgs},
    output,
};

/// Checks a policy, and prints it as it holds after every overlay.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Print the JSON Schema of policy files, and check nothing.
    #[arg(long)]
    schema: bool,
}

/// Checks: success is a good policy, failure a bad one.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    if args.schema {
        output::line(serde_json::to_string_pretty(&json_schema()).context("writing the schema")?);
        return Ok(ExitCode::SUCCESS);
    }
    let loaded = config::load(&Locations::of_process(&args.policy));
    match (&loaded, args.json) {
        (Ok(config), true) => output::line(as_json(config)),
        (Ok(config), false) => good(config),
        (Err(errors), true) => output::line(json!({ "good": false, "errors": errors })),
        (Err(errors), false) => bad(errors),
    }
    Ok(if loaded.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn as_json(config: &Config) -> serde_json::Value {
    json!({
        "good": true,
        "profile": config.profile,
        "limits": config.policy.limits().iter().map(|limit| json!({
            "name": limit.name,
            "per": limit.per.iter().map(tollgate_core::Attribute::name).collect::<Vec<_>>(),
            "allows": limit.describe(&Attributes::new()),
            "shadow": limit.shadow,
            "soft": limit.warn.soft,
        })).collect::<Vec<_>>(),
        "warnings": config.warnings,
        "effective": config.to_toml(),
    })
}

fn good(config: &Config) {
    output::line(config.to_toml());
    if !config.warnings.is_empty() {
        output::note(config::rendered(&config.warnings, colors()));
    }
    output::note(format_args!("{}", Summary(config)));
}

fn bad(errors: &[PolicyError]) {
    output::note(config::rendered(errors, colors()));
    let count = errors.len();
    output::note(format_args!("policy is bad: {count} {}", plural(count, "error")));
}

/// `policy is good: 7 limits, 1 provider, profile production`.
struct Summary<'a>(&'a Config);

impl std::fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(config) = self;
        let limits = config.policy.limits().len();
        let providers = config.settings.providers.len();
        write!(f, "policy is good: {limits} {}", plural(limits, "limit"))?;
        write!(f, ", {providers} {}", plural(providers, "provider"))?;
        match &config.profile {
            Some(profile) => write!(f, ", profile {profile}"),
            None => Ok(()),
        }
    }
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

fn colors() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stderr().is_terminal() && !unwanted
}
