//! The command line: names, options and exit status.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{commands, output};

/// Admission and spend control for AI traffic.
#[derive(Parser)]
#[command(name = "tollgate", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Alerts(commands::alerts::AlertsArgs),
    Cache(commands::cache::CacheArgs),
    #[command(visible_alias = "validate")]
    Check(commands::check::CheckArgs),
    Circuits(Box<commands::circuits::CircuitsArgs>),
    Emergency(Box<commands::emergency::EmergencyArgs>),
    Explain(Box<commands::explain::ExplainArgs>),
    Export(commands::export::ExportArgs),
    Keys(commands::keys::KeysArgs),
    Load(Box<commands::load::LoadArgs>),
    Monitor(commands::monitor::MonitorArgs),
    Overrides(commands::overrides::OverridesArgs),
    Plan(commands::plan::PlanArgs),
    Replay(Box<commands::replay::ReplayArgs>),
    Sandbox(commands::sandbox::SandboxArgs),
    Serve(commands::serve::ServeArgs),
    Simulate(Box<commands::simulate::SimulateArgs>),
    Stats(Box<commands::stats::StatsArgs>),
    Status(commands::status::StatusArgs),
    Tiers(commands::tiers::TiersArgs),
    Verify(commands::verify::VerifyArgs),
}

/// Runs the command that was asked for: 0 success, 1 the answer is no, 2 wrong usage.
pub(crate) fn run() -> ExitCode {
    let result = match &Cli::parse().command {
        Command::Alerts(args) => commands::alerts::run(args),
        Command::Cache(args) => commands::cache::run(args),
        Command::Check(args) => commands::check::run(args),
        Command::Circuits(args) => commands::circuits::run(args),
        Command::Emergency(args) => commands::emergency::run(args),
        Command::Explain(args) => commands::explain::run(args),
        Command::Export(args) => commands::export::run(args),
        Command::Keys(args) => commands::keys::run(args),
        Command::Load(args) => commands::load::run(args),
        Command::Monitor(args) => commands::monitor::run(args),
        Command::Overrides(args) => commands::overrides::run(args),
        Command::Plan(args) => commands::plan::run(args),
        Command::Replay(args) => commands::replay::run(args),
        Command::Sandbox(args) => commands::sandbox::run(args),
        Command::Serve(args) => commands::serve::run(args),
        Command::Simulate(args) => commands::simulate::run(args),
        Command::Stats(args) => commands::stats::run(args),
        Command::Status(args) => commands::status::run(args),
        Command::Tiers(args) => commands::tiers::run(args),
        Command::Verify(args) => commands::verify::run(args),
    };
    result.unwrap_or_else(|error| {
        output::note(format_args!("error: {error:#}"));
        ExitCode::FAILURE
    })
}
